//! White lists: what is taken, and every way in which one is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::sync::OnceLock;

use mssante::Domain;
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Issued, LIST_SIGNER_CN, LIST_SIGNER_OU, Pki};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
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

fn signed() -> String {
    signed_by(&pki().list_signer().unwrap(), SignatureShape::XmlDsig)
}

fn read(xml: &str) -> Result<TrustList, TrustListError> {
    TrustList::read(xml.as_bytes(), &policy(), NOW)
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
fn a_list_signed_in_either_shape_is_read() {
    let signer = pki().list_signer().unwrap();
    for shape in [SignatureShape::XmlDsig, SignatureShape::XadesB] {
        let list = read(&signed_by(&signer, shape)).unwrap();
        assert_eq!(list.generated_at(), NOW);
        assert_eq!((list.domain_count(), list.skipped_count()), (3, 0));
        assert!(list.lists(&domain("interop-mssante.apicrypt.org")));
        assert!(!list.lists(&domain("mssante.apicrypt.org")));
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

#[test]
fn what_xmlsec1_signed_by_id_with_exclusive_c14n_and_ecdsa_is_read() {
    let ca = include_str!("data/signed-by-xmlsec1-ca.pem");
    let der = x509_parser::pem::parse_x509_pem(ca.as_bytes()).unwrap().1.contents;
    let authorities =
        Authorities::of_certificates(vec![der.clone()], vec![der], datetime!(2030-01-01 00:00 UTC)).unwrap();
    let policy = SignaturePolicy::Required { authorities, signer_cn: LIST_SIGNER_CN.to_owned(), signer_ou: None };
    let xml = include_str!("data/signed-by-xmlsec1.xml");
    let list = TrustList::read(xml.as_bytes(), &policy, datetime!(2030-01-01 00:00 UTC)).unwrap();
    assert!(list.binds(&domain("ch-exemple.mssante.fr"), &dn(DN), DnMatch::Normalised));
    let changed = xml.replace("ch-exemple.mssante.fr", "ch-example.mssante.fr");
    assert!(TrustList::read(changed.as_bytes(), &policy, datetime!(2030-01-01 00:00 UTC)).is_err());
}

#[test]
fn entries_that_cannot_be_read_are_left_out_and_counted() {
    let list = white_list().with("sessad@ase.mssante.fr", DN).with("ok.mssante.fr", "no name at all");
    let list = TrustList::read(list.unsigned_xml().as_bytes(), &SignaturePolicy::Off, NOW).unwrap();
    assert_eq!((list.domain_count(), list.skipped_count()), (3, 2));
}

#[test]
fn changed_text_is_refused() {
    assert!(refusal(&signed().replace("CN=a,", "CN=z,")).contains("digest"));
    assert!(read(&signed().replace("2026-11-03T08:00:00Z", "2027-11-03T08:00:00Z")).is_err());
}

#[test]
fn an_unsigned_list_is_refused_when_a_signature_is_required() {
    assert!(refusal(&white_list().unsigned_xml()).contains("not signed"));
    assert!(TrustList::read(white_list().unsigned_xml().as_bytes(), &SignaturePolicy::Off, NOW).is_ok());
}

#[test]
fn a_signer_of_another_root_with_the_same_names_is_refused() {
    let foreign = Pki::new(NOW).unwrap().list_signer().unwrap();
    assert!(refusal(&signed_by(&foreign, SignatureShape::XmlDsig)).contains("not trusted"));
}

#[test]
fn a_good_certificate_of_another_name_does_not_sign_lists() {
    let later = NOW + Duration::days(300);
    let why = refusal(&signed_by(&pki().signer("Liste Blanche DRIM-M", later).unwrap(), SignatureShape::XmlDsig));
    assert!(why.contains("CN=Liste Blanche MSSante") && why.contains("DRIM-M"), "{why}");
    let SignaturePolicy::Required { authorities, signer_cn, .. } = policy() else { unreachable!() };
    let other_unit =
        SignaturePolicy::Required { authorities, signer_cn, signer_ou: Some("300000000099622".to_owned()) };
    assert!(TrustList::read(signed().as_bytes(), &other_unit, NOW).is_err());
}

#[test]
fn an_expired_signer_is_refused() {
    let expired = pki().signer(LIST_SIGNER_CN, NOW - Duration::days(1)).unwrap();
    assert!(refusal(&signed_by(&expired, SignatureShape::XmlDsig)).contains("has expired"));
    assert!(TrustList::read(signed().as_bytes(), &policy(), NOW + Duration::days(4 * 365)).is_err());
}

#[test]
fn a_certificate_for_encryption_does_not_sign_lists() {
    let issued = pki().confidentiality(LIST_SIGNER_CN).unwrap();
    assert!(refusal(&signed_by(&issued, SignatureShape::XmlDsig)).contains("keyUsage"));
}

#[test]
fn the_certificate_of_the_signer_with_the_signature_of_another_key_is_refused() {
    let honest = pki().list_signer().unwrap();
    let attacker = pki().signer("Somebody", NOW + Duration::days(300)).unwrap();
    let mixed = Issued { chain_pem: honest.chain_pem, ..attacker };
    assert!(refusal(&signed_by(&mixed, SignatureShape::XmlDsig)).contains("signature value"));
}

/// Signature wrapping: the signed list moved below a forged one.
#[test]
fn a_signed_list_below_a_forged_root_is_refused() {
    let signed = signed();
    let (_, original) = signed.split_once("?>").unwrap();
    let forged = WhiteList::new(NOW).with("evil.mssante.fr", "CN=evil").unsigned_xml();
    let wrapped = forged.replace("</ListeBlancheMSSante>", &format!("{original}</ListeBlancheMSSante>"));
    assert!(refusal(&wrapped).contains("directly below the root"));

    let (before, rest) = original.split_once("<ds:Signature ").unwrap();
    let (signature, after) = rest.split_once("</ds:Signature>").unwrap();
    let moved = format!(
        "{}<ds:Signature {signature}<ds:Object>{before}{after}</ds:Object></ds:Signature></ListeBlancheMSSante>",
        forged.strip_suffix("</ListeBlancheMSSante>").unwrap()
    );
    assert!(refusal(&moved).contains("digest"));
}

#[test]
fn a_reference_to_a_part_of_the_list_is_refused() {
    let part = signed().replace("URI=\"\"", "URI=\"#part\"").replace("<ListeDomaines>", "<ListeDomaines Id=\"part\">");
    assert!(refusal(&part).contains("not the whole list"));
    assert!(refusal(&signed().replace("URI=\"\"", "URI=\"http://127.0.0.1/x\"")).contains("not the whole list"));
    assert!(refusal(&signed().replace("<ds:Reference URI=\"\">", "<ds:Reference>")).contains("no URI"));
    assert!(refusal(&signed().replace("URI=\"\"", "URI=\"#xpointer(/)\"")).contains("not the whole list"));
}

#[test]
fn properties_of_something_else_are_refused() {
    let xades = signed_by(&pki().list_signer().unwrap(), SignatureShape::XadesB);
    assert!(refusal(&xades.replace("URI=\"#signed-properties\"", "URI=\"#other\"")).contains("leads elsewhere"));
    assert!(refusal(&xades.replace("2026-11-03T08:00:00Z</xades", "2020-11-03T08:00:00Z</xades")).contains("digest"));
}

#[test]
fn a_second_signature_anywhere_is_refused() {
    let signed = signed();
    let (_, rest) = signed.split_once("<ds:Signature ").unwrap();
    let (signature, _) = rest.split_once("</ds:Signature>").unwrap();
    let again = format!("<ds:Signature {signature}</ds:Signature>");
    let twice = signed.replace("</ListeBlancheMSSante>", &format!("{again}</ListeBlancheMSSante>"));
    assert!(refusal(&twice).contains("more than one"));
}

#[test]
fn weak_and_expressive_algorithms_are_refused() {
    for (allowed, other) in [
        ("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-md5"),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
        ("REC-xml-c14n-20010315", "REC-xml-c14n-20010315#WithComments"),
        ("xmldsig#enveloped-signature", "xmldsig#base64"),
        ("http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
    ] {
        let xml = signed().replace(allowed, other);
        let why = refusal(&xml);
        assert!(why.contains("not allowed") || why.contains("other transforms"), "{other}: {why}");
    }
}

#[test]
fn a_signature_without_certificate_is_refused() {
    let signed = signed();
    let (before, rest) = signed.split_once("<ds:KeyInfo>").unwrap();
    let (_, after) = rest.split_once("</ds:KeyInfo>").unwrap();
    assert!(refusal(&format!("{before}{after}")).contains("brings no certificate"));
}

/// Comments are not signed: they may be added by anyone and must not cut a value short.
#[test]
fn a_comment_inside_a_value_changes_nothing() {
    let list = read(&signed().replace("ch-exemple", "ch-<!-- x -->exemple")).unwrap();
    assert!(list.lists(&domain("ch-exemple.mssante.fr")));
    assert_eq!(list.domain_count(), 3);
}

#[test]
fn document_types_and_with_them_entities_are_refused_before_parsing() {
    for declaration in [
        "<!DOCTYPE ListeBlancheMSSante [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE ListeBlancheMSSante SYSTEM \"http://127.0.0.1/x.dtd\">",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
    ] {
        let xml = signed().replace("<ListeBlancheMSSante", &format!("{declaration}<ListeBlancheMSSante"));
        assert!(matches!(read(&xml), Err(TrustListError::Format(why)) if why.contains("DOCTYPE")));
    }
    let undeclared = white_list().unsigned_xml().replace("Domaine ", "&x;");
    assert!(TrustList::read(undeclared.as_bytes(), &SignaturePolicy::Off, NOW).is_err());
}

#[test]
fn what_is_no_list_is_refused() {
    let deep = "<a>".repeat(200_000);
    let other_root = "<Liste xmlns=\"https://listeblanche.mssante.fr/schema\"/>";
    let other_namespace = white_list().unsigned_xml().replace("listeblanche.mssante.fr", "drim-m.mssante.fr");
    let two_dates = white_list().unsigned_xml().replace("<ListeDomaines>", "<DateDeGeneration/><ListeDomaines>");
    let no_date = white_list().unsigned_xml().replacen("2026-11-03T08:00:00Z", "hier", 1);
    for xml in ["", "<html>", "{}", &deep, other_root, &other_namespace, &two_dates, &no_date] {
        let result = TrustList::read(xml.as_bytes(), &SignaturePolicy::Off, NOW);
        assert!(matches!(result, Err(TrustListError::Format(_))), "{result:?}");
    }
    assert!(matches!(
        TrustList::read(b"<\xff>", &SignaturePolicy::Off, NOW),
        Err(TrustListError::Format(why)) if why.contains("UTF-8")
    ));
    let huge = vec![b' '; 33 * 1024 * 1024];
    assert!(
        matches!(TrustList::read(&huge, &policy(), NOW), Err(TrustListError::Format(why)) if why.contains("octets"))
    );
}

#[test]
fn an_empty_list_is_refused() {
    let empty = WhiteList::new(NOW).unsigned_xml();
    assert_eq!(TrustList::read(empty.as_bytes(), &SignaturePolicy::Off, NOW).unwrap_err(), TrustListError::Empty);
}

/// As many entries as the list of 2026 has.
#[test]
fn a_list_of_the_size_of_france_is_read() {
    let mut list = WhiteList::new(NOW);
    for place in 0..8_655 {
        list = list.with(&format!("domaine-{place}.mssante.fr"), &format!("CN=host{},OU=1,O=Op,C=FR", place % 392));
    }
    let signer = ListSigner::new(&pki().list_signer().unwrap()).unwrap();
    let xml = list.signed_xml(&signer, SignatureShape::XadesB).unwrap();
    assert_eq!(read(&xml).unwrap().domain_count(), 8_655);
}
