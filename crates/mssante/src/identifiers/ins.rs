//! The national health identity of patients.

use std::fmt;
use std::str::FromStr;

use super::{Ascii, IdentifierError};

/// The matricule of a patient (NIR or NIA): 13 characters and a key of two digits. `[MSS1 INS.KEY]`
///
/// It tells who a patient is: `Debug` hides it, [`fmt::Display`] does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ins(Ascii<15>);

impl Ins {
    /// Its fifteen characters, the letter of Corsica in upper case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// For logs: the first digit, which half of mankind shares.
    pub fn masked(&self) -> String {
        format!("{}***", &self.as_str()[..1])
    }
}

impl FromStr for Ins {
    type Err = IdentifierError;

    /// Letters in either case, because local parts of addresses have none.
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "an INS has 13 characters and a key of 2 digits";
        let ins = Ascii::of(&text.to_ascii_uppercase(), fits).map(Self).ok_or(IdentifierError::Shape(SHAPE))?;
        let (number, key) = split(ins.as_str()).ok_or(IdentifierError::Shape(SHAPE))?;
        (key == 97 - number % 97).then_some(ins).ok_or_else(|| IdentifierError::Key("the INS".to_owned()))
    }
}

/// Sex, year, month, department, commune, order, key: digits, but for the department of Corsica.
fn fits(place: usize, b: u8) -> bool {
    match place {
        0 => matches!(b, b'1'..=b'8'),
        6 => b.is_ascii_digit() || matches!(b, b'A' | b'B'),
        _ => b.is_ascii_digit(),
    }
}

/// The number that the key is made of, and the key. `2A` and `2B` count as 19 and 18.
fn split(text: &str) -> Option<(u64, u64)> {
    let number = match &text[5..7] {
        "2A" => format!("{}19{}", &text[..5], &text[7..13]),
        "2B" => format!("{}18{}", &text[..5], &text[7..13]),
        _ => text[..13].to_owned(),
    };
    Some((number.parse().ok()?, text[13..].parse().ok()?))
}

impl fmt::Display for Ins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Ins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ins({})", self.masked())
    }
}

/// Who assigned an INS, and whether it is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InsOid {
    /// A NIR.
    Nir,
    /// A NIA: somebody whose NIR is not settled yet.
    Nia,
    /// A NIR for tests.
    NirTest,
    /// A NIR for demonstrations.
    NirDemo,
}

impl InsOid {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Nir, Self::Nia, Self::NirTest, Self::NirDemo];

    /// The OID in dotted form.
    pub fn oid(self) -> &'static str {
        match self {
            Self::Nir => "1.2.250.1.213.1.4.8",
            Self::Nia => "1.2.250.1.213.1.4.9",
            Self::NirTest => "1.2.250.1.213.1.4.10",
            Self::NirDemo => "1.2.250.1.213.1.4.11",
        }
    }

    /// The name of the authority in HL7 messages. That of the NIA is not confirmed by a public text.
    fn authority(self) -> &'static str {
        match self {
            Self::Nir | Self::NirTest | Self::NirDemo => "ASIP-SANTE-INS-NIR",
            Self::Nia => "ASIP-SANTE-INS-NIA",
        }
    }
}

impl FromStr for InsOid {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: &str = "the OID of an INS is 1.2.250.1.213.1.4.8, .9, .10 or .11";
        Self::ALL.into_iter().find(|oid| oid.oid() == text).ok_or(IdentifierError::Shape(SHAPE))
    }
}

/// An INS with the OID of who assigned it, as messages and documents write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AssignedIns {
    /// The matricule.
    pub ins: Ins,
    /// Who assigned it.
    pub oid: InsOid,
}

impl AssignedIns {
    /// As HL7 v2 messages write it: `…^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS`.
    pub fn to_hl7(self) -> String {
        format!("{}^^^{}&{}&ISO^INS", self.ins, self.oid.authority(), self.oid.oid())
    }

    /// As XDS metadata write it: `…^^^&1.2.250.1.213.1.4.8&ISO^NH`.
    pub fn to_xds(self) -> String {
        format!("{}^^^&{}&ISO^NH", self.ins, self.oid.oid())
    }
}

impl FromStr for AssignedIns {
    type Err = IdentifierError;

    /// Reads both forms; what follows the kind is not looked at.
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let shape = || IdentifierError::Shape("an INS is written matricule^^^authority&OID&ISO^INS or …^^^&OID&ISO^NH");
        let mut parts = text.split('^');
        let (Some(matricule), Some(""), Some(""), Some(authority), Some(kind)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(shape());
        };
        let (name, rest) = authority.split_once('&').ok_or_else(shape)?;
        let oid: InsOid = rest.strip_suffix("&ISO").ok_or_else(shape)?.parse()?;
        let known = matches!(kind, "INS" | "NH") && (name.is_empty() || name == oid.authority());
        if !known {
            return Err(shape());
        }
        Ok(Self { ins: matricule.parse()?, oid })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_samples_of_the_agency_have_their_keys() {
        for text in ["279035121518989", "188102B17295264", "256037599999903"] {
            assert_eq!(text.parse::<Ins>().unwrap().to_string(), text);
        }
        assert_eq!("188102b17295264".parse::<Ins>().unwrap().as_str(), "188102B17295264");
    }

    #[test]
    fn a_wrong_key_is_refused_without_telling_the_number() {
        let error = "279035121518988".parse::<Ins>().unwrap_err();
        assert_eq!(error, IdentifierError::Key("the INS".into()));
    }

    #[test]
    fn shapes_are_demanded() {
        for text in ["", "27903512151898", "2790351215189890", "079035121518989", "279035121518 89", "1881A2B17295264"]
        {
            assert!(matches!(text.parse::<Ins>(), Err(IdentifierError::Shape(_))), "{text}");
        }
        // A and B belong to Corsica: 1A is no department.
        assert!(matches!("188101B17295264".parse::<Ins>(), Err(IdentifierError::Shape(_))));
    }

    #[test]
    fn debug_hides_who_it_is() {
        let ins: Ins = "279035121518989".parse().unwrap();
        assert_eq!(format!("{ins:?}"), "Ins(2***)");
        let assigned = AssignedIns { ins, oid: InsOid::Nir };
        assert!(!format!("{assigned:?}").contains("279035121518989"));
    }

    #[test]
    fn messages_and_documents_write_it_each_in_their_way() {
        let hl7 = "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS";
        let xds = "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH";
        let ins: AssignedIns = hl7.parse().unwrap();
        assert_eq!((ins.oid, ins.to_hl7().as_str(), ins.to_xds().as_str()), (InsOid::NirTest, hl7, xds));
        assert_eq!(format!("{hl7}^^20210101").parse(), Ok(ins));
    }

    #[test]
    fn other_authorities_and_kinds_are_no_ins() {
        for text in [
            "279035121518989",
            "279035121518989^^^ASIP-SANTE-INS-NIA&1.2.250.1.213.1.4.8&ISO^INS",
            "279035121518989^^^HOP&1.2.3&ISO^INS",
            "279035121518989^^^&1.2.250.1.213.1.4.8&ISO^PI",
            "279035121518989^^^&1.2.250.1.213.1.4.8^NH",
            "279035121518989^9^^&1.2.250.1.213.1.4.8&ISO^NH",
            "279035121518988^^^&1.2.250.1.213.1.4.8&ISO^NH",
        ] {
            assert!(text.parse::<AssignedIns>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_mistyped_digit_is_noticed(good in ins(), place in 0..15_usize, by in 1..10_u8) {
            prop_assert!(good.parse::<Ins>().is_ok());
            prop_assume!(good.as_bytes()[place].is_ascii_digit());
            let mut octets = good.into_bytes();
            octets[place] = b'0' + (octets[place] - b'0' + by) % 10;
            prop_assert!(String::from_utf8(octets).unwrap().parse::<Ins>().is_err());
        }

        #[test]
        fn two_neighbours_in_the_wrong_order_are_noticed(good in ins(), place in 0..14_usize) {
            let mut octets = good.clone().into_bytes();
            octets.swap(place, place + 1);
            let swapped = String::from_utf8(octets).unwrap();
            prop_assert_eq!(swapped.parse::<Ins>().is_ok(), swapped == good);
        }

        #[test]
        fn every_form_reads_back_as_itself(text in ins(), oid in 0..4_usize) {
            let ins = AssignedIns { ins: text.parse().unwrap(), oid: InsOid::ALL[oid] };
            prop_assert_eq!(ins.to_hl7().parse(), Ok(ins));
            prop_assert_eq!(ins.to_xds().parse(), Ok(ins));
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in "\\PC{0,20}|[0-9AB^&]{10,40}") {
            let _ = text.parse::<AssignedIns>();
            let _ = text.parse::<Ins>();
        }
    }

    fn ins() -> impl Strategy<Value = String> {
        "[1-8][0-9]{4}([0-9]{2}|2A|2B)[0-9]{6}".prop_map(|body| {
            let number: u64 = body.replace("2A", "19").replace("2B", "18").parse().expect("digits");
            format!("{body}{:02}", 97 - number % 97)
        })
    }
}
