//! A file as office software writes it: its encoding, its line ends, its separator.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde::Serialize;

/// Most octets of a file.
pub(crate) const LARGEST_FILE: usize = 64 * 1024 * 1024;

/// How a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Form {
    /// Its encoding.
    pub(crate) encoding: &'static str,
    /// What stands between its fields.
    pub(crate) separator: &'static str,
}

/// Why a file is not text at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotText(pub(super) String);

/// The text of a file with line feeds only, and what encoding it has: that of its byte order mark, UTF-8 if it is that, and
/// otherwise what Windows writes in France, of which Latin-1 is a part.
pub(super) fn decode(octets: &[u8]) -> Result<(String, &'static Encoding), NotText> {
    if octets.len() > LARGEST_FILE {
        return Err(NotText("the file has more than 64 MiB; divide it".to_owned()));
    }
    if octets.starts_with(b"PK\x03\x04") || octets.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(NotText("this is a spreadsheet and not CSV; save it as \"CSV UTF-8\"".to_owned()));
    }
    let (encoding, rest) = match Encoding::for_bom(octets) {
        Some((encoding, mark)) => (encoding, &octets[mark..]),
        None if std::str::from_utf8(octets).is_ok() => (UTF_8, octets),
        None => (WINDOWS_1252, octets),
    };
    let (text, broken) = encoding.decode_without_bom_handling(rest);
    if broken {
        let why = "the file is not text in UTF-8, UTF-16 or Windows-1252; save it as \"CSV UTF-8\"";
        return Err(NotText(why.to_owned()));
    }
    if let Some(place) = text.find('\0') {
        let line = one_line_end(text[..place].into()).matches('\n').count() + 1;
        return Err(NotText(format!(
            "line {line} holds a NUL, which is no text; take it away, or save the list as \"CSV UTF-8\""
        )));
    }
    Ok((one_line_end(text), encoding))
}

fn one_line_end(text: Cow<'_, str>) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.into_owned() }
}

/// What stands between the fields: what is most frequent in the first line that is not empty. One that is meant for Excel
/// (`sep=;`) holds it alone.
pub(super) fn separator(text: &str) -> (u8, &'static str) {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |wanted: char| {
        let mut quoted = false;
        header
            .chars()
            .filter(|&c| {
                quoted ^= c == '"';
                c == wanted && !quoted
            })
            .count()
    };
    let found = [(b';', ";"), (b',', ","), (b'\t', "tab")].map(|(octet, word)| (count(octet as char), octet, word));
    let [semicolon, comma, tab] = found;
    let best = [comma, tab].into_iter().fold(semicolon, |best, other| if other.0 > best.0 { other } else { best });
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_office_software_writes_is_read() {
        for (octets, expected) in [
            (&b"\xef\xbb\xbfn\xc3\xa9;x\r\n"[..], "UTF-8"),
            (b"n\xc3\xa9;x\n", "UTF-8"),
            (b"n\xe9;x\r", "windows-1252"),
            (b"\xff\xfen\0\xe9\0;\0x\0\r\0\n\0", "UTF-16LE"),
        ] {
            let (text, encoding) = decode(octets).unwrap();
            assert_eq!((text.as_str(), encoding.name()), ("né;x\n", expected));
        }
        assert!(decode(b"PK\x03\x04...").unwrap_err().0.contains("CSV"));
        assert!(decode(b"a\r\nb\0").unwrap_err().0.starts_with("line 2 "));
    }

    #[test]
    fn the_separator_is_the_one_of_the_header() {
        assert_eq!(separator("\naddress;kind;name\na,b,c,d\n").1, ";");
        assert_eq!(separator("address,kind,name").1, ",");
        assert_eq!(separator("address\tkind\t\"a,b,c,d\"").1, "tab");
        assert_eq!(separator("address").1, ";");
        assert_eq!(separator("sep=,\naddress,kind;x;y").1, ",");
    }
}
