//! No octets that somebody offers as a white list stop the reader, and what it reads holds together.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use trust::{Authorities, DnMatch, ListChange, Sanity, SignaturePolicy, TrustList, Weighed, weigh};

const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);
const SANITY: Sanity = Sanity { max_shrink: 20, clock_tolerance: Duration::minutes(10) };
/// The signed list that the tests read, and whose signature the fuzzer cannot forge.
const SIGNED: &[u8] = include_bytes!("../../crates/trust/tests/data/signed-by-xmlsec1.xml");

static REQUIRED: LazyLock<SignaturePolicy> = LazyLock::new(|| {
    let pem = include_bytes!("../../crates/trust/tests/data/signed-by-xmlsec1-ca.pem");
    let der = CertificateDer::from_pem_slice(pem).expect("a certificate").to_vec();
    let authorities = Authorities::of_certificates(vec![der.clone()], vec![der], NOW).expect("an authority");
    SignaturePolicy::Required { authorities, signer_cn: "Liste Blanche MSSante".to_owned(), signer_ou: None }
});

static IN_FORCE: LazyLock<TrustList> =
    LazyLock::new(|| TrustList::read(SIGNED, &REQUIRED, NOW).expect("the list of the tests"));

fuzz_target!(|octets: &[u8]| {
    if let Ok(signed) = TrustList::read(octets, &REQUIRED, NOW) {
        assert!(ListChange::between(Some(&IN_FORCE), &signed).is_empty(), "a signature covers another content");
        assert!(signed.signer().is_some());
    }
    if let Ok(list) = TrustList::read(octets, &SignaturePolicy::Off, NOW) {
        check(&list);
    }
});

fn check(list: &TrustList) {
    assert!(list.domain_count() > 0 && list.signer().is_none());
    let change = ListChange::between(None, list);
    assert_eq!(change.added.len(), list.domain_count());
    for domain in &change.added {
        assert!(list.lists(domain) && !list.names_of(domain).is_empty());
        for name in list.names_of(domain) {
            assert!(name.common_name().is_some_and(|cn| !cn.trim().is_empty()));
            for how in [DnMatch::Strict, DnMatch::Normalised] {
                assert!(list.binds(domain, name, how) && list.knows(name, how));
            }
        }
    }
    assert!(!matches!(weigh(list, Some(list), &SANITY, NOW), Ok(Weighed::Take(_) | Weighed::Acknowledge { .. })));
    let _ = weigh(list, Some(&IN_FORCE), &SANITY, NOW);
}
