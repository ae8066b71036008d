//! The shell around the session: sockets, TLS, the store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::Authenticator;
use mssante::{Clock, Random};
use store::{Rooms, Store};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use trust::{ServerTls, Transport};

use crate::session::{Ended, Session};

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
    /// Octets of a message in APPEND.
    pub message_size: u64,
    /// Wait for the next command, also in IDLE. `[RFC3501 5.4]`
    pub idle_timeout: Duration,
    /// Wait before log-in.
    pub login_timeout: Duration,
    /// Wait before the answer to the first failed log-in of a connection; doubles with each.
    pub failure_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 25 * 1024 * 1024,
            idle_timeout: Duration::from_mins(30),
            login_timeout: Duration::from_mins(1),
            failure_delay: Duration::from_secs(1),
        }
    }
}

/// One IMAP listener's behaviour; shared by its connections.
pub struct Service {
    /// When TLS begins.
    pub tls_start: TlsStart,
    /// Our name in the greeting.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
    /// TLS.
    pub tls: Arc<ServerTls>,
    /// Log-ins.
    pub authenticator: Arc<Authenticator>,
    /// The store.
    pub store: Store,
    /// What BALs hold and may hold.
    pub rooms: Arc<Rooms>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Service {
    /// Runs one connection to its end; on `stop` it says BYE between two commands.
    pub async fn handle(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let sessions = metrics::gauge!("pli_imap_sessions");
        sessions.increment(1.0);
        let span = tracing::info_span!("imap", %peer);
        self.converse(stream, peer, &stop).instrument(span).await;
        sessions.decrement(1.0);
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: &CancellationToken) {
        // answers are short and waited for
        let _ = stream.set_nodelay(true);
        let mut transport = match self.tls_start {
            TlsStart::Command => Transport::from_plain(stream),
            TlsStart::Connection => match self.handshake(stream).await {
                Some(transport) => transport,
                None => return,
            },
        };
        let mut greet = true;
        loop {
            let mut session = Session::new(Arc::clone(&self), transport, peer);
            if greet {
                session.greet();
            }
            let Ended::StartTls(plain) = session.run(stop).await else { return };
            let Some(stream) = plain.into_plain() else { return };
            match self.handshake(stream).await {
                Some(secured) => transport = secured,
                None => return,
            }
            // a new session: nothing that was said in clear counts, and no second greeting [RFC3501 6.2.1]
            greet = false;
        }
    }

    async fn handshake(&self, stream: TcpStream) -> Option<Transport> {
        match timeout(self.limits.login_timeout, self.tls.accept(stream)).await {
            Ok(Ok(transport)) => Some(transport),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no TLS");
                None
            }
            Err(_) => None,
        }
    }
}
