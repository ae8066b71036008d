//! The queue of messages for peers: one entry per remote recipient, claimed by lease.

mod work;

use mssante::{Address, ReversePath};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{MessageId, QueueId};

/// When the sender wants to be told. `[RFC3461 4.1]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DsnNotify {
    /// Not said: failures (and delays).
    #[default]
    Unsaid,
    /// NOTIFY=NEVER.
    Never,
    /// NOTIFY with any of SUCCESS, FAILURE, DELAY.
    On {
        /// SUCCESS.
        success: bool,
        /// FAILURE.
        failure: bool,
        /// DELAY.
        delay: bool,
    },
}

/// DSN parameters of one recipient. `[RFC3461 4]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnParameters {
    /// NOTIFY.
    pub notify: DsnNotify,
    /// ORCPT as given, xtext kept.
    pub original_recipient: Option<String>,
}

/// An entry that this process holds under a lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The entry.
    pub id: QueueId,
    /// Fencing number: an outcome with an older one is ignored.
    pub fence: i64,
    /// Which message.
    pub message: MessageId,
    /// Octets of the message.
    pub size: u64,
    /// Octets of its header block.
    pub header_size: u64,
    /// Envelope sender.
    pub reverse_path: ReversePath,
    /// To whom.
    pub recipient: Address,
    /// Whether the next hop must offer SMTPUTF8.
    pub smtputf8: bool,
    /// ENVID.
    pub envelope_id: Option<String>,
    /// RET.
    pub ret: Option<String>,
    /// DSN parameters.
    pub dsn: DsnParameters,
    /// When the message was accepted.
    pub accepted_at: OffsetDateTime,
    /// How many attempts came before.
    pub attempts: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The peer said `250`.
    HandedOver {
        /// Its reply.
        reply: String,
        /// Its name.
        host: String,
    },
    /// Try again.
    Deferred {
        /// Not before.
        next_attempt: OffsetDateTime,
        /// What happened.
        reply: String,
    },
    /// Never; a report was written (or none was wanted).
    Failed {
        /// What happened.
        reply: String,
    },
}

/// Figures of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Entries waiting or being worked on.
    pub pending: u64,
    /// Age of the oldest in seconds.
    pub oldest_seconds: u64,
}
