//! Every statement of a message's life finds its rows by an index: a folder of 100,000 messages must not make anything
//! read a whole table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{WHOLE, acceptance, bal, deliver, direct, letter, read, run, seal};
use message::Span;
use mssante::Domain;
use store::{FlagChange, Flags, HopFacts, Outcome, Setback, Store, TraceFilter};
use testkit::postgres::TestDatabase;

async fn live(store: &Store) {
    let bal = bal(store, "a").await;
    let short = deliver(store, &letter(100, false), &[&bal]).await;
    let long = deliver(store, &letter(600_000, true), &[&bal]).await;
    read(store, long, WHOLE).await.unwrap();
    store.read_spans(&[(short, Span { start: 0, len: 9 }), (long, WHOLE)]).await.unwrap();
    store.summaries(&[short, long]).await.unwrap();
    let inbox = store.open_folder(bal.id, "INBOX", true).await.unwrap().folder.id;
    let trash = store.open_folder(bal.id, "Trash", false).await.unwrap().folder.id;
    let deleted = Flags { deleted: true, keywords: ["k".into()].into(), ..Flags::default() };
    store.copy(inbox, &[1, 2], trash).await.unwrap();
    store.move_messages(inbox, &[2], trash).await.unwrap();
    store.change_flags(inbox, &[1], &FlagChange::Add(deleted)).await.unwrap();
    store.expunge(inbox, Some(&[2])).await.unwrap();
    store.expunge(inbox, None).await.unwrap();
    store.changes(inbox, 1).await.unwrap();
    store.folder_status(trash).await.unwrap();
    store.accept(acceptance(seal(store, b"\r\n").await, &[], &["a@p.fr", "b@p.fr", "c@p.fr"])).await.unwrap();
    let lease = Duration::from_mins(5);
    let entries = store.claim(3, lease).await.unwrap();
    let held: Vec<_> = entries.iter().map(|entry| (entry.id, entry.fence)).collect();
    store.renew(&held, lease).await.unwrap();
    let next_attempt = entries[0].accepted_at + Duration::from_hours(1);
    let deferred = Outcome::Deferred { next_attempt, setback: Setback::new("x", "451") };
    let done = Outcome::HandedOver { reply: "250".into(), host: "mx".into(), hop: HopFacts::default() };
    store.settle(&[(held[0].0, held[0].1, deferred), (held[1].0, held[1].1, done)]).await.unwrap();
    store.settle_failed(&[(held[2].0, held[2].1, Setback::new("x", "550"))], None).await.unwrap();
    store.make_due(&Domain::parse("p.fr").unwrap()).await.unwrap();
    store.next_due().await.unwrap();
    store.sweep().await.unwrap();
}

#[tokio::test]
async fn a_few_messages_of_a_large_folder_are_found_without_reading_the_others() {
    const OTHERS: i64 = 5_000;
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let message = deliver(&store, &letter(10, false), &[&bal]).await;
    let inbox = store.open_folder(bal.id, "INBOX", false).await.unwrap().folder.id;
    let trash = store.open_folder(bal.id, "Trash", false).await.unwrap().folder.id;
    let fill = format!(
        "INSERT INTO folder_message (folder_id, message_id, uid, modseq, internal_date, size, flags)
         SELECT {}, {}, 1 + n, 2, now(), 1, 8 FROM generate_series(1, {OTHERS}) AS n",
        inbox.0, message.0
    );
    run(&database, &fill).await;
    run(&database, &format!("UPDATE folder SET uid_next = {} WHERE id = {}", OTHERS + 2, inbox.0)).await;
    run(&database, "ANALYZE").await;
    store.close().await;
    let before = rows_read(&database, "folder_message").await;
    let store = database.store().await;
    store.copy(inbox, &[17, 4_000], trash).await.unwrap();
    store.move_messages(inbox, &[18, 4_001], trash).await.unwrap();
    store.change_flags(inbox, &[19], &FlagChange::Add(Flags { seen: true, ..Flags::default() })).await.unwrap();
    assert_eq!(store.expunge(inbox, Some(&[20, 4_002])).await.unwrap(), [20, 4_002]);
    store.close().await;
    let read = rows_read(&database, "folder_message").await - before;
    assert!(read < 100, "{read} rows of folder_message were read for seven");
}

#[tokio::test]
async fn lines_of_a_bal_or_an_actor_are_found_without_reading_the_others() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    // What a platform has after a while: letters to others, by others. The BAL has two lines at the beginning.
    let fill = format!(
        "INSERT INTO trace_line (number, at, event, digest, salt, actor, bal_id, detail)
         SELECT n, now(), 'message.accepted', '\\x00'::bytea, '\\x00'::bytea, 'bal:' || n % 500 || '@x.fr', 1000 + n % 500,
                json_build_object('bals', json_build_array(2000 + n % 500))::text
         FROM generate_series(3, 20000) AS n
         UNION ALL SELECT 1, now(), 'bal.created', '\\x00', '\\x00', 'admin:eve', {id}, NULL
         UNION ALL SELECT 2, now(), 'message.accepted', '\\x00', '\\x00', 'operator', NULL, '{{\"bals\":[7,{id}]}}'",
        id = bal.id.0
    );
    run(&database, &fill).await;
    run(&database, "VACUUM ANALYZE trace_line").await;
    store.close().await;
    let filters = [
        TraceFilter { bal: Some(bal.id), ..TraceFilter::default() },
        TraceFilter { actor: Some("eve".into()), ..TraceFilter::default() },
        TraceFilter { actor: Some("nobody".into()), ..TraceFilter::default() },
    ];
    for (filter, found) in filters.into_iter().zip([vec![1, 2], vec![1], vec![]]) {
        let before = rows_read(&database, "trace_line").await;
        let store = database.store().await;
        let lines = store.traces(&TraceFilter { limit: 100, ..filter.clone() }).await.unwrap();
        store.close().await;
        assert_eq!(lines.iter().filter_map(|line| line.number).collect::<Vec<_>>(), found, "{filter:?}");
        let read = rows_read(&database, "trace_line").await - before;
        assert!(read < 50, "{filter:?}: {read} rows were read");
    }
}

/// Rows of a table that were read, by an index or without.
async fn rows_read(database: &TestDatabase, table: &str) -> i64 {
    // Counters are complete when the sessions have ended.
    tokio::time::sleep(Duration::from_millis(300)).await;
    sqlx::query_scalar("SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables WHERE relname = $1")
        .bind(table)
        .fetch_one(&mut direct(database).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_messages() {
    let database = TestDatabase::new().await;
    // So small a table is read whole where that is cheaper; with this, only where there is no other way.
    let name = database.url().split(['/', '?']).find(|part| part.starts_with("pli_test_")).unwrap();
    run(&database, &format!("ALTER DATABASE {name} SET enable_seqscan = off")).await;
    let store = database.store().await;
    live(&store).await;
    // Counters are complete when the sessions have ended.
    store.close().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let scans: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT relname::text, seq_scan, idx_scan FROM pg_stat_user_tables
         WHERE relname IN ('expunged', 'folder', 'folder_message', 'message', 'message_chunk', 'queue')",
    )
    .fetch_all(&mut direct(&database).await)
    .await
    .unwrap();
    assert_eq!(scans.len(), 6);
    for (table, whole, by_index) in scans {
        assert!(whole == 0 && by_index > 0, "{table}: read whole {whole} times, by an index {by_index} times");
    }
}
