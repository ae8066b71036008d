//! Whatever octets come: a clear answer, and nothing is believed that was not signed.

use std::sync::LazyLock;

use proptest::prelude::*;
use testkit::revocation::{OcspResponder, Oddity, Reason};

use super::*;
use crate::revocation::crl::Unverified;
use crate::revocation::ocsp::Question;

/// A list and an OCSP answer that are good.
struct Samples {
    register: Register,
    issuer: Arc<crate::Authority>,
    serial: Vec<u8>,
    list: Vec<u8>,
    answer: Vec<u8>,
    now: OffsetDateTime,
}

static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let (now, folder) = (RealClock.now(), tempfile::tempdir().unwrap());
    let pki = Pki::new(now).unwrap();
    let (authorities, issued) = (authorities(&pki), pki.server(&holder()).unwrap());
    let certificate = verified(&authorities, &issued, now);
    let register = Register::of(&authorities);
    let crl = Crl::around(now).revoke_for(&issued.der, now, Reason::KeyCompromise);
    let list = pki.crl(&crl.with(Oddity::PartOf("http://crl.example/".to_owned()))).unwrap();
    let responder = OcspResponder::new(&pki, folder.path()).unwrap().signed_by(&pki.ocsp_signer().unwrap()).unwrap();
    responder.good(&issued.der);
    let issuer = register.signer(certificate.issuer()).unwrap();
    let answer = responder.answer(&Question { issuer, serial: certificate.serial() }.encode()).unwrap();
    let issuer = Arc::clone(&authorities.issuers()[0]);
    Samples { issuer, serial: certificate.serial().to_vec(), register, list, answer, now }
});

impl Samples {
    fn question(&self) -> Question<'_> {
        Question { issuer: self.register.signer(&self.issuer).unwrap(), serial: &self.serial }
    }
}

/// Reads all of a list without asking who signed it.
fn read_unverified(octets: &[u8]) -> Option<usize> {
    Some(Unverified::read(octets).ok()?.open().ok()?.accept().ok()?.len())
}

#[test]
fn the_samples_are_good() {
    let samples = &*SAMPLES;
    assert_eq!(read_unverified(&samples.list), Some(1));
    assert!(samples.register.with_list("http://crl.example/", &samples.list, Origin::Download, samples.now).is_ok());
    assert!(samples.question().read(&samples.answer, &samples.register, samples.now).is_ok());
}

#[test]
fn an_answer_out_of_its_time_says_nothing() {
    let samples = &*SAMPLES;
    for hours in [-1, 2] {
        let now = samples.now + time::Duration::hours(hours);
        let read = samples.question().read(&samples.answer, &samples.register, now);
        assert_eq!(read, Err(ocsp::OcspFault::Untimely));
    }
}

proptest! {
    #[test]
    fn any_octets_are_no_list_and_no_answer(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(read_unverified(&octets), None);
        prop_assert!(SAMPLES.question().read(&octets, &SAMPLES.register, SAMPLES.now).is_err());
    }

    #[test]
    fn a_list_in_which_one_octet_differs_is_not_believed(at: prop::sample::Index, by in 1_u8..) {
        let mut list = SAMPLES.list.clone();
        let at = at.index(list.len());
        list[at] ^= by;
        let _ = read_unverified(&list);
        prop_assert!(SAMPLES.register.with_list("http://crl.example/", &list, Origin::Download, SAMPLES.now).is_err());
    }

    #[test]
    fn a_list_that_is_cut_or_lengthened_is_not_believed(at: prop::sample::Index, more in prop::collection::vec(any::<u8>(), 1..9)) {
        let list = &SAMPLES.list;
        let cut = &list[..at.index(list.len())];
        let inserted = [cut, &more, &list[cut.len()..]].concat();
        for octets in [cut, &inserted, &[list.as_slice(), &more].concat()] {
            let _ = read_unverified(octets);
            prop_assert!(SAMPLES.register.with_list("http://crl.example/", octets, Origin::Download, SAMPLES.now).is_err());
        }
    }

    #[test]
    fn an_answer_in_which_one_octet_differs_says_nothing_else(at: prop::sample::Index, by in 1_u8..) {
        let (samples, mut answer) = (&*SAMPLES, SAMPLES.answer.clone());
        let at = at.index(answer.len());
        answer[at] ^= by;
        let whole = samples.question().read(&samples.answer, &samples.register, samples.now);
        // What is not signed, such as the order of certificates, may differ; what is said may not.
        let read = samples.question().read(&answer, &samples.register, samples.now);
        prop_assert!(read.is_err() || read == whole);
    }
}
