//! The little of DER that revocation lists and OCSP answers are made of. The TLV layer is the
//! library's; here is the order in which elements must come.

use time::{Date, Month, OffsetDateTime, Time};
use x509_parser::asn1_rs::{Any, FromDer};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Constructed, context-specific tag `n` (below 31).
pub(super) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// Primitive, context-specific tag `n` (below 31).
pub(super) const fn primitive(n: u8) -> u8 {
    0x80 | n
}

/// Something else than the structure says; what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected(pub(super) &'static str);

/// An element: its octets with and without tag and length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// What is left of a sequence of elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The elements of the only element there is.
    pub(super) fn only(octets: &'a [u8], tag: u8, what: &'static str) -> Result<Self, Unexpected> {
        let mut reader = Self(octets);
        let element = reader.take(tag, what)?;
        reader.end(what)?;
        Ok(Self(element.content))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing is left.
    pub(super) fn end(&self, what: &'static str) -> Result<(), Unexpected> {
        if self.0.is_empty() { Ok(()) } else { Err(Unexpected(what)) }
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self, what: &'static str) -> Result<Element<'a>, Unexpected> {
        let before = self.0;
        let (rest, any) = Any::from_der(before).map_err(|_| Unexpected(what))?;
        self.0 = rest;
        Ok(Element { tag: before[0], content: any.data, whole: &before[..before.len() - rest.len()] })
    }

    /// The next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8, what: &'static str) -> Result<Element<'a>, Unexpected> {
        if self.0.first() == Some(&tag) { self.any(what) } else { Err(Unexpected(what)) }
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8, what: &'static str) -> Result<Option<Element<'a>>, Unexpected> {
        if self.0.first() == Some(&tag) { self.any(what).map(Some) } else { Ok(None) }
    }

    /// The elements of the next one.
    pub(super) fn inside(&mut self, tag: u8, what: &'static str) -> Result<Self, Unexpected> {
        self.take(tag, what).map(|element| Self(element.content))
    }

    /// Whether the next element is a time.
    pub(super) fn at_time(&self) -> bool {
        matches!(self.0.first(), Some(&(UTC_TIME | GENERALIZED_TIME)))
    }

    /// A time of either kind, in UTC and whole seconds. `[RFC5280 4.1.2.5]`
    pub(super) fn time(&mut self, what: &'static str) -> Result<OffsetDateTime, Unexpected> {
        let element = self.any(what)?;
        let (year, rest) = match (element.tag, element.content) {
            (UTC_TIME, [a, b, rest @ ..]) => {
                let year = number(&[*a, *b]).ok_or(Unexpected(what))?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            (GENERALIZED_TIME, [a, b, c, d, rest @ ..]) => (number(&[*a, *b, *c, *d]).ok_or(Unexpected(what))?, rest),
            _ => return Err(Unexpected(what)),
        };
        moment(year, rest).ok_or(Unexpected(what))
    }

    /// A bit string of whole octets: signatures and keys.
    pub(super) fn octets_of_bits(&mut self, what: &'static str) -> Result<&'a [u8], Unexpected> {
        match self.take(BIT_STRING, what)?.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(Unexpected(what)),
        }
    }
}

fn moment(year: i32, rest: &[u8]) -> Option<OffsetDateTime> {
    let [digits @ .., b'Z'] = rest else { return None };
    let mut pairs = digits.chunks(2).map(number);
    let mut pair = || pairs.next().flatten().and_then(|number| u8::try_from(number).ok());
    let month = Month::try_from(pair()?).ok()?;
    let date = Date::from_calendar_date(year, month, pair()?).ok()?;
    let time = Time::from_hms(pair()?, pair()?, pair()?).ok()?;
    (digits.len() == 10).then(|| date.with_time(time).assume_utc())
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0')))
}

/// An integer without the zeros in front, so that equal numbers have equal octets.
pub(super) fn significant(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|octet| **octet == 0).count()..]
}

/// An element of this tag.
pub(super) fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = significant(&length);
    let mut element = vec![tag];
    match content.len() {
        short @ 0..0x80 => element.push(u8::try_from(short).expect("below 128")),
        _ => element.push(0x80 | u8::try_from(length.len()).expect("at most 8")),
    }
    if content.len() >= 0x80 {
        element.extend_from_slice(length);
    }
    element.extend_from_slice(content);
    element
}

/// An extension: its OID (content octets), whether it is critical, its value. `[RFC5280 4.2]`
pub(super) struct Extension<'a> {
    pub(super) oid: &'a [u8],
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

/// Reads a sequence of extensions, given its content.
pub(super) fn extensions(content: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, Unexpected>> {
    let mut reader = Reader::new(content);
    std::iter::from_fn(move || (!reader.is_empty()).then(|| extension(&mut reader)))
        // The rest of what cannot be read is not looked at.
        .scan(false, |failed, extension| {
            let over = std::mem::replace(failed, extension.is_err());
            (!over).then_some(extension)
        })
}

fn extension<'a>(reader: &mut Reader<'a>) -> Result<Extension<'a>, Unexpected> {
    const WHAT: &str = "an extension";
    let mut extension = reader.inside(SEQUENCE, WHAT)?;
    let oid = extension.take(OID, WHAT)?.content;
    let critical = extension.optional(BOOLEAN, WHAT)?.map(truth).transpose()?.unwrap_or(false);
    let value = extension.take(OCTET_STRING, WHAT)?.content;
    extension.end(WHAT)?;
    Ok(Extension { oid, critical, value })
}

/// The value of a boolean, whatever its tag.
pub(super) fn truth(element: Element<'_>) -> Result<bool, Unexpected> {
    match element.content {
        [0] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(Unexpected("a truth value")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn time_of(tag: u8, text: &str) -> Option<OffsetDateTime> {
        Reader::new(&encoded(tag, text.as_bytes())).time("a time").ok()
    }

    #[test]
    fn times_are_read_in_both_kinds() {
        assert_eq!(time_of(UTC_TIME, "261103080910Z"), Some(datetime!(2026-11-03 08:09:10 UTC)));
        assert_eq!(time_of(UTC_TIME, "500101000000Z"), Some(datetime!(1950-01-01 00:00:00 UTC)));
        assert_eq!(time_of(GENERALIZED_TIME, "20501103080910Z"), Some(datetime!(2050-11-03 08:09:10 UTC)));
    }

    #[test]
    fn other_times_are_refused() {
        for text in ["", "Z", "2611030809Z", "261103080910", "261303080910Z", "260230080910Z", "26110308091 Z"] {
            assert_eq!(time_of(UTC_TIME, text), None, "{text}");
        }
        for text in ["20261103080910.5Z", "20261103080910+0100", "2026110308091011Z"] {
            assert_eq!(time_of(GENERALIZED_TIME, text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(tag in 1_u8..0x1f, content in prop::collection::vec(any::<u8>(), 0..300)) {
            let octets = encoded(tag, &content);
            let mut reader = Reader::new(&octets);
            let element = reader.take(tag, "it").unwrap();
            prop_assert_eq!(element.content, content.as_slice());
            prop_assert_eq!(element.whole, octets.as_slice());
            prop_assert!(reader.end("it").is_ok());
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut reader = Reader::new(&octets);
            while !reader.is_empty() && reader.any("anything").is_ok() {}
            let _ = Reader::new(&octets).time("a time");
            prop_assert!(extensions(&octets).count() <= octets.len());
        }
    }
}
