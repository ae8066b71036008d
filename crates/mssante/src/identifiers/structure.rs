//! Structures: FINESS, SIREN, SIRET and the form that joins them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Ascii, IdentifierError, KeyCheck, as_text, is_digit, is_digit_or_corsica, luhn, text_form};

/// A health establishment or the legal body that runs it: 9 characters, the department first, a Luhn key last. That the A
/// and B of Corsica count as 1 and 2 in the key is confirmed by no public text, so of these only the shape is demanded;
/// see [`Finess::has_valid_key`]. `[MSS1 ID.KEYS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Finess(Ascii<9>);
as_text!(Finess);
text_form!(Finess);

impl Finess {
    /// Whether the nine characters satisfy the Luhn formula; the letters of Corsica count as 1 and 2.
    pub fn has_valid_key(&self) -> bool {
        luhn(self.as_str())
    }
}

impl FromStr for Finess {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "a FINESS has 9 digits, the second of which may be the A or B of Corsica";
        let has_key = |text: &str| text.contains(['A', 'B']) || luhn(text);
        keyed(Ascii::of(text, is_digit_or_corsica).map(Self), SHAPE, text, has_key)
    }
}

/// A French body: 9 digits, a Luhn key last. `[MSS1 ID.KEYS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Siren(Ascii<9>);
as_text!(Siren);
text_form!(Siren);

impl FromStr for Siren {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        keyed(Ascii::of(text, is_digit).map(Self), "a SIREN has 9 digits", text, luhn)
    }
}

/// A French establishment: the SIREN of its body and 5 digits, the last of which is a Luhn key over all 14.
/// `[MSS1 ID.KEYS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Siret(Ascii<14>);
as_text!(Siret);
text_form!(Siret);

impl Siret {
    /// The body whose establishment it is.
    pub fn siren(&self) -> Siren {
        self.as_str()[..9].parse().expect("a SIRET begins with a SIREN whose key was looked at")
    }
}

impl FromStr for Siret {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        keyed(Ascii::of(text, is_digit).map(Self), "a SIRET has 14 digits", text, has_siret_key)
    }
}

/// La Poste has more establishments than numbers with a Luhn key: of hers, the sum of the digits is a
/// multiple of 5 instead.
fn has_siret_key(digits: &str) -> bool {
    const LA_POSTE: &str = "356000000";
    let sum = || digits.bytes().map(|b| u32::from(b - b'0')).sum::<u32>();
    luhn(&digits[..9]) && (luhn(digits) || (digits.starts_with(LA_POSTE) && sum().is_multiple_of(5)))
}

fn keyed<T>(
    shaped: Option<T>,
    shape: &'static str,
    text: &str,
    has_key: fn(&str) -> bool,
) -> Result<T, IdentifierError> {
    let id = shaped.ok_or(IdentifierError::Shape(shape))?;
    has_key(text).then_some(id).ok_or_else(|| IdentifierError::Key(text.to_owned()))
}

/// A structure that only its professionals number: `0` or `5` by ADELI, `4` by RPPS, `6` by itself. No public
/// text confirms these forms; they are carried as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OtherStructure(String);
text_form!(OtherStructure);

impl OtherStructure {
    /// With its first digit; at most 64 visible characters of ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OtherStructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for OtherStructure {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let shaped = matches!(text.as_bytes(), [b'0' | b'4' | b'5' | b'6', _, ..])
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_graphic());
        shaped.then(|| Self(text.to_owned())).ok_or(IdentifierError::Shape(SHAPE))
    }
}

const SHAPE: &str = "a structure is written 1 and its FINESS (9 characters) or 3 and its SIRET (14 digits)";

/// A structure by its national identifier (`IdNat_Struct`), as in the OU of IGC-Santé certificates:
/// `1` and a FINESS, or `3` and a SIRET. `[MSS1 DN.LAYOUT]`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StructureId {
    /// A health establishment.
    Finess(Finess),
    /// Any French establishment.
    Siret(Siret),
    /// `2`: any French body. No public text confirms the form.
    Siren(Siren),
    /// Other forms, which no public text confirms.
    Other(OtherStructure),
}
text_form!(StructureId);

impl StructureId {
    /// Whether certificates can bear it: only FINESS and SIRET are confirmed there. `[MSS1 DN.LAYOUT]`
    pub fn may_hold_certificates(&self) -> bool {
        matches!(self, Self::Finess(_) | Self::Siret(_))
    }

    /// What its key says, as far as a wrong one does not make it none: that of Corsica, whose rule is not confirmed.
    pub fn key_check(&self) -> KeyCheck {
        match self {
            Self::Finess(number) if !number.has_valid_key() => KeyCheck::Doubtful,
            Self::Finess(_) | Self::Siret(_) | Self::Siren(_) => KeyCheck::Fits,
            Self::Other(_) => KeyCheck::None,
        }
    }
}

impl FromStr for StructureId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let shape = IdentifierError::Shape(SHAPE);
        let number = text.get(1..).ok_or_else(|| shape.clone())?;
        let id = match text.as_bytes()[0] {
            b'1' => number.parse().map(Self::Finess),
            b'2' => number.parse().map(Self::Siren),
            b'3' => number.parse().map(Self::Siret),
            _ => text.parse().map(Self::Other),
        };
        id.map_err(|error| match error {
            IdentifierError::Shape(_) => shape,
            key @ IdentifierError::Key(_) => key,
        })
    }
}

impl fmt::Display for StructureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finess(number) => write!(f, "1{number}"),
            Self::Siren(number) => write!(f, "2{number}"),
            Self::Siret(number) => write!(f, "3{number}"),
            Self::Other(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn structures_are_told_apart_by_their_first_digit() {
        assert_eq!("318751275100020".parse(), Ok(StructureId::Siret("18751275100020".parse().unwrap())));
        assert_eq!("10B0078671".parse(), Ok(StructureId::Finess("0B0078671".parse().unwrap())));
        assert_eq!("2187512751".parse(), Ok(StructureId::Siren("187512751".parse().unwrap())));
        for other in ["499700518757001", "0012600631", "6A"] {
            let id = other.parse::<StructureId>().unwrap();
            assert!(matches!(&id, StructureId::Other(carried) if carried.as_str() == other));
            assert!(!id.may_hold_certificates());
        }
    }

    #[test]
    fn a_mistyped_key_is_refused() {
        for text in ["318751275100021", "1930100038", "2187512752"] {
            assert!(matches!(text.parse::<StructureId>(), Err(IdentifierError::Key(_))), "{text}");
        }
    }

    #[test]
    fn a_key_of_corsica_is_doubted_and_not_refused() {
        let check = |text: &str| text.parse::<StructureId>().unwrap().key_check();
        assert_eq!(check("10B0078671"), KeyCheck::Fits);
        assert_eq!(check("10B0078672"), KeyCheck::Doubtful);
        assert_eq!(check("12A0000010"), KeyCheck::Doubtful);
        assert_eq!(check("1930100037"), KeyCheck::Fits);
        assert_eq!(check("6A"), KeyCheck::None);
    }

    #[test]
    fn shapes_are_demanded() {
        for text in ["", "1", "4", "é", "9187512751", "31875127510002", "1A00078671", "31875127510002A", "4 1", "218"]
        {
            assert!(matches!(text.parse::<StructureId>(), Err(IdentifierError::Shape(_))), "{text}");
        }
    }

    #[test]
    fn a_siret_holds_its_siren() {
        let siret: Siret = "18751275100020".parse().unwrap();
        assert_eq!(siret.siren().as_str(), "187512751");
        // 18751275200002: a Luhn key over all, none over the first nine.
        let others = (0..10).filter(|key| format!("1875127520000{key}").parse::<Siret>().is_ok());
        assert_eq!(others.count(), 0);
    }

    #[test]
    fn la_poste_counts_her_digits_by_five() {
        assert!("35600000000048".parse::<Siret>().is_ok(), "her head office has a Luhn key");
        assert!("35600000009075".parse::<Siret>().is_ok());
        assert!("35600000009076".parse::<Siret>().is_err());
        assert!(!luhn("35600000009075"));
    }

    proptest! {
        #[test]
        fn every_mistyped_digit_of_a_finess_is_noticed(body in "[0-9][0-9AB][0-9]{6}", place in 0..9_usize, by in 1..10_u8) {
            let good = with_luhn_key(&body);
            prop_assert!(good.parse::<Finess>().unwrap().has_valid_key());
            prop_assume!(good.as_bytes()[place].is_ascii_digit());
            let mistyped = mistyped(&good, place, by).parse::<Finess>();
            if body.contains(['A', 'B']) {
                prop_assert!(!mistyped.unwrap().has_valid_key());
            } else {
                prop_assert!(matches!(mistyped, Err(IdentifierError::Key(_))));
            }
        }

        #[test]
        fn every_mistyped_digit_of_a_siret_is_noticed(body in siren_body(), rank in "[0-9]{4}", place in 0..14_usize, by in 1..10_u8) {
            let good = with_luhn_key(&(with_luhn_key(&body) + &rank));
            prop_assert!(good.parse::<Siret>().is_ok());
            prop_assert!(matches!(mistyped(&good, place, by).parse::<Siret>(), Err(IdentifierError::Key(_))));
        }

        #[test]
        fn two_neighbours_in_the_wrong_order_are_noticed_but_for_nought_and_nine(body in siren_body(), place in 0..8_usize) {
            let good = with_luhn_key(&body);
            let mut octets = good.clone().into_bytes();
            octets.swap(place, place + 1);
            let swapped = String::from_utf8(octets).unwrap();
            let unseen = swapped == good || matches!(&good[place..place + 2], "09" | "90");
            prop_assert_eq!(swapped.parse::<Siren>().is_ok(), unseen);
        }

        #[test]
        fn every_structure_reads_back_as_itself(text in "[0-7][0-9AB]{9,14}|[!-~]{1,70}") {
            if let Ok(structure) = text.parse::<StructureId>() {
                prop_assert_eq!(&structure.to_string(), &text);
                prop_assert_eq!(StructureId::try_from(String::from(structure.clone())), Ok(structure));
            }
        }
    }

    /// Not La Poste's, whose key notices less.
    fn siren_body() -> impl Strategy<Value = String> {
        "[0-24-9][0-9]{7}"
    }

    fn with_luhn_key(body: &str) -> String {
        (0..10).map(|key| format!("{body}{key}")).find(|number| luhn(number)).expect("one of ten keys fits")
    }

    fn mistyped(good: &str, place: usize, by: u8) -> String {
        let mut octets = good.as_bytes().to_vec();
        octets[place] = b'0' + (octets[place] - b'0' + by) % 10;
        String::from_utf8(octets).unwrap()
    }
}
