//! What becomes of a directory.

use annuaire::{ExtractionError, Rejection};
use store::AnnuaireId;

use super::Report;

/// Whether somebody vouches for a suspicious directory.
pub(crate) use crate::serve::trust::Acknowledgement;

/// What became of a file.
#[derive(Debug)]
pub(crate) struct Done {
    /// What became of the directory in it.
    pub(crate) outcome: Outcome,
    /// Every line that was passed over.
    pub(crate) rejections: Vec<Rejection>,
}

/// What became of a directory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// In force from now on.
    InForce {
        /// Its number.
        version: AnnuaireId,
        /// What the import did.
        report: Box<Report>,
        /// The suspicion that somebody set aside.
        acknowledged: Option<String>,
    },
    /// It waits for an acknowledgement; the one in force stays.
    Pending {
        /// Its number.
        version: AnnuaireId,
        /// What the import did.
        report: Box<Report>,
        /// Why.
        why: String,
    },
    /// It is the one in force.
    Confirmed(AnnuaireId),
    /// Nothing was changed, as was asked for.
    Tried {
        /// What the import would have done.
        report: Box<Report>,
        /// Why it would have had to wait.
        why: Option<String>,
    },
    /// Not taken.
    Refused(Reason, String),
}

/// Why a directory was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Not to be read.
    Unreadable,
    /// Not the ZIP that it seems to be.
    Zip,
    /// Its first line is that of no extraction.
    Header,
    /// It ends in the middle.
    Torn,
    /// Too many of its lines are of no use.
    Rejected,
    /// Longer than any extraction.
    TooLong,
    /// No line in it.
    Empty,
    /// Older than the one in force.
    Older,
    /// Generated after now.
    Future,
    /// Activities without a directory that they could complete.
    NothingToComplete,
}

impl Reason {
    /// All of them, for metrics.
    pub(super) const ALL: [Self; 10] = [
        Self::Unreadable,
        Self::Zip,
        Self::Header,
        Self::Torn,
        Self::Rejected,
        Self::TooLong,
        Self::Empty,
        Self::Older,
        Self::Future,
        Self::NothingToComplete,
    ];

    /// The word in metrics, logs and traces.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Zip => "zip",
            Self::Header => "header",
            Self::Torn => "torn",
            Self::Rejected => "rejected",
            Self::TooLong => "too-long",
            Self::Empty => "empty",
            Self::Older => "older",
            Self::Future => "future",
            Self::NothingToComplete => "nothing-to-complete",
        }
    }
}

impl From<&ExtractionError> for Reason {
    fn from(error: &ExtractionError) -> Self {
        match error {
            ExtractionError::Io(_) => Self::Unreadable,
            ExtractionError::Zip(_) => Self::Zip,
            ExtractionError::Header(_) => Self::Header,
            ExtractionError::Torn { .. } => Self::Torn,
            ExtractionError::Rejected { .. } => Self::Rejected,
            ExtractionError::TooLong(_) => Self::TooLong,
            ExtractionError::Empty => Self::Empty,
        }
    }
}
