//! What the store's tests share: BALs, messages, acceptances.

#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part; a test that cannot go on has failed")]

use message::{MessageFacts, Scanner, Span, Summary};
use mssante::{Address, BalKind, Random, ReversePath};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{
    Acceptance, BalRecord, DsnParameters, LocalDelivery, MessageId, NewBal, RelayRequest, SealedMessage, Source, Store,
};
use testkit::clock::TestRandom;
use testkit::postgres::TestDatabase;

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(crate) async fn bal(store: &Store, name: &str) -> BalRecord {
    let new = NewBal::new(address(&format!("{name}@ch.mssante.fr")), BalKind::Organisational);
    store.create_bal(new).await.unwrap()
}

/// A store that listens to other nodes already: when it begins to, it wakes everybody once.
pub(crate) async fn listening_store(database: &TestDatabase) -> Store {
    let store = database.store().await;
    // Nothing ran since it was opened, so this is the moment before.
    store.bal_changes().changed().await.unwrap();
    store
}

/// A header and `size` octets that do not compress (or do).
pub(crate) fn letter(size: usize, noise: bool) -> Vec<u8> {
    let mut letter = b"Subject: essai\r\nFrom: <a@ch.mssante.fr>\r\n\r\n".to_vec();
    let body = if noise {
        let mut octets = vec![0; size];
        TestRandom::seeded(size as u64).fill(&mut octets);
        // A message has lines; the scanner is not under test here.
        for octet in &mut octets {
            *octet = b'!' + *octet % 90;
        }
        octets
    } else {
        b"Compte rendu. ".iter().copied().cycle().take(size).collect()
    };
    letter.extend_from_slice(&body);
    letter
}

pub(crate) fn summary(octets: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(octets);
    scanner.finish()
}

/// Takes the octets in, in pieces of `step`.
pub(crate) async fn seal_in_steps(store: &Store, octets: &[u8], step: usize) -> SealedMessage {
    let mut intake = store.begin_intake().await.unwrap();
    for piece in octets.chunks(step.max(1)) {
        intake.write(piece).await.unwrap();
    }
    intake.finish(summary(octets)).await.unwrap()
}

pub(crate) async fn seal(store: &Store, octets: &[u8]) -> SealedMessage {
    seal_in_steps(store, octets, 16_384).await
}

pub(crate) fn acceptance(message: SealedMessage, local: &[&BalRecord], remote: &[&str]) -> Acceptance {
    Acceptance {
        message,
        facts: MessageFacts::default(),
        reverse_path: ReversePath::Address(address("sender@ch.mssante.fr")),
        smtputf8: false,
        envelope_id: Some("envid".into()),
        ret: Some("HDRS".into()),
        source: Source::Hop {
            dn: "cn=peer".into(),
            address: "192.0.2.1".into(),
            matched: "strict",
            certificate: [7; 32],
        },
        deliveries: local.iter().map(|bal| LocalDelivery { bal: bal.id, recipient: bal.address.clone() }).collect(),
        relays: remote
            .iter()
            .map(|remote| RelayRequest { recipient: address(remote), dsn: DsnParameters::default() })
            .collect(),
        to_patients: None,
    }
}

pub(crate) async fn deliver(store: &Store, octets: &[u8], local: &[&BalRecord]) -> MessageId {
    let message = seal(store, octets).await;
    let id = message.id();
    store.accept(acceptance(message, local, &[])).await.unwrap();
    id
}

pub(crate) async fn read(store: &Store, message: MessageId, span: Span) -> Result<Vec<u8>, store::StoreError> {
    let mut reader = store.read_body(message, span).await?;
    let mut octets = Vec::new();
    while let Some(piece) = reader.next().await? {
        assert!(piece.len() <= 256 * 1024);
        octets.extend(piece);
        assert!(!octets.is_empty(), "an empty piece would be taken for the end");
    }
    assert_eq!(reader.remaining(), 0);
    Ok(octets)
}

pub(crate) const WHOLE: Span = Span { start: 0, len: u64::MAX };

/// A connection past the store, to look at or to damage what is stored.
pub(crate) async fn direct(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

pub(crate) async fn count(database: &TestDatabase, what: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {what}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut direct(database).await).await.unwrap()
}

pub(crate) async fn run(database: &TestDatabase, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut direct(database).await).await.unwrap();
}
