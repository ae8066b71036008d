//! The queue: leases, fences, ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{acceptance, address, bal, count, letter, run, seal};
use mssante::{Domain, ReversePath};
use store::{Claimed, DsnNotify, DsnParameters, HopFacts, Outcome, QueueStatus, Setback, Source, Store, Swept};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;

const LEASE: Duration = Duration::from_mins(5);

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(datetime!(2026-11-20 12:00 UTC)))
}

async fn queued(store: &Store, recipients: &[&str]) {
    let message = seal(store, &letter(100, false)).await;
    store.accept(acceptance(message, &[], recipients)).await.unwrap();
}

fn handed_over(entry: &Claimed) -> (store::QueueId, i64, Outcome) {
    let hop = HopFacts { dn_match: "strict", ..HopFacts::default() };
    let outcome = Outcome::HandedOver { reply: "250 2.0.0 ok".into(), host: "mx.peer.mssante.fr".into(), hop };
    (entry.id, entry.fence, outcome)
}

#[tokio::test]
async fn an_entry_keeps_what_the_sender_said() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let mut waiting = acceptance(seal(&store, &letter(100, false)).await, &[], &["Jean.Dupont@peer.mssante.fr"]);
    let dsn = DsnParameters {
        notify: DsnNotify::On { success: true, failure: true, delay: false },
        original_recipient: Some("rfc822;x+2By@z".into()),
    };
    waiting.relays[0].dsn = dsn.clone();
    waiting.smtputf8 = true;
    let id = waiting.message.id();
    let mut grown = store.watch_queue();
    store.accept(waiting).await.unwrap();
    assert!(grown.has_changed().unwrap());
    grown.mark_unchanged();
    let claimed = store.claim(10, LEASE).await.unwrap();
    let [entry] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!((entry.message, entry.size, entry.attempts), (id, letter(100, false).len() as u64, 0));
    assert_eq!(entry.header_size, letter(0, false).len() as u64);
    assert_eq!(entry.recipient.to_string(), "Jean.Dupont@peer.mssante.fr");
    assert_eq!(entry.reverse_path, ReversePath::Address(address("sender@ch.mssante.fr")));
    assert!(entry.smtputf8 && entry.dsn == dsn);
    assert_eq!((entry.envelope_id.as_deref(), entry.ret.as_deref()), (Some("envid"), Some("HDRS")));
}

#[tokio::test]
async fn no_entry_is_held_by_two() {
    let database = TestDatabase::new().await;
    let stores = [database.store().await, database.store().await];
    for _ in 0..5 {
        queued(&stores[0], &["a@peer.mssante.fr", "b@peer.mssante.fr", "c@other.mssante.fr", "d@peer.mssante.fr"])
            .await;
    }
    let claims = (0..10).map(|n| stores[n % 2].claim(3, LEASE));
    let claimed = futures_util::future::join_all(claims).await.into_iter().flat_map(Result::unwrap);
    let mut ids: Vec<_> = claimed.map(|entry| entry.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert!(stores[0].claim(100, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lease_that_ran_out_is_fenced_off() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    queued(&store, &["a@peer.mssante.fr"]).await;
    let first = store.claim(1, LEASE).await.unwrap().remove(0);
    assert_eq!(store.next_due().await.unwrap(), Some(datetime!(2026-11-20 12:05 UTC)), "when the lease ends");
    clock.advance(time::Duration::minutes(4));
    assert_eq!(store.renew(&[(first.id, first.fence)], LEASE).await.unwrap(), 1);
    clock.advance(time::Duration::minutes(4));
    assert!(store.claim(1, LEASE).await.unwrap().is_empty(), "renewed");
    clock.advance(time::Duration::minutes(2));
    let second = store.claim(1, LEASE).await.unwrap().remove(0);
    assert!(second.fence > first.fence);
    assert_eq!(second.attempts, 1, "the attempt that was never settled counts");
    assert_eq!(store.settle(&[handed_over(&first)]).await.unwrap(), 0);
    assert_eq!(store.renew(&[(first.id, first.fence)], LEASE).await.unwrap(), 0);
    assert_eq!(count(&database, "queue").await, 1);
    assert_eq!(store.settle(&[handed_over(&second)]).await.unwrap(), 1);
    assert_eq!(count(&database, "queue").await, 0);
    assert_eq!(count(&database, "trace WHERE event = 'relay.handed-over' AND peer = 'mx.peer.mssante.fr'").await, 1);
    assert_eq!(count(&database, "trace WHERE detail->'hop'->>'dn_match' = 'strict'").await, 1);
    assert_eq!(store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_deferred_entry_waits_for_its_time_or_for_the_peer() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    queued(&store, &["a@peer.mssante.fr"]).await;
    let entry = store.claim(1, LEASE).await.unwrap().remove(0);
    let later = datetime!(2026-11-20 13:00 UTC);
    let peer = Domain::parse("peer.mssante.fr").unwrap();
    assert_eq!(store.make_due(&peer).await.unwrap(), 0, "what is being worked on is left alone");
    let outcome =
        Outcome::Deferred { next_attempt: later, setback: Setback::new("refused-by-peer", "451 4.3.0 later") };
    assert_eq!(store.settle(&[(entry.id, entry.fence, outcome)]).await.unwrap(), 1);
    assert_eq!(store.next_due().await.unwrap(), Some(later));
    assert!(store.claim(1, LEASE).await.unwrap().is_empty());
    assert_eq!(store.make_due(&Domain::parse("other.mssante.fr").unwrap()).await.unwrap(), 0);
    assert_eq!(store.make_due(&peer).await.unwrap(), 1);
    assert_eq!(store.claim(1, LEASE).await.unwrap().len(), 1);
    clock.advance(time::Duration::seconds(90));
    assert_eq!(store.queue_status().await.unwrap(), QueueStatus { pending: 1, oldest_seconds: 90 });
}

#[tokio::test]
async fn a_failure_and_its_report_are_one() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    let sender = bal(&store, "sender").await;
    queued(&store, &["a@peer.mssante.fr", "b@peer.mssante.fr"]).await;
    let report = async || {
        let mut report = acceptance(seal(&store, &letter(300_000, true)).await, &[&sender], &[]);
        report.source = Source::Internal;
        report.reverse_path = ReversePath::Null;
        Some(report)
    };
    let stale = store.claim(10, LEASE).await.unwrap();
    let failed = |entries: &[Claimed]| -> Vec<_> {
        let setback = Setback::new("refused-by-peer", "550 5.1.1 unknown");
        entries.iter().map(|entry| (entry.id, entry.fence, setback.clone())).collect()
    };
    // One of the two is taken over by another process before the report is written.
    clock.advance(time::Duration::minutes(6));
    let taken_over = store.claim(1, LEASE).await.unwrap();
    assert_eq!(store.settle_failed(&failed(&stale), report().await).await.unwrap(), 0);
    assert_eq!(count(&database, "queue").await, 2);
    assert_eq!(count(&database, "folder_message").await, 0);
    let mut held = store.claim(1, LEASE).await.unwrap();
    held.extend(taken_over);
    let inbox = store.open_folder(sender.id, "INBOX", false).await.unwrap().folder.id;
    let woken = store.watch_folder(inbox);
    assert_eq!(store.settle_failed(&failed(&held), report().await).await.unwrap(), 2);
    assert!(woken.has_changed().unwrap());
    assert_eq!(count(&database, "queue").await, 0);
    assert_eq!(count(&database, "folder_message").await, 1);
    assert_eq!(
        count(&database, "trace WHERE event = 'relay.failed' AND detail->>'reason' = 'refused-by-peer'").await,
        2
    );
    assert_eq!(store.settle_failed(&failed(&held), report().await).await.unwrap(), 0, "never a second report");
    assert_eq!(count(&database, "folder_message").await, 1);
    clock.advance(time::Duration::minutes(11));
    assert_eq!(
        store.sweep().await.unwrap(),
        Swept { staged: 0, messages: 1 },
        "the message that failed goes, the report stays"
    );
    store.close().await;
    assert_eq!(count(&database, "staged_message").await, 0, "reports that were not needed left nothing");
    assert_eq!(count(&database, "message_chunk").await, 2);
}

#[tokio::test]
async fn a_failure_without_report_just_ends() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    queued(&store, &["a@peer.mssante.fr"]).await;
    let entry = store.claim(1, LEASE).await.unwrap().remove(0);
    assert_eq!(
        store.settle_failed(&[(entry.id, entry.fence, Setback::new("refused-by-peer", "550 no"))], None).await.unwrap(),
        1
    );
    assert_eq!(store.queue_status().await.unwrap(), QueueStatus::default());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_held_and_the_others_go_on() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let peers = ["a@peer.mssante.fr", "b@peer.mssante.fr", "c@peer.mssante.fr", "d@peer.mssante.fr"];
    queued(&store, &peers).await;
    run(&database, "UPDATE queue SET recipient = 'no address' WHERE recipient_key = 'a@peer.mssante.fr'").await;
    run(&database, "UPDATE queue SET dsn = '[7]' WHERE recipient_key = 'b@peer.mssante.fr'").await;
    run(&database, "UPDATE queue SET reverse_path = '@' WHERE recipient_key = 'c@peer.mssante.fr'").await;
    let claimed = store.claim(10, LEASE).await.unwrap();
    let [entry] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!(entry.recipient.to_string(), "d@peer.mssante.fr");
    assert_eq!(count(&database, "queue WHERE state = 'held' AND lease_until IS NULL").await, 3);
    assert_eq!(count(&database, "trace WHERE event = 'relay.held'").await, 3);
}

#[tokio::test]
async fn the_oldest_come_first() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    for name in ["a", "b", "c", "d"] {
        queued(&store, &[&format!("{name}@peer.mssante.fr")]).await;
        clock.advance(time::Duration::seconds(1));
    }
    let mut claimed = store.claim(2, LEASE).await.unwrap();
    claimed.extend(store.claim(2, LEASE).await.unwrap());
    let order: String = claimed.iter().map(|entry| entry.recipient.local().as_str()).collect();
    assert_eq!(order, "abcd");
}

#[tokio::test]
async fn what_was_not_tried_is_given_back_and_not_counted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    queued(&store, &["a@peer.mssante.fr"]).await;
    let entry = store.claim(1, LEASE).await.unwrap().remove(0);
    assert_eq!(store.release(&[(entry.id, entry.fence - 1)]).await.unwrap(), 0, "another one's lease");
    assert_eq!(store.release(&[(entry.id, entry.fence)]).await.unwrap(), 1);
    let again = store.claim(1, LEASE).await.unwrap().remove(0);
    assert_eq!((again.id, again.attempts), (entry.id, 0));
}

#[tokio::test]
async fn what_is_held_stays_until_somebody_looks() {
    let database = TestDatabase::new().await;
    let clock = clock();
    let store = database.store_at(clock.clone()).await;
    queued(&store, &["a@peer.mssante.fr"]).await;
    let entry = store.claim(1, LEASE).await.unwrap().remove(0);
    assert_eq!(store.hold(&[(entry.id, entry.fence, "nobody to tell".into())]).await.unwrap(), 1);
    clock.advance(time::Duration::hours(1));
    assert!(store.claim(1, LEASE).await.unwrap().is_empty());
    assert_eq!(store.queue_status().await.unwrap().pending, 1);
    assert_eq!(count(&database, "trace WHERE event = 'relay.held'").await, 1);
}
