//! The audit trail while nodes die and people take it along.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/trail.rs"]
mod trail;

use common::{acceptance, bal, count, direct, letter, seal};
use sqlx::Connection as _;
use store::{Event, TraceFormat, check_export};
use testkit::postgres::TestDatabase;
use time::macros::datetime;
use trail::{enter, faults, patients, record};

/// Ends whatever waits for a lock, as a kernel does with a killed node's connections.
const KILL_WHO_WAITS: &str = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                              WHERE datname = current_database() AND wait_event_type = 'Lock') AS killed";

#[tokio::test]
async fn a_node_that_dies_while_it_enters_leaves_all_to_the_next() {
    let database = TestDatabase::new().await;
    let (dying, next) = (database.store().await, database.store().await);
    let bal = bal(&next, "a").await;
    enter(&next).await;
    let message = acceptance(seal(&next, &letter(1, false)).await, &[&bal], &[]);
    next.accept(message).await.unwrap();
    record(&next, Event::BalEdited, 100).await;
    let before = count(&database, "trace_line").await;
    let mut other = direct(&database).await;
    let mut holds = other.begin().await.unwrap();
    // It has taken the lines out of the inbox, and is about to write them.
    sqlx::query("LOCK TABLE trace_line IN SHARE MODE").execute(&mut *holds).await.unwrap();
    let entering = tokio::spawn(async move { dying.enter_traces(&patients()).await });
    for _ in 0..1_000 {
        let killed: i64 = sqlx::query_scalar(KILL_WHO_WAITS).fetch_one(&mut direct(&database).await).await.unwrap();
        if killed > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(entering.await.unwrap().is_err(), "it was killed");
    holds.rollback().await.unwrap();
    assert_eq!(count(&database, "trace_line").await, before, "nothing of it is there");
    assert_eq!(enter(&next).await, 101);
    assert_eq!(faults(&next).await, []);
    assert_eq!(count(&database, "indicator_day WHERE direction = 'received' AND messages = 1").await, 1);
}

#[tokio::test]
async fn what_is_taken_along_while_lines_are_entered_holds() {
    let database = TestDatabase::new().await;
    let (store, node) = (database.store().await, database.store().await);
    record(&store, Event::BalEdited, 50).await;
    enter(&store).await;
    let entering = tokio::spawn(async move {
        for _ in 0..20 {
            record(&node, Event::HopRefused, 200).await;
            node.enter_traces(&patients()).await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trail.jsonl");
    let (from, to) = (datetime!(2000-01-01 0:00 UTC), datetime!(2100-01-01 0:00 UTC));
    for _ in 0..10 {
        let sink = std::fs::File::create(&file).unwrap();
        let exported = store.export_traces(from, to, TraceFormat::JsonLines, sink).await.unwrap().unwrap();
        let verified = check_export(&file, None).unwrap();
        assert_eq!((verified.faults, verified.end.number), (0, exported.last));
        assert_eq!(verified.lines, exported.lines);
    }
    entering.await.unwrap();
    enter(&store).await;
    assert_eq!(faults(&store).await, []);
    assert_eq!(count(&database, "trace_line").await, 50 + 20 * 200 + 10);
}
