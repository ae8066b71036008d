//! Which authorities are taken, and which certificates below them.

use rustls_pki_types::CertificateDer;
use testkit::pki::{Flaw, Particulars, Pki, ServerHolder};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::chain::unix_time;

const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);

fn pki() -> Pki {
    Pki::new(NOW).unwrap()
}

fn holder() -> ServerHolder {
    ServerHolder {
        cn: "mx.hopital.fr".into(),
        organisation: "CH D'ÉVREUX".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
        extra_names: vec![],
    }
}

fn of(roots: &[&[u8]], issuers: &[&[u8]]) -> Result<Authorities, AuthoritiesError> {
    let owned = |ders: &[&[u8]]| ders.iter().map(|der| der.to_vec()).collect();
    Authorities::of_certificates(owned(roots), owned(issuers), NOW)
}

fn usual(pki: &Pki) -> Authorities {
    of(&[pki.anchor_der()], &[pki.issuing_der()]).unwrap()
}

/// The judgement on a certificate with these that came along.
fn judged(authorities: &Authorities, leaf: &[u8], others: &[&[u8]]) -> Result<VerifiedCertificate, CertificateFault> {
    let others: Vec<_> = others.iter().map(|der| CertificateDer::from(*der)).collect();
    authorities.verify(&CertificateDer::from(leaf), &others, Usage::HopClient, unix_time(NOW))
}

#[test]
fn an_issuer_that_does_not_chain_to_the_roots_is_refused_with_its_name() {
    let (ours, other) = (pki(), pki());
    let error = of(&[ours.anchor_der()], &[ours.issuing_der(), other.issuing_der()]).unwrap_err();
    let AuthoritiesError::Issuers(why) = error else { panic!("{error}") };
    assert!(why.contains("TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS") && why.contains("does not chain"), "{why}");
}

#[test]
fn an_issuer_below_another_issuer_chains_too_and_roots_may_issue() {
    let pki = pki();
    let sibling = pki.sibling("AC DEUXIEME").unwrap();
    assert!(of(&[pki.anchor_der()], &[pki.issuing_der(), sibling.issuing_der(), pki.anchor_der()]).is_ok());
}

#[test]
fn one_authority_out_of_its_time_does_not_take_the_others_with_it() {
    let (old, new, early) =
        (Pki::new(NOW - Duration::days(11 * 365)).unwrap(), pki(), Pki::new(NOW + Duration::days(3 * 365)).unwrap());
    let roots = [old.anchor_der(), new.anchor_der(), early.anchor_der()];
    let authorities = of(&roots, &[old.issuing_der(), new.issuing_der(), early.issuing_der()]).unwrap();
    assert_eq!(authorities.roots().iter().map(|root| root.der()).collect::<Vec<_>>(), [new.anchor_der()]);
    assert_eq!(authorities.issuers().iter().map(|issuer| issuer.der()).collect::<Vec<_>>(), [new.issuing_der()]);
    let why = authorities.left_out();
    assert_eq!(why.iter().filter(|why| why.contains("has expired (")).count(), 2, "{why:?}");
    assert_eq!(why.iter().filter(|why| why.contains("is not valid before")).count(), 2, "{why:?}");
    let leaf = new.server(&holder()).unwrap().der;
    assert!(judged(&authorities, &leaf, &[]).is_ok());
}

#[test]
fn files_with_nothing_but_authorities_out_of_their_time_are_refused() {
    let (old, new) = (Pki::new(NOW - Duration::days(11 * 365)).unwrap(), pki());
    let issuer = of(&[new.anchor_der()], &[old.issuing_der()]).unwrap_err();
    assert!(matches!(&issuer, AuthoritiesError::Issuers(why) if why.contains("has expired")), "{issuer}");
    let root = of(&[old.anchor_der()], &[new.issuing_der()]).unwrap_err();
    assert!(matches!(&root, AuthoritiesError::Roots(why) if why.contains("has expired")), "{root}");
    let early = Pki::new(NOW + Duration::days(3 * 365)).unwrap();
    let early = of(&[early.anchor_der()], &[early.issuing_der()]).unwrap_err();
    assert!(early.to_string().contains("not valid before"), "{early}");
}

#[test]
fn certificates_of_servers_are_no_authorities() {
    let pki = pki();
    let server = pki.server(&holder()).unwrap().der;
    let issuer = of(&[pki.anchor_der()], &[&server]).unwrap_err();
    assert!(matches!(&issuer, AuthoritiesError::Issuers(why) if why.contains("is not an authority")), "{issuer}");
    let root = of(&[&server], &[pki.issuing_der()]).unwrap_err();
    assert!(matches!(&root, AuthoritiesError::Roots(why) if why.contains("is not an authority")), "{root}");
}

#[test]
fn empty_files_and_rubbish_are_refused() {
    let pki = pki();
    assert!(matches!(of(&[], &[pki.issuing_der()]), Err(AuthoritiesError::Roots(_))));
    assert!(matches!(of(&[pki.anchor_der()], &[]), Err(AuthoritiesError::Issuers(_))));
    let error = of(&[pki.anchor_der()], &[pki.issuing_der(), b"rubbish"]).unwrap_err();
    assert!(error.to_string().contains("certificate number 2"), "{error}");
}

#[test]
fn a_peer_may_leave_its_intermediate_out() {
    let pki = pki();
    let leaf = pki.server(&holder()).unwrap().der;
    for others in [&[][..], &[pki.issuing_der()], &[pki.anchor_der(), pki.issuing_der()]] {
        let verified = judged(&usual(&pki), &leaf, others).unwrap();
        assert_eq!(verified.issuer().der(), pki.issuing_der());
    }
}

#[test]
fn an_intermediate_under_our_root_that_was_not_accepted_issues_nothing_for_us() {
    let pki = pki();
    let sibling = pki.sibling("AC DEUXIEME").unwrap();
    let leaf = sibling.server(&holder()).unwrap().der;
    let fault = judged(&usual(&pki), &leaf, &[sibling.issuing_der()]).unwrap_err();
    assert_eq!(fault, CertificateFault::IssuerNotAccepted);
    assert_eq!(judged(&usual(&pki), &leaf, &[]).unwrap_err(), CertificateFault::Untrusted);
    let same_name = pki.sibling("TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS").unwrap();
    let leaf = same_name.server(&holder()).unwrap().der;
    let fault = judged(&usual(&pki), &leaf, &[same_name.issuing_der()]).unwrap_err();
    assert_eq!(fault, CertificateFault::IssuerNotAccepted, "the key decides, not the name");
}

#[test]
fn a_leaf_of_the_root_itself_is_accepted_only_where_the_root_is_an_issuer() {
    let pki = pki();
    let leaf = pki.rooted().unwrap().server(&holder()).unwrap().der;
    assert_eq!(judged(&usual(&pki), &leaf, &[]).unwrap_err(), CertificateFault::IssuerNotAccepted);
    let both = of(&[pki.anchor_der()], &[pki.issuing_der(), pki.anchor_der()]).unwrap();
    assert_eq!(judged(&both, &leaf, &[]).unwrap().issuer().der(), pki.anchor_der());
}

#[test]
fn another_pki_of_the_same_names_is_not_trusted() {
    let (ours, theirs) = (pki(), pki());
    let leaf = theirs.server(&holder()).unwrap().der;
    let fault = judged(&usual(&ours), &leaf, &[theirs.issuing_der(), theirs.anchor_der()]).unwrap_err();
    assert_eq!(fault, CertificateFault::Untrusted);
}

#[test]
fn each_flaw_has_its_fault() {
    let pki = pki();
    let authorities = usual(&pki);
    for (flaw, fault) in [
        (Flaw::Expired, CertificateFault::Expired),
        (Flaw::NotYetValid, CertificateFault::NotYetValid),
        (Flaw::MailOnly, CertificateFault::WrongUsage),
        (Flaw::EncryptionOnly, CertificateFault::WrongUsage),
        (Flaw::Authority, CertificateFault::WrongUsage),
        (Flaw::WeakKey, CertificateFault::Weak),
        (Flaw::Sha1, CertificateFault::Weak),
        (Flaw::NoSubject, CertificateFault::MalformedName),
        (Flaw::NulInSubject, CertificateFault::MalformedName),
        (Flaw::NotUtf8, CertificateFault::MalformedName),
        (Flaw::NegativeSerial, CertificateFault::Malformed),
        (Flaw::LongSerial, CertificateFault::Malformed),
        (Flaw::TwiceTheSame, CertificateFault::Malformed),
        (Flaw::TwiceNamed, CertificateFault::Malformed),
        (Flaw::UnknownCritical, CertificateFault::Malformed),
        (Flaw::ManyNames, CertificateFault::Malformed),
        (Flaw::Huge, CertificateFault::Malformed),
    ] {
        let leaf = pki.flawed_server(&holder(), flaw).unwrap().der;
        assert_eq!(judged(&authorities, &leaf, &[]).unwrap_err(), fault, "{flaw:?}");
    }
    let leaf = pki.flawed_server(&holder(), Flaw::ServerAuthOnly).unwrap().der;
    assert!(judged(&authorities, &leaf, &[]).is_ok());
}

#[test]
fn constraints_on_names_hold() {
    let pki = pki();
    let constrained = pki.constrained("AC LIMITEE").unwrap();
    let authorities = of(&[pki.anchor_der()], &[constrained.issuing_der()]).unwrap();
    let leaf = constrained.server(&holder()).unwrap().der;
    assert_eq!(judged(&authorities, &leaf, &[]).unwrap_err(), CertificateFault::Untrusted);
}

#[test]
fn a_chain_of_many_authorities_ends_in_a_fault_and_not_in_a_search() {
    let (ours, theirs) = (pki(), pki());
    let siblings: Vec<_> = (0..5).map(|_| theirs.sibling("TEST AC RACINE IGC-SANTE ELEMENTAIRE").unwrap()).collect();
    let others: Vec<_> = siblings.iter().cycle().take(200).map(Pki::issuing_der).collect();
    let leaf = siblings[0].rooted().unwrap().server(&holder()).unwrap().der;
    assert_eq!(judged(&usual(&ours), &leaf, &others).unwrap_err(), CertificateFault::Untrusted);
}

#[test]
fn rubbish_in_place_of_a_certificate_is_a_fault() {
    let pki = pki();
    let leaf = pki.server(&holder()).unwrap().der;
    for cut in [0, 1, 4, 100, leaf.len() / 2, leaf.len() - 1] {
        assert_eq!(judged(&usual(&pki), &leaf[..cut], &[]).unwrap_err(), CertificateFault::Malformed, "{cut}");
    }
}

#[test]
fn addresses_of_lists_and_responders_are_taken_if_they_can_be_fetched() {
    let pki = pki();
    let urls = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let long = format!("http://a/{}", "x".repeat(600));
    let particulars = Particulars {
        serial: vec![5],
        crl_urls: urls(&["http://a/1.crl", "ldap://a/2", "HTTPS://a/3.crl", &long, "http://a/x y", "http://a/4.crl"]),
        ocsp_urls: urls(&["http://o/1", "file:///etc/passwd", "http://o/2", "http://o/3", "http://o/4", "http://o/5"]),
    };
    let leaf = pki.server_with(&holder(), &particulars).unwrap().der;
    let verified = judged(&usual(&pki), &leaf, &[]).unwrap();
    assert_eq!(verified.crl_urls(), ["http://a/1.crl", "HTTPS://a/3.crl", "http://a/4.crl"]);
    assert_eq!(verified.ocsp_urls(), ["http://o/1", "http://o/2", "http://o/3", "http://o/4"]);
    assert_eq!(verified.serial(), [5]);
}

#[test]
fn host_names_are_those_of_the_alternative_names() {
    let pki = pki();
    let verified = judged(&usual(&pki), &pki.server(&holder()).unwrap().der, &[]).unwrap();
    for (host, named) in
        [("mx.hopital.fr", true), ("MX.hopital.fr.", true), ("127.0.0.1", true), ("mx2.hopital.fr", false), ("", false)]
    {
        assert_eq!(verified.names_host(host), named, "{host}");
    }
}
