//! Leases of the entries that an attempt works on, renewed until each is settled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Claimed, QueueId, Store};
use tokio::time::interval;

/// How long claimed entries stay ours without a renewal: what a killed node leaves waiting.
pub(crate) const LEASE: Duration = Duration::from_secs(90);
/// How often the leases of running work are renewed.
const RENEWAL: Duration = Duration::from_secs(30);

/// The entries of one attempt that are not settled yet, with their fences.
#[derive(Debug)]
pub(crate) struct Leases(Mutex<HashMap<QueueId, i64>>);

impl Leases {
    pub(crate) fn of(entries: &[Claimed]) -> Self {
        Self(Mutex::new(entries.iter().map(|entry| (entry.id, entry.fence)).collect()))
    }

    /// These are about to be settled. A settlement takes far less than what is left of a lease.
    pub(crate) fn forget<'a>(&self, entries: impl Iterator<Item = &'a Claimed>) {
        let mut leases = self.lock();
        for entry in entries {
            leases.remove(&entry.id);
        }
    }

    /// Renews until a lease is lost: then another node works on the entry.
    pub(crate) async fn keep(&self, store: &Store) {
        let mut ticks = interval(RENEWAL);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let held: Vec<_> = self.lock().iter().map(|(id, fence)| (*id, *fence)).collect();
            match store.renew(&held, LEASE).await {
                // What was settled meanwhile is not missed.
                Ok(kept) if kept >= self.lock().len() as u64 => {}
                Ok(_) => {
                    tracing::error!("a lease was lost; another node has taken over");
                    return;
                }
                Err(error) => tracing::warn!(%error, "leases could not be renewed"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
