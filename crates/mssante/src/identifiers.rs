//! National identifiers of people and structures.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentifierError {
    /// Not the number and kind of characters that the identifier has.
    #[error("{0}")]
    Shape(&'static str),
    /// The check digit does not fit.
    #[error("the key of {0} is wrong: a digit is missing or mistyped")]
    Key(String),
}

/// Whether the digits of `text` satisfy the Luhn formula; the letters A and B of
/// Corsica count as 1 and 2.
pub fn luhn(text: &str) -> bool {
    let digit = |c: char| match c {
        'A' => Some(1),
        'B' => Some(2),
        _ => c.to_digit(10),
    };
    let mut sum = 0;
    for (place, c) in text.chars().rev().enumerate() {
        let Some(value) = digit(c) else { return false };
        sum += if place % 2 == 0 { value } else { value * 2 / 10 + value * 2 % 10 };
    }
    !text.is_empty() && sum % 10 == 0
}

/// The national number of a professional: 11 digits. The key rule is not confirmed by a
/// public text, so only the shape is demanded; see [`Rpps::has_valid_key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rpps(String);

impl Rpps {
    /// Whether the eleven digits satisfy the Luhn formula.
    pub fn has_valid_key(&self) -> bool {
        luhn(&self.0)
    }

    /// The identifier as it stands in tokens and cards: `8` and the number.
    pub fn id_nat(&self) -> String {
        format!("8{}", self.0)
    }
}

impl FromStr for Rpps {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let shaped = text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit());
        shaped.then(|| Self(text.to_owned())).ok_or(IdentifierError::Shape("an RPPS number has 11 digits"))
    }
}

/// A professional as the national directory numbers him (`IdNat_PS`), or as a structure does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PersonId {
    /// `8` and the RPPS number.
    Rpps(Rpps),
    /// `0` and the ADELI number.
    Adeli(String),
    /// Any other scheme, as it is written: Pro Santé Connect knows such numbers, and structures have registers of their own.
    Other(String),
}

impl FromStr for PersonId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "a person is written 8 and an RPPS number, 0 and an ADELI number, or another number";
        match text.split_at_checked(1) {
            Some(("8", number)) if number.parse::<Rpps>().is_ok() => Ok(Self::Rpps(number.parse()?)),
            Some(("0", number)) if number.len() == 9 => Ok(Self::Adeli(number.to_owned())),
            Some(_) if text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self::Other(text.to_owned()))
            }
            _ => Err(IdentifierError::Shape(SHAPE)),
        }
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpps(number) => f.write_str(&number.id_nat()),
            Self::Adeli(number) => write!(f, "0{number}"),
            Self::Other(number) => f.write_str(number),
        }
    }
}

/// A structure by its national identifier, as in the OU of IGC-Santé certificates:
/// `1` and a FINESS (9 characters), or `3` and a SIRET (14 digits). `[MSS1 DN.LAYOUT]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StructureId {
    /// A health establishment.
    Finess(String),
    /// Any French establishment.
    Siret(String),
}

impl FromStr for StructureId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "a structure is written 1 and its FINESS (9 characters) or 3 and its SIRET (14 digits)";
        let (prefix, number) = text.split_at_checked(1).ok_or(IdentifierError::Shape(SHAPE))?;
        let keyed = |id: fn(String) -> Self| {
            luhn(number).then(|| id(number.to_owned())).ok_or_else(|| IdentifierError::Key(number.to_owned()))
        };
        match prefix {
            "1" if is_finess_shaped(number) => keyed(Self::Finess),
            "3" if number.len() == 14 && number.bytes().all(|b| b.is_ascii_digit()) => keyed(Self::Siret),
            _ => Err(IdentifierError::Shape(SHAPE)),
        }
    }
}

/// Nine digits, of which the second may be the A or B of Corsica.
fn is_finess_shaped(number: &str) -> bool {
    number.len() == 9
        && number.bytes().enumerate().all(|(place, b)| b.is_ascii_digit() || (place == 1 && matches!(b, b'A' | b'B')))
}

impl fmt::Display for StructureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finess(number) => write!(f, "1{number}"),
            Self::Siret(number) => write!(f, "3{number}"),
        }
    }
}

impl fmt::Display for Rpps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_form {
    ($id:ty) => {
        impl TryFrom<String> for $id {
            type Error = IdentifierError;

            fn try_from(text: String) -> Result<Self, IdentifierError> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
    };
}
text_form!(Rpps);
text_form!(PersonId);
text_form!(StructureId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_told_apart_by_their_first_digit() {
        assert_eq!("318751275100020".parse(), Ok(StructureId::Siret("18751275100020".into())));
        assert_eq!("10B0078671".parse(), Ok(StructureId::Finess("0B0078671".into())));
    }

    #[test]
    fn a_mistyped_key_is_refused() {
        assert!(matches!("318751275100021".parse::<StructureId>(), Err(IdentifierError::Key(_))));
    }

    #[test]
    fn shapes_are_demanded() {
        for text in ["", "1", "é", "2187512751", "31875127510002", "1A00078671", "31875127510002A"] {
            assert!(matches!(text.parse::<StructureId>(), Err(IdentifierError::Shape(_))), "{text}");
        }
        assert!("1234567890".parse::<Rpps>().is_err());
        assert_eq!("10001234567".parse::<Rpps>().unwrap().id_nat(), "810001234567");
    }
}
