//! Keeps the resolver as the store has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annuaire::{Forward, LocalBal, LocalTable, Resolver};
use store::{Store, StoreError, Ways};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::Health;

/// After a reading that took a while, as many times as long belong to others: thousands of BALs may be created in a row.
const REST: u32 = 4;
/// When the database does not answer.
const TROUBLE_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

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
        let ways = self.store.ways().await?;
        // Of a large operator this takes a while, and sessions have their turn meanwhile.
        let built = tokio::task::spawn_blocking(move || local_table(&ways)).await;
        let table = built.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.health.knows_bals(table.len());
        self.resolver.replace_all(table);
        Ok(())
    }

    /// Refreshes on every change until `stop`, and now and then without: what a session learned of a BAL beside the
    /// notices is looked at again.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.changes.clone();
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                alive = changes.changed() => if alive.is_err() { return },
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
            let begun = Instant::now();
            pause = match self.refresh().await {
                Ok(()) => begun.elapsed() * REST,
                Err(error) => {
                    tracing::error!(%error, "the BALs cannot be read; the resolver keeps what it knows");
                    changes.mark_changed();
                    TROUBLE_PAUSE
                }
            };
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
