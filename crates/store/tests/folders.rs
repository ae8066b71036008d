//! Folders and what is done to the messages in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{WHOLE, bal, count, deliver, letter, listening_store, read, seal};
use store::{BalRecord, Entry, FlagChange, Flags, Folder, FolderId, SpecialUse, Store, StoreError, Uid};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;

fn flags(words: &str) -> Flags {
    let mut flags = Flags::default();
    for word in words.split_whitespace() {
        match word {
            "seen" => flags.seen = true,
            "answered" => flags.answered = true,
            "flagged" => flags.flagged = true,
            "deleted" => flags.deleted = true,
            "draft" => flags.draft = true,
            keyword => drop(flags.keywords.insert(keyword.to_owned())),
        }
    }
    flags
}

/// A BAL with `count` messages in INBOX.
async fn filled(store: &Store, count: usize) -> (BalRecord, FolderId) {
    let bal = bal(store, "a").await;
    for number in 0..count {
        deliver(store, &letter(number, false), &[&bal]).await;
    }
    let inbox = folder(store, &bal, "INBOX").await.id;
    (bal, inbox)
}

async fn folder(store: &Store, bal: &BalRecord, name: &str) -> Folder {
    store.folders(bal.id).await.unwrap().into_iter().find(|folder| folder.name == name).unwrap()
}

async fn entries(store: &Store, bal: &BalRecord, name: &str) -> Vec<Entry> {
    store.open_folder(bal.id, name, false).await.unwrap().entries
}

async fn uids(store: &Store, bal: &BalRecord, name: &str) -> Vec<Uid> {
    entries(store, bal, name).await.into_iter().map(|entry| entry.uid).collect()
}

async fn names(store: &Store, bal: &BalRecord) -> Vec<String> {
    store.folders(bal.id).await.unwrap().into_iter().map(|folder| folder.name).collect()
}

#[tokio::test]
async fn a_new_bal_has_the_default_folders_subscribed() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    assert_eq!(names(&store, &bal).await, ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]);
    let folders = store.folders(bal.id).await.unwrap();
    assert!(folders.iter().all(|folder| folder.subscribed));
    assert_eq!(folders.iter().find(|folder| folder.name == "Junk").unwrap().special_use, Some(SpecialUse::Junk));
    assert_eq!(store.subscriptions(bal.id).await.unwrap().len(), 6);
}

#[tokio::test]
async fn folders_are_made_with_those_above_them() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    store.create_folder(bal.id, "Patients/2026/été/", None).await.unwrap();
    assert!(names(&store, &bal).await.ends_with(&[
        "Patients".into(),
        "Patients/2026".into(),
        "Patients/2026/été".into(),
        "Sent".into(),
        "Trash".into()
    ]));
    assert!(matches!(store.create_folder(bal.id, "Patients", None).await, Err(StoreError::FolderExists)));
    assert!(matches!(store.create_folder(bal.id, "inbox", None).await, Err(StoreError::FolderExists)));
    assert!(matches!(store.create_folder(bal.id, "a//b", None).await, Err(StoreError::FolderRefused(_))));
    let second_junk = store.create_folder(bal.id, "Spam", Some(SpecialUse::Junk)).await;
    assert!(matches!(second_junk, Err(StoreError::FolderRefused(_))), "{second_junk:?}");
    let nobody = store.create_folder(mssante::BalId(999), "x", None).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchBal(_))), "{nobody:?}");
}

#[tokio::test]
async fn inbox_and_folders_with_children_are_not_deleted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 2).await;
    store.create_folder(bal.id, "a/b", None).await.unwrap();
    assert!(matches!(store.delete_folder(bal.id, "Inbox").await, Err(StoreError::FolderRefused(_))));
    assert!(matches!(store.delete_folder(bal.id, "a").await, Err(StoreError::FolderRefused(_))));
    assert!(matches!(store.delete_folder(bal.id, "z").await, Err(StoreError::NoSuchFolder)));
    let target = folder(&store, &bal, "a/b").await.id;
    store.move_messages(inbox, &[1], target).await.unwrap();
    let mut watched = store.watch_folder(target);
    store.delete_folder(bal.id, "a/b").await.unwrap();
    assert!(watched.has_changed().unwrap());
    watched.mark_unchanged();
    assert!(store.changes(target, 0).await.unwrap().gone);
    store.delete_folder(bal.id, "a").await.unwrap();
    assert_eq!(count(&database, "sweep_candidate").await, 1);
}

#[tokio::test]
async fn uidvalidity_only_grows_even_when_names_come_back() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..3 {
        let first = store.create_folder(bal.id, "x", None).await.unwrap();
        let second = store.create_folder(bal.id, "y", None).await.unwrap();
        store.delete_folder(bal.id, "y").await.unwrap();
        // x is older than the y that was deleted, and takes its name.
        store.rename_folder(bal.id, "x", "y").await.unwrap();
        let renamed = folder(&store, &bal, "y").await;
        assert!(renamed.uid_validity > second.uid_validity && renamed.id == first.id);
        for (name, validity) in [("x", first.uid_validity), ("y", renamed.uid_validity)] {
            let before = seen.insert(name.to_owned(), validity);
            assert!(before.is_none_or(|before| before < validity), "{name}");
        }
        store.delete_folder(bal.id, "y").await.unwrap();
    }
}

#[tokio::test]
async fn a_tree_is_renamed_with_all_below_it() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    store.create_folder(bal.id, "a/b/c", None).await.unwrap();
    store.create_folder(bal.id, "ab", None).await.unwrap();
    let before = folder(&store, &bal, "a/b/c").await;
    store.rename_folder(bal.id, "a", "z/y").await.unwrap();
    let after = folder(&store, &bal, "z/y/b/c").await;
    assert_eq!((before.id, before.uid_validity), (after.id, after.uid_validity), "an unused name keeps UIDVALIDITY");
    assert!(
        names(&store, &bal).await.contains(&"ab".to_owned()) && names(&store, &bal).await.contains(&"z".to_owned())
    );
    assert!(matches!(store.rename_folder(bal.id, "z", "z/y/w").await, Err(StoreError::FolderRefused(_))));
    assert!(matches!(store.rename_folder(bal.id, "ab", "Sent").await, Err(StoreError::FolderExists)));
    assert!(matches!(store.rename_folder(bal.id, "nowhere", "there").await, Err(StoreError::NoSuchFolder)));
    assert!(!names(&store, &bal).await.contains(&"there".to_owned()), "a failed rename leaves nothing behind");
}

#[tokio::test]
async fn a_folder_is_not_renamed_to_itself() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    let before = store.create_folder(bal.id, "a/b", None).await.unwrap();
    for name in ["a", "a/b", "a/b/"] {
        let renamed = store.rename_folder(bal.id, name, name.trim_end_matches('/')).await;
        assert!(matches!(renamed, Err(StoreError::FolderExists)), "{renamed:?}");
    }
    assert!(matches!(store.rename_folder(bal.id, "inbox", "INBOX").await, Err(StoreError::FolderExists)));
    assert!(matches!(store.rename_folder(bal.id, "z", "z").await, Err(StoreError::NoSuchFolder)));
    assert_eq!(folder(&store, &bal, "a/b").await, before);
}

#[tokio::test]
async fn renaming_inbox_moves_its_messages_and_leaves_it() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 3).await;
    store.create_folder(bal.id, "INBOX/below", None).await.unwrap();
    store.rename_folder(bal.id, "inbox", "old/mail").await.unwrap();
    assert_eq!(uids(&store, &bal, "old/mail").await, [1, 2, 3]);
    assert_eq!(uids(&store, &bal, "INBOX").await, [] as [Uid; 0]);
    assert_eq!(folder(&store, &bal, "INBOX").await.id, inbox);
    assert!(names(&store, &bal).await.contains(&"INBOX/below".to_owned()));
    deliver(&store, &letter(1, false), &[&bal]).await;
    assert_eq!(uids(&store, &bal, "INBOX").await, [4], "UIDs go on");
}

#[tokio::test]
async fn subscriptions_are_of_names_not_of_folders() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = bal(&store, "a").await;
    store.set_subscribed(bal.id, "nowhere/yet", true).await.unwrap();
    store.set_subscribed(bal.id, "nowhere/yet", true).await.unwrap();
    store.set_subscribed(bal.id, "Junk", false).await.unwrap();
    let subscribed = store.subscriptions(bal.id).await.unwrap();
    assert!(subscribed.contains(&"nowhere/yet".to_owned()) && !subscribed.contains(&"Junk".to_owned()));
    assert!(!folder(&store, &bal, "Junk").await.subscribed);
}

#[tokio::test]
async fn status_counts_what_is_there() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 4).await;
    store.open_folder(bal.id, "INBOX", true).await.unwrap();
    deliver(&store, &letter(0, false), &[&bal]).await;
    store.change_flags(inbox, &[1, 2], &FlagChange::Add(flags("seen"))).await.unwrap();
    store.change_flags(inbox, &[2], &FlagChange::Add(flags("deleted"))).await.unwrap();
    let status = store.folder_status(inbox).await.unwrap();
    assert_eq!((status.messages, status.unseen, status.recent, status.deleted, status.uid_next), (5, 3, 1, 1, 6));
    let sizes: u64 = entries(&store, &bal, "INBOX").await.iter().map(|entry| entry.size).sum();
    assert_eq!(status.size, sizes);
    let sent = folder(&store, &bal, "Sent").await.id;
    assert_eq!(store.folder_status(sent).await.unwrap().messages, 0);
    assert!(matches!(store.folder_status(FolderId(999)).await, Err(StoreError::NoSuchFolder)));
}

#[tokio::test]
async fn recent_belongs_to_the_first_session_that_selects() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, _) = filled(&store, 2).await;
    assert_eq!(store.open_folder(bal.id, "INBOX", false).await.unwrap().recent_from, 1, "EXAMINE does not claim");
    assert_eq!(store.open_folder(bal.id, "INBOX", true).await.unwrap().recent_from, 1);
    assert_eq!(store.open_folder(bal.id, "INBOX", true).await.unwrap().recent_from, 3);
    deliver(&store, &letter(0, false), &[&bal]).await;
    assert_eq!(store.open_folder(bal.id, "INBOX", true).await.unwrap().recent_from, 3);
    assert_eq!(store.open_folder(bal.id, "INBOX", true).await.unwrap().recent_from, 4);
}

#[tokio::test]
async fn flags_are_added_removed_and_replaced() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 3).await;
    let before = folder(&store, &bal, "INBOX").await.highest_modseq;
    let after = async |change: FlagChange, uids: &[Uid]| {
        store
            .change_flags(inbox, uids, &change)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| (entry.uid, entry.flags))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        after(FlagChange::Add(flags("seen $Forwarded")), &[1, 2, 77]).await,
        [(1, flags("seen $Forwarded")), (2, flags("seen $Forwarded"))]
    );
    assert_eq!(
        after(FlagChange::Add(flags("draft $forwarded x")), &[2]).await,
        [(2, flags("seen draft $Forwarded x"))]
    );
    assert_eq!(after(FlagChange::Remove(flags("seen $FORWARDED")), &[2]).await, [(2, flags("draft x"))]);
    assert_eq!(
        after(FlagChange::Replace(flags("answered flagged y")), &[1, 2]).await,
        [(1, flags("answered flagged y")), (2, flags("answered flagged y"))]
    );
    assert_eq!(after(FlagChange::Replace(Flags::default()), &[2]).await, [(2, Flags::default())]);
    let changes = store.changes(inbox, before).await.unwrap();
    assert_eq!(changes.changed.iter().map(|entry| entry.uid).collect::<Vec<_>>(), [1, 2]);
    assert!(changes.changed.iter().all(|entry| entry.modseq > before && entry.modseq <= changes.highest_modseq));
}

#[tokio::test]
async fn a_change_that_changes_nothing_wakes_nobody() {
    let database = TestDatabase::new().await;
    let store = listening_store(&database).await;
    let (_, inbox) = filled(&store, 2).await;
    store.change_flags(inbox, &[1], &FlagChange::Add(flags("seen k"))).await.unwrap();
    let before = store.folder_status(inbox).await.unwrap();
    let watched = store.watch_folder(inbox);
    for change in
        [FlagChange::Add(flags("seen K")), FlagChange::Remove(flags("draft z")), FlagChange::Replace(flags("seen k"))]
    {
        assert_eq!(store.change_flags(inbox, &[1], &change).await.unwrap()[0].flags, flags("seen k"));
    }
    assert!(!watched.has_changed().unwrap());
    assert_eq!(store.folder_status(inbox).await.unwrap(), before);
}

/// `[RFC3501 2.3.2]`
#[tokio::test]
async fn keywords_are_a_set_without_regard_to_case() {
    let database = TestDatabase::new().await;
    let store = listening_store(&database).await;
    let (bal, inbox) = filled(&store, 1).await;
    let change = async |change: FlagChange| store.change_flags(inbox, &[1], &change).await.unwrap().remove(0).flags;
    assert_eq!(change(FlagChange::Add(flags("b"))).await, flags("b"));
    assert_eq!(change(FlagChange::Add(flags("A a B"))).await, flags("A b"), "one spelling of each");
    let before = store.folder_status(inbox).await.unwrap();
    for same in ["A b", "b a", "B A a"] {
        assert_eq!(change(FlagChange::Replace(flags(same))).await, flags("A b"), "{same}");
    }
    assert_eq!(store.folder_status(inbox).await.unwrap(), before, "the same set is no change");
    assert_eq!(change(FlagChange::Replace(flags("seen c B"))).await, flags("seen b c"), "the first spelling stays");
    assert_eq!(change(FlagChange::Replace(flags("seen D d"))).await, flags("seen D"));
    let sent = folder(&store, &bal, "Sent").await.id;
    let message = seal(&store, &letter(1, false)).await;
    store.append(sent, message, flags("X x"), None, None).await.unwrap();
    assert_eq!(entries(&store, &bal, "Sent").await[0].flags, flags("X"));
    let unordered = "folder_message WHERE keywords <> ARRAY(SELECT k FROM unnest(keywords) k ORDER BY k COLLATE \"C\")";
    assert_eq!(count(&database, unordered).await, 0);
}

#[tokio::test]
async fn expunge_takes_only_what_is_deleted() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 5).await;
    let before = folder(&store, &bal, "INBOX").await.highest_modseq;
    store.change_flags(inbox, &[1, 3, 5], &FlagChange::Add(flags("deleted"))).await.unwrap();
    assert_eq!(store.expunge(inbox, Some(&[2, 3, 9])).await.unwrap(), [3]);
    assert_eq!(store.expunge(inbox, None).await.unwrap(), [1, 5]);
    assert_eq!(store.expunge(inbox, None).await.unwrap(), [] as [Uid; 0]);
    assert_eq!(uids(&store, &bal, "INBOX").await, [2, 4]);
    let changes = store.changes(inbox, before).await.unwrap();
    assert_eq!((changes.expunged, changes.changed, changes.uid_next), (vec![1, 3, 5], vec![], 6));
    deliver(&store, &letter(0, false), &[&bal]).await;
    assert_eq!(uids(&store, &bal, "INBOX").await, [2, 4, 6], "UIDs are not used again");
}

#[tokio::test]
async fn what_left_a_folder_is_forgotten_after_a_month() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-11-20 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    let (bal, inbox) = filled(&store, 4).await;
    store.change_flags(inbox, &[1], &FlagChange::Add(flags("deleted"))).await.unwrap();
    store.expunge(inbox, None).await.unwrap();
    let trash = folder(&store, &bal, "Trash").await.id;
    store.move_messages(inbox, &[2], trash).await.unwrap();
    clock.advance(time::Duration::days(29));
    store.move_messages(inbox, &[3], trash).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(count(&database, "expunged").await, 3);
    clock.advance(time::Duration::days(2));
    store.sweep().await.unwrap();
    assert_eq!(count(&database, "expunged").await, 1);
    assert_eq!(store.changes(inbox, 1).await.unwrap().expunged, [3]);
}

#[tokio::test]
async fn a_copy_shares_the_body_and_keeps_flags_and_date() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 3).await;
    let archive = folder(&store, &bal, "Archive").await;
    store.change_flags(inbox, &[3], &FlagChange::Add(flags("seen k"))).await.unwrap();
    let copied = store.copy(inbox, &[3, 1, 42], archive.id).await.unwrap();
    assert_eq!((copied.uid_validity, &copied.source, &copied.target), (archive.uid_validity, &vec![1, 3], &vec![1, 2]));
    let (before, after) = (entries(&store, &bal, "INBOX").await, entries(&store, &bal, "Archive").await);
    for (original, copy) in [(&before[0], &after[0]), (&before[2], &after[1])] {
        assert_eq!(
            (original.message, &original.flags, original.internal_date, original.size),
            (copy.message, &copy.flags, copy.internal_date, copy.size)
        );
    }
    store.copy(inbox, &[1], inbox).await.unwrap();
    assert_eq!(uids(&store, &bal, "INBOX").await, [1, 2, 3, 4], "into the same folder too");
    assert_eq!(count(&database, "message_chunk").await, 3);
    assert!(matches!(store.copy(inbox, &[1], FolderId(999)).await, Err(StoreError::NoSuchFolder)));
}

#[tokio::test]
async fn a_move_is_one_change_in_both_folders() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (bal, inbox) = filled(&store, 3).await;
    let trash = folder(&store, &bal, "Trash").await;
    let before = folder(&store, &bal, "INBOX").await.highest_modseq;
    let (source, target) = (store.watch_folder(inbox), store.watch_folder(trash.id));
    let message = entries(&store, &bal, "INBOX").await[1].message;
    let moved = store.move_messages(inbox, &[2, 2, 7], trash.id).await.unwrap();
    assert_eq!((moved.source, moved.target), (vec![2], vec![1]));
    assert!(source.has_changed().unwrap() && target.has_changed().unwrap());
    assert_eq!(store.changes(inbox, before).await.unwrap().expunged, [2]);
    assert_eq!(store.changes(trash.id, trash.highest_modseq).await.unwrap().changed[0].message, message);
    assert_eq!(read(&store, message, WHOLE).await.unwrap(), letter(1, false));
    let again = store.move_messages(trash.id, &[1], trash.id).await.unwrap();
    assert_eq!((again.source, again.target), (vec![1], vec![2]), "within a folder too");
    assert_eq!(uids(&store, &bal, "Trash").await, [2]);
}

/// A session that only follows `changes` must always end up with what the folder holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_never_miss_anything_under_concurrency() {
    let database = TestDatabase::new().await;
    let (store, other) = (database.store().await, database.store().await);
    let (bal, inbox) = filled(&store, 5).await;
    let trash = folder(&store, &bal, "Trash").await.id;
    let opened = store.open_folder(bal.id, "INBOX", false).await.unwrap();
    let writers = async {
        let deliveries = async {
            for number in 0..60 {
                deliver(&store, &letter(number, false), &[&bal]).await;
            }
        };
        let flag_changes = async {
            for uid in 1..60 {
                let change =
                    if uid % 3 == 0 { FlagChange::Add(flags("deleted")) } else { FlagChange::Add(flags("seen k")) };
                other.change_flags(inbox, &[uid, uid / 2], &change).await.unwrap();
                if uid % 7 == 0 {
                    other.expunge(inbox, None).await.unwrap();
                }
            }
        };
        let moves = async {
            for uid in (2..60).step_by(5) {
                store.move_messages(inbox, &[uid], trash).await.unwrap();
                other.copy(inbox, &[uid + 1], inbox).await.unwrap();
            }
        };
        tokio::join!(deliveries, flag_changes, moves);
    };
    let mut view: BTreeMap<Uid, Entry> = opened.entries.into_iter().map(|entry| (entry.uid, entry)).collect();
    let mut since = opened.folder.highest_modseq;
    let mut follow = async || {
        let changes = store.changes(inbox, since).await.unwrap();
        assert!(changes.highest_modseq >= since);
        since = changes.highest_modseq;
        for uid in changes.expunged {
            view.remove(&uid);
        }
        view.extend(changes.changed.into_iter().map(|entry| (entry.uid, entry)));
    };
    tokio::pin!(writers);
    loop {
        tokio::select! {
            () = &mut writers => break,
            () = follow() => {}
        }
    }
    follow().await;
    let expected: BTreeMap<Uid, Entry> =
        entries(&store, &bal, "INBOX").await.into_iter().map(|entry| (entry.uid, entry)).collect();
    assert!(expected.len() > 20);
    assert_eq!(view, expected);
}
