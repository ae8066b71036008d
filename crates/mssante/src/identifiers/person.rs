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

/// A professional by another number than RPPS and ADELI, as it is written: Pro Santé Connect knows such numbers, and
/// structures have registers of their own. It never reads as the RPPS or ADELI number of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OtherPerson(String);
text_form!(OtherPerson);

impl OtherPerson {
    /// 1 to 64 visible characters of ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OtherPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for OtherPerson {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let shaped = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        (shaped && !is_nearly_national(text)).then(|| Self(text.to_owned())).ok_or(IdentifierError::Shape(SHAPE))
    }
}

const SHAPE: &str = "a person is written 8 and an RPPS number (11 digits), 0 and an ADELI number (9 digits), or another \
                     number of at most 64 visible characters";

/// Whether this is `8` and an RPPS number or `0` and an ADELI number, or would be but for a character that is missing or
/// too much: such a number is mistyped, and none of another register.
fn is_nearly_national(text: &str) -> bool {
    let number = text.get(1..).unwrap_or_default().as_bytes();
    let fits = |is_one: fn(usize, u8) -> bool| number.iter().enumerate().all(|(place, &b)| is_one(place, b));
    match (text.as_bytes().first(), number.len()) {
        (Some(b'8'), 10..=12) => fits(is_digit),
        (Some(b'0'), 8..=10) => fits(is_digit_or_corsica),
        _ => false,
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
    /// Any other scheme, as it is written.
    Other(OtherPerson),
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
        let number = text.get(1..).unwrap_or_default();
        match text.as_bytes().first() {
            Some(b'8') if let Ok(number) = number.parse() => Ok(Self::Rpps(number)),
            Some(b'0') if let Ok(number) = number.parse() => Ok(Self::Adeli(number)),
            _ => text.parse().map(Self::Other),
        }
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpps(number) => write!(f, "8{number}"),
            Self::Adeli(number) => write!(f, "0{number}"),
            Self::Other(number) => number.fmt(f),
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
        for other in ["ANS20231015103417", "8100012345", "8", "0", "3187512751000200000000001"] {
            let id = other.parse::<PersonId>().unwrap();
            assert!(matches!(&id, PersonId::Other(carried) if carried.as_str() == other), "{id:?}");
        }
    }

    #[test]
    fn no_other_number_reads_as_that_of_a_professional_or_nearly() {
        for national in ["810001234565", "02A2600630"] {
            assert!(national.parse::<OtherPerson>().is_err(), "{national}");
            assert!(national.parse::<PersonId>().is_ok(), "{national}");
        }
        for mistyped in ["81000123456", "8100012345650", "02A260063", "02A26006300"] {
            assert!(mistyped.parse::<PersonId>().is_err(), "{mistyped}");
        }
        for text in ["", "a b", "é12", &"1".repeat(65)] {
            assert!(text.parse::<OtherPerson>().is_err(), "{text}");
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
