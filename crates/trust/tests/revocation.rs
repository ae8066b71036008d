//! Revocation on operator hops: handshakes over loopback sockets, lists and stapled answers of a private PKI.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Address, Clock, Refusal, ReversePath};
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspRequest};
use openssl::x509::X509;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use testkit::clock::RealClock;
use testkit::list::WhiteList;
use testkit::pki::{Issued, Pki, ServerHolder, SoftwareHolder};
use testkit::revocation::{Crl, OcspResponder};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};
use trust::{
    Authorities, ClientCertificate, ClientTls, DnMatch, HopTls, ListAges, Ocsp, Revocation, RevocationRules, ServerTls,
    SignaturePolicy, TlsError, TlsFiles, Transport, TrustList, TrustRules, TrustSpace, WhenUnknown,
};

const URL: &str = "http://crl.example/ACI-EL-ORG.crl";

/// Two operators under one root.
struct Bench {
    pki: Pki,
    folder: tempfile::TempDir,
    client: Issued,
    server: Issued,
}

impl Bench {
    fn new() -> Self {
        let pki = Pki::new(RealClock.now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        let (client, server) =
            (pki.server(&holder("mx.hopital.fr")).unwrap(), pki.server(&holder("mx.chu.fr")).unwrap());
        client.write(folder.path(), "client").unwrap();
        server.write(folder.path(), "server").unwrap();
        Self { pki, folder, client, server }
    }

    fn files(&self, name: &str) -> TlsFiles {
        let path = |name: String| -> PathBuf { self.folder.path().join(name) };
        TlsFiles {
            certificate: path(format!("{name}.pem")),
            key: path(format!("{name}.key")),
            anchors: path("ca.pem".to_owned()),
            issuers: path("issuing-ca.pem".to_owned()),
        }
    }

    fn revocation(&self, when_unknown: WhenUnknown, ocsp: Ocsp) -> Arc<Revocation> {
        let files = self.files("server");
        let authorities = Authorities::load(&files.anchors, &files.issuers, RealClock.now()).unwrap();
        let patience = Duration::from_secs(1);
        let rules = RevocationRules { checked: true, crl_urls: Vec::new(), when_unknown, ocsp, patience };
        Revocation::new(rules, &authorities, None, Arc::new(RealClock))
    }

    /// Knows the list of all that is revoked.
    fn informed(&self, revoked: &[&Issued]) -> Arc<Revocation> {
        let revocation = self.revocation(WhenUnknown::Refuse, Ocsp::Off);
        revocation.offer(URL, &self.list(1, revoked)).unwrap();
        revocation
    }

    fn list(&self, number: u32, revoked: &[&Issued]) -> Vec<u8> {
        let now = RealClock.now();
        let crl = revoked.iter().fold(Crl::around(now).number(number), |crl, issued| crl.revoke(&issued.der, now));
        self.pki.crl(&crl).unwrap()
    }

    /// Both ends of a hop, after the handshake.
    async fn hop(&self, of_server: &Arc<Revocation>, of_client: &Arc<Revocation>) -> (Transport, Transport) {
        let clock = || -> Arc<dyn Clock> { Arc::new(RealClock) };
        let server = ServerTls::load_for_operators(self.files("server"), Arc::clone(of_server), clock()).unwrap();
        let client = HopTls::load(self.files("client"), Arc::clone(of_client), clock()).unwrap();
        let (accepted, connected) = sockets().await;
        let (server, client) = tokio::join!(server.accept(accepted), client.connect(connected, "mx.chu.fr"));
        (server.unwrap(), client.unwrap())
    }

    /// What a listener of submission makes of software with this certificate, or none.
    async fn software(
        &self,
        demand: ClientCertificate,
        revocation: &Arc<Revocation>,
        issued: Option<&Issued>,
    ) -> Result<Transport, TlsError> {
        let clock = || -> Arc<dyn Clock> { Arc::new(RealClock) };
        let server = ServerTls::load(self.files("server"), demand, "smtp", Arc::clone(revocation), clock()).unwrap();
        let files = issued.map(|issued| issued.write(self.folder.path(), "software").unwrap());
        let identity = files.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        let client = ClientTls::load(&self.folder.path().join("ca.pem"), identity, Some("smtp"), clock()).unwrap();
        let (accepted, connected) = sockets().await;
        let (server, client) = tokio::join!(server.accept(accepted), client.connect(connected, "mx.chu.fr"));
        client.unwrap();
        server
    }

    /// What a client makes of a server that staples this.
    async fn stapled(&self, ocsp: Ocsp, answer: Vec<u8>) -> Result<(), Refusal> {
        let revocation = self.revocation(WhenUnknown::Refuse, ocsp);
        let client = HopTls::load(self.files("client"), revocation, Arc::new(RealClock)).unwrap();
        let (accepted, connected) = sockets().await;
        let server = stapling(&self.server, answer);
        let (server, client) = tokio::join!(server.accept(accepted), client.connect(connected, "mx.chu.fr"));
        server.unwrap();
        client.unwrap().judged().map(drop)
    }

    /// The responder's answer about the server's certificate.
    fn answer(&self, tell: impl Fn(&OcspResponder, &[u8])) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let responder = OcspResponder::new(&self.pki, folder.path()).unwrap();
        tell(&responder, &self.server.der);
        let (certificate, issuer) = (X509::from_der(&self.server.der), X509::from_der(self.pki.issuing_der()));
        let id = OcspCertId::from_cert(MessageDigest::sha256(), &certificate.unwrap(), &issuer.unwrap()).unwrap();
        let mut request = OcspRequest::new().unwrap();
        request.add_id(id).unwrap();
        responder.answer(&request.to_der().unwrap()).unwrap()
    }
}

fn stapling(issued: &Issued, answer: Vec<u8>) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert_with_ocsp(chain, key, answer).unwrap();
    TlsAcceptor::from(Arc::new(config))
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

#[tokio::test]
async fn a_revoked_peer_is_refused_in_both_directions() {
    let bench = Bench::new();
    let (nobody, client, server) =
        (bench.informed(&[]), bench.informed(&[&bench.client]), bench.informed(&[&bench.server]));
    let (at_server, at_client) = bench.hop(&nobody, &nobody).await;
    assert!(at_server.judged().is_ok() && at_client.judged().is_ok());
    let (at_server, _) = bench.hop(&client, &nobody).await;
    assert_eq!(at_server.judged().map(drop), Err(Refusal::CertificateRevoked));
    let (_, at_client) = bench.hop(&nobody, &server).await;
    assert_eq!(at_client.judged().map(drop), Err(Refusal::CertificateRevoked));
}

#[tokio::test]
async fn without_a_list_peers_are_refused_for_now_unless_doubt_is_accepted() {
    let bench = Bench::new();
    let strict = bench.revocation(WhenUnknown::Refuse, Ocsp::Off);
    let lenient = bench.revocation(WhenUnknown::Accept, Ocsp::Off);
    let (at_server, at_client) = bench.hop(&strict, &lenient).await;
    assert_eq!(at_server.judged().map(drop), Err(Refusal::RevocationUnknown));
    assert!(at_client.judged().is_ok());
}

#[tokio::test]
async fn a_peer_that_is_revoked_during_a_connection_hands_over_nothing_more() {
    let bench = Bench::new();
    let revocation = bench.informed(&[]);
    let (at_server, _) = bench.hop(&revocation, &revocation).await;
    let peer = at_server.judged().unwrap();
    let rules = TrustRules { how: DnMatch::Strict, ages: ListAges::default() };
    let space = TrustSpace::new(rules, Arc::clone(&revocation), Arc::new(RealClock));
    let xml = WhiteList::new(RealClock.now()).with("hopital.fr", &holder("mx.hopital.fr").dn()).unsigned_xml();
    let list = TrustList::read(xml.as_bytes(), &SignaturePolicy::Off, RealClock.now()).unwrap();
    space.install(list, RealClock.now());
    let sender = ReversePath::Address(Address::parse("a@hopital.fr").unwrap());
    assert_eq!(space.judge_sender(&sender, peer), Ok(DnMatch::Strict));
    revocation.offer(URL, &bench.list(2, &[&bench.client])).unwrap();
    assert_eq!(space.judge_sender(&sender, peer), Err(Refusal::CertificateRevoked));
}

#[tokio::test]
async fn an_answer_that_comes_with_the_handshake_decides() {
    let bench = Bench::new();
    let good = bench.answer(OcspResponder::good);
    let revoked = bench.answer(|responder, certificate| responder.revoked(certificate, RealClock.now()));
    assert_eq!(bench.stapled(Ocsp::Stapled, good.clone()).await, Ok(()));
    assert_eq!(bench.stapled(Ocsp::Stapled, revoked).await, Err(Refusal::CertificateRevoked));
    assert_eq!(bench.stapled(Ocsp::Off, good).await, Err(Refusal::RevocationUnknown));
    assert_eq!(bench.stapled(Ocsp::Stapled, b"garbage".to_vec()).await, Err(Refusal::RevocationUnknown));
}

#[tokio::test]
async fn software_whose_certificate_is_revoked_or_in_doubt_does_not_get_in_where_a_good_one_is_obligatory() {
    use ClientCertificate::{Requested, Required};
    let bench = Bench::new();
    let issued = bench.pki.software(&software()).unwrap();
    let strict = bench.revocation(WhenUnknown::Refuse, Ocsp::Off);
    let (nobody, revoked) = (bench.informed(&[]), bench.informed(&[&issued]));
    for (demand, revocation, refusal) in [
        (Required, &nobody, None),
        (Required, &revoked, Some(Refusal::CertificateRevoked)),
        (Required, &strict, Some(Refusal::RevocationUnknown)),
        (Requested, &nobody, None),
        (Requested, &revoked, Some(Refusal::CertificateRevoked)),
        (Requested, &strict, None),
    ] {
        match (bench.software(demand, revocation, Some(&issued)).await, refusal) {
            (Err(TlsError::Distrusted(given)), Some(refusal)) => assert_eq!(given, refusal, "{demand:?}"),
            (accepted, refusal) => assert!(accepted.is_ok() && refusal.is_none(), "{demand:?} {refusal:?}"),
        }
    }
    let in_doubt = bench.software(Requested, &strict, Some(&issued)).await.unwrap();
    assert_eq!(in_doubt.judged().map(drop), Err(Refusal::RevocationUnknown));
    assert!(bench.software(Requested, &revoked, None).await.is_ok(), "without a certificate");
}
