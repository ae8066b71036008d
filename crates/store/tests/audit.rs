//! The audit trail as a chain: entering, tampering, retention, export, indicators.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{acceptance, bal, count, deliver, letter, run, seal};
use mssante::{BalState, Clock as _, Domain};
use store::{
    Actor, Entered, Event, EventClass, Fault, Retentions, Store, TraceFilter, TraceFormat, Witness, check_export,
};
use testkit::clock::{FixedClock, RealClock};
use testkit::postgres::TestDatabase;
use time::Duration;
use time::macros::datetime;

fn patients() -> Vec<Domain> {
    vec![Domain::parse("patient.mssante.fr").unwrap()]
}

async fn enter(store: &Store) -> u64 {
    let mut all = 0;
    loop {
        match store.enter_traces(&patients()).await.unwrap() {
            Entered::Some(lines) => all += lines,
            Entered::All(lines) => return all + lines,
            Entered::Elsewhere => panic!("nobody else enters here"),
        }
    }
}

async fn record(store: &Store, event: Event, lines: usize) {
    let traces: Vec<_> = (0..lines).map(|n| store.trace(event).with(serde_json::json!({ "n": n }))).collect();
    store.record(&traces).await.unwrap();
}

/// Twelve lines in three links.
async fn chained() -> (TestDatabase, Store) {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    for _ in 0..3 {
        record(&store, Event::BalEdited, 4).await;
        assert_eq!(enter(&store).await, 4);
    }
    (database, store)
}

/// A store on a day of 2026 that can be left.
async fn on_a_day() -> (TestDatabase, Store, Arc<FixedClock>) {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-01-10 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    (database, store, clock)
}

async fn faults(store: &Store) -> Vec<(i64, Fault)> {
    let found = store.verify_traces(&[]).await.unwrap().findings;
    found.into_iter().map(|finding| (finding.number, finding.fault)).collect()
}

#[tokio::test]
async fn what_waits_is_entered_once_with_numbers_without_gaps() {
    let (database, store) = chained().await;
    assert_eq!(enter(&store).await, 0);
    assert_eq!(count(&database, "trace_inbox").await, 0);
    assert_eq!(count(&database, "trace_line WHERE number BETWEEN 1 AND 12").await, 12);
    assert_eq!(count(&database, "trace_link").await, 3);
    let verified = store.verify_traces(&[]).await.unwrap();
    assert_eq!((verified.lines, verified.links, verified.faults, verified.end.number), (12, 3, 0, 12));
}

#[tokio::test]
async fn several_nodes_enter_each_line_once() {
    let database = TestDatabase::new().await;
    let (one, other) = (database.store().await, database.store().await);
    record(&one, Event::HopRefused, 12_000).await;
    let domains = patients();
    let (a, b) = tokio::join!(
        async {
            for _ in 0..4 {
                one.enter_traces(&domains).await.unwrap();
            }
        },
        async {
            for _ in 0..4 {
                other.enter_traces(&domains).await.unwrap();
            }
        }
    );
    let ((), ()) = (a, b);
    enter(&one).await;
    assert_eq!(count(&database, "trace_line").await, 12_000);
    assert_eq!(faults(&other).await, []);
}

#[tokio::test]
async fn a_changed_row_is_named() {
    let (database, store) = chained().await;
    run(&database, "UPDATE trace_line SET actor = 'admin:somebody else' WHERE number = 6").await;
    run(&database, "UPDATE trace_line SET at = at + interval '1 hour' WHERE number = 7").await;
    assert_eq!(faults(&store).await, [(6, Fault::Changed), (7, Fault::Changed)]);
}

#[tokio::test]
async fn a_deleted_row_is_named() {
    let (database, store) = chained().await;
    run(&database, "DELETE FROM trace_line WHERE number = 5").await;
    assert_eq!(faults(&store).await, [(5, Fault::Missing(5))]);
}

#[tokio::test]
async fn a_deleted_tail_is_named() {
    let (database, store) = chained().await;
    run(&database, "DELETE FROM trace_line WHERE number > 8").await;
    assert_eq!(faults(&store).await, [(9, Fault::Missing(12))]);
    run(&database, "DELETE FROM trace_link WHERE last > 8").await;
    assert_eq!(faults(&store).await, [(9, Fault::CutOff(12))]);
    run(
        &database,
        "UPDATE trace_head SET (number, hash, mac) = (SELECT last, hash, mac FROM trace_link WHERE last = 8)",
    )
    .await;
    assert_eq!(faults(&store).await, [(8, Fault::WrongEnd)]);
}

#[tokio::test]
async fn an_earlier_end_is_found_by_who_noted_the_later_one() {
    let (database, store) = chained().await;
    run(&database, "CREATE TABLE saved AS SELECT * FROM trace_head").await;
    record(&store, Event::BalEdited, 3).await;
    enter(&store).await;
    let witness = store.verify_traces(&[]).await.unwrap().end;
    run(&database, "DELETE FROM trace_line WHERE number > 12").await;
    run(&database, "DELETE FROM trace_link WHERE last > 12").await;
    run(&database, "DELETE FROM trace_head").await;
    run(&database, "INSERT INTO trace_head SELECT * FROM saved").await;
    assert_eq!(faults(&store).await, [], "the database alone cannot tell");
    let found = store.verify_traces(&[witness]).await.unwrap().findings;
    assert_eq!((found[0].number, &found[0].fault), (15, &Fault::NotAsWitnessed));
    let kept = Witness { number: 12, hash: store.verify_traces(&[]).await.unwrap().end.hash };
    assert_eq!(store.verify_traces(&[kept]).await.unwrap().faults, 0);
}

#[tokio::test]
async fn two_swapped_rows_are_named() {
    let (database, store) = chained().await;
    run(&database, "UPDATE trace_line SET number = -number WHERE number IN (2, 11)").await;
    run(&database, "UPDATE trace_line SET number = 13 + number WHERE number IN (-2, -11)").await;
    assert_eq!(faults(&store).await, [(2, Fault::Changed), (11, Fault::Changed)]);
}

#[tokio::test]
async fn a_row_that_was_never_entered_is_named() {
    let (database, store) = chained().await;
    run(&database, "INSERT INTO trace_line (number, at, event, digest) VALUES (13, now(), 'bal.edited', '\\x00')")
        .await;
    assert_eq!(faults(&store).await, [(13, Fault::Added)]);
}

#[tokio::test]
async fn a_chain_rewritten_without_the_key_is_found() {
    let (database, store) = chained().await;
    run(&database, "UPDATE trace_line SET digest = sha256(digest)").await;
    run(&database, "UPDATE trace_link SET hash = sha256(hash), mac = sha256(mac)").await;
    let found = faults(&store).await;
    assert!(found.contains(&(1, Fault::Forged(4))), "{found:?}");
}

#[tokio::test]
async fn contents_go_when_their_time_is_over_and_the_chain_still_holds() {
    let (database, store, clock) = on_a_day().await;
    record(&store, Event::HopRefused, 3).await;
    record(&store, Event::BalEdited, 2).await;
    enter(&store).await;
    let retentions = Retentions::default();
    assert_eq!(store.retain_traces(&retentions).await.unwrap(), 0, "nothing is old");
    clock.advance(Duration::days(200));
    assert_eq!(store.retain_traces(&retentions).await.unwrap(), 0, "first it is announced");
    assert_eq!(store.retain_traces(&retentions).await.unwrap(), 0, "and entered");
    assert_eq!(enter(&store).await, 1);
    assert_eq!(store.retain_traces(&retentions).await.unwrap(), 3);
    assert_eq!(store.retain_traces(&retentions).await.unwrap(), 0, "once");
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
    let (database, store) = chained().await;
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
    store.retain_traces(&Retentions::default()).await.unwrap();
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
        store.retain_traces(&Retentions::default()).await.unwrap();
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
    store.retain_traces(&Retentions::default()).await.unwrap();
    enter(&store).await;
    assert_eq!(store.retain_traces(&Retentions::default()).await.unwrap(), 2);
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

#[tokio::test]
async fn an_export_can_be_verified_without_the_database() {
    let (_database, store) = chained().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trail.jsonl");
    let ever = (datetime!(2000-01-01 0:00 UTC), datetime!(2100-01-01 0:00 UTC));
    let sink = std::fs::File::create(&file).unwrap();
    let exported = store.export_traces(ever.0, ever.1, TraceFormat::JsonLines, sink).await.unwrap().unwrap();
    assert_eq!((exported.first, exported.last, exported.lines), (1, 12, 12));
    let verified = check_export(&file, None).unwrap();
    assert_eq!((verified.lines, verified.links, verified.faults), (12, 3, 0));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"n\":2", "\"n\":9", 1)).unwrap();
    let found = check_export(&file, None).unwrap().findings;
    assert_eq!((found[0].number, &found[0].fault), (3, &Fault::Changed));
    enter(&store).await;
    let last = store.traces(&TraceFilter { limit: 1, ..TraceFilter::default() }).await.unwrap();
    assert_eq!(last[0].event, Event::AuditExported.word(), "who takes lines with him leaves one");
}

#[tokio::test]
async fn lines_are_found_by_bal_actor_event_message_and_period() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let eve = store.acting_as(Actor::Administrator("eve".into()));
    let (a, b) = (bal(&store, "a").await, bal(&eve, "b").await);
    let message = deliver(&store, &letter(500, false), &[&a, &b]).await;
    enter(&store).await;
    eve.set_bal_state(b.id, BalState::Suspended, "left").await.unwrap();
    let all = TraceFilter { limit: 100, ..TraceFilter::default() };
    let found = async |filter: TraceFilter| {
        let lines = store.traces(&filter).await.unwrap();
        lines.into_iter().map(|line| line.event).collect::<Vec<_>>()
    };
    let with = || all.clone();
    assert_eq!(found(with()).await, ["bal.created", "bal.created", "message.accepted", "bal.state"]);
    assert_eq!(found(TraceFilter { bal: Some(a.id), ..with() }).await, ["bal.created", "message.accepted"]);
    for actor in ["eve", "admin:eve"] {
        assert_eq!(found(TraceFilter { actor: Some(actor.into()), ..with() }).await, ["bal.created", "bal.state"]);
    }
    assert_eq!(found(TraceFilter { actor: Some("e%".into()), ..with() }).await, Vec::<String>::new());
    assert_eq!(found(with().of_class(EventClass::Send)).await, ["message.accepted"]);
    assert_eq!(found(TraceFilter { message: Some(message), ..with() }).await, ["message.accepted"]);
    let now = RealClock.now();
    assert_eq!(found(TraceFilter { from: Some(now + Duration::HOUR), ..with() }).await, Vec::<String>::new());
    assert_eq!(found(TraceFilter { limit: 1, ..with() }).await, ["bal.state"], "the newest, still waiting");
}

#[tokio::test]
async fn indicators_count_each_message_once_and_know_no_correspondents() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (a, b) = (bal(&store, "a").await, bal(&store, "b").await);
    for _ in 0..3 {
        deliver(&store, &letter(1_000, false), &[&a, &b]).await;
    }
    let message = seal(&store, &letter(1_000, false)).await;
    let mut sent = acceptance(message, &[], &["123@patient.mssante.fr", "x@peer.mssante.fr"]);
    sent.source = store::Source::Submission { bal: a.id, address: "::1".into(), right: None };
    store.accept(sent).await.unwrap();
    enter(&store).await;
    enter(&store).await;
    let month = RealClock.now().date().replace_day(1).unwrap();
    let indicators = store.indicators(month).await.unwrap();
    let total = indicators.rows.values().fold((0, 0, 0, 0), |sum, row| {
        (sum.0 + row.sent, sum.1 + row.received, sum.2 + row.to_patients, sum.3 + row.emitters)
    });
    assert_eq!(total, (1, 6, 1, 1));
    assert_eq!(indicators.rows.values().flat_map(|row| row.bals.values()).sum::<i64>(), 2);
    assert_eq!(indicators.software.iter().map(|row| (row.software.as_str(), row.sent)).collect::<Vec<_>>(), [("", 1)]);
    let row = store.indicators(month - Duration::days(1)).await.unwrap();
    assert!(row.rows.is_empty() && row.bals_counted_at.is_none(), "the month before");
    assert_eq!(count(&database, "indicator_day d WHERE d::text LIKE '%peer%'").await, 0);
}
