//! What our listeners and hops never speak, and that nobody resumes a session where a certificate was asked for.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use mssante::Clock;
use rustls::{HandshakeKind, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use testkit::clock::RealClock;
use testkit::pki::{Pki, ServerHolder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trust::{ClientCertificate, HopTls, Revocation, ServerTls, TlsFiles};

/// Two operators of one PKI in a folder: `server` and `client`.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let pki = Pki::new(RealClock.now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        for name in ["server", "client"] {
            let holder = ServerHolder {
                cn: format!("mx.{name}.fr"),
                organisation: "CH".into(),
                structure: "10B0078671".into(),
                department: "Eure (27)".into(),
                extra_names: vec![],
            };
            pki.server(&holder).unwrap().write(folder.path(), name).unwrap();
        }
        Self(folder)
    }

    fn files(&self, name: &str) -> TlsFiles {
        let here = self.0.path();
        TlsFiles {
            certificate: here.join(format!("{name}.pem")),
            key: here.join(format!("{name}.key")),
            anchors: here.join("ca.pem"),
            issuers: here.join("issuing-ca.pem"),
        }
    }

    fn hop_listener(&self) -> ServerTls {
        ServerTls::load_for_operators(self.files("server"), unchecked(), clock()).unwrap()
    }

    fn software_listener(&self) -> ServerTls {
        let requested = ClientCertificate::Requested;
        ServerTls::load(self.files("server"), requested, "smtp", unchecked(), clock()).unwrap()
    }
}

fn unchecked() -> Arc<Revocation> {
    Revocation::unchecked(clock())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock)
}

/// Chain and key of a name.
fn identity(folder: &Path, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether `openssl s_client` gets a session from the listener.
async fn openssl_connects(listener: &ServerTls, arguments: &[&str]) -> Option<bool> {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let client = Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut client = match client {
        Ok(client) => client,
        Err(error) => {
            println!("openssl was not run: {error}");
            return None;
        }
    };
    let (stream, _) = socket.accept().await.unwrap();
    let accepted = listener.accept(stream).await;
    let connected = accepted.is_ok();
    drop(accepted);
    client.wait().unwrap();
    Some(connected)
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_and_nothing_without_ecdhe_is_spoken() {
    let bench = Bench::new();
    let weak = "@SECLEVEL=0";
    for (listener, name) in [(bench.hop_listener(), "hop"), (bench.software_listener(), "software")] {
        for (arguments, spoken) in [
            (vec!["-tls1_3"], true),
            (vec!["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], true),
            (vec!["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"], true),
            (vec!["-tls1_2", "-cipher", "AES256-GCM-SHA384:AES128-GCM-SHA256"], false),
            (vec!["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"], false),
            (vec!["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA"], false),
            (vec!["-tls1_1", "-cipher", &format!("DEFAULT{weak}")], false),
            (vec!["-tls1", "-cipher", &format!("DEFAULT{weak}")], false),
        ] {
            let connected = openssl_connects(&listener, &arguments).await;
            assert!(connected.is_none_or(|connected| connected == spoken), "{name}: {arguments:?}");
        }
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn no_client_resumes_a_session_where_a_certificate_was_asked_for() {
    let bench = Bench::new();
    for listener in [bench.hop_listener(), bench.software_listener()] {
        for version in VERSIONS {
            let (chain, key) = identity(bench.0.path(), "client");
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(bench.0.path().join("ca.pem")).unwrap()).unwrap();
            let config = rustls::ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .unwrap();
            let client = tokio_rustls::TlsConnector::from(Arc::new(config));
            for _ in 0..3 {
                let (near, far) = sockets().await;
                let name = "localhost".try_into().unwrap();
                let (server, client) = tokio::join!(listener.accept(near), client.connect(name, far));
                let (mut server, mut client) = (server.unwrap(), client.unwrap());
                // Tickets come with the first octets of the server.
                server.write_all(b"x").await.unwrap();
                server.flush().await.unwrap();
                client.read_exact(&mut [0]).await.unwrap();
                assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
                assert!(server.peer().is_some());
            }
        }
    }
}

#[tokio::test]
async fn our_hops_resume_no_session_that_a_server_offers() {
    let bench = Bench::new();
    let hop = HopTls::load(bench.files("client"), unchecked(), clock()).unwrap();
    for version in VERSIONS {
        let (chain, key) = identity(bench.0.path(), "server");
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        let server = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        for _ in 0..3 {
            let (near, far) = sockets().await;
            let (server, client) = tokio::join!(server.accept(near), hop.connect(far, "localhost"));
            let (mut server, mut client) = (server.unwrap(), client.unwrap());
            server.write_all(b"x").await.unwrap();
            server.flush().await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            assert_eq!(server.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
            assert!(client.peer().is_some());
        }
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, far)
}
