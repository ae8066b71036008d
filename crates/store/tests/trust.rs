//! Versions of the white list, and the sources of lists.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::count;
use mssante::{Clock, Domain};
use store::{
    DomainChange, DomainChangeKind, Due, ListId, ListOrigin, ListRecord, Placing, Recorded, SourceAnswer, SourceKind,
    Store, VersionState,
};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const LEASE: Duration = Duration::from_mins(5);

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(NOW))
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn change(name: &str, kind: DomainChangeKind, came: &[&str], went: &[&str]) -> DomainChange {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DomainChange { domain: domain(name), kind, names_added: texts(came), names_removed: texts(went) }
}

fn record(octets: &str, generated_at: OffsetDateTime, changes: Vec<DomainChange>) -> ListRecord {
    ListRecord {
        octets: octets.into(),
        generated_at,
        confirmed_at: generated_at,
        origin: ListOrigin::Url,
        source: "https://list.example.fr/l.xml".into(),
        received_by: None,
        domains: 2,
        changes,
    }
}

#[track_caller]
fn number(recorded: Recorded<ListId>) -> ListId {
    match recorded {
        Recorded::As(id) => id,
        Recorded::Overtaken => panic!("overtaken"),
    }
}

async fn first(store: &Store) -> ListId {
    let changes = vec![
        change("a.mssante.fr", DomainChangeKind::Added, &["CN=a", "CN=a, \"b\" {c}"], &[]),
        change("b.mssante.fr", DomainChangeKind::Added, &["CN=b"], &[]),
    ];
    number(store.record_list(record("<one/>", NOW, changes), None, Placing::InForce).await.unwrap())
}

#[tokio::test]
async fn a_version_replaces_the_one_before_and_both_tell_what_they_changed() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    assert_eq!(store.list_in_force().await.unwrap(), None);
    let one = first(&store).await;
    let changes = vec![
        change("a.mssante.fr", DomainChangeKind::Renamed, &["CN=new"], &["CN=a"]),
        change("b.mssante.fr", DomainChangeKind::Removed, &[], &["CN=b"]),
    ];
    let later = NOW + time::Duration::HOUR;
    let record = record("<two/>", later, changes.clone());
    let two = number(store.record_list(record, Some(one), Placing::InForce).await.unwrap());
    let in_force = store.list_in_force().await.unwrap().unwrap();
    assert_eq!((in_force.id, in_force.state, in_force.generated_at), (two, VersionState::InForce, later));
    assert_eq!((in_force.counts.added, in_force.counts.removed, in_force.counts.renamed), (0, 1, 1));
    assert_eq!(store.list_octets(two).await.unwrap().unwrap(), b"<two/>");
    assert_eq!(store.list_changes(two).await.unwrap(), changes);

    let former = store.list_version(one).await.unwrap().unwrap();
    assert_eq!(former.state, VersionState::Superseded);
    assert_eq!(store.list_octets(one).await.unwrap(), None, "only octets that may still be loaded are kept");
    let history = store.domain_history(&domain("a.mssante.fr"), 10).await.unwrap();
    assert_eq!(history.iter().map(|event| event.version).collect::<Vec<_>>(), [two, one]);
    assert_eq!(history[1].change.names_added, ["CN=a", "CN=a, \"b\" {c}"], "names come back as they were");
    assert_eq!(store.list_versions(10).await.unwrap().len(), 2);
    assert_eq!(count(&database, "trace WHERE event = 'trust_list.accepted'").await, 2);
}

#[tokio::test]
async fn of_two_nodes_that_weighed_against_the_same_version_one_has_to_weigh_again() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store_at(clock()).await, database.store_at(clock()).await);
    let one = first(&here).await;
    let write = |store: Store, octets: &'static str| async move {
        store.record_list(record(octets, NOW, Vec::new()), Some(one), Placing::InForce).await.unwrap()
    };
    let (mine, theirs) = tokio::join!(write(here.clone(), "<two/>"), write(there, "<three/>"));
    assert_eq!([mine, theirs].iter().filter(|recorded| **recorded == Recorded::Overtaken).count(), 1);
    assert_eq!(count(&database, "trust_list WHERE state = 'in force'").await, 1);
    let again = here.record_list(record("<four/>", NOW, Vec::new()), None, Placing::InForce).await.unwrap();
    assert_eq!(again, Recorded::Overtaken);
}

#[tokio::test]
async fn a_pending_version_changes_nothing_until_it_is_acknowledged() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = first(&store).await;
    let why = "it loses half of its domains".to_owned();
    let gone = vec![change("b.mssante.fr", DomainChangeKind::Removed, &[], &["CN=b"])];
    let waiting = Placing::Pending { why: why.clone() };
    let two = number(store.record_list(record("<two/>", NOW, gone.clone()), Some(one), waiting).await.unwrap());
    assert_eq!(store.list_in_force().await.unwrap().unwrap().id, one);
    let pending = store.pending_list().await.unwrap().unwrap();
    assert_eq!((pending.id, pending.why, pending.accepted_at), (two, Some(why), None));
    assert_eq!(store.domain_history(&domain("b.mssante.fr"), 10).await.unwrap().len(), 1, "it did not happen yet");

    let wrong = store.acknowledge_list(ListId(two.0 + 1), Some(one), &gone, "root").await.unwrap();
    assert_eq!(wrong, Recorded::Overtaken);
    assert_eq!(store.acknowledge_list(two, None, &gone, "root").await.unwrap(), Recorded::Overtaken);
    assert_eq!(store.acknowledge_list(two, Some(one), &gone, "root").await.unwrap(), Recorded::As(two));
    let in_force = store.list_in_force().await.unwrap().unwrap();
    assert_eq!((in_force.id, in_force.acknowledged), (two, Some((NOW, "root".to_owned()))));
    assert_eq!(store.pending_list().await.unwrap(), None);
    assert_eq!(store.list_octets(two).await.unwrap().unwrap(), b"<two/>");
    assert_eq!(store.domain_history(&domain("b.mssante.fr"), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_pending_version_waits_no_longer_when_another_comes() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = first(&store).await;
    let pending = |why: &str| Placing::Pending { why: why.to_owned() };
    let write = |octets, placing| store.record_list(record(octets, NOW, Vec::new()), Some(one), placing);
    let two = number(write("<two/>", pending("small")).await.unwrap());
    let three = number(write("<three/>", pending("smaller")).await.unwrap());
    assert_eq!(store.pending_list().await.unwrap().unwrap().id, three);
    let four = number(write("<four/>", Placing::InForce).await.unwrap());
    assert_eq!(store.list_in_force().await.unwrap().unwrap().id, four);
    for waited in [two, three] {
        let version = store.list_version(waited).await.unwrap().unwrap();
        assert_eq!((version.state, store.list_octets(waited).await.unwrap()), (VersionState::Withdrawn, None));
        assert!(version.why.unwrap().contains("list came"));
    }
    assert!(!store.withdraw_list(three, "again").await.unwrap());
}

#[tokio::test]
async fn a_confirmation_moves_forward_and_never_counts_for_the_future() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let one = first(&store).await;
    let confirmed = async || store.list_in_force().await.unwrap().unwrap().confirmed_at;
    clock.advance(time::Duration::DAY);
    assert!(store.confirm_list(one, clock.now()).await.unwrap());
    assert_eq!(confirmed().await, clock.now());
    store.confirm_list(one, NOW).await.unwrap();
    assert_eq!(confirmed().await, clock.now());
    // The clock was a day ahead.
    clock.advance(-time::Duration::DAY);
    store.confirm_list(one, NOW).await.unwrap();
    assert_eq!(confirmed().await, NOW);
    assert!(!store.confirm_list(ListId(one.0 + 1), NOW).await.unwrap());
}

#[tokio::test]
async fn other_nodes_hear_of_a_new_version() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store().await, database.store().await);
    let mut changes = there.trust_changes();
    // The listener bumps once when it begins to listen.
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    first(&here).await;
    changes.changed().await.unwrap();
    there.close().await;
    here.close().await;
}

const CRL: &str = "http://crl.example.fr/a.crl";

async fn wanted(store: &Store, kind: SourceKind) -> Vec<String> {
    let urls = vec![CRL.to_owned(), "http://crl.example.fr/b.crl".to_owned()];
    store.want_sources(kind, &urls).await.unwrap();
    urls
}

#[tokio::test]
async fn one_node_at_a_time_asks_a_source() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let (here, there) = (database.store_at(clock.clone()).await, database.store_at(clock.clone()).await);
    let urls = wanted(&here, SourceKind::Crl).await;
    wanted(&there, SourceKind::Crl).await;
    let claim =
        async |store: &Store, due, limit| store.claim_sources(SourceKind::Crl, &urls, due, limit, LEASE).await.unwrap();
    let (mine, theirs) = (claim(&here, Due::InTime, 1).await, claim(&there, Due::InTime, 9).await);
    assert_eq!((mine.len(), theirs.len()), (1, 1));
    assert_ne!(mine[0].url, theirs[0].url);
    assert_eq!(claim(&here, Due::InTime, 9).await, []);
    // Who crashed is succeeded when his lease ends; what he still says does not count.
    clock.advance(time::Duration::minutes(6));
    let successor = claim(&there, Due::InTime, 9).await;
    assert_eq!(successor.len(), 2);
    let next = clock.now() + Duration::from_hours(1);
    assert!(!here.settle_source(&mine[0], &SourceAnswer::Same, next).await.unwrap());
    for claim in &successor {
        assert!(there.settle_source(claim, &SourceAnswer::Same, next).await.unwrap());
    }
    assert_eq!(claim(&here, Due::InTime, 9).await, []);
    assert_eq!(claim(&here, Due::Now, 9).await.len(), 2, "a person may ask at any time");
}

#[tokio::test]
async fn whoever_asks_is_not_robbed_of_his_work_by_a_person_who_wants_it_done_at_once() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let urls = wanted(&store, SourceKind::Fhir).await;
    let claim = async |due| store.claim_sources(SourceKind::Fhir, &urls[..1], due, 1, LEASE).await.unwrap().pop();
    let first = claim(Due::InTime).await.unwrap();
    assert_eq!(claim(Due::WhenFree).await, None, "it is being asked");
    let source = store.sources(SourceKind::Fhir).await.unwrap().remove(0);
    assert_eq!(source.leased_until, Some(clock.now() + LEASE));
    let next = clock.now() + Duration::from_hours(1);
    assert!(store.settle_source(&first, &SourceAnswer::Same, next).await.unwrap(), "its work counts");
    let second = claim(Due::WhenFree).await.unwrap();
    assert!(store.renew_source(&second, 2 * LEASE).await.unwrap());
    clock.advance(time::Duration::try_from(LEASE).unwrap());
    assert_eq!(claim(Due::WhenFree).await, None, "the lease was renewed");
    clock.advance(time::Duration::try_from(LEASE).unwrap());
    let successor = claim(Due::WhenFree).await.expect("a lease runs out");
    store.release_source(&successor).await.unwrap();
    assert!(claim(Due::WhenFree).await.is_some(), "it was given back");
}

#[tokio::test]
async fn a_source_that_was_checked_in_the_future_is_due() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let urls = wanted(&store, SourceKind::List).await;
    clock.advance(time::Duration::DAY);
    let claims = store.claim_sources(SourceKind::List, &urls, Due::InTime, 1, LEASE).await.unwrap();
    store.settle_source(&claims[0], &SourceAnswer::Same, clock.now() + Duration::from_hours(1)).await.unwrap();
    clock.advance(-time::Duration::DAY);
    let again = store.claim_sources(SourceKind::List, &[claims[0].url.clone()], Due::InTime, 9, LEASE).await.unwrap();
    assert_eq!(again.len(), 1);
    let twice = store.claim_sources(SourceKind::List, &[claims[0].url.clone()], Due::InTime, 9, LEASE).await.unwrap();
    assert_eq!(twice, [], "once");
}

#[tokio::test]
async fn what_a_source_gave_stays_when_it_fails() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let urls = wanted(&store, SourceKind::Crl).await;
    let claim = async || {
        let mut claims = store.claim_sources(SourceKind::Crl, &urls[..1], Due::Now, 1, LEASE).await.unwrap();
        claims.pop().unwrap()
    };
    let next = NOW + Duration::from_hours(1);
    let answer = SourceAnswer::New {
        octets: b"crl".to_vec(),
        etag: Some("\"1\"".into()),
        last_modified: Some("Fri, 20 Nov 2026 10:00:00 GMT".into()),
        next_update: Some(NOW + time::Duration::DAY),
    };
    store.settle_source(&claim().await, &answer, next).await.unwrap();
    for _ in 0..2 {
        let why = "no answer".to_owned();
        store.settle_source(&claim().await, &SourceAnswer::Failed { why }, next).await.unwrap();
    }
    let held = claim().await;
    assert_eq!((held.failures, held.etag.as_deref()), (2, Some("\"1\"")));
    assert_eq!(held.next_update, Some(NOW + time::Duration::DAY));
    assert!(held.last_modified.is_some() && held.sha256.unwrap().len() == 32);
    assert_eq!(store.revocation_list(CRL).await.unwrap(), Some((1, b"crl".to_vec())));
    assert_eq!(store.revocation_list(&urls[1]).await.unwrap(), None);
    let source = store.sources(SourceKind::Crl).await.unwrap().remove(0);
    assert_eq!((source.version, source.failures, source.last_error.as_deref()), (1, 2, Some("no answer")));
    assert_eq!(source.confirmed_at, Some(NOW));
}

#[tokio::test]
async fn the_octets_of_a_white_list_are_kept_with_its_version_only() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let urls = wanted(&store, SourceKind::List).await;
    let claims = store.claim_sources(SourceKind::List, &urls, Due::Now, 1, LEASE).await.unwrap();
    let answer = SourceAnswer::New { octets: b"<list/>".to_vec(), etag: None, last_modified: None, next_update: None };
    store.settle_source(&claims[0], &answer, NOW).await.unwrap();
    assert_eq!(count(&database, "source WHERE body IS NOT NULL").await, 0);
    assert_eq!(count(&database, "source WHERE sha256 IS NOT NULL").await, 1);
}

#[tokio::test]
async fn sources_that_nobody_wants_are_forgotten_after_a_month() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let urls = wanted(&store, SourceKind::Crl).await;
    for days in [20, 20] {
        clock.advance(time::Duration::days(days));
        store.want_sources(SourceKind::Crl, &urls[..1]).await.unwrap();
    }
    let left: Vec<_> = store.sources(SourceKind::Crl).await.unwrap().into_iter().map(|source| source.url).collect();
    assert_eq!(left, urls[..1]);
}

#[tokio::test]
async fn sources_that_nobody_wanted_for_a_day_are_not_asked_and_keep_what_they_gave() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let urls = wanted(&store, SourceKind::Crl).await;
    let claim = store.claim_sources(SourceKind::Crl, &urls[1..], Due::Now, 1, LEASE).await.unwrap().remove(0);
    let answer = SourceAnswer::New { octets: b"crl".to_vec(), etag: None, last_modified: None, next_update: Some(NOW) };
    store.settle_source(&claim, &answer, NOW).await.unwrap();
    clock.advance(time::Duration::hours(20));
    store.want_sources(SourceKind::Crl, &urls[..1]).await.unwrap();
    assert_eq!(store.wanted_sources(SourceKind::Crl).await.unwrap(), urls, "within a day");
    clock.advance(time::Duration::hours(5));
    assert_eq!(store.wanted_sources(SourceKind::Crl).await.unwrap(), urls[..1]);
    assert_eq!(store.revocation_list(&urls[1]).await.unwrap(), Some((1, b"crl".to_vec())));
    store.want_sources(SourceKind::Crl, &urls).await.unwrap();
    assert_eq!(store.wanted_sources(SourceKind::Crl).await.unwrap(), urls, "wanted again");
}
