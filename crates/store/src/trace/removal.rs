//! The announcement of a removal. It is signed: who only holds the database can put a line into the inbox, and must not
//! be able to say with it that contents may be gone. Pure: no database.

use mssante::hex;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::check::Fault;
use super::event::EventClass;
use super::line::{moment, parse_moment};
use super::links::{self, Signature};
use super::unhex;
use crate::KeyRing;

/// Signs announcements of removals. Never used for anything else.
const PURPOSE: &str = "pli audit trail, removal";
/// No content is removed that is younger, whatever the configuration says.
const YOUNGEST: Duration = Duration::DAY;

/// Contents of a class may go, those of lines before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) class: EventClass,
    pub(super) before: OffsetDateTime,
}

impl Removal {
    /// The detail of the line that announces it, signed by the active key of the ring.
    pub(super) fn detail(&self, ring: &KeyRing) -> Value {
        let (key, mac) = links::sign(ring, PURPOSE, &self.signed()).unzip();
        json!({
            "class": self.class.word(), "before": moment(self.before),
            "key": key, "mac": mac.map(|octets| hex(&octets)),
        })
    }

    /// Reads the detail of a line of `at`; the fault of the line if pli did not write it.
    pub(super) fn read(detail: &str, at: OffsetDateTime, ring: &KeyRing) -> Result<Self, Fault> {
        let (removal, key, mac) = parse(detail).ok_or(Fault::FalseRemoval)?;
        match links::check(ring, &key, PURPOSE, &removal.signed(), &mac) {
            Signature::Good if removal.before <= at - YOUNGEST => Ok(removal),
            Signature::Good | Signature::Bad => Err(Fault::FalseRemoval),
            Signature::NoKey => Err(Fault::KeyMissing(key)),
        }
    }

    fn signed(&self) -> Vec<u8> {
        format!("{}\n{}", self.class, moment(self.before)).into_bytes()
    }
}

/// What is announced, the key and the signature.
fn parse(detail: &str) -> Option<(Removal, String, Vec<u8>)> {
    let detail: Value = serde_json::from_str(detail).ok()?;
    let class = detail["class"].as_str()?.parse().ok()?;
    let before = parse_moment(detail["before"].as_str()?)?;
    Some((Removal { class, before }, detail["key"].as_str()?.to_owned(), unhex(detail["mac"].as_str()?)?))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-22 07:00 UTC);

    fn ring(digits: &str) -> KeyRing {
        KeyRing::parse(&format!("key {digits} {}\nactive {digits}\n", digits.repeat(32))).unwrap()
    }

    fn removal(before: OffsetDateTime) -> Removal {
        Removal { class: EventClass::Send, before }
    }

    #[test]
    fn an_announcement_is_read_back_as_it_was_signed() {
        let announced = removal(AT - Duration::days(365));
        let detail = announced.detail(&ring("ab")).to_string();
        assert_eq!(Removal::read(&detail, AT, &ring("ab")), Ok(announced));
        assert_eq!(Removal::read(&detail, AT, &ring("cd")), Err(Fault::KeyMissing("ab".into())));
    }

    #[test]
    fn all_of_an_announcement_is_signed() {
        let ring = ring("ab");
        let mut detail = removal(AT - Duration::days(365)).detail(&ring);
        for (member, value) in
            [("class", "refusal"), ("before", "2026-11-01T00:00:00.000000Z"), ("mac", "00"), ("mac", "no digits")]
        {
            let genuine = detail[member].take();
            detail[member] = value.into();
            assert_eq!(Removal::read(&detail.to_string(), AT, &ring), Err(Fault::FalseRemoval), "{member} {value}");
            detail[member] = genuine;
        }
        assert!(Removal::read(&detail.to_string(), AT, &ring).is_ok());
        for unsigned in ["{}", "no JSON", r#"{"class":"send","before":"9999-12-31T00:00:00.000000Z"}"#] {
            assert_eq!(Removal::read(unsigned, AT, &ring), Err(Fault::FalseRemoval), "{unsigned}");
        }
    }

    #[test]
    fn what_is_younger_than_a_day_is_never_announced() {
        let ring = ring("ab");
        for (age, genuine) in [(Duration::DAY, true), (Duration::hours(23), false)] {
            let detail = removal(AT - age).detail(&ring).to_string();
            assert_eq!(Removal::read(&detail, AT, &ring).is_ok(), genuine, "{age}");
        }
    }
}
