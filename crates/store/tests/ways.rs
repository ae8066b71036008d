//! Aliases and forwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{address, bal};
use mssante::{BalId, BalKind, ForwardCopy};
use store::{BalRecord, ForwardRecord, NewBal, Store, StoreError};
use testkit::postgres::TestDatabase;

fn forward(from: &BalRecord, to: &BalRecord, copy: ForwardCopy) -> ForwardRecord {
    ForwardRecord { from: from.id, to: to.id, copy }
}

fn another(name: &str) -> NewBal {
    NewBal::new(address(name), BalKind::Cabinet)
}

#[tokio::test]
async fn an_address_is_a_bal_or_an_alias_and_never_both() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (team, other) = (bal(&store, "cardiologie").await, bal(&store, "accueil").await);
    let alias = address("Cardio@ch.mssante.fr");
    store.add_alias(team.id, &alias).await.unwrap();
    assert_eq!(store.bal_behind(&address("cardio@CH.mssante.fr")).await.unwrap().map(|bal| bal.id), Some(team.id));
    assert_eq!(store.bal(&alias).await.unwrap(), None, "nobody logs in by an alias");
    let taken = store.add_alias(other.id, &address("cardio@ch.mssante.fr")).await;
    assert!(matches!(taken, Err(StoreError::AliasExists(_))), "{taken:?}");
    let of_a_bal = store.add_alias(other.id, &team.address).await;
    assert!(matches!(of_a_bal, Err(StoreError::BalExists(_))), "{of_a_bal:?}");
    let made = store.create_bal(another("cardio@ch.mssante.fr")).await;
    assert!(matches!(made, Err(StoreError::AliasExists(_))), "{made:?}");
    assert_eq!(store.remove_alias(&alias).await.unwrap(), team.id);
    assert!(matches!(store.remove_alias(&alias).await, Err(StoreError::NoSuchAlias(_))));
    store.create_bal(another("cardio@ch.mssante.fr")).await.unwrap();
}

#[tokio::test]
async fn of_two_that_take_an_address_at_once_one_gets_it() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let team = bal(&store, "cardiologie").await;
    for round in 0..10 {
        let name = address(&format!("n{round}@ch.mssante.fr"));
        let (alias, made) = tokio::join!(store.add_alias(team.id, &name), store.create_bal(another(&name.to_string())));
        assert_ne!(alias.is_ok(), made.is_ok(), "{alias:?} {made:?}");
    }
}

async fn pairs(store: &Store) -> Vec<(BalId, BalId, ForwardCopy)> {
    let forwards = store.forwards(None).await.unwrap();
    forwards.into_iter().map(|forward| (forward.from, forward.to, forward.copy)).collect()
}

#[tokio::test]
async fn forwards_are_set_changed_and_ended_and_wake_those_who_watch() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (team, software) = (bal(&store, "cardiologie").await, bal(&store, "dpi").await);
    let mut changes = store.bal_changes();
    store.set_forward(forward(&team, &software, ForwardCopy::Keep)).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    store.set_forward(forward(&team, &software, ForwardCopy::Move)).await.unwrap();
    assert_eq!(pairs(&store).await, [(team.id, software.id, ForwardCopy::Move)]);
    let ways = store.ways().await.unwrap();
    assert_eq!((ways.bals.len(), ways.aliases.len(), ways.forwards.len()), (2, 0, 1));
    store.remove_forward(team.id, software.id).await.unwrap();
    let again = store.remove_forward(team.id, software.id).await;
    assert!(matches!(again, Err(StoreError::NoSuchForward { .. })), "{again:?}");
}

#[tokio::test]
async fn a_circle_of_forwards_is_refused_also_when_two_make_it_at_once() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (a, b, c) = (bal(&store, "a").await, bal(&store, "b").await, bal(&store, "c").await);
    store.set_forward(forward(&a, &b, ForwardCopy::Keep)).await.unwrap();
    let (one, two) = tokio::join!(
        store.set_forward(forward(&b, &c, ForwardCopy::Keep)),
        store.set_forward(forward(&c, &a, ForwardCopy::Keep)),
    );
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
    let itself = store.set_forward(forward(&a, &a, ForwardCopy::Keep)).await;
    assert!(matches!(itself, Err(StoreError::ForwardCircle { .. })), "{itself:?}");
}
