//! Aliases and forwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{address, bal, direct, listening_store};
use mssante::{BalId, BalKind, ForwardCopy};
use store::{BalChange, BalRecord, ForwardRecord, NewBal, Store, StoreError};
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

#[tokio::test]
async fn the_ways_of_some_bals_are_read_without_the_others() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (a, b, c) = (bal(&store, "a").await, bal(&store, "b").await, bal(&store, "c").await);
    for (bal, alias) in [(&a, "x@ch.mssante.fr"), (&b, "y@ch.mssante.fr")] {
        store.add_alias(bal.id, &address(alias)).await.unwrap();
    }
    store.set_forward(forward(&a, &c, ForwardCopy::Keep)).await.unwrap();
    store.set_forward(forward(&b, &a, ForwardCopy::Keep)).await.unwrap();
    let ways = store.ways_of([a.id, c.id, BalId(999)]).await.unwrap();
    let mut found: Vec<_> = ways.bals.iter().map(|bal| bal.id).collect();
    found.sort_unstable();
    assert_eq!(found, [a.id, c.id]);
    assert_eq!(ways.aliases.iter().map(|alias| alias.bal).collect::<Vec<_>>(), [a.id]);
    assert_eq!(ways.forwards, [forward(&a, &c, ForwardCopy::Keep)]);
}

#[tokio::test]
async fn another_node_hears_which_bal_changed_whatever_was_done_to_it() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store().await, listening_store(&database).await);
    let mut news = there.bal_news();
    let mut told = async |bal: BalId| assert_eq!(news.next().await, Some(BalChange::Of([bal].into())));
    let a = bal(&here, "a").await;
    told(a.id).await;
    let b = bal(&here, "b").await;
    told(b.id).await;
    here.add_alias(a.id, &address("x@ch.mssante.fr")).await.unwrap();
    told(a.id).await;
    here.set_forward(forward(&b, &a, ForwardCopy::Keep)).await.unwrap();
    told(b.id).await;
    here.set_bal_state(a.id, mssante::BalState::Suspended, "essai").await.unwrap();
    told(a.id).await;
    here.set_password_hash(a.id, "$argon2id$x").await.unwrap();
    told(a.id).await;
}

#[tokio::test]
async fn whoever_lost_the_connection_for_notices_is_told_to_read_everything() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store().await, listening_store(&database).await);
    let mut news = there.bal_news();
    let mut direct = direct(&database).await;
    // The one of `here` is lost as well: it does not matter.
    let lost = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    assert!(lost.execute(&mut direct).await.unwrap().rows_affected() >= 1);
    bal(&here, "made-meanwhile").await;
    while news.next().await.unwrap() != BalChange::Any {}
}
