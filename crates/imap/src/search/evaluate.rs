//! Whether a message is found.

use std::sync::OnceLock;

use message::{EnvelopeAddress, Summary, decode_words};

use super::needle::fold;
use super::text::sent_day;
use super::{Field, Key, Needle};
use crate::view::{Row, View};

/// What is at hand of a message.
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) view: &'a View,
    pub(crate) number: u32,
    pub(crate) row: &'a Row,
    pub(crate) head: Option<&'a Head<'a>>,
    pub(crate) words: Option<&'a Words>,
}

/// What the summary says of a message; each text is decoded and folded once, when it is first
/// looked at, however many keys look for something in it.
pub(crate) struct Head<'a> {
    summary: &'a Summary,
    subject: OnceLock<Option<String>>,
    message_id: OnceLock<Option<String>>,
    in_reply_to: OnceLock<Option<String>>,
    /// By [`Field`]: an address a line.
    addresses: [OnceLock<String>; 4],
}

impl<'a> Head<'a> {
    pub(crate) fn new(summary: &'a Summary) -> Self {
        Self {
            summary,
            subject: OnceLock::new(),
            message_id: OnceLock::new(),
            in_reply_to: OnceLock::new(),
            addresses: [const { OnceLock::new() }; 4],
        }
    }

    pub(crate) fn summary(&self) -> &'a Summary {
        self.summary
    }

    fn subject(&self) -> Option<&str> {
        folded(&self.subject, self.summary.envelope.subject.as_deref())
    }

    fn addresses(&self, field: Field) -> &str {
        let envelope = &self.summary.envelope;
        let (at, addresses) = match field {
            Field::Bcc => (0, &envelope.bcc),
            Field::Cc => (1, &envelope.cc),
            Field::From => (2, &envelope.from),
            Field::To => (3, &envelope.to),
        };
        self.addresses[at].get_or_init(|| {
            let lines = addresses.iter().map(|address| fold(&shown(address)));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    /// The field of this name, if it is one that the summary holds whole; the inner none if the
    /// message has no such field.
    fn text(&self, name: &str) -> Option<Text<'_>> {
        let envelope = &self.summary.envelope;
        let value = match name {
            "message-id" => folded(&self.message_id, envelope.message_id.as_deref()),
            "in-reply-to" => folded(&self.in_reply_to, envelope.in_reply_to.as_deref()),
            "subject" => self.subject(),
            _ => return None,
        };
        Some(Text { value, is_all: self.summary.says_all })
    }
}

/// A header field as the summary has it.
struct Text<'a> {
    value: Option<&'a str>,
    /// Whether the message has no other field of that name.
    is_all: bool,
}

fn folded<'a>(cell: &'a OnceLock<Option<String>>, text: Option<&str>) -> Option<&'a str> {
    cell.get_or_init(|| text.map(|text| fold(&decode_words(text)))).as_deref()
}

/// The text of a message, folded as [`super::needle::fold`] does.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Header fields: lower-case name and folded value.
    pub(crate) header: Vec<(String, String)>,
    /// The same, a field a line; what is looked for never holds a line end.
    pub(crate) lines: String,
    /// The header blocks inside the body and its text parts, if they were read.
    pub(crate) body: Option<Vec<String>>,
}

impl Words {
    pub(crate) fn of_header(header: Vec<(String, String)>) -> Self {
        let lines = header.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat();
        Self { header, lines, body: None }
    }
}

impl Key {
    /// Whether the message is found; `None` if more material is needed to tell.
    pub(crate) fn test(&self, of: Material<'_>) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Flag(flag, set) => Some(of.row.system.has(*flag) == *set),
            Self::Recent(recent) => Some(of.view.is_recent(of.row) == *recent),
            Self::Keyword(word, set) => {
                Some(of.view.keywords(of.row).iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) == *set)
            }
            Self::Numbers(numbers) => Some(numbers.contains(of.number)),
            Self::Uids(uids) => Some(uids.contains(of.row.uid)),
            Self::Larger(size) => Some(of.row.size > *size),
            Self::Smaller(size) => Some(of.row.size < *size),
            Self::Received(when) => Some(when.covers(of.row.received.div_euclid(86_400))),
            Self::Age { older, than } => Some(if *older { of.row.received <= *than } else { of.row.received >= *than }),
            Self::Not(key) => key.test(of).map(|found| !found),
            Self::And(keys) => all(keys.iter().map(|key| key.test(of))),
            Self::Or(a, b) => all([a, b].into_iter().map(|key| key.test(of).map(|found| !found))).map(|none| !none),
            Self::Sent(when) => {
                let day = sent_day(of.head?.summary.envelope.date.as_deref().unwrap_or_default());
                Some(day.is_some_and(|day| when.covers(day)))
            }
            Self::Address(field, needle) => Some(needle.is_in(of.head?.addresses(*field))),
            Self::Subject(needle) => Some(needle.is_in(of.head?.subject().unwrap_or_default())),
            Self::Header(name, needle) => test_header(name, needle, of),
            Self::Body(needle) => of.words.and_then(|words| in_body(needle, words)),
            Self::Text(needle) => {
                let words = of.words?;
                if needle.is_in(&words.lines) { Some(true) } else { in_body(needle, words) }
            }
        }
    }

    /// The least that is needed to answer what the view cannot: whether the octets of the
    /// header, and whether those of the body.
    pub(crate) fn reads(&self) -> Reads {
        match self {
            Self::Header(..) => Reads::Header,
            Self::Body(_) | Self::Text(_) => Reads::Body,
            Self::Not(key) => key.reads(),
            Self::And(keys) => keys.iter().map(Self::reads).max().unwrap_or(Reads::Summary),
            Self::Or(a, b) => a.reads().max(b.reads()),
            _ => Reads::Summary,
        }
    }
}

/// What a search reads beside the view, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reads {
    /// At most the summary.
    Summary,
    /// The header's octets.
    Header,
    /// The body's octets.
    Body,
}

/// Fields that the summary holds whole are looked for there: clients look for Message-ID after
/// each APPEND, mostly in messages that have another one.
fn test_header(name: &str, needle: &Needle, of: Material<'_>) -> Option<bool> {
    if let Some(text) = of.head.and_then(|head| head.text(name)) {
        let found = text.value.is_some_and(|value| needle.is_in(value));
        if found || text.is_all {
            return Some(found);
        }
    }
    let words = of.words?;
    Some(words.header.iter().any(|(field, value)| field == name && needle.is_in(value)))
}

fn in_body(needle: &Needle, words: &Words) -> Option<bool> {
    words.body.as_ref().map(|texts| texts.iter().any(|text| needle.is_in(text)))
}

/// Whether all hold: one that does not settles it, whatever the others say.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(true)
}

/// An address as a person would type it.
fn shown(address: &EnvelopeAddress) -> String {
    let name = decode_words(address.name.as_deref().unwrap_or_default());
    match (&address.mailbox, &address.host) {
        (Some(mailbox), Some(host)) => format!("{name} <{mailbox}@{host}>"),
        (Some(group), None) => decode_words(group),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Body, decode};
    use crate::search::{Frame, Unsearchable, compile};
    use crate::view::tests::{entry, seen, view};
    use imap_types::command::CommandBody;
    use message::Envelope;

    fn key(text: &str) -> Result<Key, Unsearchable> {
        let Body::Base(body) = decode(format!("a SEARCH {text}\r\n").as_bytes()).unwrap().body else { panic!() };
        let CommandBody::Search { charset, criteria, .. } = *body else { panic!() };
        compile(charset.as_ref(), criteria.as_ref(), Frame { exists: 3, last_uid: 9, now: 100 })
    }

    fn folder() -> View {
        let mut kept = entry(4, 1);
        kept.flags.keywords.insert("$Label1".into());
        kept.internal_date = time::macros::datetime!(2026-11-03 23:59 UTC);
        view(vec![seen(entry(2, 1)), kept, entry(9, 1)])
    }

    /// UIDs found with the view alone.
    fn found(text: &str) -> Vec<u32> {
        let (view, key) = (folder(), key(text).unwrap());
        let holds = |number, row| key.test(Material { view: &view, number, row, head: None, words: None });
        view.rows().filter(|(number, row)| holds(*number, row).unwrap()).map(|(_, row)| row.uid).collect()
    }

    fn summary() -> Summary {
        let from = EnvelopeAddress {
            name: Some("=?utf-8?q?H=C3=A9l=C3=A8ne?=".into()),
            mailbox: Some("h".into()),
            host: Some("ch.mssante.fr".into()),
        };
        let envelope = Envelope {
            subject: Some("=?utf-8?b?UsOpc3VsdGF0cw==?= du 3".into()),
            date: Some("Tue, 3 Nov 2026 00:30:00 +0200".into()),
            message_id: Some("<42@x>".into()),
            from: vec![from],
            ..Envelope::default()
        };
        Summary { envelope, ..Summary::default() }
    }

    fn with(text: &str, summary: Option<&Summary>, words: Option<&Words>) -> Option<bool> {
        let view = folder();
        let row = view.row(1).unwrap();
        let head = summary.map(Head::new);
        key(text).unwrap().test(Material { view: &view, number: 1, row, head: head.as_ref(), words })
    }

    #[test]
    fn flags_numbers_sizes_and_dates_need_the_view_only() {
        for (text, uids) in [
            ("ALL", &[2, 4, 9][..]),
            ("UNSEEN", &[4, 9]),
            ("NOT UNSEEN", &[2]),
            ("NEW", &[9]),
            ("OLD", &[2, 4]),
            ("KEYWORD $label1", &[4]),
            ("UNKEYWORD $Label1", &[2, 9]),
            ("2:*", &[4, 9]),
            ("UID 3:100", &[4, 9]),
            ("OR SEEN 3", &[2, 9]),
            ("(SEEN) (UNSEEN)", &[]),
            ("LARGER 400", &[9]),
            ("SMALLER 400", &[2]),
            ("ON 3-Nov-2026", &[4]),
            ("SINCE 3-Nov-2026", &[4]),
            ("BEFORE 3-Nov-2026", &[2, 9]),
            ("YOUNGER 100", &[2, 4, 9]),
            ("OLDER 50", &[2, 9]),
        ] {
            assert_eq!(found(text), uids, "{text}");
        }
    }

    #[test]
    fn envelope_keys_are_answered_from_the_decoded_summary() {
        let summary = summary();
        for (text, expected) in [
            ("SUBJECT \"RÉSULTATS du\"", true),
            ("SUBJECT resultats", false),
            ("FROM \"hélène\"", true),
            ("FROM h@ch.mssante", true),
            ("TO h", false),
            ("SENTON 3-Nov-2026", true),
            ("SENTBEFORE 3-Nov-2026", false),
            ("HEADER Message-ID 42@x", true),
        ] {
            assert_eq!(with(text, Some(&summary), None), Some(expected), "{text}");
            assert_eq!(with(text, None, None), None, "{text}");
        }
    }

    #[test]
    fn a_header_that_is_wholly_in_the_summary_needs_no_octets() {
        let unsure = summary();
        let sure = Summary { says_all: true, ..summary() };
        for (text, expected) in [
            ("HEADER Message-ID 42@x", Some(true)),
            ("HEADER Message-ID 43@x", Some(false)),
            ("HEADER In-Reply-To \"\"", Some(false)),
            ("HEADER X-Labo 1", None),
        ] {
            assert_eq!(with(text, Some(&sure), None), expected, "{text}");
            assert_eq!(with(text, Some(&unsure), None), expected.filter(|found| *found), "{text}");
        }
    }

    #[test]
    fn latin1_strings_are_read_as_such() {
        let Body::Base(body) = decode(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {1+}\r\n\xe9\r\n").unwrap().body else {
            panic!()
        };
        let CommandBody::Search { charset, criteria, .. } = *body else { panic!() };
        let key = compile(charset.as_ref(), criteria.as_ref(), Frame { exists: 1, last_uid: 1, now: 0 }).unwrap();
        let Key::And(keys) = &key else { panic!() };
        let Key::Subject(needle) = &keys[0] else { panic!() };
        assert!(needle.is_in_raw("É"));
    }

    #[test]
    fn text_looks_into_header_and_body_and_body_only_into_the_body() {
        let header_only = Words::of_header(vec![("x-labo".into(), "biologie".into())]);
        let mut words = Words::of_header(header_only.header.clone());
        words.body = Some(vec!["glycémie 1,2".into()]);
        for (text, all, header) in [
            ("TEXT biologie", Some(true), Some(true)),
            ("TEXT \"x-labo: bio\"", Some(true), Some(true)),
            ("BODY biologie", Some(false), None),
            ("BODY \"glycémie\"", Some(true), None),
            ("HEADER X-Labo \"\"", Some(true), Some(true)),
            ("HEADER X-Other \"\"", Some(false), Some(false)),
        ] {
            let text = text.to_owned();
            assert_eq!(with(&text, None, Some(&words)), all, "{text}");
            assert_eq!(with(&text, None, Some(&header_only)), header, "{text}");
        }
    }

    #[test]
    fn what_the_view_settles_needs_no_octets() {
        assert_eq!(with("UNSEEN TEXT x", None, None), Some(false));
        assert_eq!(with("OR SEEN TEXT x", None, None), Some(true));
        assert_eq!(with("NOT TEXT x", None, None), None);
        assert_eq!(key("OR SUBJECT a HEADER b c").unwrap().reads(), Reads::Header);
    }

    #[test]
    fn what_cannot_be_searched_is_told_apart() {
        assert_eq!(key("CHARSET UTF-16 ALL").unwrap_err(), Unsearchable::Charset);
        assert_eq!(key("4").unwrap_err(), Unsearchable::Numbers);
        assert_eq!(key("MODSEQ 5").unwrap_err(), Unsearchable::Key);
    }
}
