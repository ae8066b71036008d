//! The MIME fields of a part's header. `[RFC2045 5]`, `[RFC2183 2]`

use crate::fields;
use crate::lexer::Lexer;
use crate::{Disposition, Part};

/// More parameters than any sender has; later ones are left out. Guards against headers made
/// of nothing but parameters.
const MAX_PARAMETERS: usize = 64;
/// RFC 2046 allows 70 octets; longer ones are in use.
pub(crate) const MAX_BOUNDARY: usize = 250;

/// What a part is when its header does not say so. `[RFC2045 5.2]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// `text/plain; charset=us-ascii`.
    Text,
    /// `message/rfc822`, inside multipart/digest. `[RFC2046 5.1.5]`
    Message,
}

/// Reads the MIME fields of `header`; of fields that stand several times the first counts.
pub(crate) fn describe(header: &[u8], fallback: Fallback) -> Part {
    let mut part = Part::default();
    for field in fields::fields(header) {
        if field.name.len() < 10 || !field.name[..8].eq_ignore_ascii_case(b"Content-") {
            continue;
        }
        if field.is("Content-Type") && part.media_type.is_empty() {
            content_type(&field.value(), &mut part);
        } else if field.is("Content-Transfer-Encoding") && part.encoding.is_empty() {
            part.encoding = encoding(&field.value());
        } else if field.is("Content-Disposition") && part.disposition.is_none() {
            part.disposition = disposition(&field.value());
        } else if field.is("Content-Language") && part.language.is_empty() {
            part.language = languages(&field.value());
        } else if let Some(text) = text_field(&mut part, &field) {
            text.get_or_insert_with(|| field.value().into_owned());
        }
    }
    complete(&mut part, fallback);
    part
}

fn text_field<'a>(part: &'a mut Part, field: &fields::Field<'_>) -> Option<&'a mut Option<String>> {
    match field.name.len() {
        10 if field.is("Content-ID") => Some(&mut part.id),
        11 if field.is("Content-MD5") => Some(&mut part.md5),
        16 if field.is("Content-Location") => Some(&mut part.location),
        19 if field.is("Content-Description") => Some(&mut part.description),
        _ => None,
    }
}

/// Fills in what the header did not say.
fn complete(part: &mut Part, fallback: Fallback) {
    if part.encoding.is_empty() {
        "7bit".clone_into(&mut part.encoding);
    }
    if part.media_type.is_empty() {
        let (media_type, subtype) = match fallback {
            Fallback::Text => ("text", "plain"),
            Fallback::Message => ("message", "rfc822"),
        };
        media_type.clone_into(&mut part.media_type);
        subtype.clone_into(&mut part.subtype);
    }
    if part.media_type == "text" && part.parameter("charset").is_none() {
        part.parameters.push(("charset".to_owned(), "us-ascii".to_owned()));
    }
}

/// A type that cannot be read is left empty, so that the default stands in. `[RFC2045 5.2]`
fn content_type(value: &str, part: &mut Part) {
    let mut lexer = Lexer::new(value);
    let media_type = token(&mut lexer);
    lexer.skip_blanks();
    let subtype = if lexer.eat('/') { token(&mut lexer) } else { String::new() };
    if !media_type.is_empty() && !subtype.is_empty() {
        part.media_type = media_type;
        part.subtype = subtype;
        part.parameters = parameters(&mut lexer);
    }
}

fn disposition(value: &str) -> Option<Disposition> {
    let mut lexer = Lexer::new(value);
    let kind = token(&mut lexer);
    (!kind.is_empty()).then(|| Disposition { kind, parameters: parameters(&mut lexer) })
}

fn encoding(value: &str) -> String {
    token(&mut Lexer::new(value))
}

/// The tags of Content-Language. `[RFC3282 2]`
fn languages(value: &str) -> Vec<String> {
    value.split(',').map(|tag| token(&mut Lexer::new(tag))).filter(|tag| !tag.is_empty()).take(MAX_PARAMETERS).collect()
}

/// Blanks and comments, then a token in lower case.
fn token(lexer: &mut Lexer<'_>) -> String {
    lexer.skip_blanks();
    lexer.take_while(|c| !matches!(c, ' ' | '\t' | '(' | ')' | '/' | ';' | ',' | '=' | '"')).to_ascii_lowercase()
}

/// What follows a type or disposition; what cannot be read is passed over.
fn parameters(lexer: &mut Lexer<'_>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    loop {
        lexer.skip_blanks();
        if lexer.peek().is_none() || parameters.len() == MAX_PARAMETERS {
            return parameters;
        }
        if !lexer.eat(';') {
            lexer.take_while(|c| c != ';');
            continue;
        }
        let name = token(lexer);
        lexer.skip_blanks();
        if !name.is_empty() && lexer.eat('=') {
            parameters.push((name, parameter_value(lexer)));
        }
    }
}

/// A quoted string or what senders forget to quote: everything up to the semicolon, blanks
/// inside included, but a comment behind a blank ends it.
fn parameter_value(lexer: &mut Lexer<'_>) -> String {
    lexer.skip_blanks();
    if lexer.peek() == Some('"') {
        return lexer.quoted_string();
    }
    let mut after_blank = false;
    let value = lexer.take_while(|c| {
        let ends = c == ';' || (after_blank && c == '(');
        after_blank = matches!(c, ' ' | '\t');
        !ends
    });
    value.trim_end().to_owned()
}

/// The boundary of a multipart, if it has one that can be told from other lines. Its pieces
/// may stand in several parameters. `[RFC2046 5.1.1]`, `[RFC2231 3]`
pub(crate) fn boundary(part: &Part) -> Option<Vec<u8>> {
    let joined;
    let boundary = if let Some(whole) = part.parameter("boundary") {
        whole
    } else {
        joined = (0..MAX_PARAMETERS).map_while(|n| part.parameter(&format!("boundary*{n}"))).collect::<String>();
        &joined
    };
    // blanks at the end of a line are padding, so they cannot be part of a boundary
    let boundary = boundary.trim_end_matches([' ', '\t']);
    (1..=MAX_BOUNDARY).contains(&boundary.len()).then(|| boundary.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(header: &str) -> Part {
        describe(header.as_bytes(), Fallback::Text)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn all_mime_fields_are_read() {
        let part = part(
            "Content-Type: Application/ZIP (archive); Name=\"IHE_XDM.ZIP\";\r\n\tx=\"a\\\"b;c\"\r\n\
             content-transfer-encoding: BASE64 (always)\r\n\
             Content-Disposition: Attachment; filename=IHE_XDM.ZIP; size=12\r\n\
             Content-ID: <1@a>\r\nContent-Description: archive du\r\n patient\r\nContent-MD5: xyz==\r\n\
             Content-Language: fr, en-GB\r\nContent-Location: http://a/b\r\n\r\n",
        );
        assert_eq!((part.media_type.as_str(), part.subtype.as_str()), ("application", "zip"));
        assert_eq!(part.parameters, pairs(&[("name", "IHE_XDM.ZIP"), ("x", "a\"b;c")]));
        assert_eq!(part.encoding, "base64");
        let disposition = part.disposition.unwrap();
        assert_eq!(disposition.kind, "attachment");
        assert_eq!(disposition.parameters, pairs(&[("filename", "IHE_XDM.ZIP"), ("size", "12")]));
        assert_eq!(part.id.as_deref(), Some("<1@a>"));
        assert_eq!(part.description.as_deref(), Some("archive du patient"));
        assert_eq!(part.md5.as_deref(), Some("xyz=="));
        assert_eq!(part.language, ["fr", "en-gb"]);
        assert_eq!(part.location.as_deref(), Some("http://a/b"));
    }

    #[test]
    fn absent_or_broken_types_are_plain_text() {
        for header in
            ["", "Content-Type: text\r\n", "Content-Type: /\r\n", "Content-Type:\r\n", "Content-Type: ;a=b\r\n"]
        {
            let part = part(header);
            assert_eq!((part.media_type.as_str(), part.subtype.as_str()), ("text", "plain"), "{header}");
            assert_eq!(part.parameters, pairs(&[("charset", "us-ascii")]));
            assert_eq!(part.encoding, "7bit");
        }
        let in_digest = describe(b"\r\n", Fallback::Message);
        assert_eq!((in_digest.media_type.as_str(), in_digest.subtype.as_str()), ("message", "rfc822"));
    }

    #[test]
    fn unquoted_values_reach_to_the_semicolon() {
        let part = part("Content-Type: application/pdf; name=compte rendu (1).pdf; b==_x?; c = d (no)\r\n");
        assert_eq!(part.parameters, pairs(&[("name", "compte rendu"), ("b", "=_x?"), ("c", "d")]));
        let glued = super::tests::part("Content-Type: application/pdf; name=scan(1).pdf\r\n");
        assert_eq!(glued.parameters, pairs(&[("name", "scan(1).pdf")]));
    }

    #[test]
    fn boundaries_are_cut_quoted_or_in_pieces() {
        let of = |value: &str| boundary(&part(&format!("Content-Type: multipart/mixed; {value}\r\n")));
        assert_eq!(of("boundary=\"a b \"").unwrap(), b"a b");
        assert_eq!(of("boundary=----=_x").unwrap(), b"----=_x");
        assert_eq!(of("boundary*0=ab; boundary*1=\"c d\"").unwrap(), b"abc d");
        assert_eq!(of("boundary=\"\""), None);
        assert_eq!(of(""), None);
        assert_eq!(of(&format!("boundary={}", "x".repeat(251))), None);
    }

    #[test]
    fn parameters_are_bounded() {
        let many = part(&format!("Content-Type: a/b{}\r\n", ";x=y".repeat(100_000)));
        assert_eq!(many.parameters.len(), MAX_PARAMETERS);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_fail(value in "[a-z/;=\"()\\\\ \\t\\r\\n\\u{e9}*,]{0,80}") {
            for field in ["Content-Type", "Content-Disposition", "Content-Language", "Content-Transfer-Encoding"] {
                let part = part(&format!("{field}: {value}\r\n"));
                prop_assert!(!part.media_type.is_empty() && !part.encoding.is_empty());
            }
        }
    }
}
