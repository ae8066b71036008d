//! Keeps the resolver as the store has it.

use std::sync::Arc;
use std::time::Duration;

use annuaire::{Forward, LocalBal, LocalTable, Resolver};
use store::{Store, StoreError, Ways};
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
        let table = local_table(&self.store.ways().await?);
        self.health.knows_bals(table.len());
        self.resolver.replace_all(table);
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

/// The ways to our BALs, as the resolver keeps them.
pub(crate) fn local_table(ways: &Ways) -> LocalTable {
    let mut table = LocalTable::default();
    for (address, id, kind, state) in &ways.bals {
        table.put(address, LocalBal { id: *id, kind: *kind, state: *state });
    }
    for alias in &ways.aliases {
        table.alias(&alias.address, alias.bal);
    }
    for forward in &ways.forwards {
        table.forward(forward.from, Forward { target: forward.to, copy: forward.copy });
    }
    table
}
