//! One line of the chain: its canonical form, its digest, and how it follows the one before. Pure: no database.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// What stands before the first line.
pub(crate) const BEGINNING: Hash = [0; 32];

/// Octets of a salt.
pub(crate) const SALT: usize = 16;

/// What stays of a line for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// From 1, without gaps.
    pub(crate) number: i64,
    /// To the microsecond.
    pub(crate) at: OffsetDateTime,
    pub(crate) event: String,
}

/// What goes when the retention of the event's class is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) salt: [u8; SALT],
    pub(crate) actor: String,
    pub(crate) delegated: Option<String>,
    pub(crate) message: Option<i64>,
    pub(crate) bal: Option<i64>,
    pub(crate) peer: Option<String>,
    /// Canonical JSON, see [`canonical_json`].
    pub(crate) detail: Option<String>,
}

/// A line as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) head: Head,
    pub(crate) digest: Hash,
    /// None once it was removed.
    pub(crate) content: Option<Content>,
}

impl Line {
    /// A line with the digest that belongs to it.
    pub(crate) fn new(head: Head, content: Content) -> Self {
        Self { digest: digest(&head, &content), head, content: Some(content) }
    }

    /// Whether the digest is that of the content; nothing can be said of content that is gone.
    pub(crate) fn holds(&self) -> bool {
        self.content.as_ref().is_none_or(|content| digest(&self.head, content) == self.digest)
    }

    /// The hash of the chain after this line.
    pub(crate) fn chained(&self, previous: &Hash) -> Hash {
        let mut hash = Context::new(&SHA256);
        hash.update(previous);
        hash.update(&self.head.number.to_be_bytes());
        hash.update(&micros(self.head.at).to_be_bytes());
        hash.update(&self.digest);
        hash.update(self.head.event.as_bytes());
        octets(hash)
    }
}

/// SHA-256 over the salt and the canonical form.
fn digest(head: &Head, content: &Content) -> Hash {
    let mut hash = Context::new(&SHA256);
    hash.update(&content.salt);
    hash.update(canonical(head, content).as_bytes());
    octets(hash)
}

fn octets(hash: Context) -> Hash {
    hash.finish().as_ref().try_into().expect("SHA-256 gives 32 octets")
}

/// Microseconds since 1970, as PostgreSQL keeps times.
fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// The line as JSON: members in alphabetical order, no spaces, `null` for what is not said.
pub(crate) fn canonical(head: &Head, content: &Content) -> String {
    let detail = content.detail.as_deref();
    let mut text = String::with_capacity(200 + detail.map_or(0, str::len));
    text.push_str("{\"actor\":");
    push_text(&mut text, Some(&content.actor));
    text.push_str(",\"at\":\"");
    text.push_str(&moment(head.at));
    text.push_str("\",\"bal\":");
    push_number(&mut text, content.bal);
    text.push_str(",\"delegated\":");
    push_text(&mut text, content.delegated.as_deref());
    text.push_str(",\"detail\":");
    text.push_str(detail.unwrap_or("null"));
    text.push_str(",\"event\":");
    push_text(&mut text, Some(&head.event));
    text.push_str(",\"message\":");
    push_number(&mut text, content.message);
    text.push_str(",\"number\":");
    push_number(&mut text, Some(head.number));
    text.push_str(",\"peer\":");
    push_text(&mut text, content.peer.as_deref());
    text.push('}');
    text
}

/// As `2026-11-22T07:00:00.000000Z`, always with six digits.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    let utc = at.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (utc.date(), utc.time());
    let mut text = String::with_capacity(27);
    // A String takes everything; the general formatter costs more than the digest.
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.microsecond()
    );
    text
}

/// Reads what [`moment`] wrote.
pub(crate) fn parse_moment(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    time::PrimitiveDateTime::parse(text, form).ok().map(time::PrimitiveDateTime::assume_utc)
}

fn push_text(to: &mut String, text: Option<&str>) {
    match text {
        // What JSON lets stand as it is; everything else is rare.
        Some(text) if text.bytes().all(|octet| octet >= 0x20 && octet != b'"' && octet != b'\\') => {
            to.push('"');
            to.push_str(text);
            to.push('"');
        }
        Some(text) => to.push_str(&Value::from(text).to_string()),
        None => to.push_str("null"),
    }
}

fn push_number(to: &mut String, number: Option<i64>) {
    match number {
        // A String takes everything.
        Some(number) => drop(write!(to, "{number}")),
        None => to.push_str("null"),
    }
}

/// The one form of a JSON text: members in alphabetical order, no spaces. What is no JSON becomes a JSON text. PostgreSQL
/// reads no NUL: a line that had one would hold up all that come after it.
pub(crate) fn canonical_json(text: &str) -> String {
    let one_form = match serde_json::from_str::<Value>(text) {
        Ok(value) => value.to_string(),
        Err(_) => Value::from(text).to_string(),
    };
    one_form.replace("\\u0000", "\u{fffd}")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        pub(crate) fn contents()(
            salt in any::<[u8; SALT]>(), actor in ".{0,12}", delegated in option::of("[a-z-]{1,9}"),
            message in option::of(any::<i64>()), bal in option::of(any::<i64>()), peer in option::of(".{0,12}"),
            word in option::of(".{0,12}"),
        ) -> Content {
            let detail = word.map(|word| serde_json::json!({ "word": word, "a": 1 }).to_string());
            Content { salt, actor, delegated, message, bal, peer, detail }
        }
    }

    pub(crate) fn head(number: i64) -> Head {
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(1_795_000_000_123_456 + number);
        Head { number, at, event: "bal.created".into() }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_what_any_json_library_writes(number in 1_i64.., content in contents()) {
            let text = canonical(&head(number.min(1 << 40)), &content);
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(value.to_string(), text);
        }

        #[test]
        fn another_content_has_another_digest(one in contents(), other in contents()) {
            let (a, b) = (Line::new(head(1), one.clone()), Line::new(head(1), other.clone()));
            prop_assert_eq!(a.digest == b.digest, one == other);
            let swapped = Line { content: Some(other), ..a.clone() };
            prop_assert_eq!(swapped.holds(), a == swapped);
        }

        #[test]
        fn the_head_is_part_of_digest_and_chain(content in contents(), previous in any::<Hash>()) {
            let line = Line::new(head(7), content);
            let mut moved = line.clone();
            moved.head.number = 8;
            prop_assert!(line.holds() && !moved.holds());
            moved.content = None;
            prop_assert_ne!(line.chained(&previous), moved.chained(&previous));
            let emptied = Line { content: None, ..line.clone() };
            prop_assert_eq!(line.chained(&previous), emptied.chained(&previous), "retention leaves the chain as it is");
        }
    }

    #[test]
    fn moments_have_one_form() {
        let at = time::macros::datetime!(2026-11-22 08:00:00.0012 +1);
        assert_eq!(moment(at), "2026-11-22T07:00:00.001200Z");
        assert_eq!(parse_moment(&moment(at)), Some(at));
        assert_eq!(parse_moment("2026-11-22T07:00:00Z"), None);
    }

    #[test]
    fn what_is_no_json_becomes_a_text() {
        assert_eq!(canonical_json("{ \"b\": 1, \"a\": [ ] }"), "{\"a\":[],\"b\":1}");
        assert_eq!(canonical_json("{ broken"), "\"{ broken\"");
        assert_eq!(canonical_json("[\"a\\u0000b\"]"), "[\"a\u{fffd}b\"]");
    }
}
