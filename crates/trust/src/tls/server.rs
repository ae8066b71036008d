//! The TLS side of listeners.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mssante::Clock;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::files::{Identity, anchors};
use super::verifier::PeerVerifier;
use super::{ClientCertificate, ClockTime, TlsError, TlsFiles, Transport};
use crate::chain::{Usage, provider};

/// The TLS side of a listener; its files can be read again while it serves.
pub struct ServerTls {
    files: TlsFiles,
    clients: Clients,
    protocol: &'static str,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Loaded>,
}

/// Who comes to a listener. What a certificate must be made for follows from this, not from
/// whether one is obligatory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clients {
    /// Other operators: never without a certificate, which may be that of a server. `[MSS1 HOP.MTLS]`
    Operators,
    /// People's mail clients and business software: a certificate is one for clients.
    Software(ClientCertificate),
}

impl Clients {
    /// What their certificates must be made for, and whether they must show one; none if nobody is asked.
    fn asked_for(self) -> Option<(Usage, bool)> {
        match self {
            Self::Operators => Some((Usage::HopClient, true)),
            Self::Software(ClientCertificate::Required) => Some((Usage::Client, true)),
            Self::Software(ClientCertificate::Requested) => Some((Usage::Client, false)),
            Self::Software(ClientCertificate::Off) => None,
        }
    }
}

struct Loaded {
    config: Arc<ServerConfig>,
    not_after: OffsetDateTime,
}

impl ServerTls {
    /// Reads the files for a listener of submission or IMAP. `protocol` is the ALPN name (`smtp`
    /// or `imap`): clients that offer ALPN without it are refused. `[RFC7301 3.2]`
    pub fn load(
        files: TlsFiles,
        client: ClientCertificate,
        protocol: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        Self::of(files, Clients::Software(client), protocol, clock)
    }

    /// Reads the files for a listener of operator hops: SMTP, no handshake without a
    /// certificate, and one that is made for servers only will do. `[MSS1 HOP.MTLS]`
    pub fn load_for_operators(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        Self::of(files, Clients::Operators, "smtp", clock)
    }

    fn of(files: TlsFiles, clients: Clients, protocol: &'static str, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let loaded = load(&files, clients, protocol, &clock)?;
        Ok(Self { files, clients, protocol, clock, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the files again, for the next connections; on error the old configuration stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = load(&self.files, self.clients, self.protocol, &self.clock)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// When our certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.current.load().not_after
    }

    /// The server side of a handshake. On success the client's certificate, if it showed one,
    /// has been verified.
    pub async fn accept(&self, stream: TcpStream) -> Result<Transport, TlsError> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.current.load().config.clone());
        let stream = acceptor.accept(stream).await.map_err(TlsError::of_handshake)?;
        Transport::from_tls(TlsStream::from(stream))
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).field("clients", &self.clients).finish_non_exhaustive()
    }
}

fn load(files: &TlsFiles, clients: Clients, protocol: &str, clock: &Arc<dyn Clock>) -> Result<Loaded, TlsError> {
    let identity = Identity::load(&files.certificate, &files.key, clock.as_ref())?;
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::Handshake(error.to_string()))?;
    let asked_for = clients.asked_for();
    let builder = match asked_for {
        Some((usage, obligatory)) => {
            builder.with_client_cert_verifier(PeerVerifier::new(anchors(&files.anchors)?, usage, obligatory))
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    if asked_for.is_some() {
        forbid_resumption(&mut config);
    }
    Ok(Loaded { config: Arc::new(config), not_after: identity.facts.not_after })
}

/// A resumed session skips the verifier: a certificate that has expired or was revoked in the
/// meantime would still be accepted.
fn forbid_resumption(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}
