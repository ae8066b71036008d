//! The connection pool and what every part of the store shares.

use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, Random};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::committer::{self, Committer, Job, Shift};
use crate::lane::Lane;
use crate::notices::{self, Notices};
use crate::numbers::{Inboxes, NumberBlock};
use crate::transport::connect_options;
use crate::{Actor, BalNews, KeyRing, MessageId, StoreError, schema, sweeper};

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…`; over the network with `sslmode=verify-full` unless it names another mode.
    pub url: String,
    /// Most connections at once; at least 3 (one listens for other nodes).
    pub connections: u32,
}

/// What the store is handed.
#[derive(Clone)]
pub struct StoreParts {
    /// Keys.
    pub keyring: Arc<KeyRing>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// A handle on the store; cheap to clone. What is done through it is traced under the name of its actor.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    actor: Arc<Actor>,
}

/// What all handles share. The background tasks hold its parts, never itself, so that they end when the last
/// handle is gone.
struct Inner {
    pool: PgPool,
    parts: StoreParts,
    notices: Arc<Notices>,
    numbers: NumberBlock,
    inboxes: Inboxes,
    jobs: mpsc::Sender<Job>,
    discards: mpsc::UnboundedSender<MessageId>,
    tasks: TaskTracker,
    closed: CancellationToken,
    _close_on_drop: DropGuard,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(..)")
    }
}

impl Store {
    /// Connects, checks the server's version, applies migrations, starts the group committer,
    /// the listener for other nodes' notices and the sweeper of orphaned chunks.
    pub async fn open(settings: &DatabaseSettings, parts: StoreParts) -> Result<Self, StoreError> {
        let options = connect_options(&settings.url)?;
        let mut connection = PgConnection::connect_with(&options).await?;
        schema::migrate_over(&mut connection).await?;
        schema::check_keys(&mut connection, &parts.keyring, &*parts.random).await?;
        connection.close().await?;
        Ok(Self::start(pool(settings, options), parts))
    }

    fn start(pool: PgPool, parts: StoreParts) -> Self {
        let (notices, outgoing) = Notices::new(&*parts.random);
        let (jobs, waiting) = mpsc::channel(committer::WAITING);
        let (discards, dropped) = mpsc::unbounded_channel();
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        let waiting = Arc::new(Mutex::new(waiting));
        let committer = Committer { pool: pool.clone(), notices: Arc::clone(&notices), busy: Arc::default() };
        let (aside, held_up) = mpsc::unbounded_channel();
        for _ in 0..committer::COMMITTERS {
            let (committer, jobs) = (committer.clone(), Arc::clone(&waiting));
            tasks.spawn(Shift { committer, jobs, aside: aside.clone(), closed: closed.clone() }.run());
        }
        tasks.spawn(Lane { committer, aside: held_up, closed: closed.clone() }.run());
        tasks.spawn(notices::send_out(pool.clone(), Arc::clone(&notices), outgoing, closed.clone()));
        tasks.spawn(notices::listen(pool.clone(), Arc::clone(&notices), closed.clone()));
        tasks.spawn(sweeper::discard(pool.clone(), dropped, closed.clone()));
        let (clock, watchers) = (Arc::clone(&parts.clock), Arc::clone(&notices));
        tasks.spawn(sweeper::run(pool.clone(), move || clock.now(), move || watchers.prune(), closed.clone()));
        let close_on_drop = closed.clone().drop_guard();
        let inner = Inner {
            pool,
            parts,
            notices,
            numbers: NumberBlock::default(),
            inboxes: Inboxes::default(),
            jobs,
            discards,
            tasks,
            closed,
            _close_on_drop: close_on_drop,
        };
        Self { inner: Arc::new(inner), actor: Arc::default() }
    }

    /// The same store for somebody: the audit trail names him for what is done through this handle. Handles act for
    /// pli itself until told otherwise.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { inner: Arc::clone(&self.inner), actor: Arc::new(actor) }
    }

    /// Whether the database answers (for `/readyz`).
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.pool()).await?;
        Ok(())
    }

    /// Waits for work in progress and closes all connections.
    pub async fn close(&self) {
        self.inner.closed.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.pool.close().await;
    }

    /// Says from now on which BALs, their aliases or forwards were changed, by whichever process.
    pub fn bal_news(&self) -> BalNews {
        self.notices().bal_news()
    }

    /// Wakes when BALs were created or changed, by whichever process. Lags are fine: look for yourself.
    pub fn bal_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.notices().watch_bals()
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.parts.clock
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.inner.parts.random
    }

    pub(crate) fn keyring(&self) -> &KeyRing {
        &self.inner.parts.keyring
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.inner.notices
    }

    pub(crate) fn number_block(&self) -> &NumberBlock {
        &self.inner.numbers
    }

    pub(crate) fn inbox_cache(&self) -> &Inboxes {
        &self.inner.inboxes
    }

    /// The way to the committers.
    pub(crate) fn jobs(&self) -> &mpsc::Sender<Job> {
        &self.inner.jobs
    }

    /// The way to have staged chunks removed.
    pub(crate) fn discards(&self) -> &mpsc::UnboundedSender<MessageId> {
        &self.inner.discards
    }
}

fn pool(settings: &DatabaseSettings, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(settings.connections.max(3))
        .acquire_timeout(Duration::from_secs(20))
        // A ping before each use would double the round trips; only connections that have idled get one.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < Duration::from_secs(1) || connection.ping().await.is_ok()) })
        })
        .after_connect(|connection, _| Box::pin(set_up(connection)))
        .connect_lazy_with(options)
}

/// Settings that the promises rest on, whatever the server's defaults are.
async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(
            "SET synchronous_commit = on;
             SET statement_timeout = '60s';
             SET lock_timeout = '30s';
             SET idle_in_transaction_session_timeout = '60s';
             -- All statements are set-based and found by keys: planning them for each batch anew costs more than it gains.
             SET plan_cache_mode = force_generic_plan;
             SET jit = off",
        )
        .await?;
    Ok(())
}
