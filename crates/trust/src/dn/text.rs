//! Names as text: reading with tolerance, writing by the book.

use std::fmt::Write as _;

use super::certificate;

/// `TYPE=value` pairs in the order in which they stand; nothing if the text is no such thing.
pub(super) fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let mut attributes = Vec::new();
    let mut quotes = Quotes::MayClose;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (kind, after) = attribute_type(text)?;
        let (raw, next) = split_value(after, &mut quotes);
        attributes.push((canonical_type(kind), value(raw)?));
        rest = next;
    }
    Some(attributes)
}

/// Whether a quote that opens a value can still have its counterpart. Once one had none, no later
/// one has, and nobody looks again: the time that a text takes grows with its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    MayClose,
    StandForThemselves,
}

/// The type at the beginning of `text` and what follows its equals sign. Looks no further than
/// the type goes.
fn attribute_type(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))?;
    let (kind, after) = text.split_at(length);
    let after = after.trim_start().strip_prefix('=')?;
    kind.starts_with(|c: char| c.is_ascii_alphanumeric()).then_some((kind, after))
}

/// Spelling variants of a type brought to one; the white list itself uses CN, OU, O, ST, L and C.
fn canonical_type(kind: &str) -> String {
    let kind = kind.to_ascii_uppercase();
    let number = kind.strip_prefix("OID.").filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
    let kind = number.unwrap_or(&kind);
    let name = match kind {
        "S" => "ST",
        "E" | "EMAIL" => "EMAILADDRESS",
        _ => certificate::type_name(kind).unwrap_or(kind),
    };
    name.to_owned()
}

/// The raw value at the beginning of `text`, and the text of the next attribute if there is one.
fn split_value<'a>(text: &'a str, rule: &mut Quotes) -> (&'a str, Option<&'a str>) {
    let quoted = text.trim_start();
    if quoted.starts_with('"') && *rule == Quotes::MayClose {
        match closing_quote(quoted) {
            Some((end, next)) => return (&quoted[..=end], next),
            None => *rule = Quotes::StandForThemselves,
        }
    }
    for (at, separator) in unescaped(text).filter(|(_, c)| is_separator(*c)) {
        let next = &text[at + separator.len_utf8()..];
        if attribute_type(next).is_some() {
            return (&text[..at], Some(next));
        }
    }
    (text, None)
}

/// Where the quoted value that begins `text` ends: at the first quote after which an attribute
/// or nothing follows. Other quotes are part of the value.
fn closing_quote(text: &str) -> Option<(usize, Option<&str>)> {
    for (at, _) in unescaped(text).skip(1).filter(|(_, c)| *c == '"') {
        let after = text[at + 1..].trim_start();
        if after.is_empty() {
            return Some((at, None));
        }
        if let Some(next) = after.strip_prefix(is_separator)
            && attribute_type(next).is_some()
        {
            return Some((at, Some(next)));
        }
    }
    None
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | '+')
}

/// The characters of `text` that no backslash precedes, with their places.
fn unescaped(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut escaped = false;
    text.char_indices().filter(move |(_, c)| {
        let counts = !escaped && *c != '\\';
        escaped = !escaped && *c == '\\';
        counts
    })
}

/// The value that a raw text stands for: quotes and escapes removed, hexadecimal DER decoded.
fn value(raw: &str) -> Option<String> {
    let raw = trim(raw);
    if let Some(content) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && closing_quote(raw).is_some_and(|(end, _)| end == raw.len() - 1)
    {
        return unescape(&content.replace("\"\"", "\""));
    }
    match raw.strip_prefix('#').and_then(from_hex) {
        Some(der) => certificate::string_of_der(&der).or_else(|| Some(raw.to_owned())),
        None => unescape(raw),
    }
}

/// Without the spaces around it, except one that a backslash protects.
fn trim(raw: &str) -> &str {
    let raw = raw.trim_start();
    let trimmed = raw.trim_end();
    let backslashes = trimmed.bytes().rev().take_while(|b| *b == b'\\').count();
    let protected = if backslashes % 2 == 1 { raw[trimmed.len()..].chars().next() } else { None };
    &raw[..trimmed.len() + protected.map_or(0, char::len_utf8)]
}

/// `\` and a character stands for it, `\` and two hexadecimal digits for an octet of UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        octets.extend_from_slice(before.as_bytes());
        if let Some(octet) = after.get(..2).and_then(from_hex) {
            octets.extend(octet);
            rest = &after[2..];
        } else {
            let escaped = after.chars().next()?;
            octets.extend_from_slice(&after.as_bytes()[..escaped.len_utf8()]);
            rest = &after[escaped.len_utf8()..];
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8(octets).ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// A value as RFC 4514 writes it; what a reader could not see or what turns his text around is
/// written in hexadecimal. `[RFC4514 2.4]`
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.char_indices().next_back().map_or(0, |(at, _)| at);
    for (at, c) in value.char_indices() {
        let at_edge = at == 0 || at == last;
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            '#' if at == 0 => out.push_str("\\#"),
            c if is_unseen(c) || (at_edge && c.is_whitespace()) => push_hex(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// Control and format characters, separators of lines, and letters without a shape.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e01ef}')
}

fn push_hex(out: &mut String, c: char) {
    for octet in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(out, "\\{octet:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        attributes(text).unwrap().into_iter().map(|(kind, value)| format!("{kind}|{value}")).collect()
    }

    #[test]
    fn the_irregular_names_of_the_published_list_are_read() {
        assert_eq!(
            read("CN=a.fr, OU=1750160012, O=CRLCC \"PAUL STRAUSS\", ST=Paris(75), C=FR"),
            ["CN|a.fr", "OU|1750160012", "O|CRLCC \"PAUL STRAUSS\"", "ST|Paris(75)", "C|FR"]
        );
        assert_eq!(read("CN=smtp.fr ,O=\"GIP  A, B\",C=FR"), ["CN|smtp.fr", "O|GIP  A, B", "C|FR"]);
        assert_eq!(read("O=\"CRLCC \"\"P. S.\"\"\",C=FR"), ["O|CRLCC \"P. S.\"", "C|FR"]);
        assert_eq!(read("O=\"PAUL\" STRAUSS,C=FR"), ["O|\"PAUL\" STRAUSS", "C|FR"]);
    }

    #[test]
    fn a_separator_counts_only_before_a_type() {
        assert_eq!(read("O=A, B + C; D,C=FR"), ["O|A, B + C; D", "C|FR"]);
        assert_eq!(read("CN=a+OU=b;C=FR"), ["CN|a", "OU|b", "C|FR"]);
    }

    #[test]
    fn escapes_and_hexadecimal_are_resolved() {
        assert_eq!(read("O=A\\, OU\\=B,C=FR"), ["O|A, OU=B", "C|FR"]);
        assert_eq!(read("L=Lu\\C4\\8Di\\C4\\87"), ["L|Lučić"]);
        assert_eq!(read("2.5.4.3=#0C024869,oid.2.5.4.10=x"), ["CN|Hi", "O|x"]);
        assert_eq!(read("OID.OID.2.5.4.3=x,OID.CN=y"), ["OID.OID.2.5.4.3|x", "OID.CN|y"]);
        assert_eq!(read("O=#zz"), ["O|#zz"]);
        assert_eq!(read("O=x\\ "), ["O|x "]);
    }

    /// None of them is looked at from each of its places to its end.
    #[test]
    fn long_texts_are_read_in_one_pass() {
        for piece in [",", "=", " ", "\"", ",A=\"", "\\,", ", ", "A", "A=", ",A=\"x\"y"] {
            let text = format!("A={}", piece.repeat(100_000));
            let read = attributes(&text);
            assert!(read.is_none_or(|read| !read.is_empty()), "{piece}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_written_in_hexadecimal() {
        assert_eq!(escaped("a\u{200b}b\u{202e}\0 É"), "a\\E2\\80\\8Bb\\E2\\80\\AE\\00 É");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "smtp.exemple.fr", "=x", "C N=x", "CN=x\\", "O=\\FF", "é=x"] {
            assert_eq!(attributes(text), None, "{text}");
        }
    }
}
