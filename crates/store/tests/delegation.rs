//! People, and what is open to them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{address, bal};
use mssante::{BalKind, Login, PersonState};
use sqlx::AssertSqlSafe;
use store::{
    Actor, BalRecord, Delegate, DelegateName, DelegationFilter, NewBal, NewDelegation, NewPerson, PersonRecord, Store,
    StoreError, TraceFilter,
};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;

fn login(text: &str) -> Login {
    Login::parse(text).unwrap()
}

async fn person(store: &Store, name: &str) -> PersonRecord {
    let identifier = Some("810001234565".parse().unwrap());
    store.create_person(NewPerson { login: login(name), name: "S. Martin".into(), identifier }).await.unwrap()
}

async fn professional(store: &Store, name: &str) -> BalRecord {
    let new = NewBal::new(address(&format!("{name}@ch.mssante.fr")), BalKind::Nominative);
    store.create_bal(new).await.unwrap()
}

fn given(bal: &BalRecord, delegate: Delegate, rights: &str) -> NewDelegation {
    let rights = rights.parse().unwrap();
    NewDelegation { bal: bal.id, delegate, rights, valid_from: None, valid_until: None, reason: "congés".into() }
}

fn by_administrator(store: &Store) -> Store {
    store.acting_as(Actor::Administrator("root".into()))
}

/// Event, actor and details of all lines, oldest first.
async fn traces(database: &TestDatabase, like: &str) -> Vec<(String, String, Option<String>)> {
    let sql = format!("SELECT event, actor, detail FROM trace_inbox WHERE event LIKE '{like}%' ORDER BY id");
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut common::direct(database).await).await.unwrap()
}

#[tokio::test]
async fn a_login_is_given_once_and_people_change_with_a_trace_and_a_notice() {
    let database = TestDatabase::new().await;
    let store = by_administrator(&database.store().await);
    let made = person(&store, "s.martin").await;
    let again = store.create_person(NewPerson { login: login("S.Martin"), name: "X".into(), identifier: None }).await;
    assert!(matches!(again, Err(StoreError::PersonExists(_))), "{again:?}");
    assert_eq!(store.person(&made.login).await.unwrap(), Some(made.clone()));
    let mut changes = store.bal_changes();
    changes.mark_unchanged();
    assert!(store.set_person_password(&made.login, "$argon2id$x").await.unwrap().has_password);
    assert!(changes.has_changed().unwrap(), "open sessions look again");
    changes.mark_unchanged();
    let suspended = store.set_person_state(&made.login, PersonState::Suspended, "départ").await.unwrap();
    assert_eq!((suspended.state, suspended.state_reason.as_deref()), (PersonState::Suspended, Some("départ")));
    assert!(changes.has_changed().unwrap());
    assert_eq!(store.list_people(Some(PersonState::Active)).await.unwrap(), []);
    assert_eq!(store.list_people(None).await.unwrap(), [suspended]);
    let nobody = store.set_person_state(&login("nobody"), PersonState::Active, "x").await;
    assert!(matches!(nobody, Err(StoreError::NoSuchPerson(_))), "{nobody:?}");
    let traced: Vec<_> =
        traces(&database, "person.").await.into_iter().map(|(event, actor, _)| (event, actor)).collect();
    let by = |event: &str| (event.to_owned(), "admin:root".to_owned());
    assert_eq!(traced, [by("person.created"), by("person.password"), by("person.state")]);
}

#[tokio::test]
async fn a_bal_is_open_to_several_and_each_is_told_apart() {
    let database = TestDatabase::new().await;
    let store = by_administrator(&database.store().await);
    let (team, doctor) = (bal(&store, "cardiologie").await, professional(&store, "dr.a").await);
    let secretary = person(&store, "s.martin").await;
    store.delegate(given(&team, Delegate::Person(secretary.id), "read")).await.unwrap();
    store.delegate(given(&team, Delegate::Holder(doctor.id), "read,write,send-as")).await.unwrap();
    let all = store.delegations(DelegationFilter { bal: Some(team.id), ..DelegationFilter::default() }).await.unwrap();
    let names: Vec<_> = all.iter().map(|one| one.delegate.clone()).collect();
    let expected = [DelegateName::Person(login("s.martin")), DelegateName::Holder(doctor.address.clone())];
    assert_eq!(names, expected);
    let open = store.delegated_to(Delegate::Person(secretary.id), None).await.unwrap();
    assert_eq!((open.len(), open[0].bal.id, open[0].rights.to_string().as_str()), (1, team.id, "read"));
    let open = store.delegated_to(Delegate::Holder(doctor.id), Some(&team.address)).await.unwrap();
    assert_eq!(open[0].rights.to_string(), "read,write,send-as");
    assert!(store.delegated_to(Delegate::Holder(doctor.id), Some(&doctor.address)).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_rights_replace_what_somebody_had_and_the_history_stays() {
    let database = TestDatabase::new().await;
    let store = by_administrator(&database.store().await);
    let (team, secretary) = (bal(&store, "cardiologie").await, person(&store, "s.martin").await);
    let delegate = Delegate::Person(secretary.id);
    let first = store.delegate(given(&team, delegate, "read")).await.unwrap();
    let until = datetime!(2030-01-01 0:00 UTC);
    let second = NewDelegation { valid_until: Some(until), ..given(&team, delegate, "read,write") };
    let second = store.delegate(second).await.unwrap();
    assert_eq!((second.valid_until, second.given_by.as_str(), second.ended_at), (Some(until), "admin:root", None));
    let open = store.delegated_to(delegate, None).await.unwrap();
    assert_eq!(open.iter().map(|one| one.id).collect::<Vec<_>>(), [second.id]);
    let ended = store.end_delegation(team.id, delegate, "retour").await.unwrap();
    assert_eq!((ended.id, ended.end_reason.as_deref()), (second.id, Some("retour")));
    let again = store.end_delegation(team.id, delegate, "retour").await;
    assert!(matches!(again, Err(StoreError::NoSuchDelegation)), "{again:?}");
    assert!(store.delegations(DelegationFilter::default()).await.unwrap().is_empty());
    let all = DelegationFilter { with_ended: true, ..DelegationFilter::default() };
    let all = store.delegations(all).await.unwrap();
    let reasons: Vec<_> = all.iter().map(|one| (one.id, one.end_reason.as_deref())).collect();
    assert_eq!(reasons, [(first.id, Some("replaced")), (second.id, Some("retour"))]);
    let traced: Vec<_> = traces(&database, "delegation.").await.into_iter().map(|(event, ..)| event).collect();
    assert_eq!(traced, ["delegation.given", "delegation.given", "delegation.ended"]);
}

#[tokio::test]
async fn a_delegation_that_would_end_before_it_begins_is_not_stored() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (team, secretary) = (bal(&store, "cardiologie").await, person(&store, "s.martin").await);
    let first = store.delegate(given(&team, Delegate::Person(secretary.id), "read")).await.unwrap();
    let past = NewDelegation {
        valid_until: Some(datetime!(2001-01-01 0:00 UTC)),
        ..given(&team, Delegate::Person(secretary.id), "read,write")
    };
    store.delegate(past).await.unwrap_err();
    let open = store.delegated_to(Delegate::Person(secretary.id), None).await.unwrap();
    assert_eq!(open.iter().map(|one| one.id).collect::<Vec<_>>(), [first.id], "what he had still holds");
}

#[tokio::test]
async fn another_process_hears_that_a_delegation_ends() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store().await, common::listening_store(&database).await);
    let (team, secretary) = (bal(&here, "cardiologie").await, person(&here, "s.martin").await);
    let mut changes = there.bal_changes();
    here.delegate(given(&team, Delegate::Person(secretary.id), "read")).await.unwrap();
    changes.changed().await.unwrap();
    // Until all that was done so far is heard.
    while tokio::time::timeout(Duration::from_millis(500), changes.changed()).await.is_ok() {}
    here.end_delegation(team.id, Delegate::Person(secretary.id), "retour").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), changes.changed()).await.expect("it is heard").unwrap();
    there.close().await;
    here.close().await;
}

#[tokio::test]
async fn a_delegation_that_is_over_is_ended_once_with_a_line_in_the_trail() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-11-22 09:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    let doctor = professional(&store, "dr").await;
    let secretary = Delegate::Holder(professional(&store, "s").await.id);
    let until = Some(datetime!(2026-11-23 09:00 UTC));
    let rights = "read".parse().unwrap();
    let reason = "absence".to_owned();
    let new =
        NewDelegation { bal: doctor.id, delegate: secretary, rights, valid_from: None, valid_until: until, reason };
    store.delegate(new).await.unwrap();
    assert_eq!(store.end_lapsed_delegations().await.unwrap(), 0);
    clock.advance(time::Duration::days(1));
    assert_eq!(store.end_lapsed_delegations().await.unwrap(), 1);
    assert_eq!(store.end_lapsed_delegations().await.unwrap(), 0);
    let all = DelegationFilter { with_ended: true, ..DelegationFilter::default() };
    let ended = store.delegations(all).await.unwrap().remove(0);
    assert_eq!((ended.ended_at, ended.end_reason.as_deref()), (until, Some("over")));
    let events = Some(vec!["delegation.ended".to_owned()]);
    let lines = store.traces(&TraceFilter { events, limit: 10, ..TraceFilter::default() }).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].bal_id, Some(doctor.id.0));
}
