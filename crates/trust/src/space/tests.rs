//! Peers judged against lists of every age.

use mssante::Address;
use testkit::clock::FixedClock;

use super::*;
use crate::{DistinguishedName, VerifiedCertificate};

fn peer(dn: &str) -> VerifiedPeer {
    VerifiedPeer::new(VerifiedCertificate::named(dn, OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1)))
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn from(text: &str) -> ReversePath {
    ReversePath::Address(Address::parse(text).unwrap())
}

fn space(how: DnMatch) -> TrustSpace {
    let space = empty(how);
    let entry = |name: &str, dn: &str| (domain(name), DistinguishedName::parse(dn).unwrap());
    space.install(
        TrustList::of(
            OffsetDateTime::UNIX_EPOCH,
            [
                entry("a.mssante.fr", "CN=host1,OU=11,O=A,ST=Gard (30),C=FR"),
                entry("a.mssante.fr", "CN=host2,OU=11,O=A,ST=Gard (30),C=FR"),
                entry("b.mssante.fr", "CN=host3,OU=22,O=B,ST=Nord (59),C=FR"),
            ],
        ),
        OffsetDateTime::UNIX_EPOCH,
    );
    space
}

fn empty(how: DnMatch) -> TrustSpace {
    let clock = Arc::new(FixedClock::at(OffsetDateTime::UNIX_EPOCH));
    TrustSpace::new(TrustRules { how, ages: ListAges::default() }, Revocation::unchecked(clock.clone()), clock)
}

#[test]
fn each_name_of_a_domain_may_send_for_it_and_receive_for_it() {
    let space = space(DnMatch::Normalised);
    for dn in ["CN=host1,OU=11,O=A,C=FR", "CN=HOST2,OU=11,O=a,L=ailleurs,C=FR"] {
        assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &peer(dn)), Ok(DnMatch::Normalised));
        assert_eq!(space.judge_recipient(&domain("A.mssante.fr"), &peer(dn)), Ok(DnMatch::Normalised));
    }
}

#[test]
fn the_name_of_another_domain_is_refused() {
    let space = space(DnMatch::Normalised);
    let other = peer("CN=host3,OU=22,O=B,C=FR");
    assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &other), Err(Refusal::CertificateNotListed));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &other), Err(Refusal::CertificateNotListed));
}

#[test]
fn unlisted_domains_are_refused_whoever_the_peer_is() {
    let space = space(DnMatch::Normalised);
    let known = peer("CN=host1,OU=11,O=A,C=FR");
    assert_eq!(space.judge_sender(&from("x@sub.a.mssante.fr"), &known), Err(Refusal::SenderDomainNotListed));
    assert_eq!(space.judge_recipient(&domain("c.mssante.fr"), &known), Err(Refusal::DomainNotListed));
}

#[test]
fn reports_come_from_any_listed_name() {
    let space = space(DnMatch::Normalised);
    assert_eq!(space.judge_sender(&ReversePath::Null, &peer("CN=host3,OU=22,O=B,C=FR")), Ok(DnMatch::Normalised));
    let stranger = peer("CN=host3,OU=23,O=B,C=FR");
    assert_eq!(space.judge_sender(&ReversePath::Null, &stranger), Err(Refusal::CertificateNotListed));
}

#[test]
fn strict_comparison_takes_the_department_too() {
    let space = space(DnMatch::Strict);
    let exact = peer("CN=host1,OU=11,O=A,ST=Gard (30),C=FR");
    let nearly = peer("CN=host1,OU=11,O=A,ST=Gard(30),C=FR");
    assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &exact), Ok(DnMatch::Strict));
    assert_eq!(space.judge_sender(&ReversePath::Null, &exact), Ok(DnMatch::Strict));
    assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &nearly), Err(Refusal::CertificateNotListed));
    assert_eq!(space.judge_sender(&ReversePath::Null, &nearly), Err(Refusal::CertificateNotListed));
}

#[test]
fn without_a_list_every_refusal_is_temporary() {
    let space = empty(DnMatch::Normalised);
    let anyone = peer("CN=host1,OU=11,O=A,C=FR");
    assert_eq!(space.lists(&domain("a.mssante.fr")), Err(Refusal::TrustListUnavailable));
    assert_eq!(space.judge_sender(&ReversePath::Null, &anyone), Err(Refusal::TrustListUnavailable));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &anyone), Err(Refusal::TrustListUnavailable));
}

#[test]
fn clones_see_the_list_that_was_installed_later() {
    let space = empty(DnMatch::Normalised);
    let clone = space.clone();
    space.install(
        TrustList::of(
            OffsetDateTime::UNIX_EPOCH,
            [(domain("a.mssante.fr"), DistinguishedName::parse("CN=x").unwrap())],
        ),
        OffsetDateTime::UNIX_EPOCH,
    );
    assert_eq!(clone.lists(&domain("a.mssante.fr")), Ok(true));
}

/// The same with a clock to move.
fn space_and_clock() -> (TrustSpace, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1000)));
    let rules = TrustRules { how: DnMatch::Normalised, ages: ListAges::default() };
    let space = TrustSpace::new(rules, Revocation::unchecked(clock.clone()), clock.clone());
    let entry = (domain("a.mssante.fr"), DistinguishedName::parse("CN=host1,OU=11,O=A,C=FR").unwrap());
    space.install(TrustList::of(OffsetDateTime::UNIX_EPOCH, [entry]), clock.now());
    (space, clock)
}

/// A peer whose certificate lasts for ever.
fn lasting(dn: &str) -> VerifiedPeer {
    VerifiedPeer::new(VerifiedCertificate::named(dn, OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1_000_000)))
}

#[test]
fn a_list_is_fresh_then_stale_then_expired_and_fresh_again_once_it_is_confirmed() {
    let (space, clock) = space_and_clock();
    let hours = time::Duration::hours;
    let known = lasting("CN=host1,OU=11,O=A,C=FR");
    for (step, standing) in [
        (0, ListStanding::Fresh),
        (23, ListStanding::Fresh),
        (1, ListStanding::Stale),
        (6 * 24 - 1, ListStanding::Stale),
        (1, ListStanding::Expired),
        (1000, ListStanding::Expired),
    ] {
        clock.advance(hours(step));
        assert_eq!(space.standing(), standing, "after {step} hours more");
        let judged = space.judge_sender(&from("x@a.mssante.fr"), &known);
        assert_eq!(judged.is_ok(), standing != ListStanding::Expired);
    }
    space.confirm(clock.now());
    assert_eq!(space.standing(), ListStanding::Fresh);
    assert!(space.judge_recipient(&domain("a.mssante.fr"), &known).is_ok());
}

#[test]
fn of_an_expired_list_only_a_yes_is_believed_and_all_doubt_is_temporary() {
    let (space, clock) = space_and_clock();
    clock.advance(time::Duration::days(7));
    assert_eq!(space.lists(&domain("a.mssante.fr")), Ok(true));
    assert_eq!(space.lists(&domain("new.mssante.fr")), Err(Refusal::TrustListExpired));
    for dn in ["CN=host1,OU=11,O=A,C=FR", "CN=stranger"] {
        let peer = lasting(dn);
        assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &peer), Err(Refusal::TrustListExpired));
        assert_eq!(space.judge_sender(&from("x@outside.fr"), &peer), Err(Refusal::TrustListExpired));
        assert_eq!(space.judge_sender(&ReversePath::Null, &peer), Err(Refusal::TrustListExpired));
        assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &peer), Err(Refusal::TrustListExpired));
    }
}

/// `[MSS1 HOP.IN]` `[MSS1 HOP.OUT]`
#[test]
fn of_a_stale_list_a_yes_is_believed_and_a_no_is_temporary() {
    let (space, clock) = space_and_clock();
    clock.advance(time::Duration::hours(24));
    assert_eq!(space.lists(&domain("a.mssante.fr")), Ok(true));
    assert_eq!(space.lists(&domain("new.mssante.fr")), Err(Refusal::TrustListStale));
    let (known, stranger) = (lasting("CN=host1,OU=11,O=A,C=FR"), lasting("CN=stranger"));
    let sender = from("x@a.mssante.fr");
    assert_eq!(space.judge_sender(&sender, &known), Ok(DnMatch::Strict));
    assert_eq!(space.judge_sender(&ReversePath::Null, &known), Ok(DnMatch::Strict));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &known), Ok(DnMatch::Strict));
    assert_eq!(space.judge_sender(&from("x@new.mssante.fr"), &known), Err(Refusal::TrustListStale));
    assert_eq!(space.judge_recipient(&domain("new.mssante.fr"), &known), Err(Refusal::TrustListStale));
    assert_eq!(space.judge_sender(&sender, &stranger), Err(Refusal::TrustListStale));
    assert_eq!(space.judge_sender(&ReversePath::Null, &stranger), Err(Refusal::TrustListStale));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &stranger), Err(Refusal::TrustListStale));
    assert_eq!(Refusal::TrustListStale.permanence(), mssante::Permanence::Temporary);
    space.confirm(clock.now());
    assert_eq!(space.judge_sender(&sender, &stranger), Err(Refusal::CertificateNotListed), "no doubt any more");
    assert_eq!(space.lists(&domain("new.mssante.fr")), Ok(false));
}

#[test]
fn a_clock_that_jumps_back_a_day_makes_no_list_old_and_none_young_for_ever() {
    let (space, clock) = space_and_clock();
    clock.advance(time::Duration::days(-1));
    assert_eq!(space.standing(), ListStanding::Stale, "confirmed tomorrow");
    clock.advance(time::Duration::days(2));
    assert_eq!(space.standing(), ListStanding::Stale, "a day after its confirmation");
    space.confirm(clock.now() + time::Duration::minutes(9));
    assert_eq!(space.standing(), ListStanding::Fresh, "clocks differ a little");
}

#[test]
fn a_confirmation_that_lies_ahead_ages_from_the_moment_at_which_it_was_noticed() {
    let (space, clock) = space_and_clock();
    let ahead = clock.now() + time::Duration::days(30);
    space.confirm(ahead);
    assert_eq!(space.standing(), ListStanding::Stale);
    clock.advance(time::Duration::days(6));
    space.confirm(ahead);
    assert_eq!(space.standing(), ListStanding::Stale);
    clock.advance(time::Duration::days(1));
    assert_eq!(space.standing(), ListStanding::Expired, "a week after it was noticed");
    clock.advance(time::Duration::days(23));
    assert_eq!(space.standing(), ListStanding::Expired, "when its time has come");
    space.confirm(clock.now());
    assert_eq!(space.standing(), ListStanding::Fresh);
}

#[test]
fn a_certificate_that_ends_during_a_connection_is_good_for_no_further_message() {
    let (space, clock) = space_and_clock();
    let end = clock.now() + Duration::from_hours(1);
    let name = "CN=host1,OU=11,O=A,C=FR";
    let peer = VerifiedPeer::new(VerifiedCertificate::named(name, end));
    assert!(space.judge_sender(&from("x@a.mssante.fr"), &peer).is_ok());
    clock.advance(time::Duration::hours(1) + time::Duration::seconds(1));
    assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &peer), Err(Refusal::CertificateExpired));
    assert_eq!(space.judge_sender(&ReversePath::Null, &peer), Err(Refusal::CertificateExpired));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &peer), Err(Refusal::CertificateExpired));
}

#[test]
fn a_certificate_whose_time_has_not_come_is_good_for_nothing() {
    let (space, clock) = space_and_clock();
    let peer = lasting("CN=host1,OU=11,O=A,C=FR");
    clock.advance(time::Duration::hours(-1001));
    assert_eq!(space.judge_sender(&ReversePath::Null, &peer), Err(Refusal::CertificateNotYetValid));
}

#[test]
fn a_certificate_that_is_revoked_during_a_connection_is_good_for_no_further_message() {
    use rustls_pki_types::CertificateDer;
    use testkit::pki::{Pki, ServerHolder};
    use testkit::revocation::Crl;

    use crate::chain::{Usage, unix_time};
    use crate::{Authorities, Ocsp, RevocationRules, WhenUnknown};

    let now = time::macros::datetime!(2026-11-03 08:00 UTC);
    let clock = Arc::new(FixedClock::at(now));
    let pki = Pki::new(now).unwrap();
    let (root, authority) = (pki.anchor_der().to_vec(), pki.issuing_der().to_vec());
    let authorities = Authorities::of_certificates(vec![root], vec![authority], now).unwrap();
    let rules = RevocationRules {
        checked: true,
        crl_urls: Vec::new(),
        when_unknown: WhenUnknown::Refuse,
        ocsp: Ocsp::Off,
        patience: Duration::ZERO,
    };
    let revocation = Revocation::new(rules, &authorities, None, clock.clone());
    let space = TrustSpace::new(TrustRules::default(), Arc::clone(&revocation), clock);
    let holder = ServerHolder {
        cn: "mx.hopital.fr".into(),
        organisation: "CH".into(),
        structure: "10B0078671".into(),
        department: "Eure (27)".into(),
        extra_names: vec![],
    };
    let issued = pki.server(&holder).unwrap();
    let entry = (domain("a.mssante.fr"), DistinguishedName::parse(&holder.dn()).unwrap());
    space.install(TrustList::of(now, [entry]), now);
    let leaf = CertificateDer::from(issued.der.as_slice());
    let verified = authorities.verify(&leaf, &[], Usage::HopClient, unix_time(now)).unwrap();
    let peer = VerifiedPeer::new(verified);
    let judged = || space.judge_sender(&from("x@a.mssante.fr"), &peer);

    assert_eq!(judged(), Err(Refusal::RevocationUnknown), "nobody knows yet");
    revocation.offer("http://lists/1.crl", &pki.crl(&Crl::around(now)).unwrap()).unwrap();
    assert_eq!(judged(), Ok(DnMatch::Strict));
    let list = Crl::around(now).number(2).revoke(&issued.der, now - time::Duration::hours(1));
    revocation.offer("http://lists/1.crl", &pki.crl(&list).unwrap()).unwrap();
    assert_eq!(judged(), Err(Refusal::CertificateRevoked));
    assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &peer), Err(Refusal::CertificateRevoked));
}
