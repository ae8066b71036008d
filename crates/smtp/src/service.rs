//! A listener's behaviour, shared by its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use annuaire::Resolver;
use auth::Authenticator;
use mssante::{Clock, PatientPolicy, Random, SendingRules};
use store::{Rooms, Store};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use trust::{ServerTls, TrustSpace};

use crate::{Rates, Refusals, XdmRule, connection};

/// Whom a listener talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Other operators (port 25).
    Hop,
    /// Mail clients and business software (587, 465).
    Submission,
}

impl Role {
    /// The word used in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hop => "hop",
            Self::Submission => "submission",
        }
    }
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsStart {
    /// After the STARTTLS command.
    Command,
    /// With the first octet.
    Connection,
}

/// Bounds of a session.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Octets of a message (announced by SIZE).
    pub message_size: u64,
    /// Recipients in one transaction.
    pub recipients: usize,
    /// Messages in one session (announced by LIMITS).
    pub transactions: usize,
    /// From the connection until TLS is up (hop) or somebody has logged in (submission), all in all.
    pub settling_timeout: Duration,
    /// Wait for the next command, as a whole line. `[RFC5321 4.5.3.2]`
    pub command_timeout: Duration,
    /// Wait for the next octets of content, which must also keep a pace. `[RFC5321 4.5.3.2]`
    pub data_timeout: Duration,
    /// Errors before the session is closed.
    pub errors: usize,
}

/// One SMTP listener's behaviour; shared by its connections.
pub struct Service {
    /// Whom it talks to.
    pub role: Role,
    /// When TLS begins.
    pub tls_start: TlsStart,
    /// Our name in the greeting and in trace fields.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
    /// TLS.
    pub tls: Arc<ServerTls>,
    /// How letters of patients are judged.
    pub patients: PatientPolicy,
    /// Local BALs.
    pub resolver: Arc<Resolver>,
    /// The trust list.
    pub trust: TrustSpace,
    /// Log-ins.
    pub authenticator: Arc<Authenticator>,
    /// The store.
    pub store: Store,
    /// Where refusals of hops go for the audit trail; those of submission do not.
    pub refused: Refusals,
    /// What becomes of archives in messages.
    pub xdm: XdmRule,
    /// What BALs hold and may hold.
    pub rooms: Arc<Rooms>,
    /// How many messages BALs have begun in this minute.
    pub rates: Arc<Rates>,
    /// What senders may do.
    pub sending: SendingRules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Service {
    /// Runs one connection to its end; on `stop` it finishes the transaction in progress and says `421`.
    pub async fn handle(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let role = self.role.word();
        metrics::counter!("pli_smtp_sessions_total", "role" => role).increment(1);
        let span = tracing::info_span!("smtp", role, %peer);
        let ended = connection::run(self, stream, peer, stop).instrument(span.clone()).await;
        if let Err(error) = ended {
            span.in_scope(|| tracing::debug!(%error, "connection ended"));
        }
    }
}
