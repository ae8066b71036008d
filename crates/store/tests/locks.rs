//! Whoever locks several rows does so in one order: no two wait for each other in a circle.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{acceptance, bal, deliver, direct, letter, seal};
use sqlx::{Connection, PgConnection};
use store::{FlagChange, Flags, FolderId, HopFacts, Outcome, Setback, Store, StoreError};
use testkit::postgres::TestDatabase;

const MESSAGES: usize = 60;

/// The candidates of the sweeper, made beforehand, the lowest of them locked.
async fn lock_lowest(connection: &mut PgConnection) {
    sqlx::query("INSERT INTO sweep_candidate SELECT id, now() FROM message ORDER BY id DESC")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query("BEGIN").execute(&mut *connection).await.unwrap();
    sqlx::query(
        "SELECT FROM sweep_candidate WHERE message_id = (SELECT min(message_id) FROM sweep_candidate) FOR UPDATE",
    )
    .execute(connection)
    .await
    .unwrap();
}

async fn somebody_waits(connection: &mut PgConnection) {
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut *connection).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs `work` against a lock on the lowest candidate: it must wait there and hold no other candidate.
async fn locks_from_the_lowest<T>(database: &TestDatabase, work: impl Future<Output = T>) -> T {
    let mut holder = direct(database).await;
    lock_lowest(&mut holder).await;
    let look = async {
        somebody_waits(&mut direct(database).await).await;
        let others = sqlx::query("SELECT FROM sweep_candidate FOR UPDATE NOWAIT").execute(&mut holder).await;
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
        others
    };
    let (done, others) = tokio::join!(work, look);
    others.unwrap_or_else(|error| panic!("it holds a candidate above the one that it waits for: {error}"));
    done
}

async fn filled(store: &Store) -> (mssante::BalId, FolderId) {
    let bal = bal(store, "a").await;
    for _ in 0..MESSAGES {
        deliver(store, &letter(10, false), &[&bal]).await;
    }
    (bal.id, store.open_folder(bal.id, "INBOX", false).await.unwrap().folder.id)
}

#[tokio::test]
async fn expunge_notes_candidates_in_order() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (_, inbox) = filled(&store).await;
    let uids: Vec<u32> = (1..=u32::try_from(MESSAGES).unwrap()).collect();
    let deleted = FlagChange::Add(Flags { deleted: true, ..Flags::default() });
    store.change_flags(inbox, &uids, &deleted).await.unwrap();
    let gone = locks_from_the_lowest(&database, Box::pin(store.expunge(inbox, None))).await.unwrap();
    assert_eq!(gone, uids);
}

#[tokio::test]
async fn deleting_a_folder_notes_candidates_in_order() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store).await;
    let target = store.create_folder(bal, "x", None).await.unwrap().id;
    let uids: Vec<u32> = (1..=u32::try_from(MESSAGES).unwrap()).rev().collect();
    store.move_messages(inbox, &uids, target).await.unwrap();
    locks_from_the_lowest(&database, Box::pin(store.delete_folder(bal, "x"))).await.unwrap();
}

#[tokio::test]
async fn settling_notes_candidates_in_order() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    for _ in 0..MESSAGES {
        store.accept(acceptance(seal(&store, &letter(10, false)).await, &[], &["x@peer.mssante.fr"])).await.unwrap();
    }
    let claimed = store.claim(100, Duration::from_mins(5)).await.unwrap();
    let done = |entry: &store::Claimed| {
        let hop = HopFacts::default();
        (entry.id, entry.fence, Outcome::HandedOver { reply: "250".into(), host: "mx".into(), hop })
    };
    let outcomes: Vec<_> = claimed.iter().rev().map(done).collect();
    let settled = locks_from_the_lowest(&database, Box::pin(store.settle(&outcomes))).await.unwrap();
    assert_eq!(settled, MESSAGES as u64);
}

/// Folder before candidates, as everybody else: a report for a busy folder must not hold candidates while it waits.
#[tokio::test]
async fn a_report_waits_for_its_folder_with_nothing_in_hand() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let sender = bal(&store, "a").await;
    store.accept(acceptance(seal(&store, &letter(10, false)).await, &[], &["x@peer.mssante.fr"])).await.unwrap();
    let entry = store.claim(1, Duration::from_mins(5)).await.unwrap().remove(0);
    let report = acceptance(seal(&store, &letter(10, false)).await, &[&sender], &[]);
    let mut holder = direct(&database).await;
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM folder FOR UPDATE").execute(&mut *lock).await.unwrap();
    let seen = async {
        somebody_waits(&mut direct(&database).await).await;
        let entries = sqlx::query("SELECT FROM queue FOR UPDATE NOWAIT").execute(&mut *lock).await;
        lock.rollback().await.unwrap();
        entries.unwrap_or_else(|error| panic!("it holds the entry while it waits for the folder: {error}"));
    };
    let failed = [(entry.id, entry.fence, Setback::new("refused-by-peer", "550 no"))];
    let (settled, ()) = tokio::join!(store.settle_failed(&failed, Some(report)), seen);
    assert_eq!(settled.unwrap(), 1);
}

/// A settlement that is chosen as the victim of a deadlock, or whose connection breaks, comes again by itself.
#[tokio::test]
async fn a_settlement_survives_the_loss_of_its_connection() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let sender = bal(&store, "a").await;
    for report in [false, true] {
        store.accept(acceptance(seal(&store, &letter(10, false)).await, &[], &["x@peer.mssante.fr"])).await.unwrap();
        let entry = store.claim(1, Duration::from_mins(5)).await.unwrap().remove(0);
        let report =
            if report { Some(acceptance(seal(&store, &letter(10, false)).await, &[&sender], &[])) } else { None };
        let mut holder = direct(&database).await;
        let mut lock = holder.begin().await.unwrap();
        sqlx::query("SELECT FROM queue FOR UPDATE").execute(&mut *lock).await.unwrap();
        let cut = async {
            let mut other = direct(&database).await;
            somebody_waits(&mut other).await;
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .execute(&mut other)
            .await
            .unwrap();
            lock.rollback().await.unwrap();
        };
        let failed = [(entry.id, entry.fence, Setback::new("refused-by-peer", "550 no"))];
        let (settled, ()): (Result<u64, StoreError>, ()) = tokio::join!(store.settle_failed(&failed, report), cut);
        assert_eq!(settled.unwrap(), 1);
    }
}
