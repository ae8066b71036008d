//! A database of its own for each test, on one private PostgreSQL cluster that all test
//! processes of a user share.
//!
//! The cluster lies in `/tmp/pli-test-pg-<uid>` and runs without fsync. Whichever test comes first starts it; it is
//! left running for the next one, until [`stop_test_cluster`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mssante::Clock;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{Cluster, ClusterProfile, DatabaseSettings, KeyRing, Store, StoreParts};

use crate::clock::{RealClock, TestRandom};

/// Connections per test: many test processes share the cluster's 300.
const CONNECTIONS: u32 = 4;
/// Age at which a database that a killed test left is dropped.
const LEFTOVER_SECONDS: i64 = 24 * 3600;
/// Number of the advisory lock under which the template is made.
const TEMPLATE_LOCK: i64 = 0x706c_6974;

/// The key ring of [`TestDatabase::store`]; not a secret.
pub const TEST_KEYRING: &str =
    "key ktest 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\nactive ktest\n";

/// A database with the schema of this build and nothing in it; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    admin_url: String,
    name: String,
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// If there is no PostgreSQL on this machine or it does not do as told: then no test can go on.
    pub async fn new() -> Self {
        let cluster = cluster().await;
        let admin_url = cluster.url_of("postgres");
        let mut admin = PgConnection::connect(&admin_url).await.expect("the test cluster answers");
        if !cluster.was_running() {
            drop_leftovers(&mut admin).await.expect("old test databases can be dropped");
        }
        let template = template(&cluster, &mut admin).await.expect("the template database can be made");
        let name = unused_name(&mut admin).await.expect("the test cluster tells the time");
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("a database can be made");
        admin.close().await.expect("the connection can be closed");
        Self { url: cluster.url_of(&name), admin_url, name }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How to open it, with few connections.
    pub fn settings(&self) -> DatabaseSettings {
        DatabaseSettings { url: self.url.clone(), connections: CONNECTIONS }
    }

    /// A store on it, with a fixed key ring and the machine's clock.
    ///
    /// # Panics
    /// If the store cannot be opened.
    pub async fn store(&self) -> Store {
        self.store_at(Arc::new(RealClock)).await
    }

    /// The same with a clock of the test's own.
    ///
    /// # Panics
    /// If the store cannot be opened.
    pub async fn store_at(&self, clock: Arc<dyn Clock>) -> Store {
        Store::open(&self.settings(), parts(clock)).await.expect("the store opens")
    }
}

/// What a store of a test is handed beside its clock: a fixed key ring, and randomness that differs from store to
/// store, so that two of them never take themselves for one node.
///
/// # Panics
/// Never: the key ring is well-formed.
pub fn parts(clock: Arc<dyn Clock>) -> StoreParts {
    static SEED: AtomicU64 = AtomicU64::new(0);
    let seed = SEED.fetch_add(1, Ordering::Relaxed) << 32 | u64::from(std::process::id());
    let keyring = Arc::new(KeyRing::parse(TEST_KEYRING).expect("the test key ring is well-formed"));
    StoreParts { keyring, clock, random: Arc::new(TestRandom::seeded(seed)) }
}

impl Drop for TestDatabase {
    /// Best effort: what stays is dropped by a later start of the cluster. In a thread, because a test's runtime
    /// cannot be blocked on.
    fn drop(&mut self) {
        let (url, name) = (self.admin_url.clone(), self.name.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut admin = PgConnection::connect(&url).await?;
                execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
            })
        };
        let worker = std::thread::spawn(move || {
            let _: Result<(), sqlx::Error> = work();
        });
        let _ = worker.join();
    }
}

/// Stops the test cluster of this user, if it runs.
///
/// # Errors
/// What the server said when it did not stop.
pub async fn stop_test_cluster() -> Result<(), store::EmbeddedError> {
    let folder = folder();
    if !folder.join("postgresql/data/postmaster.pid").exists() {
        return Ok(());
    }
    Cluster::start_as(&folder, ClusterProfile::Scratch).await?.stop_for_all().await
}

fn folder() -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
    PathBuf::from(format!("/tmp/pli-test-pg-{uid}"))
}

async fn cluster() -> Cluster {
    Cluster::start_as(&folder(), ClusterProfile::Scratch).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Names here are made of our own letters and digits; SQL has no parameters for them.
async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The template with the schema of this build; made by whoever comes first.
async fn template(cluster: &Cluster, admin: &mut PgConnection) -> Result<String, sqlx::Error> {
    let name = format!("pli_template_{}", store::schema_fingerprint());
    if exists(admin, &name).await? {
        return Ok(name);
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut *admin).await?;
    if !exists(admin, &name).await? {
        let unfinished = format!("{name}_unfinished");
        execute(admin, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await?;
        execute(admin, format!("CREATE DATABASE {unfinished}")).await?;
        store::migrate(&cluster.url_of(&unfinished)).await.unwrap_or_else(|error| panic!("migrations: {error}"));
        execute(admin, format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(TEMPLATE_LOCK).execute(admin).await?;
    Ok(name)
}

async fn exists(admin: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name).fetch_one(admin).await
}

/// `pli_test_<second>_<process>_<number>`
async fn unused_name(admin: &mut PgConnection) -> Result<String, sqlx::Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let second: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint").fetch_one(admin).await?;
    Ok(format!("pli_test_{second}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

async fn drop_leftovers(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    let old: Vec<String> = sqlx::query_scalar(
        r"SELECT datname::text FROM pg_database
          WHERE datname ~ '^pli_test_\d+_\d+_\d+$'
            AND split_part(datname, '_', 3)::bigint < extract(epoch FROM now()) - $1",
    )
    .bind(LEFTOVER_SECONDS)
    .fetch_all(&mut *admin)
    .await?;
    for name in old {
        execute(admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    }
    Ok(())
}
