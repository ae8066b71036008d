//! Certificate chores against files that the OpenSSL program made.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use mssante::Clock;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::X509;
use proptest::prelude::*;
use tempfile::TempDir;
use testkit::clock::RealClock;
use testkit::pki::{Flaw, Issued, Pki, ServerHolder};
use trust::chores::{ChoreError, Role, certificates, open_pkcs12, sort};
use trust::{Authorities, CertificateFault};

const PASSPHRASE: &str = "pli très scellé";

/// A folder with a PKI and a certificate of a server in it.
struct Desk {
    folder: TempDir,
    pki: Pki,
    server: Issued,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pli-chores-").tempdir().unwrap();
        let pki = Pki::new(RealClock.now()).unwrap();
        let server = pki.server(&holder()).unwrap();
        pki.write(folder.path()).unwrap();
        server.write(folder.path(), "server").unwrap();
        Self { folder, pki, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `openssl` in the folder, which must succeed, and reads the file that it wrote.
    fn openssl(&self, arguments: &str, out: &str) -> Vec<u8> {
        openssl(self.folder.path(), arguments, out)
    }

    fn authorities(&self) -> Authorities {
        Authorities::load(&self.path("ca.pem"), &self.path("issuing-ca.pem"), RealClock.now()).unwrap()
    }
}

fn openssl(folder: &Path, arguments: &str, out: &str) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).args(["-out", out]).env("PASSPHRASE", PASSPHRASE).current_dir(folder);
    let output = command.output().expect("the openssl program runs; scripts/install-deps.sh test installs it");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join(out)).unwrap()
}

fn holder() -> ServerHolder {
    ServerHolder {
        cn: "smtp.ch-exemple.fr".to_owned(),
        organisation: "CH Exemple".to_owned(),
        structure: "1300000015".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    }
}

/// Certificate, intermediate and root in an order that is no chain.
const EXPORT: &str = "pkcs12 -export -passout env:PASSPHRASE -inkey server.key -in shuffled.pem";

impl Desk {
    fn shuffle(&self) {
        let parts = ["ca.pem", "server.pem", "issuing-ca.pem"].map(|name| std::fs::read(self.path(name)).unwrap());
        std::fs::write(self.path("shuffled.pem"), parts.concat()).unwrap();
    }
}

#[test]
fn a_pkcs12_file_gives_key_and_ordered_chain_whether_modern_or_old() {
    let desk = Desk::new();
    desk.shuffle();
    for arguments in [EXPORT.to_owned(), EXPORT.replace("-export", "-export -legacy")] {
        let file = desk.openssl(&arguments, "server.p12");
        let identity = open_pkcs12(&file, PASSPHRASE).unwrap();
        assert_eq!(identity.chain(), [desk.server.der.clone(), desk.pki.issuing_der().to_vec()], "{arguments}");
        let key = PKey::private_key_from_pem(identity.key().as_bytes()).unwrap();
        assert!(key.public_eq(&*PKey::private_key_from_pem(desk.server.key_pem.as_bytes()).unwrap()), "{arguments}");
        assert_eq!(X509::stack_from_pem(&identity.chain_pem().unwrap()).unwrap().len(), 2);
        identity.verify(&desk.authorities(), RealClock.now()).unwrap();
    }
}

#[test]
fn a_wrong_passphrase_is_told_as_such() {
    let desk = Desk::new();
    desk.shuffle();
    for arguments in [EXPORT.to_owned(), EXPORT.replace("-export", "-export -legacy")] {
        let file = desk.openssl(&arguments, "server.p12");
        for wrong in ["", "pli tres scelle", "a\0b"] {
            assert_eq!(open_pkcs12(&file, wrong), Err(ChoreError::Passphrase), "{arguments}");
        }
    }
}

#[test]
fn a_pkcs12_file_needs_a_key_and_the_certificate_that_fits_it() {
    let desk = Desk::new();
    let without_key = desk.openssl("pkcs12 -export -nokeys -passout env:PASSPHRASE -in server.pem", "cert.p12");
    assert_eq!(open_pkcs12(&without_key, PASSPHRASE), Err(ChoreError::Missing("private key")));

    let key = PKey::private_key_from_pem(desk.server.key_pem.as_bytes()).unwrap();
    let alone = Pkcs12::builder().pkey(&key).build2(PASSPHRASE).unwrap().to_der().unwrap();
    assert_eq!(open_pkcs12(&alone, PASSPHRASE), Err(ChoreError::Missing("certificate")));

    let mut others = Stack::new().unwrap();
    others.push(X509::from_der(&desk.pki.server(&holder()).unwrap().der).unwrap()).unwrap();
    let foreign = Pkcs12::builder().pkey(&key).ca(others).build2(PASSPHRASE).unwrap().to_der().unwrap();
    assert_eq!(open_pkcs12(&foreign, PASSPHRASE), Err(ChoreError::KeyMismatch));
}

#[test]
fn an_intermediate_that_the_file_left_out_is_added_from_ours() {
    let desk = Desk::new();
    std::fs::write(desk.path("leaf.pem"), X509::from_der(&desk.server.der).unwrap().to_pem().unwrap()).unwrap();
    let file = desk.openssl("pkcs12 -export -passout env:PASSPHRASE -inkey server.key -in leaf.pem", "leaf.p12");
    let mut identity = open_pkcs12(&file, PASSPHRASE).unwrap();
    assert_eq!(identity.chain().len(), 1);
    identity.complete(&desk.authorities()).unwrap();
    assert_eq!(identity.chain(), [desk.server.der.clone(), desk.pki.issuing_der().to_vec()]);
    assert!(identity.left_over().is_empty());
}

#[test]
fn what_peers_would_refuse_is_seen_before_it_is_installed() {
    let desk = Desk::new();
    for (flaw, fault) in [(Flaw::Expired, CertificateFault::Expired), (Flaw::MailOnly, CertificateFault::WrongUsage)] {
        desk.pki.flawed_server(&holder(), flaw).unwrap().write(desk.folder.path(), "flawed").unwrap();
        let file =
            desk.openssl("pkcs12 -export -passout env:PASSPHRASE -inkey flawed.key -in flawed.pem", "flawed.p12");
        let identity = open_pkcs12(&file, PASSPHRASE).unwrap();
        assert_eq!(identity.verify(&desk.authorities(), RealClock.now()).unwrap_err(), fault);
    }
    let stranger = Desk::new();
    let file = stranger.openssl("pkcs12 -export -passout env:PASSPHRASE -inkey server.key -in server.pem", "s.p12");
    let identity = open_pkcs12(&file, PASSPHRASE).unwrap();
    assert_eq!(identity.verify(&desk.authorities(), RealClock.now()).unwrap_err(), CertificateFault::Untrusted);
}

#[test]
fn every_form_of_a_bundle_gives_the_same_certificates() {
    let desk = Desk::new();
    desk.shuffle();
    let mut expected = vec![desk.pki.anchor_der().to_vec(), desk.server.der.clone(), desk.pki.issuing_der().to_vec()];
    expected.sort();
    let pem = std::fs::read(desk.path("shuffled.pem")).unwrap();
    let forms = [
        ("PEM", pem.clone()),
        ("PEM twice", [pem.clone(), pem].concat()),
        ("p7b in DER", desk.openssl("crl2pkcs7 -nocrl -certfile shuffled.pem -outform DER", "chain.p7b")),
        ("p7b in PEM", desk.openssl("crl2pkcs7 -nocrl -certfile shuffled.pem", "chain-pem.p7b")),
    ];
    for (form, octets) in forms {
        let mut found = certificates(&octets).unwrap();
        found.sort();
        assert_eq!(found, expected, "{form}");
    }
    let cer = desk.openssl("x509 -in ca.pem -outform DER", "ca.cer");
    assert_eq!(certificates(&cer).unwrap(), [desk.pki.anchor_der().to_vec()]);
}

#[test]
fn a_bundle_is_sorted_by_what_its_certificates_are() {
    let desk = Desk::new();
    let ders = [desk.server.der.clone(), desk.pki.issuing_der().to_vec(), desk.pki.anchor_der().to_vec()];
    let sorted = sort(&ders).unwrap();
    let [root] = &sorted.roots[..] else { panic!("{:?}", sorted.roots) };
    let [intermediate] = &sorted.intermediates[..] else { panic!("{:?}", sorted.intermediates) };
    let [leaf] = &sorted.others[..] else { panic!("{:?}", sorted.others) };
    assert_eq!(root.facts.name.common_name(), Some("TEST AC RACINE IGC-SANTE ELEMENTAIRE"));
    assert!(intermediate.is_issued_by(root).unwrap() && leaf.is_issued_by(intermediate).unwrap());
    assert!(!leaf.is_issued_by(root).unwrap() && !root.is_issued_by(intermediate).unwrap());
    assert_eq!(leaf.role, Role::EndEntity);
    assert_eq!(leaf.usages, ["digitalSignature", "keyEncipherment", "serverAuth", "clientAuth"]);
    assert_eq!(intermediate.usages, ["keyCertSign", "cRLSign"]);
    assert_eq!(leaf.dns_names, ["smtp.ch-exemple.fr", "localhost"]);
    assert_eq!(leaf.issuer, intermediate.facts.name);
}

#[test]
fn an_authority_under_the_name_of_a_root_is_no_root_of_that_name() {
    let (ours, theirs) = (Desk::new(), Desk::new());
    let sorted = sort(&[ours.pki.anchor_der().to_vec(), theirs.pki.issuing_der().to_vec()]).unwrap();
    assert!(!sorted.intermediates[0].is_issued_by(&sorted.roots[0]).unwrap(), "same name, another key");
}

#[test]
fn days_are_counted_down_past_the_end() {
    let desk = Desk::new();
    let leaf = &sort(std::slice::from_ref(&desk.server.der)).unwrap().others[0];
    let end = leaf.facts.not_after;
    assert_eq!(leaf.days_left(end - time::Duration::hours(47)), 1);
    assert_eq!(leaf.days_left(end), 0);
    assert_eq!(leaf.days_left(end + time::Duration::seconds(1)), -1);
}

#[test]
fn what_holds_no_certificate_is_told_with_what_is_read() {
    for octets in
        [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"0\x03\x02\x01\x01"]
    {
        let error = certificates(octets).unwrap_err();
        assert!(matches!(error, ChoreError::Format(_)), "{error}");
    }
    assert!(certificates(&vec![b' '; 5_000_000]).unwrap_err().to_string().contains("octets"));
    assert!(matches!(open_pkcs12(b"hello", ""), Err(ChoreError::Format(_))));
}

proptest! {
    #[test]
    fn no_octets_stop_the_readers(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(certificates(&octets).is_err());
        prop_assert!(open_pkcs12(&octets, "x").is_err());
    }
}
