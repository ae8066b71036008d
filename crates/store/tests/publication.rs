//! What the national directory is to be told: queued with each change of a BAL, worked on once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use annuaire::publication::{Card, Known, Operation, Plan, plan};
use common::{address, count};
use mssante::{BalKind, BalState, Listing};
use store::{
    BalEdit, BalRecord, NewBal, PublicationClaim, PublicationFilter, PublicationResult, PublicationState, Store,
};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const LEASE: Duration = Duration::from_mins(5);
const TARGET: &str = "https://annuaire.test/fhir";

async fn team(store: &Store) -> BalRecord {
    let new = NewBal {
        structure: Some("318751275100020".parse().unwrap()),
        service: Some("Cardiologie".to_owned()),
        ..NewBal::new(address("secretariat@ch.mssante.fr"), BalKind::Organisational)
    };
    store.create_bal(new).await.unwrap()
}

async fn claim(store: &Store) -> PublicationClaim {
    let mut claims = store.claim_publications(TARGET, 10, LEASE).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

async fn settle(store: &Store, claim: &PublicationClaim, result: &PublicationResult) -> bool {
    !store.settle_publications(&[(claim, result)]).await.unwrap().is_empty()
}

async fn begin(store: &Store, claim: &PublicationClaim, known: &Known) -> bool {
    !store.begin_publications(&[(claim, known.clone())]).await.unwrap().is_empty()
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
    assert!(store.claim_publications(TARGET, 10, LEASE).await.unwrap().is_empty(), "it is being worked on");
    let result = published(&claim);
    assert!(settle(&store, &claim, &result).await);
    assert!(!settle(&store, &claim, &result).await, "settled once");
    let stands =
        store.publications(PublicationFilter::Of(&address("SECRETARIAT@ch.mssante.fr")), 10).await.unwrap().remove(0);
    assert_eq!((stands.state, stands.attempts, stands.known), (PublicationState::Published, 0, result.known));
    assert_eq!((stands.operation, stands.report.as_deref()), (Some(Operation::Insert), Some("taken")));
    assert_eq!(count(&database, "trace WHERE event = 'publication.published'").await, 1);
    assert!(store.claim_publications(TARGET, 10, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_change_that_shows_queues_again_in_its_own_transaction() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    let bal = team(&store).await;
    let first = claim(&store).await;
    settle(&store, &first, &published(&first)).await;

    let unlisted = store.set_listing(bal.id, Listing::Unlisted).await.unwrap();
    assert_eq!(unlisted.listing, Listing::Unlisted);
    let again = claim(&store).await;
    assert_eq!((again.facts.listing, again.known.clone()), (Listing::Unlisted, published(&first).known));
    settle(&store, &again, &published(&again)).await;

    let edit =
        BalEdit { description: Some("Secrétariat".to_owned()), service: Some(String::new()), ..BalEdit::default() };
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
    assert!(begin(&store, &first, &told).await);
    store.set_bal_state(bal.id, BalState::Closed, "end").await.unwrap();
    assert!(!settle(&store, &first, &published(&first)).await);
    assert!(!begin(&store, &first, &Known::Nothing).await);
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
    assert!(settle(&store, &first, &later).await);
    assert!(store.claim_publications(TARGET, 10, LEASE).await.unwrap().is_empty());
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
    assert!(settle(&store, &first, &refused).await);
    assert_eq!(store.publication_counts().await.unwrap()[&PublicationState::Refused], 1);
    assert_eq!(count(&database, "trace WHERE event = 'publication.refused'").await, 1);
    assert!(store.claim_publications(TARGET, 10, LEASE).await.unwrap().is_empty());
    assert_eq!(store.retry_publications(None).await.unwrap(), 1);
    let second = claim(&store).await;
    settle(&store, &second, &published(&second)).await;
    assert_eq!(store.retry_publications(None).await.unwrap(), 0, "what is published is left alone");
    assert_eq!(store.retry_publications(Some(&bal.address)).await.unwrap(), 1);
    assert_eq!(store.retry_publications(Some(&address("nobody@ch.mssante.fr"))).await.unwrap(), 0);
    let shown = store.publications(PublicationFilter::In(&[PublicationState::Waiting]), 10).await.unwrap();
    assert_eq!((shown.len(), shown[0].kind), (1, BalKind::Organisational));
}

#[tokio::test]
async fn what_one_target_was_told_another_one_is_told_again_and_of_what_was_withdrawn_too() {
    const FOLDER: &str = "/var/lib/pli/publication";
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    let bal = team(&store).await;
    let by_file = store.claim_publications(FOLDER, 10, LEASE).await.unwrap().remove(0);
    let handed_over = PublicationResult { state: PublicationState::HandedOver, ..published(&by_file) };
    assert!(settle(&store, &by_file, &handed_over).await);
    assert_eq!(store.retarget_publications(FOLDER).await.unwrap(), 0, "it was told");

    assert_eq!(store.retarget_publications(TARGET).await.unwrap(), 1);
    let told_again = claim(&store).await;
    assert_eq!(told_again.known, Known::Perhaps(card(&told_again)), "handed over is not published");
    settle(&store, &told_again, &published(&told_again)).await;
    assert_eq!(store.retarget_publications(TARGET).await.unwrap(), 0);

    store.set_bal_state(bal.id, BalState::Closed, "end").await.unwrap();
    let closed = claim(&store).await;
    let withdrawn = PublicationResult {
        state: PublicationState::Withdrawn,
        known: Known::Nothing,
        operation: Some(Operation::Delete),
        ..published(&closed)
    };
    settle(&store, &closed, &withdrawn).await;
    assert_eq!(store.retarget_publications(FOLDER).await.unwrap(), 1);
    let back = store.claim_publications(FOLDER, 10, LEASE).await.unwrap().remove(0);
    let Plan::Do(task) = plan(&back.facts, &back.known) else { panic!("the folder still says that it is there") };
    assert_eq!(task.operation, Operation::Delete);
}

#[tokio::test]
async fn many_are_settled_at_once_with_a_line_in_the_audit_trail_each() {
    let database = TestDatabase::new().await;
    let store = database.store_at(Arc::new(FixedClock::at(NOW))).await;
    for n in 0..20 {
        let address = address(&format!("service{n}@ch.mssante.fr"));
        let structure = Some("318751275100020".parse().unwrap());
        store.create_bal(NewBal { structure, ..NewBal::new(address, BalKind::Organisational) }).await.unwrap();
    }
    let claims = store.claim_publications(TARGET, 10_000, LEASE).await.unwrap();
    assert_eq!(claims.len(), 20);
    let told: Vec<_> = claims.iter().map(|claim| (claim, Known::Perhaps(card(claim)))).collect();
    assert_eq!(store.begin_publications(&told).await.unwrap().len(), 20);
    let overtaken = claims[7].bal;
    store.set_listing(overtaken, Listing::Unlisted).await.unwrap();
    let results: Vec<_> = claims.iter().map(published).collect();
    let ended: Vec<_> = claims.iter().zip(&results).collect();
    let settled = store.settle_publications(&ended).await.unwrap();
    assert!(settled.len() == 19 && !settled.contains(&overtaken), "{settled:?}");
    assert_eq!(count(&database, "trace WHERE event = 'publication.published'").await, 19);
    let waiting = [PublicationState::Waiting];
    let shown = store.publications(PublicationFilter::In(&waiting), 10).await.unwrap();
    assert_eq!(shown.len(), 1);
    let some = store.publications(PublicationFilter::In(&PublicationState::ALL), 5).await.unwrap();
    assert_eq!(some.len(), 5, "no more than asked for");
}
