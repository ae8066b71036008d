//! A commit whose answer got lost: the same landing comes a second time and must be taken for done.

use std::sync::Arc;

use message::{MessageFacts, Scanner};
use mssante::{Address, BalId, BalKind, ReversePath};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::clock::{RealClock, TestRandom};
use testkit::postgres::{TEST_KEYRING, TestDatabase};
use tokio::sync::oneshot;

use super::Job;
use crate::landing::{Admission, Landing, Patience, Placed, Placement, land};
use crate::{
    Acceptance, BalRecord, DatabaseSettings, DsnParameters, Flags, KeyRing, LocalDelivery, NewBal, RelayRequest,
    SealedMessage, Source, Store, StoreParts,
};

async fn open(database: &TestDatabase) -> Store {
    let keyring = Arc::new(KeyRing::parse(TEST_KEYRING).unwrap());
    let parts = StoreParts { keyring, clock: Arc::new(RealClock), random: Arc::new(TestRandom::seeded(1)) };
    Store::open(&DatabaseSettings { url: database.url().to_owned(), connections: 4 }, parts).await.unwrap()
}

async fn bal(store: &Store, name: &str) -> BalRecord {
    let new = NewBal::new(Address::parse(&format!("{name}@ch.mssante.fr")).unwrap(), BalKind::Organisational);
    store.create_bal(new).await.unwrap()
}

async fn sealed(store: &Store, size: usize) -> SealedMessage {
    let mut octets = b"Subject: essai\r\n\r\n".to_vec();
    octets.resize(octets.len() + size, b'x');
    let mut scanner = Scanner::new();
    scanner.push(&octets);
    let mut intake = store.begin_intake().await.unwrap();
    intake.write(&octets).await.unwrap();
    intake.finish(scanner.finish()).await.unwrap()
}

async fn accepted(store: &Store, size: usize, bals: &[&BalRecord], remote: &[&str]) -> Landing {
    let relay = |text: &&str| RelayRequest { recipient: Address::parse(text).unwrap(), dsn: DsnParameters::default() };
    let acceptance = Acceptance {
        message: sealed(store, size).await,
        facts: MessageFacts::default(),
        reverse_path: ReversePath::Null,
        smtputf8: false,
        envelope_id: None,
        ret: None,
        source: Source::Internal,
        deliveries: bals.iter().map(|b| LocalDelivery { bal: b.id, recipient: b.address.clone() }).collect(),
        relays: remote.iter().map(relay).collect(),
        to_patients: None,
    };
    store.landing(acceptance).await.unwrap()
}

async fn appended(store: &Store, size: usize, bal: BalId) -> Landing {
    let at = store.clock().now();
    let folder = store.open_folder(bal, "Sent", false).await.unwrap().folder.id;
    let placements = vec![Placement {
        folder,
        delivered_to: None,
        admission: Admission::Always,
        flags: Flags::default(),
        internal_date: at,
    }];
    Landing { message: sealed(store, size).await, placements, relays: Vec::new(), trace: None, conversing: None, at }
}

/// One of each kind: local, relayed, both, APPEND; short, and so long that chunks are staged; without any octet.
async fn shapes(store: &Store, bals: &[&BalRecord]) -> Vec<Landing> {
    let remote = ["x@peer.mssante.fr", "y@peer.mssante.fr"];
    let mut landings = Vec::new();
    for size in [100, 600_000] {
        landings.push(accepted(store, size, bals, &[]).await);
        landings.push(accepted(store, size, &[], &remote).await);
        landings.push(accepted(store, size, bals, &remote).await);
        landings.push(appended(store, size, bals[0].id).await);
    }
    let empty = store.begin_intake().await.unwrap().finish(Scanner::new().finish()).await.unwrap();
    landings.push(Landing { message: empty, ..appended(store, 0, bals[0].id).await });
    landings
}

/// Lands past the committers, as if the answer had got lost.
async fn land_unheard(store: &Store, landing: &Landing) -> Vec<Placed> {
    let mut connection = store.pool().acquire().await.unwrap();
    land(&mut connection, &[landing], Patience::Short).await.unwrap().remove(0)
}

async fn counts(database: &TestDatabase) -> Vec<i64> {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let mut counts = Vec::new();
    for table in ["message", "message_chunk", "folder_message", "queue", "trace_inbox", "staged_message"] {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        counts.push(sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap());
    }
    counts
}

fn places(placed: &[Placed]) -> Vec<(i64, u32, u32)> {
    placed.iter().map(|place| (place.folder.0, place.uid, place.uid_validity)).collect()
}

#[tokio::test]
async fn a_landing_that_is_stored_already_is_answered_as_done() {
    let database = TestDatabase::new().await;
    let store = open(&database).await;
    let (one, two) = (bal(&store, "a").await, bal(&store, "b").await);
    for (number, landing) in shapes(&store, &[&one, &two]).await.into_iter().enumerate() {
        let first = land_unheard(&store, &landing).await;
        let before = counts(&database).await;
        let second = store.commit(landing).await.unwrap_or_else(|error| panic!("shape {number}: {error}"));
        assert_eq!(places(&first), places(&second), "shape {number}");
        assert_eq!(before, counts(&database).await, "shape {number}");
    }
    store.close().await;
    assert_eq!(counts(&database).await[1], 4 + 4 * 3, "no chunk of a stored message was discarded");
}

#[tokio::test]
async fn what_is_stored_of_a_batch_is_answered_and_the_rest_is_stored() {
    let database = TestDatabase::new().await;
    let store = open(&database).await;
    let bal = bal(&store, "a").await;
    let mut waiting = Vec::new();
    for landing in shapes(&store, &[&bal]).await {
        if waiting.len() % 2 == 0 {
            land_unheard(&store, &landing).await;
        }
        let (reply, answer) = oneshot::channel();
        store.jobs().try_send(Job::new(landing, reply)).unwrap();
        waiting.push(answer);
    }
    for (number, answer) in waiting.into_iter().enumerate() {
        answer.await.unwrap().unwrap_or_else(|error| panic!("shape {number}: {error}"));
    }
    let stored = counts(&database).await;
    assert_eq!((stored[0], stored[2], stored[3]), (9, 7, 8), "messages, places, queue entries");
    store.close().await;
}

#[tokio::test]
async fn copies_that_were_made_since_are_not_taken_for_the_landing() {
    let database = TestDatabase::new().await;
    let store = open(&database).await;
    let bal = bal(&store, "a").await;
    let sent = store.open_folder(bal.id, "Sent", false).await.unwrap().folder.id;
    let trash = store.open_folder(bal.id, "Trash", false).await.unwrap().folder.id;
    for landing in [accepted(&store, 10, &[&bal], &[]).await, appended(&store, 10, bal.id).await] {
        let first = land_unheard(&store, &landing).await;
        let folder = first[0].folder;
        store.copy(folder, &[first[0].uid], trash).await.unwrap();
        store.copy(folder, &[first[0].uid], sent).await.unwrap();
        let second = store.commit(landing).await.unwrap();
        assert_eq!(places(&first), places(&second));
    }
}
