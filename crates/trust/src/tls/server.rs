//! The TLS side of listeners.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mssante::{Clock, Refusal};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::files::{Identity, Occasion};
use super::judge::{Distrust, Judge};
use super::verifier::{ClientVerifier, Demand};
use super::{ClientCertificate, ClockTime, TlsError, TlsFiles, Transport};
use crate::chain::{Usage, provider};
use crate::{Authorities, Revocation};

/// The TLS side of a listener; its files can be read again while it serves.
pub struct ServerTls {
    files: TlsFiles,
    clients: Clients,
    protocol: &'static str,
    revocation: Arc<Revocation>,
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
    /// What the handshake asks of them, and what their certificates must be made for; nothing if nobody is asked.
    fn asked_for(self) -> Option<(Demand, Usage)> {
        match self {
            Self::Operators => Some((Demand::JudgedLater, Usage::HopClient)),
            Self::Software(ClientCertificate::Required) => Some((Demand::GoodClient, Usage::Client)),
            Self::Software(ClientCertificate::Requested) => Some((Demand::GoodClientOrNone, Usage::Client)),
            Self::Software(ClientCertificate::Off) => None,
        }
    }

    /// Whether this refusal ends the connection. Operators are told why by a reply of the session.
    fn turn_away(self, refusal: Refusal) -> bool {
        match self {
            Self::Software(ClientCertificate::Required) => true,
            Self::Software(ClientCertificate::Requested) => refusal == Refusal::CertificateRevoked,
            Self::Software(ClientCertificate::Off) | Self::Operators => false,
        }
    }
}

struct Loaded {
    config: Arc<ServerConfig>,
    /// Nothing where no certificate is asked for.
    judge: Option<Judge>,
    not_after: OffsetDateTime,
}

impl ServerTls {
    /// Reads the files for a listener of submission or IMAP. `protocol` is the ALPN name (`smtp`
    /// or `imap`): clients that offer ALPN without it are refused. `[RFC7301 3.2]`
    pub fn load(
        files: TlsFiles,
        client: ClientCertificate,
        protocol: &'static str,
        revocation: Arc<Revocation>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        Self::of(files, Clients::Software(client), protocol, revocation, clock)
    }

    /// Reads the files for a listener of operator hops: SMTP. The handshake takes any certificate,
    /// and none; what is wrong with it is told by [`Transport::judged`]. One that is made for
    /// servers only will do. `[MSS1 HOP.MTLS]`
    pub fn load_for_operators(
        files: TlsFiles,
        revocation: Arc<Revocation>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        Self::of(files, Clients::Operators, "smtp", revocation, clock)
    }

    fn of(
        files: TlsFiles,
        clients: Clients,
        protocol: &'static str,
        revocation: Arc<Revocation>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let loaded = load(&files, clients, protocol, &revocation, &clock, Occasion::Start)?;
        Ok(Self { files, clients, protocol, revocation, clock, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the files again, for the next connections. On error the old configuration stays in force,
    /// and a certificate that peers will refuse is an error here.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Self { files, clients, protocol, revocation, clock, .. } = self;
        let loaded = load(files, *clients, protocol, revocation, clock, Occasion::Renewal)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// When our certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.current.load().not_after
    }

    /// The server side of a handshake, and the judgement on the client: [`Transport::judged`].
    ///
    /// Of software it is an error if its certificate turns out to be revoked, and where one is
    /// obligatory also if that cannot be established: nothing after the handshake asks for it.
    pub async fn accept(&self, stream: TcpStream) -> Result<Transport, TlsError> {
        stream.set_nodelay(true)?;
        let current = self.current.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&current.config));
        let stream = acceptor.accept(stream).await.map_err(TlsError::of_handshake)?;
        let peer = match &current.judge {
            Some(judge) => judge.judge(stream.get_ref().1.peer_certificates(), None).await,
            None => Err(Distrust::NoCertificate),
        };
        if let Err(refusal) = peer.as_ref().map_err(|distrust| distrust.refusal())
            && self.clients.turn_away(refusal)
        {
            return Err(TlsError::Distrusted(refusal));
        }
        Ok(Transport::from_tls(TlsStream::from(stream), peer))
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).field("clients", &self.clients).finish_non_exhaustive()
    }
}

fn load(
    files: &TlsFiles,
    clients: Clients,
    protocol: &str,
    revocation: &Arc<Revocation>,
    clock: &Arc<dyn Clock>,
    occasion: Occasion,
) -> Result<Loaded, TlsError> {
    let identity = Identity::load(&files.certificate, &files.key)?;
    let authorities = Arc::new(Authorities::load(&files.anchors, &files.issuers, clock.now())?);
    identity.judge(&files.certificate, &authorities, clock.now(), occasion)?;
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::Handshake(error.to_string()))?;
    let asked_for = clients.asked_for();
    let builder = match asked_for {
        Some((demand, _)) => builder.with_client_cert_verifier(ClientVerifier::new(Arc::clone(&authorities), demand)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let judge = asked_for.map(|(_, usage)| {
        forbid_resumption(&mut config);
        Judge { authorities, revocation: Arc::clone(revocation), usage, clock: Arc::clone(clock) }
    });
    Ok(Loaded { config: Arc::new(config), judge, not_after: identity.facts.not_after })
}

/// A resumed session skips the verifier: a certificate that has expired or was revoked in the
/// meantime would still be accepted.
fn forbid_resumption(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}
