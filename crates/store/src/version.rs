//! What the versions of the white list and of the directory have in common: their life.

use crate::StoreError;

/// Where a version is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// The one that decides.
    InForce,
    /// It waits for an acknowledgement.
    Pending,
    /// It was in force before.
    Superseded,
    /// It waited and never came into force.
    Withdrawn,
}

impl VersionState {
    /// The word in the database, in JSON and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::Pending => "pending",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn of_word(table: &'static str, word: &str) -> Result<Self, StoreError> {
        [Self::InForce, Self::Pending, Self::Superseded, Self::Withdrawn]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| StoreError::inconsistent(table, format_args!("state '{word}'")))
    }
}

/// What becomes of a version that was weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placing {
    /// It comes into force.
    InForce,
    /// It comes into force because somebody says so.
    Acknowledged {
        /// Who.
        by: String,
        /// Why it would have had to wait.
        why: String,
    },
    /// It waits.
    Pending {
        /// Why.
        why: String,
    },
}

impl Placing {
    /// Where the version is then.
    pub(crate) fn state(&self) -> VersionState {
        match self {
            Self::InForce | Self::Acknowledged { .. } => VersionState::InForce,
            Self::Pending { .. } => VersionState::Pending,
        }
    }

    /// What is suspicious about it.
    pub(crate) fn why(&self) -> Option<&str> {
        match self {
            Self::InForce => None,
            Self::Acknowledged { why, .. } | Self::Pending { why } => Some(why),
        }
    }

    /// Who says that it is right all the same.
    pub(crate) fn acknowledged_by(&self) -> Option<&str> {
        match self {
            Self::Acknowledged { by, .. } => Some(by),
            Self::InForce | Self::Pending { .. } => None,
        }
    }
}

/// Whether a version was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded<Id> {
    /// Under this number.
    As(Id),
    /// No: another version came into force since this one was weighed. Weigh it again.
    Overtaken,
}
