//! Which lists are believed, and what they say.

use testkit::revocation::{Oddity, Reason};
use time::Duration;

use super::*;

const URL: &str = "http://crl.example/a.crl";

fn format_fault(result: Result<CrlFacts, CrlError>) -> String {
    let Err(CrlError::Format(why)) = result else { panic!("{result:?}") };
    why
}

#[tokio::test]
async fn whoever_is_on_a_list_is_revoked_and_nobody_else() {
    let bench = Bench::new().await;
    let ((issued, revoked), (_, other)) = (bench.issue(), bench.issue());
    let (revocation, since) = (bench.revocation(rules()), bench.now() - Duration::days(2));
    let crl = Crl::around(bench.now()).revoke_for(&issued.der, since, Reason::KeyCompromise);
    let facts = revocation.offer(URL, &bench.pki.crl(&crl).unwrap()).unwrap();
    assert_eq!((facts.url.as_str(), facts.revoked), (URL, 1));
    assert_eq!(revocation.lists(), [facts]);
    let since = since.replace_nanosecond(0).unwrap();
    assert_eq!(revocation.standing(&revoked), Standing::Revoked { since, source: URL.to_owned() });
    assert_eq!(good(&revocation.standing(&other)), URL);
}

#[tokio::test]
async fn a_list_counts_until_it_ends_but_its_entries_for_good() {
    let bench = Bench::new().await;
    let ((issued, revoked), (_, other)) = (bench.issue(), bench.issue());
    let revocation = bench.revocation(rules());
    assert!(doubt(&revocation.standing(&other)).starts_with("there is no revocation list of "));
    let crl = Crl::around(bench.now()).revoke(&issued.der, bench.now());
    revocation.offer(URL, &bench.pki.crl(&crl).unwrap()).unwrap();
    bench.clock.advance(Duration::hours(24));
    assert!(doubt(&revocation.standing(&other)).contains(" ended at "));
    assert!(revocation.standing(&revoked).is_revoked());
    bench.clock.advance(Duration::hours(-48));
    assert_eq!(good(&revocation.standing(&other)), URL);
}

#[tokio::test]
async fn lists_that_would_be_misread_are_refused() {
    let bench = Bench::new().await;
    let revocation = bench.revocation(rules());
    for (oddity, why) in [
        (Oddity::Delta, "delta"),
        (Oddity::Indirect, "indirect"),
        (Oddity::EntryOfAnotherIssuer, "indirect"),
        (Oddity::OnlyAttributes, "attribute certificates"),
        (Oddity::SomeReasons, "some reasons"),
        (Oddity::UnknownCritical, "critical extension"),
        (Oddity::UnknownCriticalInEntry, "critical extension"),
        (Oddity::Endless, "nextUpdate"),
    ] {
        let list = bench.pki.crl(&Crl::around(bench.now()).with(oddity)).unwrap();
        let fault = format_fault(revocation.offer(URL, &list));
        assert!(fault.contains(why), "{why}: {fault}");
    }
    assert_eq!(revocation.lists(), []);
}

#[tokio::test]
async fn lists_of_nobody_or_with_weak_signatures_are_refused() {
    let (bench, stranger) = (Bench::new().await, Pki::new(RealClock.now()).unwrap());
    let (revocation, crl) = (bench.revocation(rules()), Crl::around(bench.now()));
    assert_eq!(revocation.offer(URL, &stranger.crl(&crl).unwrap()), Err(CrlError::Untrusted));
    let sibling = bench.pki.sibling("TEST AC IGC-SANTE ELEMENTAIRE PROFESSIONNELS").unwrap();
    assert_eq!(revocation.offer(URL, &sibling.crl(&crl).unwrap()), Err(CrlError::Untrusted));
    let weak = bench.pki.crl(&crl.with(Oddity::Sha1)).unwrap();
    assert_eq!(revocation.offer(URL, &weak), Err(CrlError::Weak));
    assert_eq!(revocation.lists(), []);
}

#[tokio::test]
async fn of_a_list_that_nobody_of_ours_signed_nothing_is_read_but_its_issuer() {
    let (bench, stranger) = (Bench::new().await, Pki::new(RealClock.now()).unwrap());
    let revocation = bench.revocation(rules());
    for oddity in [Oddity::Delta, Oddity::Endless, Oddity::UnknownCritical] {
        let list = stranger.crl(&Crl::around(bench.now()).with(oddity)).unwrap();
        assert_eq!(revocation.offer(URL, &list), Err(CrlError::Untrusted));
    }
}

#[tokio::test]
async fn a_list_of_our_own_that_has_ended_still_revokes_and_keeps_older_ones_out() {
    let bench = Bench::new().await;
    let ((issued, revoked), (_, other)) = (bench.issue(), bench.issue());
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let ended = Crl::new(now - Duration::hours(25), now - Duration::hours(1)).number(7).revoke(&issued.der, now);
    let ended = bench.pki.crl(&ended).unwrap();
    assert!(matches!(revocation.offer(URL, &ended), Err(CrlError::Expired(_))));
    revocation.restore(URL, ended).await.unwrap();
    assert!(revocation.standing(&revoked).is_revoked());
    assert!(doubt(&revocation.standing(&other)).contains(" ended at "));
    let older = Crl::new(now - Duration::hours(26), now + Duration::hours(1)).number(6);
    assert_eq!(revocation.offer(URL, &bench.pki.crl(&older).unwrap()), Err(CrlError::Older));
    revocation.offer(URL, &bench.pki.crl(&Crl::around(now).number(8)).unwrap()).unwrap();
    assert_eq!(good(&revocation.standing(&other)), URL);
}

/// `[RFC5280 4.2.1.3]`
#[tokio::test]
async fn an_authority_that_may_not_sign_lists_is_not_believed() {
    let bench = Bench::new().await;
    let pki = bench.pki.without_crl_sign("TEST AC IGC-SANTE SANS LISTE").unwrap();
    let revocation = Revocation::new(rules(), &authorities(&pki), None, bench.clock.clone());
    let list = pki.crl(&Crl::around(bench.now())).unwrap();
    assert_eq!(revocation.offer(URL, &list), Err(CrlError::Untrusted));
}

#[tokio::test]
async fn lists_out_of_their_time_are_refused() {
    let bench = Bench::new().await;
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let offer =
        |from: Duration, to: Duration| revocation.offer(URL, &bench.pki.crl(&Crl::new(now + from, now + to)).unwrap());
    let ended = offer(Duration::hours(-25), Duration::hours(-1));
    assert!(matches!(ended, Err(CrlError::Expired(_))), "{ended:?}");
    let early = offer(Duration::hours(1), Duration::hours(25));
    assert!(matches!(early, Err(CrlError::NotYetValid(_))), "{early:?}");
    assert!(offer(Duration::minutes(4), Duration::hours(24)).is_ok());
}

#[tokio::test]
async fn the_list_in_use_is_never_replaced_by_an_older_one() {
    let bench = Bench::new().await;
    let (issued, certificate) = bench.issue();
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let list = |hours: i64, number: u32| {
        let crl = Crl::new(now - Duration::hours(hours), now + Duration::hours(24)).number(number);
        bench.pki.crl(&crl).unwrap()
    };
    let revoking = Crl::new(now - Duration::hours(2), now + Duration::hours(24)).number(255).revoke(&issued.der, now);
    let revoking = bench.pki.crl(&revoking).unwrap();
    revocation.offer(URL, &revoking).unwrap();
    for older in [list(3, 254), list(3, 256), list(1, 254)] {
        assert_eq!(revocation.offer(URL, &older), Err(CrlError::Older));
        assert_eq!(revocation.offer("http://mirror.example/", &older), Err(CrlError::Older));
    }
    assert!(revocation.standing(&certificate).is_revoked());
    revocation.offer("http://mirror.example/", &revoking).unwrap();
    revocation.offer("http://mirror.example/", &list(1, 256)).unwrap();
    assert_eq!(good(&revocation.standing(&certificate)), "http://mirror.example/");
    assert_eq!(revocation.lists().len(), 2);
}

#[tokio::test]
async fn a_certificate_on_hold_is_revoked_and_one_taken_back_is_not() {
    let bench = Bench::new().await;
    let ((held, on_hold), (back, taken_back)) = (bench.issue(), bench.issue());
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let crl = Crl::around(now);
    let crl = crl.revoke_for(&held.der, now, Reason::Hold).revoke_for(&back.der, now, Reason::RemoveFromCrl);
    revocation.offer(URL, &bench.pki.crl(&crl).unwrap()).unwrap();
    assert!(revocation.standing(&on_hold).is_revoked());
    assert_eq!(good(&revocation.standing(&taken_back)), URL);
}

#[tokio::test]
async fn a_partial_list_speaks_only_of_the_certificates_that_it_is_for() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let named = bench.server.url(PATH);
    for (oddity, covers) in [
        (Oddity::OnlyAuthorities, false),
        (Oddity::PartOf("http://crl.example/other".to_owned()), false),
        (Oddity::OnlyLeaves, true),
        (Oddity::PartOf(named), true),
    ] {
        let revocation = bench.revocation(rules());
        let list = bench.pki.crl(&Crl::around(bench.now()).with(oddity.clone())).unwrap();
        revocation.offer(URL, &list).unwrap();
        let standing = revocation.standing(&certificate);
        assert_eq!(matches!(standing, Standing::Good { .. }), covers, "{oddity:?}: {standing:?}");
    }
}

#[tokio::test]
async fn parts_of_a_list_do_not_replace_each_other() {
    let bench = Bench::new().await;
    let (issued, certificate) = bench.issue();
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let part = |url: &str| Crl::around(now).with(Oddity::PartOf(url.to_owned()));
    let revoking = part("http://crl.example/1").number(1).revoke(&issued.der, now);
    revocation.offer("http://crl.example/1", &bench.pki.crl(&revoking).unwrap()).unwrap();
    let other = part("http://crl.example/2").number(2);
    revocation.offer("http://crl.example/2", &bench.pki.crl(&other).unwrap()).unwrap();
    assert!(revocation.standing(&certificate).is_revoked());
}

#[tokio::test]
async fn certificates_of_a_revoked_authority_are_revoked() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    revocation.offer(URL, &bench.pki.crl(&Crl::around(now)).unwrap()).unwrap();
    assert_eq!(good(&revocation.standing(&certificate)), URL);
    let of_root = "http://crl.example/root.crl";
    revocation.offer(of_root, &bench.pki.root_crl(&Crl::around(now)).unwrap()).unwrap();
    assert_eq!(good(&revocation.standing(&certificate)), URL);
    let revoking = Crl::around(now).number(2).revoke(bench.pki.issuing_der(), now);
    revocation.offer(of_root, &bench.pki.root_crl(&revoking).unwrap()).unwrap();
    let standing = revocation.standing(&certificate);
    assert!(matches!(&standing, Standing::Revoked { source, .. } if source == of_root), "{standing:?}");
}

#[tokio::test]
async fn lists_go_with_the_authority_that_signed_them() {
    let (bench, stranger) = (Bench::new().await, Pki::new(RealClock.now()).unwrap());
    let (_, certificate) = bench.issue();
    let (revocation, list) = (bench.revocation(rules()), bench.pki.crl(&Crl::around(bench.now())).unwrap());
    revocation.offer(URL, &list).unwrap();
    revocation.trust(&bench.authorities);
    assert_eq!(good(&revocation.standing(&certificate)), URL);
    revocation.trust(&authorities(&stranger));
    assert_eq!(revocation.lists(), []);
    assert!(doubt(&revocation.standing(&certificate)).contains("not among the authorities"));
    assert_eq!(revocation.offer(URL, &list), Err(CrlError::Untrusted));
    revocation.trust(&bench.authorities);
    revocation.offer(URL, &list).unwrap();
    assert_eq!(good(&revocation.standing(&certificate)), URL);
}

#[tokio::test]
async fn a_list_of_200000_certificates_is_read_and_searched() {
    let bench = Bench::new().await;
    let ((issued, certificate), (_, other)) = (bench.issue(), bench.issue());
    let (revocation, now) = (bench.revocation(rules()), bench.now());
    let entry = |crl: Crl, number: u32| crl.entry(&[&[1], number.to_be_bytes().as_slice()].concat(), now, None);
    let crl = (0..200_000).fold(Crl::around(now), entry).revoke(&issued.der, now);
    let facts = revocation.offer(URL, &bench.pki.crl(&crl).unwrap()).unwrap();
    assert_eq!(facts.revoked, 200_001);
    assert!(revocation.standing(&certificate).is_revoked());
    assert_eq!(good(&revocation.standing(&other)), URL);
}

#[tokio::test]
async fn a_list_may_come_as_pem() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let revocation = bench.revocation(rules());
    let list = bench.pki.crl(&Crl::around(bench.now())).unwrap();
    let pem = openssl::x509::X509Crl::from_der(&list).unwrap().to_pem().unwrap();
    revocation.offer(URL, &pem).unwrap();
    assert_eq!(good(&revocation.standing(&certificate)), URL);
    assert!(format_fault(revocation.offer(URL, &pem[..100])).contains("damaged PEM"));
}

#[tokio::test]
async fn what_is_no_list_is_refused_and_the_old_one_stays() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let (revocation, list) = (bench.revocation(rules()), bench.pki.crl(&Crl::around(bench.now())).unwrap());
    revocation.offer(URL, &list).unwrap();
    let html = b"<html><body>403 Forbidden</body></html>";
    let trailing = [list.as_slice(), &[0]].concat();
    for octets in [&b""[..], html, bench.pki.issuing_der(), &list[..list.len() - 1], &trailing, &[0x30, 0x80, 0, 0]] {
        assert!(!format_fault(revocation.offer(URL, octets)).is_empty());
    }
    assert_eq!(good(&revocation.standing(&certificate)), URL);
}

#[tokio::test]
async fn authorities_of_which_no_list_says_whether_they_were_revoked_are_known() {
    let bench = Bench::new().await;
    let (now, url) = (bench.now(), "http://crl.example/root.crl");
    let pki = bench.pki.listed("TEST AC IGC-SANTE LISTEE", url).unwrap();
    let revocation = Revocation::new(rules(), &authorities(&pki), None, bench.clock.clone());
    let unchecked = || revocation.unchecked.lock().unwrap().len();
    assert_eq!(unchecked(), 0, "its list is awaited");
    revocation.missed(url, "refused");
    assert_eq!(unchecked(), 1);
    revocation.offer(url, &pki.root_crl(&Crl::around(now)).unwrap()).unwrap();
    assert_eq!(unchecked(), 0);
    bench.clock.advance(Duration::days(2));
    revocation.missed(url, "refused");
    assert_eq!(unchecked(), 1, "it has ended");
}
