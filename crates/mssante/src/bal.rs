//! The kinds and states of a BAL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The number of a BAL in the store. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BalId(pub i64);

impl fmt::Display for BalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A word that is not in a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{word}' is not one of {expected}")]
pub struct UnknownWord {
    /// What was written.
    pub word: String,
    /// What could have been written.
    pub expected: &'static str,
}

/// The four kinds of BAL, by terminology TRE_R257-TypeBAL. `[MSS1 BAL.KINDS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BalKind {
    /// One professional's own.
    #[serde(rename = "PER")]
    Nominative,
    /// A team's or a service's.
    #[serde(rename = "ORG")]
    Organisational,
    /// A piece of software's, under a structure's responsibility.
    #[serde(rename = "APP")]
    Applicative,
    /// Shared by a liberal practice.
    #[serde(rename = "CAB")]
    Cabinet,
}

impl BalKind {
    /// All kinds, in the order of the terminology.
    pub const ALL: [Self; 4] = [Self::Nominative, Self::Organisational, Self::Applicative, Self::Cabinet];

    /// The official three-letter code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Nominative => "PER",
            Self::Organisational => "ORG",
            Self::Applicative => "APP",
            Self::Cabinet => "CAB",
        }
    }
}

impl fmt::Display for BalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for BalKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.code().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "PER, ORG, APP, CAB" })
    }
}

/// Where a BAL is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BalState {
    /// Made, and never opened by anybody: takes mail.
    Created,
    /// In use.
    Active,
    /// Set aside by an administrator: takes no mail for now, nobody logs in, nothing is lost.
    Suspended,
    /// Ended: takes no mail, nobody logs in, its content waits for its retention to pass.
    Closed,
}

impl BalState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Created, Self::Active, Self::Suspended, Self::Closed];

    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for BalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for BalState {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "created, active, suspended, closed" })
    }
}

/// Whether a BAL shows in directories. It takes and sends mail all the same, and nobody can tell from our answers.
/// `[MSS1 ANN.UNLISTED]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listing {
    /// It shows.
    #[default]
    Listed,
    /// Liste rouge: it does not.
    Unlisted,
}

impl Listing {
    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Unlisted => "unlisted",
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Listing {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Listed, Self::Unlisted]
            .into_iter()
            .find(|listing| listing.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "listed, unlisted" })
    }
}

/// Whether people may write to a BAL, or it only sends: a noreply box. `[MSS1 APP.NOREPLY]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replies {
    /// They may.
    #[default]
    Accept,
    /// It takes reports (`<>`) and nothing else.
    Refuse,
}

impl Replies {
    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Replies {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Accept, Self::Refuse]
            .into_iter()
            .find(|replies| replies.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "accept, refuse" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_read_back_from_their_words() {
        for listing in [Listing::Listed, Listing::Unlisted] {
            assert_eq!(listing.word().parse::<Listing>(), Ok(listing));
        }
        assert!("red".parse::<Listing>().is_err());
    }

    #[test]
    fn replies_read_back_from_their_words() {
        for replies in [Replies::Accept, Replies::Refuse] {
            assert_eq!(replies.word().parse::<Replies>(), Ok(replies));
        }
        assert!("no".parse::<Replies>().is_err());
    }

    #[test]
    fn kinds_read_back_from_their_codes() {
        for kind in BalKind::ALL {
            assert_eq!(kind.code().parse::<BalKind>(), Ok(kind));
        }
        assert!("XXX".parse::<BalKind>().is_err());
    }

    #[test]
    fn states_read_back_from_their_words() {
        for state in BalState::ALL {
            assert_eq!(state.word().parse::<BalState>(), Ok(state));
        }
    }
}
