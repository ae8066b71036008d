//! What the national directory is to be told: queued with each change of a BAL, worked on once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use annuaire::publication::{Card, Known, Operation, Plan, plan};
use common::{address, count};
use mssante::{BalKind, BalState, Listing};
use store::{BalEdit, BalRecord, NewBal, PublicationClaim, PublicationResult, PublicationState, Store};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const LEASE: Duration = Duration::from_mins(5);

async fn team(store: &Store) -> BalRecord {
    let new = NewBal {
        structure: Some("318751275100020".parse().unwrap()),
        service: Some("Cardiologie".to_owned()),
        ..NewBal::new(address("secretariat@ch.mssante.fr"), BalKind::Organisational)
    };
    store.create_bal(new).await.unwrap()
}

async fn claim(store: &Store) -> PublicationClaim {
    let mut claims = store.claim_publications(10, LEASE).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

fn card(claim: &PublicationClaim) -> Box<Card> {
    match plan(&claim.facts, &claim.known) {
        Plan::Do(task) => Box::new(task.card),
        other => panic!("{other:?}"),
    }
}

fn published(claim: &PublicationClaim) -> PublicationResult {
    PublicationResult {
        state: PublicationState::Published,
        known: Known::Surely(card(claim)),
        operation: Some(Operation::Insert),
        report: "taken".to_owned(),
        due_at: None,
    }
}

#[tokio::test]
async fn a_new_bal_waits_with_what_it_is_until_it_is_published() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    team(&store).await;
    let claim = claim(&store).await;
    assert_eq!((claim.attempts, claim.known.clone()), (1, Known::Nothing));
    assert_eq!(claim.facts.service.as_deref(), Some("Cardiologie"));
    assert!(store.claim_publications(10, LEASE).await.unwrap().is_empty(), "it is being worked on");
    let result = published(&claim);
    assert!(store.settle_publication(&claim, &result).await.unwrap());
    assert!(!store.settle_publication(&claim, &result).await.unwrap(), "settled once");
    let stands = store.publications(Some(&address("SECRETARIAT@ch.mssante.fr")), None).await.unwrap().remove(0);
    assert_eq!((stands.state, stands.attempts, stands.known), (PublicationState::Published, 0, result.known));
    assert_eq!((stands.operation, stands.report.as_deref()), (Some(Operation::Insert), Some("taken")));
    assert_eq!(count(&database, "trace WHERE event = 'publication.published'").await, 1);
    assert!(store.claim_publications(10, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_change_that_shows_queues_again_in_its_own_transaction() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    let bal = team(&store).await;
    let first = claim(&store).await;
    store.settle_publication(&first, &published(&first)).await.unwrap();

    let unlisted = store.set_listing(bal.id, Listing::Unlisted).await.unwrap();
    assert_eq!(unlisted.listing, Listing::Unlisted);
    let again = claim(&store).await;
    assert_eq!((again.facts.listing, again.known.clone()), (Listing::Unlisted, published(&first).known));
    store.settle_publication(&again, &published(&again)).await.unwrap();

    let edit =
        BalEdit { description: Some("Secrétariat".to_owned()), service: Some(String::new()), responsible: None };
    let edited = store.edit_bal(bal.id, &edit).await.unwrap();
    assert_eq!((edited.description.as_deref(), edited.service), (Some("Secrétariat"), None));
    assert_eq!(claim(&store).await.facts.description.as_deref(), Some("Secrétariat"));

    store.set_bal_state(bal.id, BalState::Closed, "end").await.unwrap();
    assert_eq!(claim(&store).await.facts.state, BalState::Closed);
    assert_eq!(count(&database, "trace WHERE event IN ('bal.listing', 'bal.edited', 'bal.state')").await, 3);
}

#[tokio::test]
async fn whoever_works_on_a_bal_that_changes_meanwhile_settles_nothing_but_forgets_nothing() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    let bal = team(&store).await;
    let first = claim(&store).await;
    let told = Known::Perhaps(card(&first));
    assert!(store.begin_publication(&first, &told).await.unwrap());
    store.set_bal_state(bal.id, BalState::Closed, "end").await.unwrap();
    assert!(!store.settle_publication(&first, &published(&first)).await.unwrap());
    assert!(!store.begin_publication(&first, &Known::Nothing).await.unwrap());
    let second = claim(&store).await;
    assert_eq!(second.known, told, "the directory may have been told");
    let Plan::Do(task) = plan(&second.facts, &second.known) else { panic!("nothing to do") };
    assert_eq!(task.operation, Operation::Delete);
}

#[tokio::test]
async fn what_cannot_be_told_now_comes_again_in_its_time_and_what_was_not_tried_at_once() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(NOW));
    let store = database.store_at(clock.clone()).await;
    team(&store).await;
    let first = claim(&store).await;
    let later = PublicationResult {
        state: PublicationState::Waiting,
        known: Known::Perhaps(card(&first)),
        operation: Some(Operation::Insert),
        report: "status 503".to_owned(),
        due_at: Some(NOW + Duration::from_mins(2)),
    };
    assert!(store.settle_publication(&first, &later).await.unwrap());
    assert!(store.claim_publications(10, LEASE).await.unwrap().is_empty());
    clock.advance(time::Duration::minutes(2));
    let second = claim(&store).await;
    assert_eq!(second.attempts, 2);
    store.release_publications(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(claim(&store).await.attempts, 2, "a claim that was not tried does not count");
    clock.advance(time::Duration::minutes(6));
    assert_eq!(claim(&store).await.attempts, 3, "the lease is over");
}

#[tokio::test]
async fn the_refused_wait_for_a_person_and_any_can_be_told_again() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    let bal = team(&store).await;
    let first = claim(&store).await;
    let refused = PublicationResult {
        state: PublicationState::Refused,
        known: Known::Nothing,
        operation: Some(Operation::Insert),
        report: "no such structure".to_owned(),
        due_at: None,
    };
    assert!(store.settle_publication(&first, &refused).await.unwrap());
    assert_eq!(store.publication_counts().await.unwrap()[&PublicationState::Refused], 1);
    assert_eq!(count(&database, "trace WHERE event = 'publication.refused'").await, 1);
    assert!(store.claim_publications(10, LEASE).await.unwrap().is_empty());
    assert_eq!(store.retry_publications(None).await.unwrap(), 1);
    let second = claim(&store).await;
    store.settle_publication(&second, &published(&second)).await.unwrap();
    assert_eq!(store.retry_publications(None).await.unwrap(), 0, "what is published is left alone");
    assert_eq!(store.retry_publications(Some(&bal.address)).await.unwrap(), 1);
    assert_eq!(store.retry_publications(Some(&address("nobody@ch.mssante.fr"))).await.unwrap(), 0);
    let shown = store.publications(None, Some(PublicationState::Waiting)).await.unwrap();
    assert_eq!((shown.len(), shown[0].kind), (1, BalKind::Organisational));
}
