//! Folders and what is in them.

mod content;
mod copying;
mod name;
mod tree;

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::MessageId;

/// The number of a folder. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub i64);

/// Unique identifier of a message in a folder. `[RFC3501 2.3.1.1]`
pub type Uid = u32;
/// Only grows when a folder's UIDs start anew. `[RFC3501 2.3.1.1]`
pub type UidValidity = u32;
/// Counts the changes of a folder. `[RFC7162 3.1]`
pub type Modseq = u64;

/// Special uses of folders. `[RFC6154 2]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    const ALL: [Self; 5] = [Self::Archive, Self::Drafts, Self::Junk, Self::Sent, Self::Trash];

    /// The word in the database.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Drafts => "drafts",
            Self::Junk => "junk",
            Self::Sent => "sent",
            Self::Trash => "trash",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|special_use| special_use.word() == word)
    }

    /// The name of the default folder of this use.
    pub(crate) fn default_name(self) -> &'static str {
        match self {
            Self::Archive => "Archive",
            Self::Drafts => "Drafts",
            Self::Junk => "Junk",
            Self::Sent => "Sent",
            Self::Trash => "Trash",
        }
    }
}

/// A folder of a BAL. Names are UTF-8, levels divided by `/`; INBOX is always `INBOX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its number.
    pub id: FolderId,
    /// Its full name.
    pub name: String,
    /// Its special use.
    pub special_use: Option<SpecialUse>,
    /// Whether it is subscribed.
    pub subscribed: bool,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: Modseq,
}

/// System flags and keywords of a message. `\Recent` is not one of them: it belongs to a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "five independent flags, named as IMAP names them")]
pub struct Flags {
    /// `\Seen`
    pub seen: bool,
    /// `\Answered`
    pub answered: bool,
    /// `\Flagged`
    pub flagged: bool,
    /// `\Deleted`
    pub deleted: bool,
    /// `\Draft`
    pub draft: bool,
    /// Keywords, in the case of their first use.
    pub keywords: BTreeSet<String>,
}

/// One message in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// Which message.
    pub message: MessageId,
    /// Its flags.
    pub flags: Flags,
    /// The change that it was last touched by.
    pub modseq: Modseq,
    /// INTERNALDATE.
    pub internal_date: OffsetDateTime,
    /// RFC822.SIZE.
    pub size: u64,
}

/// The figures of STATUS. `[RFC3501 6.3.10]`, `[RFC8438]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderStatus {
    /// MESSAGES.
    pub messages: u32,
    /// UNSEEN.
    pub unseen: u32,
    /// RECENT: messages that no session has been told of yet.
    pub recent: u32,
    /// DELETED.
    pub deleted: u32,
    /// Sum of sizes.
    pub size: u64,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// HIGHESTMODSEQ.
    pub highest_modseq: Modseq,
}

/// A folder opened by SELECT or EXAMINE.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The folder at that moment.
    pub folder: Folder,
    /// Its messages by UID.
    pub entries: Vec<Entry>,
    /// Messages with this UID and above are `\Recent` for this session (claimed by SELECT).
    pub recent_from: Uid,
}

/// What changed in a folder since a MODSEQ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New or changed messages, by UID.
    pub changed: Vec<Entry>,
    /// Messages that are gone, by UID.
    pub expunged: Vec<Uid>,
    /// The folder's HIGHESTMODSEQ at that moment; ask from here next time.
    pub highest_modseq: Modseq,
    /// UIDNEXT at that moment.
    pub uid_next: Uid,
    /// The folder was deleted.
    pub gone: bool,
}

/// What STORE does to flags. `[RFC3501 6.4.6]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// FLAGS
    Replace(Flags),
    /// +FLAGS
    Add(Flags),
    /// -FLAGS
    Remove(Flags),
}

/// What COPY and MOVE did. `[RFC4315 3]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: UidValidity,
    /// UIDs in the source, ascending.
    pub source: Vec<Uid>,
    /// UIDs in the target, in the same order.
    pub target: Vec<Uid>,
}
