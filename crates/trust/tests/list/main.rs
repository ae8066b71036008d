//! White lists: what is taken, and every way in which one is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod format;
mod signer;
mod wrapping;
mod xades;

use std::sync::OnceLock;

use mssante::Domain;
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Issued, LIST_SIGNER_CN, LIST_SIGNER_OU, Pki, SignerKey};
use time::OffsetDateTime;
use time::macros::datetime;
use trust::{Authorities, DistinguishedName, DnMatch, SignaturePolicy, TrustList, TrustListError};

const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
const DN: &str = "CN=smtp.exemple.fr,OU=10B0078671,O=CRLCC \"PAUL STRAUSS\",ST=Paris (75),C=FR";

fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| Pki::new(NOW).unwrap())
}

/// The authorities of a PKI.
fn authorities(pki: &Pki) -> Authorities {
    let (roots, issuers) = (vec![pki.anchor_der().to_vec()], vec![pki.issuing_der().to_vec()]);
    Authorities::of_certificates(roots, issuers, NOW).unwrap()
}

fn policy() -> SignaturePolicy {
    SignaturePolicy::Required {
        authorities: authorities(pki()),
        signer_cn: LIST_SIGNER_CN.to_owned(),
        signer_ou: Some(LIST_SIGNER_OU.to_owned()),
    }
}

fn white_list() -> WhiteList {
    WhiteList::new(NOW)
        .with("ch-exemple.mssante.fr", DN)
        .with("pharmacie.mssante.fr", "CN=a,OU=1,O=P,C=FR")
        .with("Pharmacie.MSSante.fr", "CN=b,OU=1,O=P,C=FR")
        .with("interop-mssante.apicrypt.org", "CN=a,OU=1,O=P,C=FR")
        .with("pharmacie.mssante.fr", "CN=b,OU=1,O=P,C=FR")
}

fn signed_by(issued: &Issued, shape: SignatureShape) -> String {
    white_list().signed_xml(&ListSigner::new(issued).unwrap(), shape).unwrap()
}

/// The signer of most tests.
fn issued() -> &'static Issued {
    static ISSUED: OnceLock<Issued> = OnceLock::new();
    ISSUED.get_or_init(|| pki().list_signer_of(SignerKey::P256).unwrap())
}

fn signed() -> String {
    signed_by(issued(), SignatureShape::XmlDsig)
}

fn signed_with_properties() -> String {
    signed_by(issued(), SignatureShape::XadesB)
}

fn read(xml: &str) -> Result<TrustList, TrustListError> {
    TrustList::read(xml.as_bytes(), &policy(), NOW)
}

/// A list that nobody signed, and nobody asks.
fn read_unsigned(xml: &str) -> Result<TrustList, TrustListError> {
    TrustList::read(xml.as_bytes(), &SignaturePolicy::Off, NOW)
}

/// The reason for which the format is refused, whoever signed.
fn format_error(xml: &[u8]) -> String {
    match TrustList::read(xml, &SignaturePolicy::Off, NOW) {
        Err(TrustListError::Format(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn dn(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap()
}

/// The reason for which the signature is refused.
fn refusal(xml: &str) -> String {
    match read(xml) {
        Err(TrustListError::Signature(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signed_list_tells_its_date_its_domains_and_its_signer() {
    for shape in [SignatureShape::XmlDsig, SignatureShape::XadesB, SignatureShape::XadesFirstEdition] {
        let list = read(&signed_by(issued(), shape)).unwrap();
        assert_eq!(list.generated_at(), NOW);
        assert_eq!((list.domain_count(), list.skipped_count()), (3, 0));
        assert!(list.lists(&domain("interop-mssante.apicrypt.org")));
        assert!(!list.lists(&domain("mssante.apicrypt.org")));
        let signer = list.signer().unwrap();
        assert_eq!((signer.der(), signer.issuer().der()), (&issued().der[..], pki().issuing_der()));
    }
}

#[test]
fn the_names_of_a_repeated_domain_add_up_and_duplicates_collapse() {
    let list = read(&signed()).unwrap();
    assert_eq!(list.names_of(&domain("pharmacie.mssante.fr")), [dn("CN=a,OU=1,O=P,C=FR"), dn("CN=b,OU=1,O=P,C=FR")]);
    assert_eq!(list.names_of(&domain("ch-exemple.mssante.fr")), [dn(DN)]);
    assert!(list.names_of(&domain("absent.mssante.fr")).is_empty());
    assert!(list.knows(&dn("CN=B,OU=1,O=P,ST=x,C=FR"), DnMatch::Normalised));
    assert!(!list.knows(&dn("CN=B,OU=1,O=P,ST=x,C=FR"), DnMatch::Strict));
    assert!(!list.knows(&dn("CN=c,OU=1,O=P,C=FR"), DnMatch::Normalised));
}
