//! The connection pool and what every part of the store shares.

use std::sync::Arc;

use mssante::{Clock, Random};

use crate::{KeyRing, StoreError};

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…`
    pub url: String,
    /// Most connections at once.
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

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(..)")
    }
}

impl Store {
    /// Connects, checks the server's version, applies migrations, starts the group committer,
    /// the listener for other nodes' notices and the sweeper of orphaned chunks.
    pub async fn open(settings: &DatabaseSettings, parts: StoreParts) -> Result<Self, StoreError> {
        todo!()
    }

    /// Whether the database answers (for `/readyz`).
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Waits for work in progress and closes all connections.
    pub async fn close(&self) {
        todo!()
    }

    /// Wakes when BALs were created or changed, by whichever process. Lags are fine: read all again.
    pub fn bal_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        todo!()
    }
}
