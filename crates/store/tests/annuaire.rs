//! Versions of the directory: their images, their life, and who hears of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{count, listening_store};
use mssante::Random as _;
use serde_json::json;
use store::{
    AnnuaireId, AnnuaireKind, AnnuaireOrigin, AnnuaireRecord, AnnuaireRejection, AnnuaireVersion, Due, Placing,
    Recorded, SourceAnswer, SourceKind, Store, StoreError, VersionState,
};
use testkit::clock::{FixedClock, TestRandom};
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(NOW))
}

fn record(kind: AnnuaireKind) -> AnnuaireRecord {
    AnnuaireRecord {
        kind,
        origin: AnnuaireOrigin::Url,
        source: "https://annuaire.example.fr/extraction".to_owned(),
        generated_at: Some(NOW),
        confirmed_at: NOW,
        received_by: None,
        report: json!({ "added": 2 }),
        rejections: vec![AnnuaireRejection { line: 3, reason: "fields".to_owned(), detail: "30 fields".to_owned() }],
        format: 1,
    }
}

async fn put(
    store: &Store,
    kind: AnnuaireKind,
    image: &[u8],
    base: Option<AnnuaireId>,
    placing: Placing,
) -> AnnuaireId {
    let image = image.to_vec();
    let recorded = store.record_annuaire(record(kind), base, placing, move |to| to.write_all(&image)).await.unwrap();
    match recorded {
        Recorded::As(id) => id,
        Recorded::Overtaken => panic!("overtaken"),
    }
}

async fn extraction(store: &Store, image: &[u8], base: Option<AnnuaireId>) -> AnnuaireId {
    put(store, AnnuaireKind::Extraction, image, base, Placing::InForce).await
}

async fn image(store: &Store, version: &AnnuaireVersion) -> Option<Vec<u8>> {
    let read = |from: &mut dyn std::io::Read| {
        let mut octets = Vec::new();
        from.read_to_end(&mut octets).unwrap();
        octets
    };
    store.read_annuaire(version, read).await.unwrap()
}

fn waits() -> Placing {
    Placing::Pending { why: "it lost half of its entries".to_owned() }
}

#[tokio::test]
async fn an_image_of_many_chunks_comes_back_as_it_was() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let mut octets = vec![0; 5_500_000];
    TestRandom::seeded(7).fill(&mut octets);
    extraction(&store, &octets, None).await;
    let version = store.annuaire_in_force().await.unwrap().unwrap();
    assert!(image(&store, &version).await.as_deref() == Some(&octets[..]));
    assert!(count(&database, "annuaire_chunk").await > 4, "not one parameter of all");
    assert_eq!(
        (version.state, version.generated_at, version.accepted_at),
        (VersionState::InForce, Some(NOW), Some(NOW))
    );
    let early = store.read_annuaire(&version, |from| from.read(&mut [0; 9]).unwrap()).await.unwrap();
    assert_eq!(early, Some(9), "a reader may stop early");
}

#[tokio::test]
async fn an_image_that_was_changed_in_the_database_is_not_believed() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    extraction(&store, b"the image", None).await;
    let mut version = store.annuaire_in_force().await.unwrap().unwrap();
    version.sha256[0] ^= 1;
    let read = store.read_annuaire(&version, |from| from.read(&mut [0; 9]).unwrap()).await;
    assert!(matches!(read, Err(StoreError::Inconsistent { table: "annuaire_chunk", .. })), "{read:?}");
}

#[tokio::test]
async fn an_image_that_cannot_be_written_leaves_everything_as_it_was() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = extraction(&store, b"one", None).await;
    let broken = |to: &mut dyn std::io::Write| {
        to.write_all(b"half of it")?;
        Err(std::io::Error::other("no more"))
    };
    let failed = store.record_annuaire(record(AnnuaireKind::Extraction), Some(one), Placing::InForce, broken).await;
    assert!(failed.is_err(), "{failed:?}");
    let version = store.annuaire_in_force().await.unwrap().unwrap();
    assert_eq!(version.id, one);
    assert_eq!(image(&store, &version).await.unwrap(), b"one");
}

#[tokio::test]
async fn former_versions_keep_their_report_and_lose_their_image() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = extraction(&store, b"one", None).await;
    let former = store.annuaire_in_force().await.unwrap().unwrap();
    let two = extraction(&store, b"two", Some(one)).await;
    assert_eq!(image(&store, &former).await, None);
    let versions = store.annuaire_versions(10).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.id).collect::<Vec<_>>(), [two, one]);
    assert_eq!((versions[1].state, &versions[1].report), (VersionState::Superseded, &json!({ "added": 2 })));
    assert_eq!(store.annuaire_rejections(one, 10).await.unwrap(), record(AnnuaireKind::Extraction).rejections);
    assert_eq!(count(&database, "trace WHERE event = 'annuaire.accepted'").await, 2);
    let late = store.record_annuaire(record(AnnuaireKind::Extraction), Some(one), Placing::InForce, |_| Ok(())).await;
    assert_eq!(late.unwrap(), Recorded::Overtaken);
}

#[tokio::test]
async fn one_that_waits_comes_into_force_when_somebody_says_so() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = extraction(&store, b"one", None).await;
    let two = put(&store, AnnuaireKind::Extraction, b"two", Some(one), waits()).await;
    assert_eq!(store.annuaire_in_force().await.unwrap().unwrap().id, one);
    assert_eq!(store.acknowledge_annuaire(AnnuaireId(two.0 + 1), "root").await.unwrap(), Recorded::Overtaken);
    assert_eq!(store.acknowledge_annuaire(two, "root").await.unwrap(), Recorded::As(two));
    let version = store.annuaire_in_force().await.unwrap().unwrap();
    assert_eq!((version.id, version.acknowledged.as_ref()), (two, Some(&(NOW, "root".to_owned()))));
    assert_eq!(image(&store, &version).await.unwrap(), b"two");
    assert_eq!(count(&database, "annuaire_chunk").await, 1);
    assert_eq!(store.pending_annuaire().await.unwrap(), None);
}

#[tokio::test]
async fn what_waits_is_withdrawn_by_entries_and_not_by_activities() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = extraction(&store, b"one", None).await;
    let waiting = put(&store, AnnuaireKind::Extraction, b"two", Some(one), waits()).await;
    let three = put(&store, AnnuaireKind::Activities, b"three", Some(one), Placing::InForce).await;
    assert_eq!(store.pending_annuaire().await.unwrap().unwrap().id, waiting);
    extraction(&store, b"four", Some(three)).await;
    assert_eq!(store.pending_annuaire().await.unwrap(), None);
    assert!(!store.withdraw_annuaire(waiting, "gone").await.unwrap());
}

#[tokio::test]
async fn confirmations_move_forward_only() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    let one = extraction(&store, b"one", None).await;
    let confirmed = async || store.annuaire_in_force().await.unwrap().unwrap().confirmed_at;
    assert!(store.confirm_annuaire(one, NOW - time::Duration::HOUR).await.unwrap());
    assert_eq!(confirmed().await, NOW);
    assert!(!store.confirm_annuaire(AnnuaireId(one.0 + 1), NOW).await.unwrap());
}

#[tokio::test]
async fn other_nodes_hear_of_a_version_and_of_its_source() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store_at(clock()).await, listening_store(&database).await);
    let mut changes = there.annuaire_changes();
    changes.mark_unchanged();
    extraction(&here, b"one", None).await;
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    let urls = ["https://annuaire.example.fr/extraction".to_owned()];
    here.want_sources(SourceKind::Annuaire, &urls).await.unwrap();
    let claimed = here.claim_sources(SourceKind::Annuaire, &urls, Due::Now, 1, Duration::from_mins(1)).await.unwrap();
    let answer = SourceAnswer::Elsewhere { sha256: [7; 32], etag: Some("\"1\"".to_owned()), last_modified: None };
    assert!(here.settle_source(&claimed[0], &answer, NOW).await.unwrap());
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    let again = here.claim_sources(SourceKind::Annuaire, &urls, Due::Now, 1, Duration::from_mins(1)).await.unwrap();
    assert_eq!((again[0].sha256.as_deref(), again[0].etag.as_deref()), (Some(&[7; 32][..]), Some("\"1\"")));
}

#[tokio::test]
async fn of_what_was_refused_the_last_of_each_source_is_remembered_with_its_lines() {
    let database = TestDatabase::new().await;
    let store = database.store_at(clock()).await;
    assert_eq!(store.last_refused_annuaire().await.unwrap(), None);
    let lines = |lines: &[u64]| -> Vec<AnnuaireRejection> {
        let line = |line: &u64| AnnuaireRejection { line: *line, reason: "fields".to_owned(), detail: "2".to_owned() };
        lines.iter().map(line).collect()
    };
    store.record_refused_annuaire("/a.zip", Some("root"), "rejected", "too many", &lines(&[9, 3])).await.unwrap();
    store.record_refused_annuaire("/a.zip", None, "rejected", "still too many", &lines(&[7])).await.unwrap();
    let last = store.last_refused_annuaire().await.unwrap().unwrap();
    assert_eq!((last.source.as_str(), last.why.as_str(), last.lines), ("/a.zip", "still too many", 1));
    assert_eq!(store.refused_annuaire_lines(last.id, 10).await.unwrap(), lines(&[7]));
    for n in 0..9 {
        store.record_refused_annuaire(&format!("/{n}.zip"), None, "zip", "broken", &lines(&[2, 1])).await.unwrap();
    }
    let last = store.last_refused_annuaire().await.unwrap().unwrap();
    assert_eq!(store.refused_annuaire_lines(last.id, 10).await.unwrap(), lines(&[1, 2]));
    assert_eq!(store.refused_annuaire_lines(last.id, 1).await.unwrap(), lines(&[1]));
    assert_eq!(count(&database, "annuaire_refused").await, 5);
    assert_eq!(count(&database, "annuaire_refused_line").await, 10);
}
