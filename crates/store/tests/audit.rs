//! The audit trail as a chain: entering, tampering, retention, export, indicators.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/trail.rs"]
mod trail;

use common::{acceptance, bal, count, deliver, letter, run, seal};
use mssante::{BalState, Clock as _};
use store::{
    Actor, Event, EventClass, Fault, Finding, Followed, Store, TraceFilter, TraceFormat, Witness, check_export,
};
use testkit::clock::RealClock;
use testkit::postgres::TestDatabase;
use time::Duration;
use time::macros::datetime;
use trail::{enter, faults, on_a_day, patients, record};

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

/// Puts the chain of twelve lines back that was saved before.
const SET_BACK: [&str; 4] = [
    "DELETE FROM trace_line WHERE number > 12",
    "DELETE FROM trace_link WHERE last > 12",
    "DELETE FROM trace_head",
    "INSERT INTO trace_head SELECT * FROM saved",
];

/// Fifteen lines, of which the last three are gone again; and the end with them, as a node saw it.
async fn set_back() -> (TestDatabase, Store, Witness) {
    let (database, store) = chained().await;
    run(&database, "CREATE TABLE saved AS SELECT * FROM trace_head").await;
    record(&store, Event::BalEdited, 3).await;
    enter(&store).await;
    run(&database, "CREATE TABLE link AS SELECT * FROM trace_link WHERE last = 15").await;
    let Followed::To(seen) = store.follow_traces(None).await.unwrap() else { panic!("nothing is wrong yet") };
    for sql in SET_BACK {
        run(&database, sql).await;
    }
    (database, store, seen)
}

fn lost(number: i64, fault: Fault) -> Followed {
    Followed::Lost(Finding { number, fault })
}

#[tokio::test]
async fn an_end_that_was_seen_is_followed_to_the_present_one() {
    let (_database, store) = chained().await;
    let Followed::To(seen) = store.follow_traces(None).await.unwrap() else { panic!("the chain holds") };
    assert_eq!(seen.number, 12);
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), Followed::To(seen), "nothing new");
    for _ in 0..2 {
        record(&store, Event::BalEdited, 2).await;
        enter(&store).await;
    }
    let end = store.trace_end().await.unwrap();
    assert_eq!(end.number, 16);
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), Followed::To(end));
    let beginning = Witness { number: 0, hash: [0; 32] };
    assert_eq!(store.follow_traces(Some(beginning)).await.unwrap(), Followed::To(end));
}

#[tokio::test]
async fn a_chain_that_was_set_back_is_lost_also_when_it_goes_on() {
    let (_database, store, seen) = set_back().await;
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(13, Fault::CutOff(15)));
    record(&store, Event::BalEdited, 3).await;
    enter(&store).await;
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(15, Fault::NotAsWitnessed));
    record(&store, Event::BalEdited, 3).await;
    enter(&store).await;
    assert_eq!(faults(&store).await, [], "the database alone cannot tell");
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(16, Fault::Broken(18)));
    assert_eq!(store.verify_traces(&[seen]).await.unwrap().faults, 1);
}

#[tokio::test]
async fn an_end_that_is_put_back_for_those_who_look_convinces_nobody() {
    let (database, store, seen) = set_back().await;
    for _ in 0..2 {
        record(&store, Event::BalEdited, 3).await;
        enter(&store).await;
    }
    run(&database, "DELETE FROM trace_link WHERE last = 15").await;
    run(&database, "INSERT INTO trace_link SELECT * FROM link").await;
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(16, Fault::Broken(18)));
}

#[tokio::test]
async fn what_is_not_signed_is_not_followed() {
    let (database, store) = chained().await;
    let Followed::To(seen) = store.follow_traces(None).await.unwrap() else { panic!("the chain holds") };
    record(&store, Event::BalEdited, 2).await;
    enter(&store).await;
    run(&database, "UPDATE trace_link SET mac = sha256(mac) WHERE last = 14").await;
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(13, Fault::Forged(14)));
    run(&database, "DELETE FROM trace_link WHERE last = 14").await;
    assert_eq!(store.follow_traces(Some(seen)).await.unwrap(), lost(13, Fault::Unlinked(14)));
    run(&database, "UPDATE trace_head SET mac = sha256(mac)").await;
    assert_eq!(store.follow_traces(None).await.unwrap(), lost(14, Fault::WrongEnd));
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
async fn an_export_tells_lines_of_the_period_from_those_of_their_links() {
    let (_database, store, clock) = on_a_day().await;
    for _ in 0..3 {
        record(&store, Event::BalEdited, 2).await;
        clock.advance(Duration::DAY);
        record(&store, Event::BalEdited, 3).await;
        enter(&store).await;
    }
    let day = (datetime!(2026-01-11 0:00 UTC), datetime!(2026-01-12 0:00 UTC));
    let exported = store.export_traces(day.0, day.1, TraceFormat::Csv, std::io::sink()).await.unwrap().unwrap();
    assert_eq!((exported.first, exported.last, exported.lines, exported.in_period), (1, 10, 10, 5));
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
