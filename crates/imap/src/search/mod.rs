//! SEARCH: what is asked for, compiled once for a command. `[RFC3501 6.4.4]`
//!
//! A key is answered with what is at hand: first the view alone, then the summary, then the
//! octets of the message. [`Key::test`] says `None` as long as it needs more.

mod evaluate;
mod needle;
pub(crate) mod text;

pub(crate) use evaluate::{Head, Material, Reads, Words};
pub(crate) use needle::Needle;

use imap_types::core::{AString, Charset};
use imap_types::search::SearchKey;

use crate::codec::fields;
use crate::sets::{Ranges, numbers_exist};
use crate::view::System;

/// A compiled search key.
#[derive(Debug)]
pub(crate) enum Key {
    All,
    Flag(System, bool),
    Recent(bool),
    Keyword(String, bool),
    Numbers(Ranges),
    Uids(Ranges),
    Larger(u64),
    Smaller(u64),
    Received(When),
    Sent(When),
    /// Received before (`true`) or after this moment, in seconds since 1970. `[RFC5032]`
    Age {
        older: bool,
        than: i64,
    },
    Address(Field, Needle),
    Subject(Needle),
    Header(String, Needle),
    Body(Needle),
    Text(Needle),
    Not(Box<Key>),
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
}

/// A comparison of dates, in days since 1970; time and zone are disregarded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    Before(i64),
    On(i64),
    Since(i64),
}

impl When {
    pub(crate) fn covers(self, day: i64) -> bool {
        match self {
            Self::Before(limit) => day < limit,
            Self::On(wanted) => day == wanted,
            Self::Since(limit) => day >= limit,
        }
    }
}

/// The address fields of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Bcc,
    Cc,
    From,
    To,
}

/// Why a search is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsearchable {
    /// A character set that we do not know. `[RFC3501 7.1]`
    Charset,
    /// It speaks of messages that are not there.
    Numbers,
    /// It uses what we do not offer.
    Key,
}

/// How the strings of the command are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
}

/// What a search is compiled against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Messages in the view.
    pub(crate) exists: u32,
    /// Its highest UID.
    pub(crate) last_uid: u32,
    /// The present moment in seconds since 1970.
    pub(crate) now: i64,
}

/// Compiles the keys of a command; all of them have to hold.
pub(crate) fn compile(
    charset: Option<&Charset<'_>>,
    keys: &[SearchKey<'_>],
    frame: Frame,
) -> Result<Key, Unsearchable> {
    let encoding = match charset.map(|charset| charset.as_ref().to_ascii_uppercase()).as_deref() {
        None | Some("UTF-8" | "US-ASCII") => Encoding::Utf8,
        Some("ISO-8859-1") => Encoding::Latin1,
        Some(_) => return Err(Unsearchable::Charset),
    };
    Compiler { encoding, frame }.all(keys)
}

struct Compiler {
    encoding: Encoding,
    frame: Frame,
}

impl Compiler {
    fn all(&self, keys: &[SearchKey<'_>]) -> Result<Key, Unsearchable> {
        keys.iter().map(|key| self.key(key)).collect::<Result<_, _>>().map(Key::And)
    }

    fn key(&self, key: &SearchKey<'_>) -> Result<Key, Unsearchable> {
        Ok(match key {
            SearchKey::And(keys) => self.all(keys.as_ref())?,
            SearchKey::Not(key) => Key::Not(Box::new(self.key(key)?)),
            SearchKey::Or(a, b) => Key::Or(Box::new(self.key(a)?), Box::new(self.key(b)?)),
            SearchKey::All => Key::All,
            SearchKey::SequenceSet(set) if !numbers_exist(set, self.frame.exists) => return Err(Unsearchable::Numbers),
            SearchKey::SequenceSet(set) => Key::Numbers(Ranges::resolve(set, self.frame.exists)),
            SearchKey::Uid(set) => Key::Uids(Ranges::resolve(set, self.frame.last_uid)),
            SearchKey::Larger(size) => Key::Larger(u64::from(*size)),
            SearchKey::Smaller(size) => Key::Smaller(u64::from(*size)),
            SearchKey::Older(seconds) => Key::Age { older: true, than: self.frame.now - i64::from(seconds.get()) },
            SearchKey::Younger(seconds) => Key::Age { older: false, than: self.frame.now - i64::from(seconds.get()) },
            SearchKey::ModSequence { .. } => return Err(Unsearchable::Key),
            key => dates(key).or_else(|| flags(key)).or_else(|| self.words(key)).ok_or(Unsearchable::Key)?,
        })
    }

    fn words(&self, key: &SearchKey<'_>) -> Option<Key> {
        Some(match key {
            SearchKey::Bcc(text) => Key::Address(Field::Bcc, self.needle(text)),
            SearchKey::Cc(text) => Key::Address(Field::Cc, self.needle(text)),
            SearchKey::From(text) => Key::Address(Field::From, self.needle(text)),
            SearchKey::To(text) => Key::Address(Field::To, self.needle(text)),
            SearchKey::Subject(text) => Key::Subject(self.needle(text)),
            SearchKey::Body(text) => Key::Body(self.needle(text)),
            SearchKey::Text(text) => Key::Text(self.needle(text)),
            SearchKey::Header(name, text) => {
                Key::Header(String::from_utf8_lossy(name.as_ref()).to_ascii_lowercase(), self.needle(text))
            }
            _ => return None,
        })
    }

    fn needle(&self, text: &AString<'_>) -> Needle {
        let octets = text.as_ref();
        let latin1 = || octets.iter().map(|b| char::from(*b)).collect::<String>();
        match self.encoding {
            Encoding::Utf8 => {
                Needle::new(std::str::from_utf8(octets).map_or_else(|_| latin1(), str::to_owned).as_str())
            }
            Encoding::Latin1 => Needle::new(&latin1()),
        }
    }
}

fn flags(key: &SearchKey<'_>) -> Option<Key> {
    Some(match key {
        SearchKey::Answered => Key::Flag(System::ANSWERED, true),
        SearchKey::Deleted => Key::Flag(System::DELETED, true),
        SearchKey::Draft => Key::Flag(System::DRAFT, true),
        SearchKey::Flagged => Key::Flag(System::FLAGGED, true),
        SearchKey::Seen => Key::Flag(System::SEEN, true),
        SearchKey::Unanswered => Key::Flag(System::ANSWERED, false),
        SearchKey::Undeleted => Key::Flag(System::DELETED, false),
        SearchKey::Undraft => Key::Flag(System::DRAFT, false),
        SearchKey::Unflagged => Key::Flag(System::FLAGGED, false),
        SearchKey::Unseen => Key::Flag(System::SEEN, false),
        SearchKey::Keyword(word) => Key::Keyword(word.inner().to_owned(), true),
        SearchKey::Unkeyword(word) => Key::Keyword(word.inner().to_owned(), false),
        SearchKey::New => Key::And(vec![Key::Recent(true), Key::Flag(System::SEEN, false)]),
        SearchKey::Old => Key::Recent(false),
        SearchKey::Recent => Key::Recent(true),
        _ => return None,
    })
}

fn dates(key: &SearchKey<'_>) -> Option<Key> {
    Some(match key {
        SearchKey::Before(date) => Key::Received(When::Before(fields::day(date))),
        SearchKey::On(date) => Key::Received(When::On(fields::day(date))),
        SearchKey::Since(date) => Key::Received(When::Since(fields::day(date))),
        SearchKey::SentBefore(date) => Key::Sent(When::Before(fields::day(date))),
        SearchKey::SentOn(date) => Key::Sent(When::On(fields::day(date))),
        SearchKey::SentSince(date) => Key::Sent(When::Since(fields::day(date))),
        _ => return None,
    })
}
