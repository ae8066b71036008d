//! Text of single parts and fields as people read it, for searches.
//!
//! mail-parser does the decoding. It is handed single fields and bodies only, never a whole
//! message: its tree of parts has no bound on nesting.

use mail_parser::HeaderValue;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;

use crate::Part;

/// The text of a text part: its transfer encoding undone, in UTF-8; markup is left as it is.
/// `raw_body` are the octets of `part.body`. `None` for what is not text. A body that does
/// not keep to its encoding is taken as it stands; a charset that is unknown is taken for
/// UTF-8 and, where that does not fit, for Windows-1252.
pub fn decoded_text(part: &Part, raw_body: &[u8]) -> Option<String> {
    if part.media_type != "text" {
        return None;
    }
    let decoded = match part.encoding.as_str() {
        "base64" => base64_decode(raw_body),
        "quoted-printable" => quoted_printable_decode(raw_body),
        _ => None,
    };
    Some(to_utf8(part.parameter("charset").unwrap_or_default(), decoded.as_deref().unwrap_or(raw_body)))
}

fn to_utf8(charset: &str, octets: &[u8]) -> String {
    let is = |name: &str| charset.eq_ignore_ascii_case(name);
    if is("utf-8") || is("utf8") {
        return String::from_utf8_lossy(octets).into_owned();
    }
    // us-ascii is what a part has that names no charset
    let named = if is("us-ascii") { None } else { charset_decoder(charset.as_bytes()) };
    if let Some(decode) = named {
        return decode(octets);
    }
    match (std::str::from_utf8(octets), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => text.to_owned(),
        (Err(_), Some(decode)) => decode(octets),
        (Err(_), None) => String::from_utf8_lossy(octets).into_owned(),
    }
}

/// An unfolded field value with its encoded words decoded. `[RFC2047 2]`
pub fn decode_words(value: &str) -> String {
    if !value.contains("=?") {
        return value.to_owned();
    }
    let line = format!("{}\n", value.replace(['\r', '\n'], " "));
    match MessageStream::new(line.as_bytes()).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(encoding: &str, charset: &str, body: &[u8]) -> Option<String> {
        let part = Part {
            media_type: "text".to_owned(),
            encoding: encoding.to_owned(),
            parameters: vec![("charset".to_owned(), charset.to_owned())],
            ..Part::default()
        };
        decoded_text(&part, body)
    }

    #[test]
    fn encodings_and_charsets_are_undone() {
        for (encoding, charset, body) in [
            ("8bit", "utf-8", "Hélène".as_bytes()),
            ("8bit", "us-ascii", "Hélène".as_bytes()),
            ("8bit", "us-ascii", b"H\xe9l\xe8ne"),
            ("8bit", "ISO-8859-15", b"H\xe9l\xe8ne"),
            ("8bit", "unheard-of", b"H\xe9l\xe8ne"),
            ("quoted-printable", "iso-8859-1", b"H=E9l=\r\n=E8ne"),
            ("base64", "utf-8", b"SMOpbMOo\r\nbmU="),
        ] {
            assert_eq!(text(encoding, charset, body).as_deref(), Some("Hélène"), "{encoding} {charset}");
        }
    }

    #[test]
    fn what_is_broken_is_shown_as_it_stands_and_what_is_no_text_is_not() {
        assert_eq!(text("base64", "utf-8", b"!!! not base64 !!!").as_deref(), Some("!!! not base64 !!!"));
        assert_eq!(text("quoted-printable", "utf-8", b"a == b").as_deref(), Some("a == b"));
        assert_eq!(text("7bit", "utf-8", b"\xff").as_deref(), Some("\u{fffd}"));
        assert_eq!(decoded_text(&Part { media_type: "image".to_owned(), ..Part::default() }, b"x"), None);
    }

    #[test]
    fn encoded_words_are_decoded() {
        assert_eq!(decode_words("=?utf-8?q?H=C3=A9l=C3=A8ne?= Dupont"), "Hélène Dupont");
        assert_eq!(decode_words("=?iso-8859-1?B?6XTp?= =?utf-8?q?_ici?="), "été ici");
        assert_eq!(decode_words("plain  text"), "plain  text");
        assert_eq!(decode_words("=?broken"), "=?broken");
        assert_eq!(decode_words(""), "");
    }

    proptest! {
        #[test]
        fn no_value_makes_the_decoders_fail(
            value in "[a-zA-Z0-9=?_ \\r\\n-]{0,60}",
            octets in proptest::collection::vec(any::<u8>(), 0..80),
            charset in "[a-z0-9_-]{0,60}",
        ) {
            let _ = decode_words(&value);
            for encoding in ["base64", "quoted-printable", "8bit"] {
                prop_assert!(text(encoding, &charset, &octets).is_some());
                prop_assert!(text(encoding, "utf-16", &octets).is_some());
            }
        }

        #[test]
        fn every_charset_takes_every_octet(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            for charset in ["utf-7", "utf-16le", "iso-2022-jp", "gb18030", "big5", "koi8-r", "windows-1252", "macintosh"] {
                prop_assert!(text("8bit", charset, &octets).is_some());
            }
        }
    }
}
