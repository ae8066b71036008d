//! The client sides: operator hops, and mail clients of our own.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mssante::Clock;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use rustls_pki_types::ServerName;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::files::{Identity, Occasion, anchors};
use super::judge::{Distrust, Judge};
use super::verifier::ServerRecorder;
use super::{ClockTime, TlsError, TlsFiles, Transport};
use crate::chain::{Usage, provider};
use crate::{Authorities, Revocation};

/// The client side of operator hops; always presents our certificate, never resumes a session.
pub struct HopTls {
    files: TlsFiles,
    revocation: Arc<Revocation>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    judge: Judge,
    not_after: OffsetDateTime,
}

impl Loaded {
    /// A handshake, with what the server said of itself in it.
    async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<(TlsStream<TcpStream>, Arc<ServerRecorder>), TlsError> {
        let recorder = ServerRecorder::new();
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(recorder.clone());
        Ok((connect(Arc::new(config), stream, host).await?, recorder))
    }
}

impl HopTls {
    /// Reads the files.
    pub fn load(files: TlsFiles, revocation: Arc<Revocation>, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let loaded = load_hop(&files, &revocation, &clock, Occasion::Start)?;
        Ok(Self { files, revocation, clock, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the files again, for the next connections. On error the old configuration stays in force,
    /// and a certificate that peers will refuse is an error here.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = load_hop(&self.files, &self.revocation, &self.clock, Occasion::Renewal)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// When our certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.current.load().not_after
    }

    /// The client side of a handshake with `host` (for SNI only: the DN decides, see
    /// [`crate::TrustSpace::judge_recipient`]), and the judgement on the server: [`Transport::judged`].
    /// Whoever sends anything without asking for it talks to a stranger. `[MSS1 HOP.OUT]`
    ///
    /// In TLS 1.3 the client is done before the server has seen its certificate: a server that
    /// refuses ours says so by an alert, which is an error of the first read (of kind
    /// `InvalidData`). Treat an error there as a failed handshake.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> Result<Transport, TlsError> {
        let current = self.current.load_full();
        let (stream, recorder) = current.handshake(stream, host).await?;
        let peer = current.judge.judge(stream.get_ref().1.peer_certificates(), recorder.stapled()).await;
        Ok(Transport::from_tls(stream, peer))
    }
}

impl std::fmt::Debug for HopTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HopTls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The client side of submission and IMAP, as mail clients do it: the host name must be in the
/// certificate. For the CLI, the demo, the load generator and tests.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the certificates of the file `anchors`; presents `identity` (chain and key files)
    /// if there is one. `protocol` is the ALPN name to offer, if any.
    pub fn load(
        anchors: &Path,
        identity: Option<(&Path, &Path)>,
        protocol: Option<&'static str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let identity = identity.map(|(chain, key)| Identity::load(chain, key)).transpose()?;
        let builder = builder(clock)?.with_root_certificates(self::anchors(anchors)?);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocol.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self { config: Arc::new(config) })
    }

    /// The client side of a handshake with `host`, a DNS name or an IP address that the
    /// certificate must carry. See [`HopTls::connect`] for errors of the first read.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> Result<Transport, TlsError> {
        // The TLS library has verified the server; nobody asks who it is.
        let stream = connect(self.config.clone(), stream, host).await?;
        Ok(Transport::from_tls(stream, Err(Distrust::NoCertificate)))
    }
}

fn load_hop(
    files: &TlsFiles,
    revocation: &Arc<Revocation>,
    clock: &Arc<dyn Clock>,
    occasion: Occasion,
) -> Result<Loaded, TlsError> {
    let identity = Identity::load(&files.certificate, &files.key)?;
    let authorities = Arc::new(Authorities::load(&files.anchors, &files.issuers, clock.now())?);
    if let Some(certificate) = identity.judge(&files.certificate, &authorities, clock.now(), occasion)? {
        // Peers come with certificates of our own issuer: its list is to be here before they are.
        revocation.expect(&certificate);
    }
    let mut config = builder(clock.clone())?
        .dangerous()
        // Each connection has one of its own.
        .with_custom_certificate_verifier(ServerRecorder::new())
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
    // A resumed session skips the verifier.
    config.resumption = Resumption::disabled();
    let (revocation, clock) = (Arc::clone(revocation), Arc::clone(clock));
    let judge = Judge { authorities, revocation, usage: Usage::Server, clock };
    Ok(Loaded { config: Arc::new(config), judge, not_after: identity.facts.not_after })
}

fn builder(clock: Arc<dyn Clock>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::Handshake(error.to_string()))
}

async fn connect(config: Arc<ClientConfig>, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, TlsError> {
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|_| TlsError::Handshake(format!("'{host}' is neither a host name nor an IP address")))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(TlsError::of_handshake)?;
    Ok(TlsStream::from(stream))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use testkit::pki::{Pki, ServerHolder};
    use tokio::net::TcpListener;

    use super::*;

    struct Now;

    impl Clock for Now {
        fn now(&self) -> OffsetDateTime {
            time::macros::datetime!(2026-11-03 08:00 UTC)
        }
    }

    fn pki(folder: &Path) -> TlsFiles {
        let pki = Pki::new(Now.now()).unwrap();
        pki.write(folder).unwrap();
        let holder = ServerHolder {
            cn: "mx.hopital.fr".into(),
            organisation: "CH".into(),
            structure: "10B0078671".into(),
            department: "Eure (27)".into(),
            extra_names: vec![],
        };
        let (certificate, key) = pki.server(&holder).unwrap().write(folder, "server").unwrap();
        TlsFiles { certificate, key, anchors: folder.join("ca.pem"), issuers: folder.join("issuing-ca.pem") }
    }

    /// The server end of a handshake in which this answer is stapled.
    async fn serve(files: &TlsFiles, answer: &[u8], listener: &TcpListener) {
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert_with_ocsp(chain, key, answer.to_vec())
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
    }

    #[tokio::test]
    async fn each_connection_has_the_ocsp_answer_of_its_own_server() {
        let folder = tempfile::tempdir().unwrap();
        let files = pki(folder.path());
        let clock: Arc<dyn Clock> = Arc::new(Now);
        let hop = HopTls::load(files.clone(), Revocation::unchecked(Arc::clone(&clock)), clock).unwrap();
        let mut heard = Vec::new();
        for answer in [&b"first answer"[..], b"", b"second answer"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let current = hop.current.load_full();
            let (shaken, ()) = tokio::join!(current.handshake(stream, "localhost"), serve(&files, answer, &listener));
            heard.push(shaken.unwrap().1);
        }
        let stapled: Vec<_> = heard.iter().map(|recorder| recorder.stapled()).collect();
        assert_eq!(stapled, [Some(&b"first answer"[..]), None, Some(b"second answer")]);
    }
}
