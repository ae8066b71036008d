//! What becomes of a list.

use store::{ListCounts, ListId};
use trust::TrustListError;

/// Whether somebody vouches for a suspicious list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// Nobody.
    None,
    /// This person.
    By(String),
}

/// What became of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In force from now on.
    InForce {
        /// Its number.
        version: ListId,
        /// What it changed.
        counts: ListCounts,
        /// The suspicion that somebody set aside.
        acknowledged: Option<String>,
    },
    /// It waits for an acknowledgement; the one in force stays.
    Pending {
        /// Its number.
        version: ListId,
        /// Why.
        why: String,
    },
    /// It is the one in force.
    Confirmed(ListId),
    /// Not taken.
    Refused(Reason, String),
}

/// Why a list was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Not the XML that it should be, or too long.
    Format,
    /// Not signed as it must be.
    Signature,
    /// No domain in it.
    Empty,
    /// Older than the one in force.
    Older,
    /// Generated after now.
    Future,
    /// The signer's certificate is revoked.
    SignerRevoked,
    /// Nobody can say whether it is.
    SignerUnknown,
}

impl Reason {
    /// All of them, for metrics.
    pub(super) const ALL: [Self; 7] = [
        Self::Format,
        Self::Signature,
        Self::Empty,
        Self::Older,
        Self::Future,
        Self::SignerRevoked,
        Self::SignerUnknown,
    ];

    /// The word in metrics, logs and traces.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Signature => "signature",
            Self::Empty => "empty",
            Self::Older => "older",
            Self::Future => "future",
            Self::SignerRevoked => "signer-revoked",
            Self::SignerUnknown => "signer-unknown",
        }
    }

    pub(super) fn of(error: &TrustListError) -> Self {
        match error {
            TrustListError::Format(_) => Self::Format,
            TrustListError::Signature(_) => Self::Signature,
            TrustListError::Empty => Self::Empty,
            TrustListError::Older { .. } => Self::Older,
            TrustListError::FromTheFuture(_) => Self::Future,
        }
    }
}
