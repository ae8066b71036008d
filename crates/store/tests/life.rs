//! The life of BALs: states, log-ins, and what they hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{acceptance, bal, count, deliver, direct, letter, seal};
use mssante::{BalState, ForwardCopy, MoveError, Quotas, Refusal, Size};
use sqlx::AssertSqlSafe;
use store::{
    BalRecord, BalSearch, FlagChange, Flags, FolderId, ForwardRecord, InactiveCounts, Rooms, Store, StoreError, Usage,
};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-22 09:00 UTC);

/// A store whose clock the test moves.
async fn world() -> (TestDatabase, Arc<FixedClock>, Store) {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(NOW));
    let store = database.store_at(clock.clone()).await;
    (database, clock, store)
}

async fn again(store: &Store, bal: &BalRecord) -> BalRecord {
    store.bal(&bal.address).await.unwrap().unwrap()
}

async fn folder(store: &Store, bal: &BalRecord, name: &str) -> FolderId {
    store.folders(bal.id).await.unwrap().into_iter().find(|folder| folder.name == name).unwrap().id
}

#[tokio::test]
async fn the_first_log_in_makes_a_created_bal_active() {
    let (database, _, store) = world().await;
    let made = bal(&store, "a").await;
    assert_eq!((made.state, made.state_since, made.last_login_at), (BalState::Created, NOW, None));
    let mut changes = store.bal_changes();
    changes.mark_unchanged();
    store.note_login(&made, store::Actor::Node, NOW + Duration::HOUR).await.unwrap();
    let active = again(&store, &made).await;
    assert_eq!((active.state, active.state_reason.as_deref()), (BalState::Active, Some("first-log-in")));
    assert_eq!((active.state_since, active.last_login_at), (NOW + Duration::HOUR, Some(NOW + Duration::HOUR)));
    assert!(changes.has_changed().unwrap(), "the resolver hears of it");
    // A second session that read the BAL before changes nothing.
    store.note_login(&made, store::Actor::Node, NOW + Duration::HOUR).await.unwrap();
    assert_eq!(count(&database, "trace WHERE event = 'bal.state' AND detail->>'by' = 'first-log-in'").await, 1);
}

#[tokio::test]
async fn log_ins_are_written_down_once_an_hour() {
    let (database, _, store) = world().await;
    let made = bal(&store, "a").await;
    store.note_login(&made, store::Actor::Node, NOW).await.unwrap();
    let active = again(&store, &made).await;
    let version = || async {
        let row = sqlx::query_scalar::<_, String>("SELECT xmin::text FROM bal WHERE id = $1").bind(active.id.0);
        row.fetch_one(&mut direct(&database).await).await.unwrap()
    };
    let before = version().await;
    store.note_login(&active, store::Actor::Node, NOW + Duration::minutes(59)).await.unwrap();
    assert_eq!(version().await, before, "nothing is written within the hour");
    store.note_login(&active, store::Actor::Node, NOW + Duration::minutes(61)).await.unwrap();
    let later = again(&store, &active).await;
    assert_eq!(later.last_login_at, Some(NOW + Duration::minutes(61)));
    // Of two log-ins that read the same row one writes.
    let between = version().await;
    store.note_login(&active, store::Actor::Node, NOW + Duration::minutes(62)).await.unwrap();
    assert_eq!(version().await, between);
}

#[tokio::test]
async fn only_the_moves_of_the_table_are_made_and_each_is_dated_and_traced() {
    let (database, clock, store) = world().await;
    let made = bal(&store, "a").await;
    clock.advance(Duration::DAY);
    let suspended = store.set_bal_state(made.id, BalState::Suspended, "enquête").await.unwrap();
    assert_eq!((suspended.state_since, suspended.state_reason.as_deref()), (NOW + Duration::DAY, Some("enquête")));
    let refused = store.set_bal_state(made.id, BalState::Created, "x").await;
    assert!(matches!(refused, Err(StoreError::Move(MoveError::NotAllowed { .. }))), "{refused:?}");
    let twice = store.set_bal_state(made.id, BalState::Suspended, "x").await;
    assert!(matches!(twice, Err(StoreError::Move(MoveError::Already(BalState::Suspended)))), "{twice:?}");
    store.set_bal_state(made.id, BalState::Closed, "départ").await.unwrap();
    assert_eq!(store.set_bal_state(made.id, BalState::Active, "retour").await.unwrap().state, BalState::Active);
    assert_eq!(count(&database, "trace WHERE event = 'bal.state'").await, 3);
    // Who has no right to log in does not wake a BAL either.
    store.set_bal_state(made.id, BalState::Closed, "départ").await.unwrap();
    store.note_login(&made, store::Actor::Node, NOW).await.unwrap();
    assert_eq!(again(&store, &made).await.state, BalState::Closed);
}

#[tokio::test]
async fn rule_bal_immutable_is_held_by_the_database_itself() {
    let (database, _, store) = world().await;
    let made = bal(&store, "a").await;
    for change in ["address = 'b@ch.mssante.fr'", "address_key = 'b@ch.mssante.fr'", "kind = 'PER'"] {
        let sql = format!("UPDATE bal SET {change}");
        let refused = sqlx::query(AssertSqlSafe(sql)).execute(&mut direct(&database).await).await;
        assert!(refused.unwrap_err().to_string().contains("never change"), "{change}");
    }
    assert_eq!(again(&store, &made).await, made);
}

#[tokio::test]
async fn bals_that_nobody_opens_are_listed() {
    let (_database, clock, store) = world().await;
    let (used, unused, closed) = (bal(&store, "used").await, bal(&store, "unused").await, bal(&store, "closed").await);
    store.set_bal_state(closed.id, BalState::Closed, "x").await.unwrap();
    clock.advance(Duration::days(30));
    store.note_login(&used, store::Actor::Node, NOW + Duration::days(30)).await.unwrap();
    let search = BalSearch { inactive_since: Some(NOW + Duration::DAY), ..BalSearch::default() };
    assert_eq!(store.search_bals(&search, 10).await.unwrap().bals, [unused]);
}

/// What the folders say, and what is in them.
async fn both_usages(database: &TestDatabase, store: &Store, bal: &BalRecord) -> (Usage, Usage) {
    let (messages, octets): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(m.size), 0)::bigint FROM folder_message m JOIN folder f ON f.id = m.folder_id
         WHERE f.bal_id = $1",
    )
    .bind(bal.id.0)
    .fetch_one(&mut direct(database).await)
    .await
    .unwrap();
    let counted = Usage { messages: messages.unsigned_abs(), octets: octets.unsigned_abs() };
    (store.usage(bal.id).await.unwrap(), counted)
}

#[tokio::test]
async fn what_a_bal_holds_is_counted_by_every_change() {
    let (database, _, store) = world().await;
    let (a, b) = (bal(&store, "a").await, bal(&store, "b").await);
    let check = async |messages: u64, what: &str| {
        let (kept, counted) = both_usages(&database, &store, &a).await;
        assert_eq!((kept, kept.messages), (counted, messages), "{what}");
    };
    for size in [10, 2000, 300_000] {
        deliver(&store, &letter(size, false), &[&a, &b]).await;
    }
    check(3, "deliveries").await;
    let (inbox, trash) = (folder(&store, &a, "INBOX").await, folder(&store, &a, "Trash").await);
    store.append(trash, seal(&store, &letter(77, false)).await, Flags::default(), None, None).await.unwrap();
    check(4, "APPEND").await;
    store.copy(inbox, &[1, 2, 9], trash).await.unwrap();
    store.copy(trash, &[1], trash).await.unwrap();
    check(7, "COPY").await;
    store.move_messages(inbox, &[1, 3], trash).await.unwrap();
    store.move_messages(trash, &[1], trash).await.unwrap();
    check(7, "MOVE").await;
    let deleted = Flags { deleted: true, ..Flags::default() };
    store.change_flags(trash, &[2, 3], &FlagChange::Add(deleted.clone())).await.unwrap();
    assert_eq!(store.expunge(trash, Some(&[2, 4])).await.unwrap(), [2]);
    assert_eq!(store.expunge(trash, None).await.unwrap(), [3]);
    assert_eq!(store.expunge(trash, None).await.unwrap(), [] as [u32; 0]);
    check(5, "EXPUNGE").await;
    store.rename_folder(a.id, "INBOX", "Ancien").await.unwrap();
    check(5, "RENAME of INBOX").await;
    store.delete_folder(a.id, "Ancien").await.unwrap();
    check(4, "DELETE").await;
    let (kept, counted) = both_usages(&database, &store, &b).await;
    assert_eq!((kept, kept.messages), (counted, 3), "the other BAL");
}

/// A letter of pli itself to a BAL.
async fn own_letter(store: &Store, bal: &BalRecord) -> store::Acceptance {
    store::Acceptance {
        source: store::Source::Internal,
        ..acceptance(seal(store, &letter(50, false)).await, &[bal], &[])
    }
}

#[tokio::test]
async fn what_is_handed_on_and_what_is_for_the_postmaster_is_not_unused() {
    let (_database, clock, store) = world().await;
    let (source, target) = (bal(&store, "source").await, bal(&store, "target").await);
    bal(&store, "postmaster").await;
    let forward = |from, to| store.set_forward(ForwardRecord { from, to, copy: ForwardCopy::Move });
    forward(source.id, target.id).await.unwrap();
    clock.advance(Duration::days(400));
    let warning = NOW + Duration::days(100);
    let told = store.inactive_to_warn(warning).await.unwrap();
    assert_eq!(told.iter().map(|bal| bal.id).collect::<Vec<_>>(), [target.id]);
    assert!(store.warn_inactive(target.id, warning, vec![own_letter(&store, &target).await]).await.unwrap());
    let third = bal(&store, "third").await;
    forward(target.id, third.id).await.unwrap();
    clock.advance(Duration::days(66));
    let now = NOW + Duration::days(466);
    assert_eq!(store.close_inactive(now - Duration::days(365), now - Duration::days(65)).await.unwrap(), []);
}

#[tokio::test]
async fn rule_life_inactive_is_closed_only_some_time_after_a_warning() {
    let (database, clock, store) = world().await;
    let (used, unused) = (bal(&store, "used").await, bal(&store, "unused").await);
    clock.advance(Duration::days(400));
    let now = NOW + Duration::days(400);
    let (warning, closing) = (now - Duration::days(300), now - Duration::days(365));
    assert_eq!(store.close_inactive(closing, now - Duration::days(65)).await.unwrap(), [], "nobody was warned");
    assert_eq!(store.inactive_to_warn(warning).await.unwrap(), [used.clone(), unused.clone()]);
    for bal in [&used, &unused] {
        assert!(store.warn_inactive(bal.id, warning, vec![own_letter(&store, bal).await]).await.unwrap());
        assert!(!store.warn_inactive(bal.id, warning, vec![own_letter(&store, bal).await]).await.unwrap(), "once");
    }
    assert_eq!(store.usage(unused.id).await.unwrap().messages, 1, "one letter");
    assert_eq!(store.inactive_counts().await.unwrap(), InactiveCounts { warned: 2, closed: 0 });
    assert_eq!(store.inactive_to_warn(warning).await.unwrap(), []);
    assert_eq!(
        store.close_inactive(closing, now - Duration::days(65)).await.unwrap(),
        [],
        "too soon after the warning"
    );
    // A log-in, of whoever may, takes the warning back.
    store.note_login(&again(&store, &used).await, store::Actor::Node, now).await.unwrap();
    clock.advance(Duration::days(66));
    let now = now + Duration::days(66);
    let closed = store.close_inactive(now - Duration::days(365), now - Duration::days(65)).await.unwrap();
    assert_eq!(closed.iter().map(|bal| bal.id).collect::<Vec<_>>(), [unused.id]);
    assert_eq!((closed[0].state, closed[0].state_reason.as_deref()), (BalState::Closed, Some("inactive")));
    assert_eq!(store.inactive_counts().await.unwrap(), InactiveCounts { warned: 0, closed: 1 });
    assert_eq!(count(&database, "trace WHERE event = 'bal.inactive.warned'").await, 2);
    // Reopened, its year begins anew.
    store.set_bal_state(unused.id, BalState::Active, "retour").await.unwrap();
    assert_eq!(store.inactive_to_warn(now - Duration::days(300)).await.unwrap(), []);
}

#[tokio::test]
async fn rule_life_retention_empties_a_closed_bal_with_a_trace_and_not_before() {
    let (database, clock, store) = world().await;
    let (leaving, staying) = (bal(&store, "leaving").await, bal(&store, "staying").await);
    let message = deliver(&store, &letter(500, false), &[&leaving, &staying]).await;
    deliver(&store, &letter(700, false), &[&leaving]).await;
    store.set_bal_state(leaving.id, BalState::Closed, "départ").await.unwrap();
    clock.advance(Duration::days(10));
    let limit = |days| NOW + Duration::days(10) - Duration::days(days);
    assert!(store.empty_closed(limit(11)).await.unwrap().is_none(), "its retention is not over");
    sqlx::query("UPDATE bal SET kept_from = $1 WHERE state = 'closed'")
        .bind(NOW + Duration::DAY)
        .execute(&mut direct(&database).await)
        .await
        .unwrap();
    assert!(store.empty_closed(limit(10)).await.unwrap().is_none(), "closed before there was a retention");
    let before = store.usage(leaving.id).await.unwrap();
    let (bal, usage) = store.empty_closed(limit(8)).await.unwrap().unwrap();
    assert_eq!((bal.id, usage), (leaving.id, before));
    assert!(store.empty_closed(limit(8)).await.unwrap().is_none(), "once");
    let (kept, counted) = both_usages(&database, &store, &leaving).await;
    assert_eq!((kept, counted), (Usage::default(), Usage::default()));
    assert_eq!(count(&database, "trace WHERE event = 'bal.emptied' AND detail->>'messages' = '2'").await, 1);
    clock.advance(Duration::HOUR);
    store.sweep().await.unwrap();
    assert_eq!(count(&database, "message").await, 1, "what the other BAL has stays");
    assert!(common::read(&store, message, common::WHOLE).await.is_ok());
    let reopened = store.set_bal_state(leaving.id, BalState::Active, "retour").await.unwrap();
    assert_eq!(reopened.emptied_at, None);
    deliver(&store, &letter(5, false), &[&leaving]).await;
    assert_eq!(store.usage(leaving.id).await.unwrap().messages, 1);
}

const QUOTAS: Quotas = Quotas { organisational: Size(10_000), ..Quotas::NONE };

#[tokio::test]
async fn rule_quota_warning_is_one_letter_until_the_bal_is_calm_again() {
    let (database, _, store) = world().await;
    let (full, free) = (bal(&store, "full").await, bal(&store, "free").await);
    store.set_quota(free.id, "none".parse().unwrap()).await.unwrap();
    deliver(&store, &letter(8_000, false), &[&full, &free]).await;
    assert!(store.nearly_full(&QUOTAS, None).await.unwrap().is_empty());
    deliver(&store, &letter(1_000, false), &[&full, &free]).await;
    let found = store.nearly_full(&QUOTAS, None).await.unwrap();
    assert_eq!(found.iter().map(|full| (full.bal.id, full.limit)).collect::<Vec<_>>(), [(full.id, Size(10_000))]);
    assert_eq!(store.nearly_full(&QUOTAS, Some(&[free.id])).await.unwrap().len(), 0);
    assert_eq!(store.nearly_full(&QUOTAS, Some(&[full.id])).await.unwrap().len(), 1);
    assert!(store.warn_full(&found[0], own_letter(&store, &full).await).await.unwrap());
    assert!(!store.warn_full(&found[0], own_letter(&store, &full).await).await.unwrap(), "once");
    assert_eq!(count(&database, "trace WHERE event = 'bal.quota.warned'").await, 1);
    assert_eq!(store.usage(full.id).await.unwrap().messages, 3);
    assert_eq!(
        (store.calm_quotas(&QUOTAS).await.unwrap(), store.nearly_full(&QUOTAS, None).await.unwrap().len()),
        (0, 0)
    );
    let inbox = folder(&store, &full, "INBOX").await;
    let deleted = Flags { deleted: true, ..Flags::default() };
    store.change_flags(inbox, &[1], &FlagChange::Add(deleted)).await.unwrap();
    store.expunge(inbox, None).await.unwrap();
    assert_eq!(store.calm_quotas(&QUOTAS).await.unwrap(), 1, "below 80 %");
    assert_eq!(again(&store, &full).await.quota_warned_at, None);
}

#[tokio::test]
async fn rooms_know_who_is_full_and_hear_of_changes() {
    let (_database, clock, store) = world().await;
    let (a, b) = (bal(&store, "a").await, bal(&store, "b").await);
    let (rooms, mut nearly_full) = Rooms::new(store.clone(), QUOTAS);
    let judge = async |more| rooms.judge(&[a.id, b.id], more).await.unwrap();
    assert_eq!((judge(10_000).await, judge(10_001).await), (Ok(()), Err(Refusal::QuotaExceeded)));
    deliver(&store, &letter(9_500, false), &[&a]).await;
    rooms.taken(&[a.id], 9_500);
    assert_eq!(nearly_full.try_recv().ok(), Some(a.id));
    rooms.taken(&[a.id], 1);
    assert!(nearly_full.try_recv().is_err(), "told once");
    assert_eq!(judge(500).await, Err(Refusal::QuotaExceeded), "what it took itself is known at once");
    store.set_quota(a.id, "1 MiB".parse().unwrap()).await.unwrap();
    assert_eq!(judge(500).await, Ok(()), "a changed quota counts at once");
    // What others deliver is seen after a while.
    deliver(&store, &letter(9_900, false), &[&b]).await;
    assert_eq!(rooms.judge(&[b.id], 500).await.unwrap(), Ok(()));
    clock.advance(Duration::hours(2));
    assert_eq!(rooms.judge(&[b.id], 500).await.unwrap(), Err(Refusal::QuotaExceeded));
}

#[tokio::test]
async fn rule_quota_own_letters_are_delivered_into_a_full_bal() {
    let (_database, _, store) = world().await;
    let full = bal(&store, "full").await;
    let (rooms, _nearly_full) = Rooms::new(store.clone(), QUOTAS);
    deliver(&store, &letter(10_000, false), &[&full]).await;
    assert_eq!(rooms.judge(&[full.id], 0).await.unwrap(), Err(Refusal::QuotaExceeded));
    store.accept(own_letter(&store, &full).await).await.unwrap();
    assert_eq!(store.usage(full.id).await.unwrap().messages, 2);
}

#[tokio::test]
async fn a_round_is_made_by_one_node() {
    let (database, clock, store) = world().await;
    let other = database.store_at(clock.clone()).await;
    let hour = std::time::Duration::from_hours(1);
    assert!(store.claim_round("bal", hour).await.unwrap());
    assert!(!other.claim_round("bal", hour).await.unwrap());
    clock.advance(Duration::HOUR);
    assert!(other.claim_round("bal", hour).await.unwrap());
    assert!(!store.claim_round("bal", hour).await.unwrap());
}
