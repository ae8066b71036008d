//! Professionals: RPPS, ADELI and the form that joins them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Ascii, IdentifierError, KeyCheck, as_text, is_digit, is_digit_or_corsica, luhn, text_form};

/// The national number of a professional: 11 digits. The key rule is not confirmed by a
/// public text, so only the shape is demanded; see [`Rpps::has_valid_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rpps(Ascii<11>);
as_text!(Rpps);
text_form!(Rpps);

impl Rpps {
    /// Whether the eleven digits satisfy the Luhn formula.
    pub fn has_valid_key(&self) -> bool {
        luhn(self.as_str())
    }

    /// The identifier as it stands in tokens and cards: `8` and the number.
    pub fn id_nat(&self) -> String {
        format!("8{self}")
    }
}

impl FromStr for Rpps {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        Ascii::of(text, is_digit).map(Self).ok_or(IdentifierError::Shape("an RPPS number has 11 digits"))
    }
}

/// The number of a professional in the older register, by department: 9 characters. As for
/// [`Rpps`], the key rule is not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Adeli(Ascii<9>);
as_text!(Adeli);
text_form!(Adeli);

impl Adeli {
    /// Whether the nine characters satisfy the Luhn formula.
    pub fn has_valid_key(&self) -> bool {
        luhn(self.as_str())
    }

    /// The identifier as it stands in tokens and cards: `0` and the number.
    pub fn id_nat(&self) -> String {
        format!("0{self}")
    }
}

impl FromStr for Adeli {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "an ADELI number has 9 digits, the second of which may be the A or B of Corsica";
        Ascii::of(text, is_digit_or_corsica).map(Self).ok_or(IdentifierError::Shape(SHAPE))
    }
}

/// A professional as the national directory numbers him (`IdNat_PS`), or as a structure does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PersonId {
    /// `8` and the RPPS number.
    Rpps(Rpps),
    /// `0` and the ADELI number.
    Adeli(Adeli),
    /// Any other scheme, as it is written: Pro Santé Connect knows such numbers, and structures have registers
    /// of their own. At most 64 visible characters of ASCII.
    Other(String),
}
text_form!(PersonId);

impl PersonId {
    /// What its key says.
    pub fn key_check(&self) -> KeyCheck {
        let fits = match self {
            Self::Rpps(number) => number.has_valid_key(),
            Self::Adeli(number) => number.has_valid_key(),
            Self::Other(_) => return KeyCheck::None,
        };
        if fits { KeyCheck::Fits } else { KeyCheck::Doubtful }
    }
}

impl FromStr for PersonId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "a person is written 8 and an RPPS number, 0 and an ADELI number, or another number";
        let number = text.get(1..).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'8') if let Ok(number) = number.parse() => Ok(Self::Rpps(number)),
            Some(b'0') if let Ok(number) = number.parse() => Ok(Self::Adeli(number)),
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
            Self::Rpps(number) => write!(f, "8{number}"),
            Self::Adeli(number) => write!(f, "0{number}"),
            Self::Other(number) => f.write_str(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_are_told_apart_by_their_first_digit() {
        assert_eq!("810001234565".parse(), Ok(PersonId::Rpps("10001234565".parse().unwrap())));
        assert_eq!("02A2600630".parse(), Ok(PersonId::Adeli("2A2600630".parse().unwrap())));
        for other in ["ANS20231015103417", "8100012345", "8", "3187512751000200000000001"] {
            assert_eq!(other.parse(), Ok(PersonId::Other(other.into())));
        }
    }

    #[test]
    fn shapes_are_demanded() {
        for text in ["", "1000123456", "100012345678", "1000123456A", "１0001234567"] {
            assert!(text.parse::<Rpps>().is_err(), "{text}");
        }
        for text in ["", "2A260063", "A22600630", "2C2600630", "2a2600630", "2A26006300"] {
            assert!(text.parse::<Adeli>().is_err(), "{text}");
        }
        for text in ["", "a b", "é12", &"1".repeat(65)] {
            assert!(text.parse::<PersonId>().is_err(), "{text}");
        }
        assert_eq!("10001234567".parse::<Rpps>().unwrap().id_nat(), "810001234567");
    }

    #[test]
    fn a_wrong_key_is_doubtful_and_no_error() {
        assert!("10001234565".parse::<Rpps>().unwrap().has_valid_key());
        assert!(!"10001234567".parse::<Rpps>().unwrap().has_valid_key());
        assert_eq!("012600631".parse::<Adeli>().map(|id| id.id_nat()), Ok("0012600631".into()));
    }

    proptest! {
        #[test]
        fn every_person_reads_back_as_itself(text in "[08][0-9AB]{8,11}|[!-~]{1,70}") {
            if let Ok(person) = text.parse::<PersonId>() {
                prop_assert_eq!(person.to_string(), text);
                prop_assert_eq!(PersonId::try_from(String::from(person.clone())), Ok(person));
            }
        }
    }
}
