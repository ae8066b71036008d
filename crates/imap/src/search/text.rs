//! The words of a message: header fields and text parts, decoded and folded for comparison.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use message::{Content, Part, Span, Summary};
use time::{Date, Month};

use super::needle::fold;

/// A span of a message whose words count, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextSpan {
    /// Where.
    pub(crate) span: Span,
    /// How.
    pub(crate) reading: Reading,
}

/// How the octets of a span become words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A header block.
    Header,
    /// A text part with this transfer encoding and character set.
    Text { encoding: String, charset: String },
}

/// A header value with its encoded words decoded. `[RFC2047 6.2]`
pub(crate) fn decoded(value: &str) -> String {
    if !value.contains("=?") {
        return value.to_owned();
    }
    let line = format!("{value}\n");
    MessageStream::new(line.as_bytes()).parse_unstructured().as_text().unwrap_or(value).to_owned()
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
        *value = fold(&decoded(value));
    }
    fields
}

/// The spans of the body whose words count: text parts, and the headers of messages inside.
pub(crate) fn body_spans(summary: &Summary) -> Vec<TextSpan> {
    let mut spans = Vec::new();
    let mut waiting = vec![&summary.root];
    while let Some(part) = waiting.pop() {
        match &part.content {
            Content::Multipart(parts) => waiting.extend(parts.iter().rev()),
            Content::Message { root, .. } => {
                spans.push(TextSpan { span: root.header, reading: Reading::Header });
                waiting.push(root);
            }
            Content::Leaf if part.media_type == "text" => spans.push(text_span(part)),
            Content::Leaf => {}
        }
    }
    spans
}

/// The folded words of a span's octets.
pub(crate) fn read(octets: &[u8], reading: &Reading) -> String {
    match reading {
        Reading::Header => {
            let lines = header_fields(octets).into_iter().map(|(name, value)| format!("{name}: {value}\n"));
            lines.collect::<Vec<_>>().concat()
        }
        Reading::Text { encoding, charset } => {
            let plain = match encoding.as_str() {
                "base64" => base64_decode(octets),
                "quoted-printable" => quoted_printable_decode(octets),
                _ => None,
            };
            let plain = plain.as_deref().unwrap_or(octets);
            fold(&match (std::str::from_utf8(plain), charset_decoder(charset.as_bytes())) {
                (Ok(text), _) if plain.is_ascii() || charset == "utf-8" => text.to_owned(),
                (_, Some(decode)) => decode(plain),
                _ => String::from_utf8_lossy(plain).into_owned(),
            })
        }
    }
}

fn text_span(part: &Part) -> TextSpan {
    let charset = part.parameters.iter().find(|(name, _)| name == "charset");
    let charset = charset.map_or("utf-8".to_owned(), |(_, value)| value.to_ascii_lowercase());
    TextSpan { span: part.body, reading: Reading::Text { encoding: part.encoding.clone(), charset } }
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

    fn text(encoding: &str, charset: &str) -> Reading {
        Reading::Text { encoding: encoding.into(), charset: charset.into() }
    }

    #[test]
    fn texts_are_decoded_from_their_encoding_and_character_set() {
        assert_eq!(read(b"Glyc=C3=A9mie=\r\n =3D 1", &text("quoted-printable", "utf-8")), "glycémie = 1");
        assert_eq!(read(b"R8OpbsOpcmlxdWU=\r\n", &text("base64", "utf-8")), "générique");
        assert_eq!(read(b"\xc9t\xe9", &text("8bit", "iso-8859-1")), "été");
        assert_eq!(read("Été".as_bytes(), &text("8bit", "no-such")), "été");
        assert_eq!(read(b"Subject: =?utf-8?q?=C3=89t=C3=A9?=\r\n\r\n", &Reading::Header), "subject: été\n");
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
        let spans: Vec<u64> = body_spans(&all).iter().map(|text| text.span.start).collect();
        assert_eq!(spans, [12, 110, 130]);
    }

    proptest! {
        #[test]
        fn no_octets_make_the_decoders_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), which in 0_usize..5) {
            let readings = [Reading::Header, text("base64", "utf-7"), text("quoted-printable", "gbk"), text("8bit", "iso-2022-jp"), text("base64", "utf-16")];
            let words = read(&octets, &readings[which]);
            prop_assert!(!words.contains("  "));
        }
    }
}
