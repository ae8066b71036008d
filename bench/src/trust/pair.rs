//! Two operators on one machine, each with everything that a hop checks, and the same keys under TLS alone.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mssante::{Address, Clock, Domain, ReversePath};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use testkit::clock::RealClock;
use testkit::list::WhiteList;
use testkit::pki::{Issued, Particulars, Pki, ServerHolder};
use testkit::revocation::Crl;
use tokio::net::{TcpListener, TcpStream};
use trust::{
    Authorities, HopTls, Ocsp, Revocation, RevocationRules, ServerTls, SignaturePolicy, TlsFiles, TrustList,
    TrustRules, TrustSpace, WhenUnknown,
};

/// Certificates on the revocation list.
const REVOKED: u32 = 10_000;
const CRL_URL: &str = "http://127.0.0.1:9/igc.crl";
/// The mail domains.
const SENDER: &str = "labo.mssante.fr";
const RECIPIENT: &str = "ch.mssante.fr";

/// The two of them.
pub(super) struct Pair {
    /// Listens.
    pub(super) server: ServerTls,
    /// Connects.
    pub(super) client: HopTls,
    /// What both judge by.
    pub(super) space: TrustSpace,
    pub(super) sender: ReversePath,
    pub(super) recipient: Domain,
    bare: Bare,
    _folder: TempDir,
}

/// The keys and certificates of both under TLS alone.
struct Bare {
    anchors: Arc<RootCertStore>,
    server: Issued,
    client: Issued,
}

impl Pair {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let here = folder.path();
        let now = RealClock.now();
        let pki = Pki::new(now)?;
        pki.write(here)?;
        let particulars = Particulars { crl_urls: vec![CRL_URL.to_owned()], ..Particulars::default() };
        let (ours, theirs) = (holder(RECIPIENT, 1), holder(SENDER, 2));
        let server = pki.server_with(&ours, &particulars)?;
        let client = pki.server_with(&theirs, &particulars)?;
        let list = WhiteList::new(now).with(RECIPIENT, &ours.dn()).with(SENDER, &theirs.dn());
        let list = TrustList::read(list.unsigned_xml().as_bytes(), &SignaturePolicy::Off, now)?;
        let files = |issued: &Issued, name: &str| -> Result<TlsFiles> {
            let (certificate, key) = issued.write(here, name)?;
            Ok(TlsFiles { certificate, key, anchors: here.join("ca.pem"), issuers: here.join("issuing-ca.pem") })
        };
        let clock = Arc::new(RealClock);
        let revocation = revocation(&pki)?;
        let space = TrustSpace::new(TrustRules::default(), Arc::clone(&revocation), clock.clone());
        space.install(list, now);
        let mut anchors = RootCertStore::empty();
        anchors.add(CertificateDer::from(pki.anchor_der().to_vec()))?;
        Ok(Self {
            server: ServerTls::load_for_operators(files(&server, "server")?, Arc::clone(&revocation), clock.clone())?,
            client: HopTls::load(files(&client, "client")?, revocation, clock)?,
            space,
            sender: ReversePath::Address(Address::parse(&format!("x@{SENDER}"))?),
            recipient: Domain::parse(RECIPIENT)?,
            bare: Bare { anchors: Arc::new(anchors), server, client },
            _folder: folder,
        })
    }

    /// The server's key and certificate under TLS alone: a chain that leads to the root, nothing else.
    pub(super) fn bare_server(&self, version: &'static SupportedProtocolVersion) -> Result<ServerConfig> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.bare.anchors), provider()).build()?;
        let (chain, key) = identity(&self.bare.server)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The same for the client; the server's name is compared too.
    pub(super) fn bare_client(&self, version: &'static SupportedProtocolVersion) -> Result<ClientConfig> {
        let (chain, key) = identity(&self.bare.client)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])?
            .with_root_certificates(Arc::clone(&self.bare.anchors))
            .with_client_auth_cert(chain, key)?;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

/// A fresh connection: the client's end and the server's.
pub(super) async fn connection(listener: &TcpListener) -> Result<(TcpStream, TcpStream)> {
    let (client, server) = tokio::try_join!(TcpStream::connect(listener.local_addr()?), listener.accept())?;
    client.set_nodelay(true)?;
    server.0.set_nodelay(true)?;
    Ok((client, server.0))
}

/// A port of this machine.
pub(super) async fn listener() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

/// Checked by a list of the issuing authority that is in memory.
fn revocation(pki: &Pki) -> Result<Arc<Revocation>> {
    let rules = RevocationRules {
        checked: true,
        crl_urls: Vec::new(),
        when_unknown: WhenUnknown::Refuse,
        ocsp: Ocsp::Stapled,
        patience: Duration::from_secs(5),
    };
    let now = RealClock.now();
    let authorities =
        Authorities::of_certificates(vec![pki.anchor_der().to_vec()], vec![pki.issuing_der().to_vec()], now)?;
    let revocation = Revocation::new(rules, &authorities, None, Arc::new(RealClock));
    let serial = |number: u32| [&[0x2a; 12], &number.to_be_bytes()[..]].concat();
    let list = (0..REVOKED).fold(Crl::around(now), |list, number| list.entry(&serial(number), now, None));
    revocation.offer(CRL_URL, &pki.crl(&list)?)?;
    Ok(revocation)
}

fn identity(issued: &Issued) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes());
    Ok((chain.context("the chain of the test PKI")?, key.context("the key of the test PKI")?))
}

/// The cryptography that pli uses.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn holder(domain: &str, number: u32) -> ServerHolder {
    ServerHolder {
        cn: format!("smtp.{domain}"),
        organisation: format!("Établissement {number}"),
        structure: format!("1{:09}", 300_000_000 + number),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    }
}
