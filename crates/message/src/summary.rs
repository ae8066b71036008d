//! What pli keeps of a message beside its bytes: enough for IMAP ENVELOPE, BODYSTRUCTURE and
//! part fetches without touching the body.
//!
//! A summary is stored by [`Summary::to_bytes`] only: serde's own recursion over nested parts
//! would have no bound.

use serde::{Deserialize, Serialize};

/// What the machine-readable part of a report is, below `message`.
const REPORTS: [&str; 4] =
    ["delivery-status", "global-delivery-status", "disposition-notification", "global-disposition-notification"];

/// A range of octets counted from the first octet of the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First octet.
    pub start: u64,
    /// Number of octets.
    pub len: u64,
}

impl Span {
    /// One past the last octet.
    pub fn end(self) -> u64 {
        self.start + self.len
    }
}

/// A message in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Octets of the whole message (RFC822.SIZE).
    pub size: u64,
    /// The message itself as the outermost part; its `header` span includes the empty line.
    pub root: Part,
    /// The header fields that IMAP ENVELOPE is made of.
    pub envelope: Envelope,
    /// The moment in the Date field, in seconds since 1970 UTC, if it can be read.
    pub sent_at: Option<i64>,
    /// Whether what the envelope says of Subject, Message-ID and In-Reply-To is all that the header
    /// says: it was read whole, and none of them (nor Date) stands in it twice. False where nobody knows.
    pub says_all: bool,
}

impl Summary {
    /// Whether it is a report about a delivery or a receipt of a reader, by its form. `[RFC3464 2]`, `[RFC8098 3]`
    pub fn is_report(&self) -> bool {
        let Content::Multipart(parts) = &self.root.content else { return false };
        let says = |part: &Part| part.media_type == "message" && REPORTS.contains(&part.subtype.as_str());
        self.root.media_type == "multipart" && self.root.subtype == "report" && parts.iter().skip(1).any(says)
    }
}

/// A MIME part. Words and parameters are kept as they stand in the message (encoded words
/// are not decoded), comments removed. Types, encodings and names of parameters are lower case.
///
/// `multipart/*` always has [`Content::Multipart`], `message/rfc822` always
/// [`Content::Message`], and nothing else has either: parts that lie too deep are shown as
/// `application/octet-stream`. Text has a `charset`, us-ascii if the message names none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part's own header including the empty line that ends it.
    pub header: Span,
    /// What follows the header, without the line end that belongs to the next boundary.
    pub body: Span,
    /// Lines of the body: its line feeds.
    pub lines: u64,
    /// `text` in `text/plain`.
    pub media_type: String,
    /// `plain` in `text/plain`.
    pub subtype: String,
    /// Parameters of Content-Type.
    pub parameters: Vec<(String, String)>,
    /// Content-ID.
    pub id: Option<String>,
    /// Content-Description.
    pub description: Option<String>,
    /// Content-Transfer-Encoding, `7bit` if absent.
    pub encoding: String,
    /// Content-MD5.
    pub md5: Option<String>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// What is inside.
    #[serde(skip)] // written part by part, see `Summary::to_bytes`
    pub content: Content,
}

impl Part {
    /// The first parameter of Content-Type with this (lower case) name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether the type is message/rfc822.
    pub(crate) fn is_message(&self) -> bool {
        self.media_type == "message" && self.subtype == "rfc822"
    }

    /// Octets that nobody looks into, whatever the header says.
    pub(crate) fn make_opaque(&mut self) {
        "application".clone_into(&mut self.media_type);
        "octet-stream".clone_into(&mut self.subtype);
        self.parameters.clear();
    }
}

/// What a part holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Content {
    /// Octets that are not looked into.
    #[default]
    Leaf,
    /// Parts between boundaries; never empty.
    Multipart(Vec<Part>),
    /// A whole message (message/rfc822).
    Message {
        /// The inner message's envelope.
        envelope: Box<Envelope>,
        /// The inner message as a part.
        root: Box<Part>,
    },
}

/// Content-Disposition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// `attachment`, `inline`…, lower case.
    pub kind: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
}

/// The fields of IMAP ENVELOPE, unfolded, encoded words left as they are; octets above 127
/// are kept as UTF-8 (invalid ones replaced). `[RFC3501 7.4.2]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Date, as written.
    pub date: Option<String>,
    /// Subject, as written.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<EnvelopeAddress>,
    /// Sender; empty if absent (IMAP then shows From).
    pub sender: Vec<EnvelopeAddress>,
    /// Reply-To; empty if absent (IMAP then shows From).
    pub reply_to: Vec<EnvelopeAddress>,
    /// To.
    pub to: Vec<EnvelopeAddress>,
    /// Cc.
    pub cc: Vec<EnvelopeAddress>,
    /// Bcc.
    pub bcc: Vec<EnvelopeAddress>,
    /// In-Reply-To.
    pub in_reply_to: Option<String>,
    /// Message-ID.
    pub message_id: Option<String>,
}

/// One address of an envelope field. The start of a group has only `mailbox` (its name), its
/// end has neither `mailbox` nor `host`. `[RFC3501 7.4.2]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeAddress {
    /// Display name.
    pub name: Option<String>,
    /// Local part, or the name of a group.
    pub mailbox: Option<String>,
    /// Domain.
    pub host: Option<String>,
}
