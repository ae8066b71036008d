//! People who open BALs of others without having one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::UnknownWord;

/// Most characters of a login.
const LONGEST: usize = 64;

/// The name under which a person logs in: small letters, digits, and `.`, `-`, `_` inside. It has no `@`, so that no
/// address is ever taken for one, and no `*`, which divides it from the BAL in `login*bal@domain`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Login(String);

/// Why a text is no login.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no login: it has 2 to 64 letters without accents, digits, '.', '-' or '_', and begins and ends with a \
     letter or a digit"
)]
pub struct LoginError(String);

impl Login {
    /// Reads a login in any case.
    pub fn parse(text: &str) -> Result<Self, LoginError> {
        let inside = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
        let octets = text.as_bytes();
        let fits = (2..=LONGEST).contains(&octets.len())
            && octets.iter().all(|octet| inside(*octet))
            && [octets.first(), octets.last()].into_iter().flatten().all(u8::is_ascii_alphanumeric);
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(LoginError(text.to_owned())) }
    }

    /// The login in small letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Login {
    type Error = LoginError;

    fn try_from(text: String) -> Result<Self, LoginError> {
        Self::parse(&text)
    }
}

impl From<Login> for String {
    fn from(login: Login) -> Self {
        login.0
    }
}

/// Whether a person may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonState {
    /// He may, on the BALs that are delegated to him.
    Active,
    /// He may not, whatever is delegated to him.
    Suspended,
}

impl PersonState {
    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl fmt::Display for PersonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for PersonState {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "active, suspended" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_never_an_address_and_never_names_a_bal() {
        assert_eq!(Login::parse("S.Martin-2").unwrap().as_str(), "s.martin-2");
        for text in ["", "a", "a@b.fr", "a*b", "a b", "é.martin", ".martin", "martin-", "a\0b", &"x".repeat(65)] {
            assert!(Login::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn states_read_back_from_their_words() {
        for state in [PersonState::Active, PersonState::Suspended] {
            assert_eq!(state.word().parse::<PersonState>(), Ok(state));
        }
    }
}
