//! The words of a message: header fields and text parts, decoded and folded for comparison.

use message::{Content, Part, Span, Summary, decode_words, decoded_text};
use time::{Date, Month};

use super::needle::fold;

/// A part of a message whose words count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// The header block of a message inside.
    Header(&'a Part),
    /// A text part's body.
    Text(&'a Part),
}

impl Source<'_> {
    /// Where its octets are.
    pub(crate) fn span(self) -> Span {
        match self {
            Self::Header(part) => part.header,
            Self::Text(part) => part.body,
        }
    }

    /// The folded words of its octets.
    pub(crate) fn read(self, octets: &[u8]) -> String {
        match self {
            Self::Header(_) => {
                let lines = header_fields(octets).into_iter().map(|(name, value)| format!("{name}: {value}\n"));
                lines.collect::<Vec<_>>().concat()
            }
            Self::Text(part) => fold(&decoded_text(part, octets).unwrap_or_default()),
        }
    }
}

/// The day (since 1970) that a Date field names, in its own zone. `[RFC5322 3.3]`
pub(crate) fn sent_day(date: &str) -> Option<i64> {
    let mut words = date.split_once(',').map_or(date, |(_, rest)| rest).split_whitespace();
    let day: u8 = words.next()?.parse().ok()?;
    let month: Month = month(words.next()?)?;
    let year: i32 = words.next()?.parse().ok()?;
    let year = match year {
        0..50 => year + 2000,
        50..1000 => year + 1900,
        _ => year,
    };
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(i64::from(date.to_julian_day()) - i64::from(Date::from_ordinal_date(1970, 1).ok()?.to_julian_day()))
}

/// The fields of a header block: lower-case name, decoded and folded value.
pub(crate) fn header_fields(header: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(header).lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim_end().to_ascii_lowercase(), value.trim_start().to_owned()));
        }
    }
    for (_, value) in &mut fields {
        *value = fold(&decode_words(value));
    }
    fields
}

/// What of the body has words: text parts, and the headers of messages inside.
pub(crate) fn body_sources(summary: &Summary) -> Vec<Source<'_>> {
    let mut sources = Vec::new();
    let mut waiting = vec![&summary.root];
    while let Some(part) = waiting.pop() {
        match &part.content {
            Content::Multipart(parts) => waiting.extend(parts.iter().rev()),
            Content::Message { root, .. } => {
                sources.push(Source::Header(root));
                waiting.push(root);
            }
            Content::Leaf if part.media_type == "text" => sources.push(Source::Text(part)),
            Content::Leaf => {}
        }
    }
    sources
}

fn month(name: &str) -> Option<Month> {
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = names.iter().position(|known| name.eq_ignore_ascii_case(known))?;
    Month::try_from(u8::try_from(at + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::tests::{leaf, multipart, summary, wrapped};
    use proptest::prelude::*;

    #[test]
    fn texts_and_headers_are_decoded_and_folded() {
        let mut part = leaf(0, 0, 0);
        part.encoding = "quoted-printable".into();
        part.parameters = vec![("charset".into(), "utf-8".into())];
        assert_eq!(Source::Text(&part).read(b"Glyc=C3=A9mie=\r\n =3D 1"), "glycémie = 1");
        assert_eq!(Source::Header(&part).read(b"Subject: =?utf-8?q?=C3=89t=C3=A9?=\r\n\r\n"), "subject: été\n");
    }

    #[test]
    fn folded_fields_are_one_value() {
        let fields = header_fields(b"X-A: one\r\n two\r\nSubject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n\r\n");
        assert_eq!(fields, [("x-a".into(), "one two".into()), ("subject".into(), "ab".into())]);
    }

    #[test]
    fn the_day_is_the_one_that_the_sender_wrote() {
        assert_eq!(sent_day("Thu, 1 Jan 1970 23:59:59 -1200"), Some(0));
        assert_eq!(sent_day("2 jan 70 00:00 +0000"), Some(1));
        assert_eq!(sent_day("yesterday"), None);
    }

    #[test]
    fn words_are_in_text_parts_and_in_headers_of_messages_inside() {
        let mut pdf = leaf(0, 1, 1);
        pdf.media_type = "application".into();
        let all = summary(multipart(0, 9, 900, vec![leaf(10, 2, 5), pdf, wrapped(100, 10, leaf(110, 20, 30))]));
        let starts: Vec<u64> = body_sources(&all).iter().map(|source| source.span().start).collect();
        assert_eq!(starts, [12, 110, 130]);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), date in "\\PC{0,30}") {
            let fields = header_fields(&octets);
            prop_assert!(fields.iter().all(|(name, _)| !name.contains(':')));
            prop_assert!(sent_day(&date).is_none_or(|day| day > -800_000));
        }
    }
}
