//! Contents of the audit trail go when their time is over, and only then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/trail.rs"]
mod trail;

use std::sync::Arc;

use common::{count, direct, run};
use sqlx::Connection as _;
use store::{Event, EventClass, Fault, Retained, Retentions, Store, TraceFilter};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::Duration;
use time::macros::datetime;
use trail::{enter, faults, on_a_day, record};

/// One round of retention, which nothing must hinder: how many lines lost their content.
async fn retain(store: &Store) -> u64 {
    let retained = store.retain_traces(&Retentions::default()).await;
    assert!(retained.failed.is_empty(), "{:?}", retained.failed);
    retained.lines
}

#[tokio::test]
async fn contents_go_when_their_time_is_over_and_the_chain_still_holds() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 3).await;
    record(&store, Event::BalEdited, 2).await;
    enter(&store).await;
    assert_eq!(retain(&store).await, 0, "nothing is old");
    clock.advance(Duration::days(200));
    assert_eq!(retain(&store).await, 0, "first it is announced");
    assert_eq!(retain(&store).await, 0, "and entered");
    assert_eq!(enter(&store).await, 1);
    assert_eq!(retain(&store).await, 3);
    assert_eq!(retain(&store).await, 0, "once");
    assert_eq!(count(&database, "trace WHERE removed AND event = 'hop.refused' AND detail IS NULL").await, 3);
    let verified = store.verify_traces(&[]).await.unwrap();
    assert_eq!((verified.lines, verified.removed, verified.faults), (6, 3, 0));
    run(&database, "UPDATE trace_line SET salt = NULL, actor = NULL, detail = NULL WHERE event = 'bal.edited'").await;
    assert_eq!(faults(&store).await[0], (4, Fault::Emptied), "nobody announced these");
}

/// What somebody writes into the inbox who would like contents to be gone.
const FORGED: &str = "INSERT INTO trace_inbox (at, event, actor, detail) VALUES
    (now(), 'audit.removal', 'pli', '{\"before\":\"9999-12-31T00:00:00.000000Z\",\"class\":\"provisioning\"}')";

#[tokio::test]
async fn a_removal_that_somebody_announces_in_the_database_excuses_nothing() {
    let (database, store, _) = on_a_day().await;
    record(&store, Event::BalEdited, 12).await;
    enter(&store).await;
    run(&database, FORGED).await;
    enter(&store).await;
    run(&database, "UPDATE trace_line SET salt = NULL, actor = NULL, detail = NULL WHERE number = 6").await;
    assert_eq!(faults(&store).await, [(6, Fault::Emptied), (13, Fault::FalseRemoval)]);
}

#[tokio::test]
async fn an_announcement_of_one_class_is_none_of_another() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 1).await;
    record(&store, Event::BalEdited, 1).await;
    enter(&store).await;
    clock.advance(Duration::days(200));
    retain(&store).await;
    enter(&store).await;
    assert_eq!(faults(&store).await, [], "refusals are announced");
    run(
        &database,
        "INSERT INTO trace_inbox (at, event, actor, detail)
         SELECT at, event, actor, replace(detail, 'refusal', 'provisioning') FROM trace_line WHERE number = 3",
    )
    .await;
    enter(&store).await;
    run(&database, "UPDATE trace_line SET salt = NULL, actor = NULL, detail = NULL WHERE number = 2").await;
    assert_eq!(faults(&store).await, [(2, Fault::Emptied), (4, Fault::FalseRemoval)]);
}

#[tokio::test]
async fn an_announcement_never_goes() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::AuditExported, 1).await;
    enter(&store).await;
    let empty = async |number: i64| {
        let sql = format!("UPDATE trace_line SET salt = NULL, actor = NULL, detail = NULL WHERE number = {number}");
        run(&database, &sql).await;
    };
    for _ in 0..2 {
        clock.advance(Duration::days(1200));
        retain(&store).await;
        enter(&store).await;
        clock.advance(Duration::DAY);
        record(&store, Event::AuditExported, 1).await;
        enter(&store).await;
    }
    assert_eq!(faults(&store).await, []);
    empty(2).await;
    assert_eq!(faults(&store).await, [(2, Fault::Emptied)], "although those of its age and class may");
}

#[tokio::test]
async fn content_that_stands_where_one_was_removed_is_a_fault_and_is_not_shown() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 2).await;
    enter(&store).await;
    clock.advance(Duration::days(200));
    retain(&store).await;
    enter(&store).await;
    assert_eq!(retain(&store).await, 2);
    assert_eq!(faults(&store).await, []);
    run(
        &database,
        "UPDATE trace_line SET actor = 'bal:other@ch.mssante.fr', peer = 'x', message_id = 7, detail = '{\"n\":9}'
         WHERE number = 1",
    )
    .await;
    assert_eq!(faults(&store).await, [(1, Fault::Changed)]);
    let shown = store.traces(&TraceFilter { limit: 10, ..TraceFilter::default() }).await.unwrap();
    let first = &shown[0];
    assert!(first.removed && first.number == Some(1));
    assert_eq!((&first.actor, &first.peer, first.message_id, &first.detail), (&None, &None, None, &None));
}

/// Lines of two classes, old enough for both, with their removal announced and entered.
async fn overdue(database: &TestDatabase) -> (Store, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(datetime!(2026-01-10 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    record(&store, Event::BalEdited, 2).await;
    record(&store, Event::HopRefused, 3).await;
    enter(&store).await;
    clock.advance(Duration::days(1200));
    retain(&store).await;
    enter(&store).await;
    (store, clock)
}

#[tokio::test]
async fn a_class_that_cannot_be_looked_after_holds_no_other_up() {
    let database = TestDatabase::new().await;
    let (store, _) = overdue(&database).await;
    run(&database, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'")
        .await;
    run(
        &database,
        "CREATE TRIGGER no BEFORE UPDATE ON trace_line FOR EACH ROW WHEN (OLD.event = 'bal.edited')
         EXECUTE FUNCTION no()",
    )
    .await;
    let retained = store.retain_traces(&Retentions::default()).await;
    let failed: Vec<_> = retained.failed.iter().map(|(class, _)| *class).collect();
    assert_eq!((retained.lines, failed), (3, vec![EventClass::Provisioning]));
    run(&database, "DROP TRIGGER no ON trace_line").await;
    assert_eq!(retain(&store).await, 2, "it is tried again");
}

#[tokio::test]
async fn a_class_without_old_lines_is_looked_at_once_a_day() {
    let database = TestDatabase::new().await;
    let (store, clock) = overdue(&database).await;
    let noted = "trace_retention WHERE class = 'log-in' AND looked IS NOT NULL AND announced IS NULL";
    assert_eq!(count(&database, &format!("{noted} AND walked = 5")).await, 1, "how far it came is noted");
    // Whoever looked at the same lines again would find this one.
    run(&database, "UPDATE trace_line SET event = 'login.accepted' WHERE number = 1").await;
    retain(&store).await;
    assert_eq!(count(&database, "trace_inbox").await, 0, "nothing more is announced");
    run(&database, "UPDATE trace_line SET event = 'bal.edited' WHERE number = 1").await;
    clock.advance(Duration::DAY);
    record(&store, Event::LogInAccepted, 1).await;
    enter(&store).await;
    clock.advance(Duration::days(400));
    retain(&store).await;
    enter(&store).await;
    retain(&store).await;
    assert_eq!(count(&database, "trace_line WHERE event = 'login.accepted' AND salt IS NULL").await, 1);
    assert_eq!(faults(&store).await, []);
}

#[tokio::test]
async fn many_lines_go_in_steps_and_two_nodes_take_turns() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-01-10 12:00 UTC)));
    let (one, other) = (database.store_at(clock.clone()).await, database.store_at(clock.clone()).await);
    record(&one, Event::HopRefused, 25_000).await;
    enter(&one).await;
    clock.advance(Duration::days(200));
    retain(&one).await;
    enter(&one).await;
    let (a, b) = tokio::join!(retain(&one), retain(&other));
    let rest = retain(&other).await;
    assert_eq!(a + b + rest, 25_000);
    assert_eq!(faults(&one).await, []);
}

#[tokio::test]
async fn lines_that_came_late_go_when_those_do_that_they_came_with() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 1).await;
    let late = store.trace(Event::HopRefused);
    enter(&store).await;
    clock.advance(Duration::days(20));
    store.record(&[late]).await.unwrap();
    enter(&store).await;
    for (days, gone) in [(166, 1), (20, 2)] {
        clock.advance(Duration::days(days));
        retain(&store).await;
        enter(&store).await;
        retain(&store).await;
        assert_eq!(count(&database, "trace_line WHERE event = 'hop.refused' AND salt IS NULL").await, gone);
    }
    assert_eq!(faults(&store).await, []);
}

#[tokio::test]
async fn what_the_table_of_retention_says_takes_no_content_away() {
    let (database, store, _) = on_a_day().await;
    record(&store, Event::BalEdited, 3).await;
    enter(&store).await;
    run(
        &database,
        "INSERT INTO trace_retention (class, announced, kept, kept_at) VALUES ('provisioning', '9999-01-01', 0, now())",
    )
    .await;
    assert_eq!(retain(&store).await, 0);
    assert_eq!(count(&database, "trace_line WHERE salt IS NULL").await, 0);
}

#[tokio::test]
async fn the_longest_retention_of_all_nodes_holds_until_nobody_wants_it_any_more() {
    let (_database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 1).await;
    enter(&store).await;
    clock.advance(Duration::days(100));
    let short = Retentions([(EventClass::Refusal, Duration::days(30))].into());
    let round = async |retentions: &Retentions| {
        let Retained { lines, kept_longer, failed } = store.retain_traces(retentions).await;
        assert!(failed.is_empty(), "{failed:?}");
        enter(&store).await;
        (lines, kept_longer.contains(&EventClass::Refusal))
    };
    assert_eq!(round(&Retentions::default()).await, (0, false));
    assert_eq!(round(&short).await, (0, true), "a mistake on one node takes nothing from the others");
    clock.advance(Duration::DAY);
    assert_eq!(round(&short).await, (0, true));
    assert_eq!(round(&Retentions::default()).await, (0, false), "it is still wanted");
    clock.advance(Duration::hours(36));
    assert_eq!(round(&short).await, (0, true));
    clock.advance(Duration::DAY);
    assert_eq!(round(&short).await, (0, false), "two days later the shorter one is announced");
    assert_eq!(round(&short).await, (1, false));
}

/// Until a session waits for a lock.
async fn until_one_waits(database: &TestDatabase) {
    for _ in 0..1_000 {
        if count(database, "pg_locks WHERE NOT granted").await > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}

#[tokio::test]
async fn retention_on_another_node_raises_no_alarm_while_the_chain_is_verified() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 3).await;
    enter(&store).await;
    run(&database, "CREATE TABLE head AS SELECT * FROM trace_head").await;
    clock.advance(Duration::days(200));
    retain(&store).await;
    enter(&store).await;
    // The moment before the announcement is entered.
    for sql in [
        "CREATE TABLE line AS SELECT * FROM trace_line WHERE number = 4",
        "CREATE TABLE link AS SELECT * FROM trace_link WHERE last = 4",
        "CREATE TABLE later AS SELECT * FROM trace_head",
        "DELETE FROM trace_line WHERE number = 4",
        "DELETE FROM trace_link WHERE last = 4",
        "DELETE FROM trace_head",
        "INSERT INTO trace_head SELECT * FROM head",
    ] {
        run(&database, sql).await;
    }
    let mut other = direct(&database).await;
    let mut holds = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE trace_line").execute(&mut *holds).await.unwrap();
    let verifying = tokio::spawn(async move { store.verify_traces(&[]).await });
    until_one_waits(&database).await;
    for sql in [
        "INSERT INTO trace_line SELECT * FROM line",
        "INSERT INTO trace_link SELECT * FROM link",
        "UPDATE trace_head SET (number, hash, mac) = (SELECT number, hash, mac FROM later)",
        "UPDATE trace_line SET salt = NULL, actor = NULL, detail = NULL WHERE number < 4",
    ] {
        sqlx::query(sql).execute(&mut *holds).await.unwrap();
    }
    holds.commit().await.unwrap();
    let verified = verifying.await.unwrap().unwrap();
    assert_eq!((verified.lines, verified.removed, verified.findings), (3, 3, Vec::new()));
}
