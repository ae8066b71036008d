//! Taking a message in: sealed chunk by chunk as it arrives, then accepted in one transaction.

use std::fmt;

use message::Summary;
use mssante::{Address, BalId, ReversePath};
use time::OffsetDateTime;

use crate::{DsnParameters, Flags, FolderId, Store, StoreError, Uid, UidValidity};

/// The number of a stored message. Never reused; its text form is the queue identifier in
/// replies, traces and Received fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{:X}", self.0)
    }
}

/// The number of a queue entry: one message for one remote recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub i64);

/// A message on its way in. Dropped before [`Intake::finish`] it leaves nothing behind.
/// Memory is bounded by about two chunks (512 KiB), whatever the message's size.
pub struct Intake {}

impl Store {
    /// Starts to take a message in; draws its number and its data key.
    pub async fn begin_intake(&self) -> Result<Intake, StoreError> {
        todo!()
    }

    /// Accepts a message: body, deliveries, queue entries and traces in one durable
    /// transaction, shared with other messages that are ready at the same moment.
    /// When this returns `Ok`, the message is on disk and its folders' sessions were woken.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<(), StoreError> {
        todo!()
    }

    /// Puts a message into a folder (IMAP APPEND). `[RFC3501 6.3.11]`
    pub async fn append(
        &self,
        folder: FolderId,
        message: SealedMessage,
        flags: Flags,
        internal_date: Option<OffsetDateTime>,
    ) -> Result<Appended, StoreError> {
        todo!()
    }
}

impl Intake {
    /// The message's number.
    pub fn id(&self) -> MessageId {
        todo!()
    }

    /// Takes the next octets, cut anywhere.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        todo!()
    }

    /// All octets are in; `summary` describes them.
    pub async fn finish(self, summary: Summary) -> Result<SealedMessage, StoreError> {
        todo!()
    }
}

/// A message that is complete and sealed but not accepted yet. Dropped, it leaves nothing behind.
pub struct SealedMessage {}

impl SealedMessage {
    /// The message's number.
    pub fn id(&self) -> MessageId {
        todo!()
    }
}

/// Where a message came from, for its traces.
#[derive(Debug, Clone)]
pub enum Source {
    /// A peer operator, by the key of its DN.
    Hop {
        /// `trust::DistinguishedName::key`.
        dn: String,
        /// Network address.
        address: String,
    },
    /// One of our BALs.
    Submission {
        /// Which.
        bal: BalId,
        /// Network address.
        address: String,
    },
    /// pli itself (reports).
    Internal,
}

/// A local recipient.
#[derive(Debug, Clone)]
pub struct LocalDelivery {
    /// Into this BAL's INBOX.
    pub bal: BalId,
    /// The address it was sent to.
    pub recipient: Address,
}

/// A remote recipient.
#[derive(Debug, Clone)]
pub struct RelayRequest {
    /// To whom.
    pub recipient: Address,
    /// What the sender asked to be told.
    pub dsn: DsnParameters,
}

/// All that is decided when the final `250` is due.
pub struct Acceptance {
    /// The message.
    pub message: SealedMessage,
    /// Envelope sender.
    pub reverse_path: ReversePath,
    /// Whether it needs SMTPUTF8 on the next hop.
    pub smtputf8: bool,
    /// ENVID. `[RFC3461 4.4]`
    pub envelope_id: Option<String>,
    /// RET=FULL or HDRS, as given. `[RFC3461 4.3]`
    pub ret: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// Local recipients; duplicates of one BAL are delivered once.
    pub deliveries: Vec<LocalDelivery>,
    /// Remote recipients.
    pub relays: Vec<RelayRequest>,
}

/// Where APPEND put it. `[RFC4315 3]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The folder's.
    pub uid_validity: UidValidity,
    /// The message's.
    pub uid: Uid,
}
