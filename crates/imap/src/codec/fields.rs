//! From the codec's types to the store's.

use imap_types::core::Atom;
use imap_types::datetime::{DateTime, NaiveDate};
use imap_types::flag::Flag;
use imap_types::mailbox::Mailbox;
use imap_types::status::StatusDataItemName;
use store::Flags;
use time::OffsetDateTime;

use super::StatusItem;
use crate::names;

/// Octets of a keyword, and keywords in one command: more than any client has been seen to use.
const LONGEST_KEYWORD: usize = 128;
const MOST_KEYWORDS: usize = 64;

/// The folder's canonical name; none if the octets are no name.
pub(crate) fn folder_name(mailbox: &Mailbox<'_>) -> Option<String> {
    match mailbox {
        Mailbox::Inbox => Some(names::INBOX.to_owned()),
        Mailbox::Other(other) => names::decode(other.inner().as_ref()).map(|name| names::canonical(&name)),
    }
}

/// Flags for the store; `\Recent` and unknown system flags are passed over.
/// Why not, if there are too many or too long ones.
pub(crate) fn flags(wire: &[Flag<'_>]) -> Result<Flags, &'static str> {
    let mut flags = Flags::default();
    for flag in wire {
        match flag {
            Flag::Answered => flags.answered = true,
            Flag::Deleted => flags.deleted = true,
            Flag::Draft => flags.draft = true,
            Flag::Flagged => flags.flagged = true,
            Flag::Seen => flags.seen = true,
            Flag::Extension(_) => {}
            Flag::Keyword(atom) => {
                flags.keywords.insert(keyword(atom)?);
            }
        }
    }
    if flags.keywords.len() > MOST_KEYWORDS {
        return Err("too many keywords");
    }
    Ok(flags)
}

/// An INTERNALDATE for the store.
pub(crate) fn moment(date: &DateTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(date.as_ref().timestamp()).ok()
}

/// Days since 1970 of a date in SEARCH.
pub(crate) fn day(date: &NaiveDate) -> i64 {
    date.as_ref().and_hms_opt(0, 0, 0).map_or(0, |midnight| midnight.and_utc().timestamp().div_euclid(86_400))
}

/// A STATUS item that we offer.
pub(crate) fn status_item(name: &StatusDataItemName) -> Option<StatusItem> {
    match name {
        StatusDataItemName::Messages => Some(StatusItem::Messages),
        StatusDataItemName::Recent => Some(StatusItem::Recent),
        StatusDataItemName::Size => Some(StatusItem::Size),
        StatusDataItemName::UidNext => Some(StatusItem::UidNext),
        StatusDataItemName::UidValidity => Some(StatusItem::UidValidity),
        StatusDataItemName::Unseen => Some(StatusItem::Unseen),
        StatusDataItemName::Deleted | StatusDataItemName::DeletedStorage | StatusDataItemName::HighestModSeq => None,
    }
}

fn keyword(atom: &Atom<'_>) -> Result<String, &'static str> {
    let word = atom.inner();
    if word.len() > LONGEST_KEYWORD { Err("keyword too long") } else { Ok(word.to_owned()) }
}
