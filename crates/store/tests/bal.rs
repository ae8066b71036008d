//! BALs and what opening a store checks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use mssante::{Address, BalKind, BalState};
use sqlx::{Connection, PgConnection};
use store::{BalFilter, KeyRing, NewBal, Store, StoreError};
use testkit::clock::RealClock;
use testkit::postgres::{TestDatabase, parts};

fn new_bal(address: &str, kind: BalKind) -> NewBal {
    NewBal {
        display_name: Some("Dr Jean Dupont".into()),
        holder: Some("10001234565".parse().unwrap()),
        structure: Some("318751275100020".parse().unwrap()),
        certificate_dn: Some("cn=test".into()),
        ..NewBal::new(Address::parse(address).unwrap(), kind)
    }
}

#[tokio::test]
async fn a_bal_is_created_once_and_read_back() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let made = store.create_bal(new_bal("Jean.Dupont@ch.mssante.fr", BalKind::Nominative)).await.unwrap();
    let again = store.create_bal(new_bal("jean.dupont@CH.mssante.fr", BalKind::Cabinet)).await;
    assert!(matches!(again, Err(StoreError::BalExists(_))), "{again:?}");
    let read = store.bal(&Address::parse("JEAN.DUPONT@ch.mssante.fr").unwrap()).await.unwrap();
    assert_eq!(read.as_ref(), Some(&made));
    assert_eq!(made.address.to_string(), "Jean.Dupont@ch.mssante.fr", "as it was written");
    assert_eq!(store.bals_of_certificate("cn=test").await.unwrap(), [made]);
}

#[tokio::test]
async fn states_and_passwords_change_and_wake_those_who_watch() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let mut changes = store.bal_changes();
    let bal = store.create_bal(new_bal("a@ch.mssante.fr", BalKind::Nominative)).await.unwrap();
    assert!(!bal.has_password && changes.has_changed().unwrap());
    changes.mark_unchanged();
    store.set_password_hash(bal.id, "$argon2id$x").await.unwrap();
    let suspended = store.set_bal_state(bal.id, BalState::Suspended, "left").await.unwrap();
    assert_eq!((suspended.state, suspended.state_reason.as_deref()), (BalState::Suspended, Some("left")));
    assert!(changes.has_changed().unwrap());
    let (record, hash) = store.credential(&bal.address).await.unwrap().unwrap();
    assert!(record.has_password && hash.as_deref() == Some("$argon2id$x"));
    let of_suspended = BalFilter { state: Some(BalState::Suspended), ..BalFilter::default() };
    assert_eq!(store.list_bals(&of_suspended).await.unwrap(), [record]);
    let active = BalFilter { state: Some(BalState::Active), ..BalFilter::default() };
    assert_eq!(store.list_bals(&active).await.unwrap(), []);
}

#[tokio::test]
async fn another_process_hears_of_a_new_bal() {
    let database = TestDatabase::new().await;
    let (here, there) = (database.store().await, database.store().await);
    let mut changes = there.bal_changes();
    // The listener bumps once when it begins to listen.
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    here.create_bal(new_bal("a@ch.mssante.fr", BalKind::Nominative)).await.unwrap();
    changes.changed().await.unwrap();
    there.close().await;
    here.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'of the future', true, '', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let opened = Store::open(&database.settings(), parts(Arc::new(RealClock))).await;
    assert!(matches!(opened, Err(StoreError::SchemaTooNew { found: 999, .. })), "{opened:?}");
}

#[tokio::test]
async fn another_key_ring_is_refused() {
    let database = TestDatabase::new().await;
    database.store().await.close().await;
    for (ring, why) in [
        (format!("key kother {0}{0}\nactive kother\n", "ab".repeat(16)), "lacks the key ktest"),
        (format!("key ktest {0}{0}\nactive ktest\n", "ab".repeat(16)), "is not the one"),
    ] {
        let keyring = Arc::new(KeyRing::parse(&ring).unwrap());
        let opened =
            Store::open(&database.settings(), store::StoreParts { keyring, ..parts(Arc::new(RealClock)) }).await;
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::Unseal(_)) && error.to_string().contains(why), "{error}");
    }
}
