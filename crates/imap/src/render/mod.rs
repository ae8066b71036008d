//! Responses as octets. `[RFC3501 7]`
//!
//! Everything is appended to the session's output buffer. Tests read it back with imap-codec.

mod envelope;
mod structure;

pub(crate) use envelope::envelope;
pub(crate) use structure::structure;

use time::OffsetDateTime;

use crate::view::{News, Row, System, View};

/// Quoted strings longer than this are sent as literals.
const LONGEST_QUOTED: usize = 1000;

/// `string`: quoted where it can be, otherwise a literal. Octets above 127 may stand in
/// literals only, to a client that has not enabled UTF-8. `[RFC3501 4.3]`, `[RFC6855 3]`
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let text = text.as_bytes();
    if text.len() <= LONGEST_QUOTED && text.iter().all(|b| matches!(b, b' '..=b'~' | b'\t')) {
        out.push(b'"');
        for b in text {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*b);
        }
        out.push(b'"');
    } else {
        // CHAR8 has no NUL
        let clean: Vec<u8> = text.iter().copied().filter(|b| *b != 0).collect();
        literal(out, &clean);
    }
}

/// `literal`
pub(crate) fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    literal_head(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// The head of a literal whose octets follow.
pub(crate) fn literal_head(out: &mut Vec<u8>, length: u64) {
    text(out, &format!("{{{length}}}\r\n"));
}

/// `nstring`
pub(crate) fn nstring(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => string(out, value),
        None => text(out, "NIL"),
    }
}

/// Text as it is.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A decimal number.
pub(crate) fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // below ten
        digits[at] = b'0' + u8::try_from(n % 10).unwrap_or_default();
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `* n WORD`
pub(crate) fn numbered(out: &mut Vec<u8>, n: u32, word: &str) {
    text(out, "* ");
    number(out, u64::from(n));
    text(out, " ");
    text(out, word);
    text(out, "\r\n");
}

/// The flags of a message in parentheses.
pub(crate) fn flags(out: &mut Vec<u8>, view: &View, row: &Row) {
    out.push(b'(');
    let system = System::NAMES.iter().filter(|(flag, _)| row.system.has(*flag)).map(|(_, name)| *name);
    let recent = view.is_recent(row).then_some("\\Recent");
    let keywords = view.keywords(row).iter().map(String::as_str);
    words(out, system.chain(recent).chain(keywords));
    out.push(b')');
}

/// The FLAGS response of a folder. `[RFC3501 7.2.6]`
pub(crate) fn folder_flags(out: &mut Vec<u8>, view: &View) {
    text(out, "* FLAGS (");
    words(out, System::NAMES.iter().map(|(_, name)| *name).chain(view.known_keywords().iter().map(String::as_str)));
    text(out, ")\r\n");
}

/// Words divided by spaces.
pub(crate) fn words<'a>(out: &mut Vec<u8>, words: impl Iterator<Item = &'a str>) {
    for (i, word) in words.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        text(out, word);
    }
}

/// What changed in the selected folder.
pub(crate) fn news(out: &mut Vec<u8>, view: &View, news: &News) {
    for n in &news.expunged {
        numbered(out, *n, "EXPUNGE");
    }
    if news.keywords {
        folder_flags(out, view);
    }
    for n in &news.flags {
        fetched_flags(out, view, *n, false);
    }
    if let Some(exists) = news.exists {
        numbered(out, exists, "EXISTS");
        numbered(out, view.recent(), "RECENT");
    }
}

/// `* n FETCH (FLAGS …)`, with the UID in answer to a UID command.
pub(crate) fn fetched_flags(out: &mut Vec<u8>, view: &View, n: u32, with_uid: bool) {
    let Some(row) = view.row(n) else { return };
    text(out, &format!("* {n} FETCH ("));
    if with_uid {
        text(out, &format!("UID {} ", row.uid));
    }
    text(out, "FLAGS ");
    flags(out, view, row);
    text(out, ")\r\n");
}

/// `date-time`, in UTC. `[RFC3501 9]`
pub(crate) fn date_time(out: &mut Vec<u8>, seconds: i64) {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = &at.month().to_string()[..3];
    let (day, year) = (at.day(), at.year());
    let (h, m, s) = at.time().as_hms();
    text(out, &format!("\"{day:>2}-{month}-{year:04} {h:02}:{m:02}:{s:02} +0000\""));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{entry, seen, view};

    pub(crate) fn rendered(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        render(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_quoted_if_seven_bit_and_literals_otherwise() {
        assert_eq!(rendered(|out| string(out, "a \"b\" \\")), r#""a \"b\" \\""#);
        assert_eq!(rendered(|out| string(out, "é\0")), "{2}\r\né");
        assert_eq!(rendered(|out| string(out, "a\nb")), "{3}\r\na\nb");
        assert_eq!(rendered(|out| string(out, "")), "\"\"");
        assert_eq!(rendered(|out| nstring(out, None)), "NIL");
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(rendered(|out| number(out, 0)), "0");
        assert_eq!(rendered(|out| number(out, u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn dates_have_two_places_for_the_day() {
        assert_eq!(rendered(|out| date_time(out, 86_399)), "\" 1-Jan-1970 23:59:59 +0000\"");
    }

    #[test]
    fn flags_show_recent_and_keywords() {
        let mut message = seen(entry(9, 1));
        message.flags.keywords.insert("$MDNSent".into());
        let view = view(vec![entry(2, 1), message]);
        assert_eq!(
            rendered(|out| fetched_flags(out, &view, 2, true)),
            "* 2 FETCH (UID 9 FLAGS (\\Seen \\Recent $MDNSent))\r\n"
        );
        assert_eq!(
            rendered(|out| folder_flags(out, &view)),
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $MDNSent)\r\n"
        );
    }

    #[test]
    fn news_come_as_expunge_then_flags_then_exists() {
        let view = view(vec![entry(2, 1)]);
        let some = News { keywords: false, expunged: vec![3, 1], flags: vec![1], exists: Some(1) };
        assert_eq!(
            rendered(|out| news(out, &view, &some)),
            "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS ())\r\n* 1 EXISTS\r\n* 0 RECENT\r\n"
        );
    }
}
