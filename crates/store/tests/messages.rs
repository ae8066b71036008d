//! Messages: taken in, accepted, read back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{WHOLE, acceptance, bal, count, deliver, direct, letter, listening_store, read, run, seal, seal_in_steps};
use message::{MssHeaders, Span};
use mssante::BalState;
use sqlx::Connection;
use store::{Acceptance, Flags, FolderId, Source, StoreError, Swept};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;

const CHUNK: usize = 256 * 1024;

#[tokio::test]
async fn what_was_received_comes_back_octet_by_octet() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let header = letter(0, false).len();
    // Sizes around the border of a chunk, where off-by-one errors live.
    for size in [0, 1, 4_000, CHUNK - header - 1, CHUNK - header, CHUNK - header + 1, 2 * CHUNK - header, 700_001] {
        for (noise, step) in [(true, 65_536), (false, 1_000), (true, CHUNK), (false, usize::MAX)] {
            let octets = letter(size, noise);
            let message = seal_in_steps(&store, &octets, step).await;
            let id = message.id();
            store.accept(acceptance(message, &[&bal], &[])).await.unwrap();
            assert!(read(&store, id, WHOLE).await.unwrap() == octets, "{size} {noise} {step}");
            let summary = store.summaries(&[id]).await.unwrap().remove(&id).unwrap();
            assert_eq!(summary, common::summary(&octets));
        }
    }
    assert_eq!(count(&database, "staged_message").await, 0);
}

#[tokio::test]
async fn a_span_is_read_without_the_rest() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let octets = letter(1_000_000, true);
    let id = deliver(&store, &octets, &[&bal]).await;
    let border = CHUNK as u64;
    // The first chunk is damaged: spans elsewhere must not care.
    run(&database, "UPDATE message_chunk SET data = '\\x00' WHERE n = 0").await;
    let spans = [(border, 10), (border + 1, border), (2 * border - 3, 7), (3 * border, u64::MAX), (999_999, 1)];
    for (start, len) in spans {
        let end = start.saturating_add(len).min(octets.len() as u64);
        let expected = &octets[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        assert!(read(&store, id, Span { start, len }).await.unwrap() == expected, "{start} {len}");
        assert!(store.read_spans(&[(id, Span { start, len })]).await.unwrap() == [expected.to_vec()], "{start} {len}");
    }
    let beyond = Span { start: 5_000_000, len: 3 };
    assert_eq!(read(&store, id, beyond).await.unwrap(), b"");
    assert!(matches!(read(&store, id, Span { start: 0, len: 1 }).await, Err(StoreError::Unseal(_))));
}

#[tokio::test]
async fn headers_of_many_messages_come_in_order() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let mut wanted = Vec::new();
    let mut expected = Vec::new();
    for size in [10, 300_000, 20, 0] {
        let octets = letter(size, true);
        let id = deliver(&store, &octets, &[&bal]).await;
        for len in [16, 0, octets.len() as u64] {
            wanted.push((id, Span { start: 0, len }));
            expected.push(octets[..usize::try_from(len).unwrap()].to_vec());
        }
    }
    wanted.reverse();
    expected.reverse();
    assert!(store.read_spans(&wanted).await.unwrap() == expected);
    let gone = store::MessageId(9_999_999);
    assert!(matches!(store.read_spans(&[(gone, WHOLE)]).await, Err(StoreError::NoSuchMessage(_))));
    assert!(store.summaries(&[gone]).await.unwrap().is_empty());
}

#[tokio::test]
async fn octets_that_are_not_what_was_received_are_noticed() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let id = deliver(&store, &letter(600_000, true), &[&bal]).await;
    let short = deliver(&store, &letter(100, true), &[&bal]).await;
    let whole = Span { start: 0, len: letter(100, true).len() as u64 };
    run(&database, "UPDATE message SET digest = set_byte(digest, 5, get_byte(digest, 5) # 1)").await;
    assert!(matches!(read(&store, id, WHOLE).await, Err(StoreError::Unseal(_))));
    assert!(matches!(store.read_spans(&[(short, whole)]).await, Err(StoreError::Unseal(_))));
    let part = Span { start: 1, ..whole };
    assert_eq!(store.read_spans(&[(short, part)]).await.unwrap(), [letter(100, true)[1..].to_vec()]);
    run(&database, "UPDATE message SET digest = set_byte(digest, 5, get_byte(digest, 5) # 1)").await;
    run(&database, "DELETE FROM message_chunk WHERE n = 1").await;
    let error = read(&store, id, WHOLE).await.unwrap_err();
    assert!(matches!(error, StoreError::Inconsistent { table: "message_chunk", .. }), "{error}");
}

#[tokio::test]
async fn nothing_readable_reaches_the_database() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    deliver(&store, b"Subject: SECRETSUBJECT\r\n\r\nSECRETBODY\r\n", &[&bal]).await;
    // Nor anything that would confirm a guess.
    let guess = "message WHERE position(sha256('Subject: SECRETSUBJECT\r\n\r\nSECRETBODY\r\n') IN digest) > 0";
    assert_eq!(count(&database, &guess.replace("sha256('", "sha256(E'")).await, 0);
    for column in ["message.summary", "message_chunk.data"] {
        let (table, column) = column.split_once('.').unwrap();
        let found = format!("{table} WHERE position('SECRET'::bytea IN {column}) > 0");
        assert_eq!(count(&database, &found).await, 0);
    }
    assert_eq!(count(&database, "trace WHERE detail::text LIKE '%SECRET%'").await, 0);
}

#[tokio::test]
async fn forty_recipients_share_one_body_and_get_one_copy_each() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let mut bals = Vec::new();
    for number in 0..40 {
        bals.push(bal(&store, &format!("b{number}")).await);
    }
    let message = seal(&store, &letter(4_000, true)).await;
    let twice: Vec<_> = bals.iter().chain(&bals).collect();
    store.accept(acceptance(message, &twice, &["x@peer.mssante.fr", "X@peer.mssante.fr"])).await.unwrap();
    assert_eq!(count(&database, "message").await, 1);
    assert_eq!(count(&database, "message_chunk").await, 1);
    assert_eq!(count(&database, "folder_message").await, 40);
    assert_eq!(count(&database, "(SELECT DISTINCT delivered_to FROM folder_message) AS d").await, 40);
    assert_eq!(count(&database, "queue").await, 1);
    assert_eq!(count(&database, "trace WHERE event = 'message.accepted' AND peer = 'cn=peer'").await, 1);
}

#[tokio::test]
async fn what_is_being_taken_in_can_be_read_back_before_it_is_accepted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let octets = letter(2 * CHUNK + 1_000, true);
    let mut intake = store.begin_intake().await.unwrap();
    for piece in octets.chunks(50_000) {
        intake.write(piece).await.unwrap();
    }
    for start in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK, octets.len() - 1] {
        let mut back = Vec::new();
        while start + back.len() < octets.len() {
            let piece = intake.octets_from((start + back.len()) as u64).await.unwrap();
            assert!((1..=CHUNK).contains(&piece.len()));
            back.extend_from_slice(&piece);
        }
        assert!(back == octets[start..], "from {start}");
    }
    for beyond in [octets.len() as u64, 1 << 40, u64::MAX] {
        assert!(intake.octets_from(beyond).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_trace_of_an_acceptance_holds_what_was_found_out_about_the_message_and_nothing_where_there_is_nothing() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let plain = acceptance(seal(&store, &letter(10, false)).await, &[&bal], &[]);
    store.accept(plain).await.unwrap();
    assert_eq!(count(&database, "trace WHERE detail ? 'facts'").await, 0);
    let mut told = acceptance(seal(&store, &letter(10, false)).await, &[&bal], &[]);
    told.facts.headers = MssHeaders::read(b"X-MSS-INS: O\r\nX-MSS-CODECDA: 34112-3\r\n");
    told.facts.has_archive = true;
    store.accept(told).await.unwrap();
    let facts = r#"{"xdm": true, "cda": 1, "ins": "O"}"#;
    assert_eq!(count(&database, &format!("trace WHERE detail -> 'facts' = '{facts}'::jsonb")).await, 1);
}

#[tokio::test]
async fn an_acceptance_happens_whole_or_not_at_all() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    // The last table that is written to refuses.
    run(&database, "ALTER TABLE queue ADD CONSTRAINT full_disk CHECK (domain <> 'bad.mssante.fr')").await;
    let bad = seal(&store, &letter(600_000, true)).await;
    let refused = store.accept(acceptance(bad, &[&bal], &["x@bad.mssante.fr"])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    for table in ["message", "folder_message", "queue", "trace WHERE event = 'message.accepted'"] {
        assert_eq!(count(&database, table).await, 0, "{table}");
    }
    store.close().await;
    assert_eq!(count(&database, "message_chunk").await, 0, "its staged chunks were removed");
    assert_eq!(count(&database, "folder WHERE uid_next > 1").await, 0, "and no UID was used up");
}

#[tokio::test]
async fn one_bad_message_does_not_spoil_its_batch() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    run(&database, "ALTER TABLE queue ADD CONSTRAINT full_disk CHECK (domain <> 'bad.mssante.fr')").await;
    let accept = async |number: usize| {
        let message = seal(&store, &letter(100, true)).await;
        let remote = if number.is_multiple_of(5) { "x@bad.mssante.fr" } else { "x@good.mssante.fr" };
        store.accept(acceptance(message, &[&bal], &[remote])).await.is_ok()
    };
    let accepted = futures_util::future::join_all((0..50).map(accept)).await;
    for (number, accepted) in accepted.into_iter().enumerate() {
        assert_eq!(accepted, !number.is_multiple_of(5), "{number}");
    }
    assert_eq!(count(&database, "folder_message").await, 40);
    assert_eq!(count(&database, "queue").await, 40);
}

#[tokio::test]
async fn a_message_without_recipients_or_for_an_unknown_bal_is_refused() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let message = seal(&store, b"\r\n").await;
    assert!(matches!(store.accept(acceptance(message, &[], &[])).await, Err(StoreError::NoRecipient)));
    let mut unknown = bal(&store, "a").await;
    unknown.id = mssante::BalId(4_711);
    let message = seal(&store, b"\r\n").await;
    assert!(matches!(store.accept(acceptance(message, &[&unknown], &[])).await, Err(StoreError::NoSuchBal(_))));
    assert_eq!(count(&database, "message").await, 0);
}

#[tokio::test]
async fn a_locked_folder_holds_up_its_own_mail_only() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (locked, free) = (bal(&store, "a").await, bal(&store, "b").await);
    let mut holder = direct(&database).await;
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM folder WHERE bal_id = $1 FOR UPDATE").bind(locked.id.0).execute(&mut *lock).await.unwrap();
    let octets = letter(10, false);
    let (to_locked, to_both, to_free) = ([&locked], [&locked, &free], [&free]);
    let held =
        futures_util::future::join_all([deliver(&store, &octets, &to_locked), deliver(&store, &octets, &to_both)]);
    let others = async {
        for _ in 0..20 {
            futures_util::future::join_all((0..5).map(|_| deliver(&store, &octets, &to_free))).await;
        }
        assert_eq!(count(&database, "folder_message").await, 100);
        lock.rollback().await.unwrap();
    };
    let both = async { tokio::join!(held, others) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("nobody waits for the locked folder's sake");
    assert_eq!(count(&database, "folder_message").await, 103);
    store.close().await;
}

#[tokio::test]
async fn closing_does_not_wait_for_a_locked_folder() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let mut holder = direct(&database).await;
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM folder FOR UPDATE").execute(&mut *lock).await.unwrap();
    let message = seal(&store, &letter(10, false)).await;
    let accepting = tokio::spawn({
        let store = store.clone();
        let acceptance = acceptance(message, &[&bal], &[]);
        async move { store.accept(acceptance).await }
    });
    tokio::task::yield_now().await;
    store.close().await;
    assert!(matches!(accepting.await.unwrap(), Err(StoreError::Unavailable(_))));
    lock.rollback().await.unwrap();
    assert_eq!(count(&database, "message").await, 0);
}

#[tokio::test]
async fn uids_of_many_concurrent_acceptances_are_unique_and_without_gaps() {
    let database = TestDatabase::new().await;
    // Two stores are two nodes: their committers meet in the row of the folder only.
    let stores = [database.store().await, database.store().await];
    let (busy, other) = (bal(&stores[0], "a").await, bal(&stores[0], "b").await);
    let accept = async |number: usize| {
        let store = &stores[number % 2];
        let message = seal(store, &letter(number, true)).await;
        let both = [&busy, &other];
        store.accept(acceptance(message, &both[..=number % 2], &[])).await.unwrap();
    };
    futures_util::future::join_all((0..300).map(accept)).await;
    let wrong =
        "(SELECT folder_id, count(*) AS n, min(uid) AS least, max(uid) AS most, count(DISTINCT uid) AS different
                  FROM folder_message GROUP BY folder_id) AS f
                 JOIN folder ON folder.id = f.folder_id
                 WHERE least <> 1 OR most <> n OR different <> n OR uid_next <> n + 1";
    assert_eq!(count(&database, wrong).await, 0);
    assert_eq!(count(&database, "folder_message").await, 450);
    let backwards = "folder_message a JOIN folder_message b ON a.folder_id = b.folder_id AND a.uid < b.uid
                     WHERE a.modseq > b.modseq";
    assert_eq!(count(&database, backwards).await, 0, "UIDs and MODSEQs rise together");
}

#[tokio::test]
async fn append_tells_the_uid_and_keeps_flags_and_date() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let sent = store.folders(bal.id).await.unwrap().into_iter().find(|folder| folder.name == "Sent").unwrap();
    let flags =
        Flags { seen: true, draft: true, keywords: ["$Forwarded".into(), "x".into()].into(), ..Flags::default() };
    let date = datetime!(2020-02-03 04:05:06 +01:00);
    let first =
        store.append(sent.id, seal(&store, b"a: b\r\n\r\n1").await, flags.clone(), Some(date), None).await.unwrap();
    let second =
        store.append(sent.id, seal(&store, b"a: b\r\n\r\n2").await, Flags::default(), None, None).await.unwrap();
    assert_eq!((first.uid, second.uid), (1, 2));
    assert_eq!(first.uid_validity, sent.uid_validity);
    let opened = store.open_folder(bal.id, "Sent", false).await.unwrap();
    assert_eq!(opened.entries[0].flags, flags);
    assert_eq!(opened.entries[0].internal_date, date);
    assert_eq!(opened.entries[1].flags, Flags::default());
    let nowhere = store.append(FolderId(999), seal(&store, b"\r\n").await, Flags::default(), None, None).await;
    assert!(matches!(nowhere, Err(StoreError::NoSuchFolder)), "{nowhere:?}");
    assert_eq!(count(&database, "message").await, 2);
}

#[tokio::test]
async fn an_intake_that_is_dropped_leaves_no_rows() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let octets = letter(1_000_000, true);
    let mut intake = store.begin_intake().await.unwrap();
    intake.write(&octets).await.unwrap();
    assert_eq!(count(&database, "staged_message").await, 1);
    assert_eq!(count(&database, "message_chunk").await, 3);
    drop(intake);
    drop(seal(&store, &octets).await);
    store.close().await;
    for table in ["staged_message", "message_chunk", "message"] {
        assert_eq!(count(&database, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_is_being_written_is_not() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-11-20 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    let bal = bal(&store, "a").await;
    let accepted = deliver(&store, &letter(600_000, true), &[&bal]).await;
    let mut dead = store.begin_intake().await.unwrap();
    dead.write(&letter(600_000, true)).await.unwrap();
    // As if its process had been killed: no destructor runs.
    std::mem::forget(dead);
    clock.advance(time::Duration::minutes(61));
    let mut alive = store.begin_intake().await.unwrap();
    alive.write(&letter(600_000, true)).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), Swept { staged: 1, messages: 0 });
    assert_eq!(store.sweep().await.unwrap(), Swept::default());
    assert_eq!(count(&database, "message_chunk").await, 3 + 2);
    assert_eq!(read(&store, accepted, WHOLE).await.unwrap().len(), letter(600_000, true).len());
}

#[tokio::test]
async fn a_message_whose_chunks_were_swept_is_not_accepted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let message = seal(&store, &letter(600_000, true)).await;
    run(&database, "WITH gone AS (DELETE FROM staged_message) DELETE FROM message_chunk").await;
    let refused = store.accept(acceptance(message, &[&bal], &[])).await;
    assert!(matches!(refused, Err(StoreError::Inconsistent { table: "message_chunk", .. })), "{refused:?}");
    assert_eq!(count(&database, "message").await, 0);
}

#[tokio::test]
async fn an_intake_that_was_swept_while_it_paused_does_not_go_on_without_its_beginning() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-11-20 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    let mut slow = store.begin_intake().await.unwrap();
    slow.write(&letter(600_000, true)).await.unwrap();
    clock.advance(time::Duration::minutes(61));
    assert_eq!(store.sweep().await.unwrap(), Swept { staged: 1, messages: 0 });
    let late = slow.write(&letter(600_000, true)).await;
    assert!(matches!(late, Err(StoreError::Inconsistent { table: "staged_message", .. })), "{late:?}");
    assert_eq!(count(&database, "message_chunk").await, 0);
}

#[tokio::test]
async fn a_message_that_lacks_a_chunk_is_not_accepted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let message = seal(&store, &letter(600_000, true)).await;
    run(&database, "DELETE FROM message_chunk WHERE n = 0").await;
    let refused = store.accept(acceptance(message, &[&bal], &[])).await;
    assert!(matches!(refused, Err(StoreError::Inconsistent { table: "message_chunk", .. })), "{refused:?}");
    assert_eq!(count(&database, "message").await, 0);
}

#[tokio::test]
async fn a_body_goes_when_its_last_reference_is_gone() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-11-20 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    let (one, two) = (bal(&store, "a").await, bal(&store, "b").await);
    let shared = deliver(&store, &letter(600_000, true), &[&one, &two]).await;
    let single = deliver(&store, &letter(10, true), &[&one]).await;
    let inbox = store.open_folder(one.id, "INBOX", false).await.unwrap().folder.id;
    let all = store::FlagChange::Add(Flags { deleted: true, ..Flags::default() });
    store.change_flags(inbox, &[1, 2], &all).await.unwrap();
    store.expunge(inbox, None).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), Swept::default(), "a session may still be reading it");
    clock.advance(time::Duration::minutes(11));
    assert_eq!(store.sweep().await.unwrap(), Swept { staged: 0, messages: 1 });
    assert!(matches!(read(&store, single, WHOLE).await, Err(StoreError::NoSuchMessage(_))));
    assert_eq!(read(&store, shared, WHOLE).await.unwrap(), letter(600_000, true));
    assert_eq!(count(&database, "message_chunk").await, 3);
}

#[tokio::test]
async fn an_acceptance_survives_the_loss_of_its_connections() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let sessions = async {
        for _ in 0..10 {
            run(&database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pli' AND datname = current_database()").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mail = async {
        let mut accepted = 0;
        for number in 0..100 {
            let Ok(mut intake) = store.begin_intake().await else { continue };
            let octets = letter(number, true);
            intake.write(&octets).await.unwrap();
            let message = intake.finish(common::summary(&octets)).await.unwrap();
            accepted += i64::from(store.accept(acceptance(message, &[&bal], &[])).await.is_ok());
        }
        accepted
    };
    let (accepted, ()) = tokio::join!(mail, sessions);
    // Not more than were accepted either: an acceptance whose answer was lost is not repeated under another number.
    assert_eq!(count(&database, "folder_message").await, accepted);
    assert!(accepted > 0);
}

#[tokio::test]
async fn a_session_is_woken_after_the_commit_by_this_node_and_by_others() {
    let database = TestDatabase::new().await;
    let here = database.store().await;
    let bal = bal(&here, "a").await;
    let there = listening_store(&database).await;
    let inbox = here.open_folder(bal.id, "INBOX", false).await.unwrap().folder.id;
    let (mut near, mut far) = (here.watch_folder(inbox), there.watch_folder(inbox));
    deliver(&here, &letter(10, false), &[&bal]).await;
    assert!(near.has_changed().unwrap());
    let modseq = *near.borrow_and_update();
    far.changed().await.unwrap();
    while *far.borrow_and_update() != modseq {
        far.changed().await.unwrap();
    }
    assert_eq!(there.changes(inbox, modseq - 1).await.unwrap().changed.len(), 1);
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn closing_waits_for_what_was_handed_over() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let message = seal(&store, &letter(10, false)).await;
    let accepting = tokio::spawn({
        let store = store.clone();
        let acceptance = acceptance(message, &[&bal], &[]);
        async move { store.accept(acceptance).await }
    });
    tokio::task::yield_now().await;
    store.close().await;
    let accepted = i64::from(accepting.await.unwrap().is_ok());
    assert_eq!(count(&database, "message").await, accepted);
    let late = store.ping().await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
}

#[tokio::test]
async fn nothing_lands_in_a_bal_that_was_closed_since_it_was_named() {
    let database = TestDatabase::new().await;
    let (store, elsewhere) = (database.store().await, database.store().await);
    let [open, closing] = [bal(&store, "open").await, bal(&store, "closing").await];
    deliver(&store, &letter(10, false), &[&open, &closing]).await;
    for state in [BalState::Suspended, BalState::Closed] {
        elsewhere.set_bal_state(closing.id, state, "essai").await.unwrap();
        let both = acceptance(seal(&store, &letter(10, false)).await, &[&open, &closing], &["x@peer.mssante.fr"]);
        let late = store.accept(both).await;
        assert!(matches!(late, Err(StoreError::TakesNoMail)), "{late:?}");
        assert_eq!(count(&database, "folder_message").await, 2, "all or nothing");
        assert_eq!(count(&database, "queue").await, 0);
    }
    // Others of the same batch land.
    let (late, good) = (seal(&store, &letter(10, false)).await, seal(&store, &letter(10, false)).await);
    let (late, good) =
        tokio::join!(store.accept(acceptance(late, &[&closing], &[])), store.accept(acceptance(good, &[&open], &[])));
    assert!(late.is_err() && good.is_ok(), "{late:?} {good:?}");
    // A report to whoever has closed his BAL meanwhile has nowhere else to go.
    let report = acceptance(seal(&store, &letter(10, false)).await, &[&closing], &[]);
    store.accept(Acceptance { source: Source::Internal, ..report }).await.unwrap();
    elsewhere.set_bal_state(closing.id, BalState::Active, "essai").await.unwrap();
    deliver(&store, &letter(10, false), &[&closing]).await;
    assert_eq!(count(&database, "folder_message").await, 5);
}
