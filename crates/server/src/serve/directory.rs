//! Keeps the resolver as the store has it.

use std::sync::Arc;
use std::time::Duration;

use annuaire::{LocalBal, Resolver};
use store::{BalFilter, BalRecord, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::Health;

/// Reads the BALs whenever somebody, here or elsewhere, has changed one.
pub(super) struct Directory {
    store: Store,
    resolver: Arc<Resolver>,
    health: Arc<Health>,
    changes: watch::Receiver<u64>,
}

impl Directory {
    pub(super) fn new(store: Store, resolver: Arc<Resolver>, health: Arc<Health>) -> Self {
        // Taken before the first reading, so that no change falls between the two.
        let changes = store.bal_changes();
        Self { store, resolver, health, changes }
    }

    /// Puts all BALs of the store into the resolver.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let bals = self.store.list_bals(&BalFilter::default()).await?;
        let count = bals.len();
        let known = |bal: BalRecord| (bal.address, LocalBal { id: bal.id, kind: bal.kind, state: bal.state });
        self.resolver.replace_all(bals.into_iter().map(known));
        self.health.knows_bals(count);
        Ok(())
    }

    /// Refreshes on every change until `stop`.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.changes.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                alive = changes.changed() => if alive.is_err() { return },
            }
            while let Err(error) = self.refresh().await {
                tracing::error!(%error, "the BALs cannot be read; the resolver keeps what it knows");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(2)) => {}
                }
            }
        }
    }
}
