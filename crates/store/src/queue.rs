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

/// What is written down of a hop on which a message was handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HopFacts {
    /// Address and port of the peer.
    pub address: String,
    /// TLS version and suite.
    pub tls: String,
    /// SHA-256 of the peer's certificate, hexadecimal.
    pub certificate_sha256: String,
    /// How its name was compared with the listed one.
    pub dn_match: &'static str,
}

/// What went wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What the peer said or what happened.
    pub reply: String,
    /// The stable word for the reason.
    pub reason: &'static str,
    /// The peer's host, if one was reached.
    pub host: Option<String>,
}

impl Setback {
    /// One that has nothing to do with a host.
    pub fn new(reason: &'static str, reply: impl Into<String>) -> Self {
        Self { reply: reply.into(), reason, host: None }
    }
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
        /// How the two met.
        hop: HopFacts,
    },
    /// Try again.
    Deferred {
        /// Not before.
        next_attempt: OffsetDateTime,
        /// What happened.
        setback: Setback,
    },
    /// Never; a report was written (or none was wanted).
    Failed {
        /// What happened.
        setback: Setback,
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
