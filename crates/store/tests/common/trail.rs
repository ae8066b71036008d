//! What the tests of the audit trail share.

#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part; a test that cannot go on has failed")]

use std::sync::Arc;

use mssante::Domain;
use store::{Entered, Event, Fault, Store};
use testkit::clock::FixedClock;
use testkit::postgres::TestDatabase;
use time::macros::datetime;

pub(crate) fn patients() -> Vec<Domain> {
    vec![Domain::parse("patient.mssante.fr").unwrap()]
}

pub(crate) async fn enter(store: &Store) -> u64 {
    let mut all = 0;
    loop {
        match store.enter_traces(&patients()).await.unwrap() {
            Entered::Some(lines) => all += lines,
            Entered::All(lines) => return all + lines,
            Entered::Elsewhere => panic!("nobody else enters here"),
        }
    }
}

pub(crate) async fn record(store: &Store, event: Event, lines: usize) {
    let traces: Vec<_> = (0..lines).map(|n| store.trace(event).with(serde_json::json!({ "n": n }))).collect();
    store.record(&traces).await.unwrap();
}

/// A store on a day of 2026 that can be left.
pub(crate) async fn on_a_day() -> (TestDatabase, Store, Arc<FixedClock>) {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(datetime!(2026-01-10 12:00 UTC)));
    let store = database.store_at(clock.clone()).await;
    (database, store, clock)
}

pub(crate) async fn faults(store: &Store) -> Vec<(i64, Fault)> {
    let found = store.verify_traces(&[]).await.unwrap().findings;
    found.into_iter().map(|finding| (finding.number, finding.fault)).collect()
}
