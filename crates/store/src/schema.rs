//! The schema's version, and whether the key ring fits what is stored.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use mssante::{Random, hex};
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

use crate::transport::connect_options;
use crate::{KeyRing, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// The oldest PostgreSQL that the SQL of this crate runs on.
const OLDEST_SERVER: i32 = 140_000;

/// Version of the newest migration that this binary has.
pub(crate) fn known_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// A short text that differs whenever the schema of this binary does; tests name their template after it.
pub fn schema_fingerprint() -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for migration in MIGRATIONS.iter() {
        digest.update(&migration.checksum);
    }
    hex(&digest.finish().as_ref()[..6])
}

/// Checks the server's version and brings the schema of the database at `url` up to date; an
/// empty database gets it whole. `Store::open` does this by itself.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(&connect_options(url)?).await?;
    migrate_over(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

pub(crate) async fn migrate_over(connection: &mut PgConnection) -> Result<(), StoreError> {
    refuse_old_server(connection).await?;
    refuse_newer_schema(connection).await?;
    MIGRATIONS.run(&mut *connection).await.map_err(|error| StoreError::Unavailable(format!("migrations: {error}")))
}

async fn refuse_old_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    let (number, version): (i32, String) =
        sqlx::query_as("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
            .fetch_one(connection)
            .await?;
    if number < OLDEST_SERVER { Err(StoreError::ServerTooOld(version)) } else { Ok(()) }
}

async fn refuse_newer_schema(connection: &mut PgConnection) -> Result<(), StoreError> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !exists {
        return Ok(());
    }
    let found: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?;
    let (found, known) = (found.unwrap_or(0), known_version());
    if found > known { Err(StoreError::SchemaTooNew { found, known }) } else { Ok(()) }
}

/// What the check value of each key is the seal of.
const CHECKED: &[u8] = b"pli key check";

/// Compares the ring with the check values in the database, and leaves one for each key that has none yet.
pub(crate) async fn check_keys(
    connection: &mut PgConnection,
    ring: &KeyRing,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    // Two nodes may come to an empty database at the same moment, each with a fresh ring: one of them has to lose.
    sqlx::query("LOCK TABLE key_check IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let checks: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT key_id, sealed FROM key_check").fetch_all(&mut *transaction).await?;
    for (id, sealed) in &checks {
        let key = ring.key(id).ok_or_else(|| {
            StoreError::Unseal(format!(
                "the key ring lacks the key {id}, with which messages in this database are sealed; put the key ring \
                 file back that belongs to it"
            ))
        })?;
        open_check(id, key, sealed)?;
    }
    for (id, key) in ring.iter().filter(|(id, _)| checks.iter().all(|(checked, _)| checked != id)) {
        sqlx::query("INSERT INTO key_check (key_id, sealed) VALUES ($1, $2)")
            .bind(id)
            .bind(seal_check(id, key, random))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn seal_check(id: &str, key: &LessSafeKey, random: &dyn Random) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let mut text = CHECKED.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id), &mut text)
        .expect("a few octets are never too long to seal");
    [&nonce[..], &text].concat()
}

fn open_check(id: &str, key: &LessSafeKey, sealed: &[u8]) -> Result<(), StoreError> {
    let wrong = || {
        StoreError::Unseal(format!(
            "the key {id} of the key ring is not the one with which this database was sealed; put the right key ring \
             file back"
        ))
    };
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
    let mut text = text.to_vec();
    let opened = key.open_in_place(nonce, Aad::from(id), &mut text).map_err(|_| wrong())?;
    if opened == CHECKED { Ok(()) } else { Err(wrong()) }
}
