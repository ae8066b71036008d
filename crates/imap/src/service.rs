//! The shell around the session: sockets, TLS, the store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::Authenticator;
use mssante::{Clock, Random};
use store::Store;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use trust::ServerTls;

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
            idle_timeout: Duration::from_secs(30 * 60),
            login_timeout: Duration::from_secs(60),
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
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Service {
    /// Runs one connection to its end; on `stop` it says BYE between two commands.
    pub async fn handle(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        todo!()
    }
}
