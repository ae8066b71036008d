//! Who may sign a list, and how.

use aws_lc_rs::digest::{SHA256, digest};
use testkit::list::{Canonical, Hash, ListSigner, SignatureProfile, SignatureShape};
use testkit::pki::{Issued, LIST_SIGNER_CN, Pki, SignerKey};
use time::Duration;
use time::macros::datetime;
use trust::{Authorities, DnMatch, SignaturePolicy, TrustList, TrustListError};

use super::{DN, NOW, dn, domain, issued, pki, policy, read, read_unsigned, refusal, signed, signed_by, white_list};

#[test]
fn rsa_and_ecdsa_with_sha_2_in_both_canonical_forms_are_verified() {
    for key in [SignerKey::Rsa, SignerKey::P256, SignerKey::P384] {
        let signer = ListSigner::new(&pki().list_signer_of(key).unwrap()).unwrap();
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            for canonical in [Canonical::Inclusive, Canonical::Exclusive] {
                verify_every_shape(&signer, hash, canonical);
            }
        }
    }
}

fn verify_every_shape(signer: &ListSigner, hash: Hash, canonical: Canonical) {
    for shape in [SignatureShape::XmlDsig, SignatureShape::XadesB, SignatureShape::XadesFirstEdition] {
        let profile = SignatureProfile { shape, hash, canonical };
        let xml = white_list().signed_xml_as(signer, profile).unwrap();
        assert_eq!(read(&xml).map(|list| list.domain_count()), Ok(3), "{profile:?}");
        assert!(refusal(&xml.replace("CN=a,", "CN=z,")).contains("digest"), "{profile:?}");
        let value = xml.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
        let other = if xml[value..].starts_with('A') { "B" } else { "A" };
        assert!(read(&format!("{}{other}{}", &xml[..value], &xml[value + 1..])).is_err(), "{profile:?}");
    }
}

#[test]
fn an_unsigned_list_is_refused_when_a_signature_is_required() {
    assert!(refusal(&white_list().unsigned_xml()).contains("not signed"));
    assert_eq!(read_unsigned(&white_list().unsigned_xml()).unwrap().signer(), None);
}

#[test]
fn a_digest_stands_for_every_octet_and_for_no_signer() {
    let xml = white_list().unsigned_xml();
    let sha256 = digest(&SHA256, xml.as_bytes()).as_ref().try_into().unwrap();
    let list = TrustList::read(xml.as_bytes(), &SignaturePolicy::Digest { sha256 }, NOW).unwrap();
    assert_eq!((list.domain_count(), list.signer()), (3, None));
    for other in [format!("{xml}\n"), xml.replace("CN=a,", "CN=z,"), xml.replace("<Nom>", "<Nom><!---->")] {
        let refused = TrustList::read(other.as_bytes(), &SignaturePolicy::Digest { sha256 }, NOW);
        assert!(matches!(refused, Err(TrustListError::Signature(why)) if why.contains("SHA-256")));
    }
}

#[test]
fn a_signer_of_another_root_with_the_same_names_is_refused() {
    let foreign = Pki::new(NOW).unwrap().list_signer().unwrap();
    assert!(refusal(&signed_by(&foreign, SignatureShape::XmlDsig)).contains("not trusted"));
}

#[test]
fn a_signer_of_an_authority_that_is_not_accepted_is_refused() {
    for other in [pki().sibling("TEST AC IGC-SANTE ELEMENTAIRE PERSONNES").unwrap(), pki().rooted().unwrap()] {
        let why = refusal(&signed_by(&other.list_signer().unwrap(), SignatureShape::XmlDsig));
        assert!(why.contains("not among the accepted"), "{why}");
    }
}

#[test]
fn a_good_certificate_of_another_name_does_not_sign_lists() {
    let later = NOW + Duration::days(300);
    let why = refusal(&signed_by(&pki().signer("Liste Blanche DRIM-M", later).unwrap(), SignatureShape::XmlDsig));
    assert!(why.contains("CN=Liste Blanche MSSante") && why.contains("DRIM-M"), "{why}");
    let SignaturePolicy::Required { authorities, signer_cn, .. } = policy() else { unreachable!() };
    let other_unit =
        SignaturePolicy::Required { authorities, signer_cn, signer_ou: Some("300000000099622".to_owned()) };
    let refused = TrustList::read(signed().as_bytes(), &other_unit, NOW);
    assert!(matches!(refused, Err(TrustListError::Signature(why)) if why.contains("OU=300000000099622")));
}

/// The name is compared attribute by attribute and character by character, and there is only one.
#[test]
fn a_name_that_looks_like_the_signers_does_not_sign_lists() {
    let later = NOW + Duration::days(300);
    for cn in [
        "Liste Blanche MSSante\0",
        "Liste Blanche MSSante\0.exemple.fr",
        "liste blanche mssante",
        "Liste Blanche MSSanté",
        " Liste Blanche MSSante",
        "Liste Blanche MSSante,OU=318751275100020",
        "CN=Liste Blanche MSSante",
    ] {
        let why = refusal(&signed_by(&pki().signer(cn, later).unwrap(), SignatureShape::XmlDsig));
        assert!(why.contains("none of its certificates"), "{cn}: {why}");
    }
    for (cn, ou) in [(Some("Somebody"), None), (None, Some("100000000")), (Some(LIST_SIGNER_CN), None)] {
        let two = pki().signer_of_two_names(cn, ou).unwrap();
        assert!(
            refusal(&signed_by(&two, SignatureShape::XmlDsig)).contains("none of its certificates"),
            "{cn:?} {ou:?}"
        );
    }
    let one = pki().signer_of_two_names(None, None).unwrap();
    assert!(read(&signed_by(&one, SignatureShape::XmlDsig)).is_ok());
}

#[test]
fn two_certificates_with_the_name_of_the_signer_are_refused() {
    let other = pki().list_signer().unwrap();
    let both = Issued { chain_pem: format!("{}{}", issued().chain_pem, other.chain_pem), ..issued().clone() };
    assert!(refusal(&signed_by(&both, SignatureShape::XmlDsig)).contains("more than one"));
    let twice = Issued { chain_pem: issued().chain_pem.repeat(2), ..issued().clone() };
    assert!(read(&signed_by(&twice, SignatureShape::XmlDsig)).is_ok());
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
    let honest = issued().clone();
    let attacker = pki().signer("Somebody", NOW + Duration::days(300)).unwrap();
    let mixed = Issued { chain_pem: honest.chain_pem, ..attacker };
    assert!(refusal(&signed_by(&mixed, SignatureShape::XmlDsig)).contains("signature value"));
}

#[test]
fn a_signature_without_certificate_is_refused() {
    let signed = signed();
    let (before, rest) = signed.split_once("<ds:KeyInfo>").unwrap();
    let (_, after) = rest.split_once("</ds:KeyInfo>").unwrap();
    assert!(refusal(&format!("{before}{after}")).contains("brings no certificate"));
}

#[test]
fn what_xmlsec1_signed_by_id_with_exclusive_c14n_and_ecdsa_is_read() {
    let ca = include_str!("../data/signed-by-xmlsec1-ca.pem");
    let der = x509_parser::pem::parse_x509_pem(ca.as_bytes()).unwrap().1.contents;
    let authorities =
        Authorities::of_certificates(vec![der.clone()], vec![der], datetime!(2030-01-01 00:00 UTC)).unwrap();
    let policy = SignaturePolicy::Required { authorities, signer_cn: LIST_SIGNER_CN.to_owned(), signer_ou: None };
    let xml = include_str!("../data/signed-by-xmlsec1.xml");
    let list = TrustList::read(xml.as_bytes(), &policy, datetime!(2030-01-01 00:00 UTC)).unwrap();
    assert!(list.binds(&domain("ch-exemple.mssante.fr"), &dn(DN), DnMatch::Normalised));
    let changed = xml.replace("ch-exemple.mssante.fr", "ch-example.mssante.fr");
    assert!(TrustList::read(changed.as_bytes(), &policy, datetime!(2030-01-01 00:00 UTC)).is_err());
}
