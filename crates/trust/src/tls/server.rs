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
    client: ClientCertificate,
    protocol: &'static str,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    not_after: OffsetDateTime,
}

impl ServerTls {
    /// Reads the files. `protocol` is the ALPN name (`smtp` or `imap`): clients that offer
    /// ALPN without it are refused. `[RFC7301 3.2]`
    pub fn load(
        files: TlsFiles,
        client: ClientCertificate,
        protocol: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let loaded = load(&files, client, protocol, &clock)?;
        Ok(Self { files, client, protocol, clock, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the files again, for the next connections; on error the old configuration stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = load(&self.files, self.client, self.protocol, &self.clock)?;
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
        f.debug_struct("ServerTls").field("files", &self.files).field("client", &self.client).finish_non_exhaustive()
    }
}

fn load(
    files: &TlsFiles,
    client: ClientCertificate,
    protocol: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Loaded, TlsError> {
    let identity = Identity::load(&files.certificate, &files.key, clock.as_ref())?;
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::Handshake(error.to_string()))?;
    let builder = match client {
        ClientCertificate::Required => {
            builder.with_client_cert_verifier(PeerVerifier::new(anchors(&files.anchors)?, Usage::HopClient, true))
        }
        ClientCertificate::Requested => {
            builder.with_client_cert_verifier(PeerVerifier::new(anchors(&files.anchors)?, Usage::Client, false))
        }
        ClientCertificate::Off => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    if client != ClientCertificate::Off {
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
