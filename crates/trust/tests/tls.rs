//! Handshakes over loopback sockets, with the certificates of a private PKI.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mssante::{Clock, Refusal};
use testkit::clock::RealClock;
use testkit::pki::{Flaw, Issued, Pki, ServerHolder, SoftwareHolder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trust::{
    CertificateFault, ClientCertificate, ClientTls, DistinguishedName, DnMatch, HopTls, Revocation, ServerTls,
    TlsError, TlsFiles, Transport,
};

/// Two operators under one root, and a folder with their files.
struct Bench {
    pki: Pki,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let pki = Pki::new(RealClock.now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        pki.server(&holder("mx.pharmacie.fr")).unwrap().write(folder.path(), "server").unwrap();
        Self { pki, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self, name: &str) -> TlsFiles {
        files(self.folder.path(), name)
    }

    fn listener(&self, client: ClientCertificate) -> ServerTls {
        ServerTls::load(self.files("server"), client, "smtp", unchecked(), clock()).unwrap()
    }

    fn hop_listener(&self) -> ServerTls {
        ServerTls::load_for_operators(self.files("server"), unchecked(), clock()).unwrap()
    }

    /// A hop client that presents `issued` and trusts our root.
    fn hop_with(&self, issued: &Issued) -> HopTls {
        issued.write(self.folder.path(), "client").unwrap();
        HopTls::load(self.files("client"), unchecked(), clock()).unwrap()
    }

    fn good_hop(&self) -> HopTls {
        self.hop_with(&self.pki.server(&holder("mx.hopital.fr")).unwrap())
    }

    fn mail_client(&self, identity: Option<&Issued>) -> ClientTls {
        let files = identity.map(|issued| issued.write(self.folder.path(), "software").unwrap());
        let identity = files.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        ClientTls::load(&self.path("ca.pem"), identity, Some("smtp"), clock()).unwrap()
    }
}

fn unchecked() -> Arc<Revocation> {
    Revocation::unchecked(clock())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock)
}

fn files(folder: &Path, name: &str) -> TlsFiles {
    TlsFiles {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
        anchors: folder.join("ca.pem"),
        issuers: folder.join("issuing-ca.pem"),
    }
}

fn holder(cn: &str) -> ServerHolder {
    ServerHolder {
        cn: cn.into(),
        organisation: "CH D'ÉVREUX".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
        extra_names: vec![],
    }
}

fn software() -> SoftwareHolder {
    SoftwareHolder {
        cn: "DPI-MSS".into(),
        organisation: "CH D'ÉVREUX".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

/// Both ends of a handshake. The client end is done only when it has heard from the server,
/// because a TLS 1.3 client learns of a refusal at its first read.
async fn handshake(server: &ServerTls, hop: &HopTls) -> (Result<Transport, TlsError>, Result<Transport, String>) {
    let (accepted, connected) = sockets().await;
    tokio::join!(greet(server, accepted), async { heard(hop.connect(connected, "mx.pharmacie.fr").await).await })
}

async fn handshake_of_mail_client(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> (Result<Transport, TlsError>, Result<Transport, String>) {
    let (accepted, connected) = sockets().await;
    tokio::join!(greet(server, accepted), async { heard(client.connect(connected, host).await).await })
}

async fn greet(server: &ServerTls, stream: TcpStream) -> Result<Transport, TlsError> {
    let mut transport = server.accept(stream).await?;
    transport.write_all(b"220 hello\r\n").await.unwrap();
    transport.flush().await.unwrap();
    Ok(transport)
}

async fn heard(connected: Result<Transport, TlsError>) -> Result<Transport, String> {
    let mut transport = connected.map_err(|error| error.to_string())?;
    let mut greeting = [0; 11];
    transport.read_exact(&mut greeting).await.map_err(|error| format!("at first read: {error}"))?;
    assert_eq!(&greeting, b"220 hello\r\n");
    Ok(transport)
}

#[tokio::test]
async fn good_operators_know_each_other_by_their_subjects() {
    let bench = Bench::new();
    let (server, client) = handshake(&bench.hop_listener(), &bench.good_hop()).await;
    let (server, client) = (server.unwrap(), client.unwrap());
    let listed = |cn| DistinguishedName::parse(&holder(cn).dn()).unwrap();
    assert!(server.peer().unwrap().name().matches(&listed("mx.hopital.fr"), DnMatch::Strict));
    assert!(client.peer().unwrap().name().matches(&listed("mx.pharmacie.fr"), DnMatch::Strict));
    assert!(client.peer().unwrap().not_after() > RealClock.now());
    assert_eq!(client.tls_description().unwrap(), "TLSv1.3 TLS13_AES_256_GCM_SHA384");
    assert!(server.tcp().nodelay().unwrap() && client.tcp().nodelay().unwrap());
}

#[tokio::test]
async fn the_host_name_of_a_hop_is_not_compared() {
    let bench = Bench::new();
    let (server, hop) = (bench.hop_listener(), bench.good_hop());
    let (accepted, connected) = sockets().await;
    let (_, client) = tokio::join!(server.accept(accepted), hop.connect(connected, "mx.another-name.fr."));
    assert!(client.unwrap().peer().is_some());
}

#[tokio::test]
async fn a_hop_without_certificate_is_refused() {
    let bench = Bench::new();
    let listener = bench.hop_listener();
    let (server, client) = handshake_of_mail_client(&listener, &bench.mail_client(None), "localhost").await;
    assert_eq!(server.unwrap().judged().unwrap_err(), Refusal::CertificateMissing);
    assert!(client.is_ok());
}

#[tokio::test]
async fn a_certificate_of_another_root_with_the_same_names_is_refused_on_either_side() {
    let bench = Bench::new();
    let foreign = Pki::new(RealClock.now()).unwrap().server(&holder("mx.hopital.fr")).unwrap();
    let listener = bench.hop_listener();
    let (server, client) = handshake(&listener, &bench.hop_with(&foreign)).await;
    assert_eq!(server.unwrap().judged().unwrap_err(), Refusal::CertificateUntrusted);
    assert!(client.is_ok());

    foreign.write(bench.folder.path(), "server").unwrap();
    let (server, client) = handshake(&bench.hop_listener(), &bench.good_hop()).await;
    assert!(server.unwrap().judged().is_ok());
    assert_eq!(client.unwrap().judged().unwrap_err(), Refusal::CertificateUntrusted);
}

#[tokio::test]
async fn certificates_outside_their_time_or_purpose_are_refused() {
    let bench = Bench::new();
    let listener = bench.hop_listener();
    for (flaw, refusal) in [
        (Flaw::Expired, Refusal::CertificateExpired),
        (Flaw::NotYetValid, Refusal::CertificateNotYetValid),
        (Flaw::MailOnly, Refusal::CertificateUnusable),
    ] {
        let bad = bench.pki.flawed_server(&holder("mx.hopital.fr"), flaw).unwrap();
        let (server, client) = handshake(&listener, &bench.hop_with(&bad)).await;
        let server = server.unwrap();
        assert_eq!(server.judged().unwrap_err(), refusal, "{flaw:?}");
        assert!(server.peer().is_none() && client.is_ok());
    }
}

#[tokio::test]
async fn an_expired_server_is_refused_by_the_hop() {
    let bench = Bench::new();
    let expired = bench.pki.flawed_server(&holder("mx.pharmacie.fr"), Flaw::Expired).unwrap();
    expired.write(bench.folder.path(), "server").unwrap();
    let (_, client) = handshake(&bench.hop_listener(), &bench.good_hop()).await;
    assert_eq!(client.unwrap().judged().unwrap_err(), Refusal::CertificateExpired);
}

#[tokio::test]
async fn hops_take_a_server_certificate_as_client_and_other_listeners_do_not() {
    let bench = Bench::new();
    let server_only = bench.pki.flawed_server(&holder("mx.hopital.fr"), Flaw::ServerAuthOnly).unwrap();
    let (server, client) = handshake(&bench.hop_listener(), &bench.hop_with(&server_only)).await;
    assert!(server.unwrap().peer().is_some() && client.is_ok());

    let mail_client = bench.mail_client(Some(&server_only));
    for policy in [ClientCertificate::Requested, ClientCertificate::Required] {
        let listener = bench.listener(policy);
        let (server, client) = handshake_of_mail_client(&listener, &mail_client, "localhost").await;
        assert!(server.is_err() && client.is_err(), "{policy:?}");
    }
}

#[tokio::test]
async fn a_required_certificate_of_software_is_one_for_clients() {
    let bench = Bench::new();
    let listener = bench.listener(ClientCertificate::Required);
    let (server, _) = handshake_of_mail_client(&listener, &bench.mail_client(None), "localhost").await;
    assert!(matches!(server, Err(TlsError::NoCertificate)), "{server:?}");
    let good = bench.pki.software(&software()).unwrap();
    let (server, client) = handshake_of_mail_client(&listener, &bench.mail_client(Some(&good)), "localhost").await;
    assert!(server.unwrap().peer().is_some() && client.is_ok());
}

#[tokio::test]
async fn a_requested_certificate_may_be_left_out_or_must_be_good() {
    let bench = Bench::new();
    let listener = bench.listener(ClientCertificate::Requested);
    let (server, client) = handshake_of_mail_client(&listener, &bench.mail_client(None), "localhost").await;
    assert!(server.unwrap().peer().is_none() && client.is_ok());

    let good = bench.pki.software(&software()).unwrap();
    let (server, client) = handshake_of_mail_client(&listener, &bench.mail_client(Some(&good)), "127.0.0.1").await;
    assert_eq!(server.unwrap().peer().unwrap().name().common_name(), Some("DPI-MSS"));
    assert!(client.is_ok());

    let foreign = Pki::new(RealClock.now()).unwrap().software(&software()).unwrap();
    let (server, client) = handshake_of_mail_client(&listener, &bench.mail_client(Some(&foreign)), "localhost").await;
    assert!(server.is_err() && client.is_err());
}

#[tokio::test]
async fn software_in_doubt_is_nobody_where_a_certificate_is_requested_and_is_turned_away_where_one_is_required() {
    let bench = Bench::new();
    let authorities =
        trust::Authorities::load(&bench.path("ca.pem"), &bench.path("issuing-ca.pem"), RealClock.now()).unwrap();
    let rules = trust::RevocationRules {
        checked: true,
        crl_urls: Vec::new(),
        when_unknown: trust::WhenUnknown::Refuse,
        ocsp: trust::Ocsp::Off,
        patience: std::time::Duration::ZERO,
    };
    let good = bench.pki.software(&software()).unwrap();
    for policy in [ClientCertificate::Requested, ClientCertificate::Required] {
        let nobody_knows = Revocation::new(rules.clone(), &authorities, None, clock());
        let listener = ServerTls::load(bench.files("server"), policy, "smtp", nobody_knows, clock()).unwrap();
        let (server, _) = handshake_of_mail_client(&listener, &bench.mail_client(Some(&good)), "localhost").await;
        match policy {
            ClientCertificate::Required => {
                assert!(matches!(server, Err(TlsError::Distrusted(Refusal::RevocationUnknown))), "{server:?}");
            }
            _ => assert_eq!(server.unwrap().judged().unwrap_err(), Refusal::RevocationUnknown),
        }
    }
}

#[tokio::test]
async fn mail_clients_compare_the_host_name() {
    let bench = Bench::new();
    let listener = bench.listener(ClientCertificate::Off);
    let (_, client) = handshake_of_mail_client(&listener, &bench.mail_client(None), "mx.pharmacie.fr").await;
    assert!(client.is_ok());
    let (_, client) = handshake_of_mail_client(&listener, &bench.mail_client(None), "mx.hopital.fr").await;
    assert!(client.unwrap_err().contains("not valid for name"));
}

#[tokio::test]
async fn clients_that_offer_another_protocol_are_refused() {
    let bench = Bench::new();
    let listener = bench.listener(ClientCertificate::Off);
    let imap = ClientTls::load(&bench.path("ca.pem"), None, Some("imap"), clock()).unwrap();
    let (server, client) = handshake_of_mail_client(&listener, &imap, "localhost").await;
    assert!(server.is_err() && client.is_err());
    let silent = ClientTls::load(&bench.path("ca.pem"), None, None, clock()).unwrap();
    let (server, client) = handshake_of_mail_client(&listener, &silent, "localhost").await;
    assert!(server.is_ok() && client.is_ok());
}

#[tokio::test]
async fn a_reload_counts_for_the_next_connection_and_a_bad_one_changes_nothing() {
    let bench = Bench::new();
    let listener = bench.hop_listener();
    let hop = bench.good_hop();
    let (server, client) = handshake(&listener, &hop).await;
    let (mut server, mut old) = (server.unwrap(), client.unwrap());

    bench.pki.server(&holder("mx2.pharmacie.fr")).unwrap().write(bench.folder.path(), "server").unwrap();
    listener.reload().unwrap();
    let (_, new) = handshake(&listener, &hop).await;
    assert_eq!(new.unwrap().peer().unwrap().name().common_name(), Some("mx2.pharmacie.fr"));
    server.write_all(b"still here").await.unwrap();
    server.flush().await.unwrap();
    let mut text = [0; 10];
    old.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still here");

    std::fs::write(bench.path("server.key"), "nothing").unwrap();
    assert!(matches!(listener.reload(), Err(TlsError::File { .. })));
    let (server, client) = handshake(&listener, &hop).await;
    assert!(server.is_ok() && client.is_ok());
}

#[tokio::test]
async fn a_bad_certificate_never_replaces_a_good_one() {
    let bench = Bench::new();
    let (listener, hop) = (bench.hop_listener(), bench.good_hop());
    let stranger = Pki::new(RealClock.now()).unwrap().server(&holder("mx.pharmacie.fr")).unwrap();
    let flawed = |flaw| bench.pki.flawed_server(&holder("mx.pharmacie.fr"), flaw).unwrap();
    for (issued, why) in [
        (flawed(Flaw::Expired), "expired"),
        (flawed(Flaw::NotYetValid), "not valid yet"),
        (flawed(Flaw::MailOnly), "not made for this use"),
        (stranger, "does not chain"),
    ] {
        for name in ["server", "client"] {
            issued.write(bench.folder.path(), name).unwrap();
        }
        for error in [listener.reload().unwrap_err(), hop.reload().unwrap_err()] {
            assert!(error.to_string().contains(why), "{error}");
        }
        let (server, client) = handshake(&listener, &hop).await;
        assert_eq!(server.unwrap().peer().unwrap().name().common_name(), Some("mx.hopital.fr"));
        assert_eq!(client.unwrap().peer().unwrap().name().common_name(), Some("mx.pharmacie.fr"));
    }
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    let bench = Bench::new();
    let text = |files: TlsFiles| ServerTls::load_for_operators(files, unchecked(), clock()).unwrap_err().to_string();
    let good = bench.files("server");
    let missing = TlsFiles { certificate: bench.path("absent.pem"), ..good.clone() };
    assert!(text(missing).contains("absent.pem: cannot be read"));
    let swapped = TlsFiles { certificate: good.key.clone(), ..good.clone() };
    assert!(text(swapped).contains("server.key: no certificate in it"));
    let no_key = TlsFiles { key: good.certificate.clone(), ..good.clone() };
    assert!(text(no_key).contains("no unencrypted private key"));
    bench.pki.server(&holder("other.fr")).unwrap().write(bench.folder.path(), "other").unwrap();
    let unfit = TlsFiles { key: bench.path("other.key"), ..good.clone() };
    assert!(text(unfit).contains("other.key: this key does not fit the first certificate"));
    let no_anchors = TlsFiles { anchors: bench.path("none.pem"), ..good };
    assert!(text(no_anchors).contains("none.pem"));
}

#[tokio::test]
async fn the_clock_decides_on_validity() {
    let bench = Bench::new();
    let late = Arc::new(testkit::clock::FixedClock::at(RealClock.now() + time::Duration::days(4 * 365)));
    let listener = ServerTls::load_for_operators(bench.files("server"), unchecked(), late).unwrap();
    let (server, _) = handshake(&listener, &bench.good_hop()).await;
    assert_eq!(server.unwrap().judged().unwrap_err(), Refusal::CertificateExpired);
}

#[tokio::test]
async fn a_session_is_not_resumed_past_the_end_of_the_certificate() {
    let bench = Bench::new();
    let time = Arc::new(testkit::clock::FixedClock::at(RealClock.now()));
    let listener =
        ServerTls::load(bench.files("server"), ClientCertificate::Requested, "smtp", unchecked(), time.clone())
            .unwrap();
    let client = bench.mail_client(Some(&bench.pki.software(&software()).unwrap()));
    let (server, _) = handshake_of_mail_client(&listener, &client, "localhost").await;
    assert!(server.unwrap().peer().is_some());

    time.advance(time::Duration::days(4 * 365));
    let (server, _) = handshake_of_mail_client(&listener, &client, "localhost").await;
    let error = server.unwrap_err();
    assert_eq!(error.reason(), "certificate-expired", "{error}");
}

/// A client that knows TLS 1.2 only, with the certificate `name` of the folder.
fn old_client(folder: &Path, name: &str) -> tokio_rustls::TlsConnector {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem"))).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(config).into()
}

#[tokio::test]
async fn tls_1_2_is_served_with_forward_secrecy_and_the_same_judgement() {
    let bench = Bench::new();
    let listener = bench.hop_listener();
    let good = bench.pki.server(&holder("mx.hopital.fr")).unwrap();
    let expired = bench.pki.flawed_server(&holder("mx.hopital.fr"), Flaw::Expired).unwrap();
    for (issued, accepted) in [(good, true), (expired, false)] {
        issued.write(bench.folder.path(), "old").unwrap();
        let client = old_client(bench.folder.path(), "old");
        let (server_end, client_end) = sockets().await;
        let name = "localhost".try_into().unwrap();
        let (server, client) = tokio::join!(listener.accept(server_end), client.connect(name, client_end));
        let transport = server.unwrap();
        assert_eq!((transport.judged().is_ok(), client.is_ok()), (accepted, true));
        if accepted {
            assert_eq!(transport.tls_description().unwrap(), "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
            assert_eq!(transport.peer().unwrap().name().common_name(), Some("mx.hopital.fr"));
        }
    }
}

/// Shows a certificate without looking at it.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn hostile_client(anchors: &Path, issued: &Issued) -> tokio_rustls::TlsConnector {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(anchors).unwrap()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![issued.der.clone().into()], key);
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    Arc::new(config).into()
}

#[tokio::test]
async fn certificates_of_odd_form_end_in_an_alert_or_a_refusal_and_harm_nobody_else() {
    let bench = Bench::new();
    let listener = bench.hop_listener();
    let mut refused_by_name = 0;
    // Nobody signs with a key of 1024 bits here.
    for flaw in Flaw::OF_FORM.into_iter().filter(|flaw| *flaw != Flaw::WeakKey) {
        let issued = bench.pki.flawed_server(&holder("mx.hopital.fr"), flaw).unwrap();
        let client = hostile_client(&bench.path("ca.pem"), &issued);
        let (server_end, client_end) = sockets().await;
        let hostile = async { drop(client.connect("localhost".try_into().unwrap(), client_end).await) };
        let (server, ()) = tokio::join!(listener.accept(server_end), hostile);
        match server {
            Ok(transport) => {
                assert_eq!(transport.judged().unwrap_err(), Refusal::CertificateUntrusted, "{flaw:?}");
                let of_name = matches!(flaw, Flaw::NoSubject | Flaw::NulInSubject | Flaw::NotUtf8);
                let expected = if of_name { CertificateFault::MalformedName } else { CertificateFault::Malformed };
                assert_eq!(transport.fault(), Some(expected), "{flaw:?}");
                refused_by_name += 1;
            }
            // The handshake does not get as far as a session, but the log and the metric name the same reason.
            Err(error) => assert_eq!(error.reason(), "certificate-untrusted", "{flaw:?}: {error}"),
        }
        let (server, client) = handshake(&listener, &bench.good_hop()).await;
        assert!(server.unwrap().judged().is_ok() && client.unwrap().judged().is_ok(), "after {flaw:?}");
    }
    assert!(refused_by_name >= 5, "{refused_by_name}");
}
