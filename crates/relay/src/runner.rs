//! The loop: claim what is due, one task per domain, settle, wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use annuaire::Resolver;
use mssante::{Clock, Domain, Random};
use store::{Claimed, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Hops;
use crate::health::HostHealth;
use crate::lease::{LEASE, Leases};

/// Most entries claimed at once.
const BATCH: u32 = 200;
/// Longest wait without a look into the queue.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Wait after the database did not answer.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// When to try again and when to give up.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Waits between attempts; the last one repeats. Never empty.
    pub waits: Vec<Duration>,
    /// Give up and report after this.
    pub expiry: Duration,
}

impl Schedule {
    /// The wait after `attempts` earlier attempts, 10 % shorter to 10 % longer by lot.
    pub(crate) fn wait(&self, attempts: u32, random: &dyn Random) -> Duration {
        let place = usize::try_from(attempts).unwrap_or(usize::MAX).min(self.waits.len().saturating_sub(1));
        let wait = self.waits.get(place).copied().unwrap_or(LONGEST_WAIT);
        let mut lot = [0];
        random.fill(&mut lot);
        wait.mul_f64(0.9 + 0.2 * f64::from(lot[0]) / 255.0)
    }
}

/// The queue runner of one node.
pub struct Relay {
    /// What opens hops; our name in reports is the one there.
    pub hops: Hops,
    /// The store.
    pub store: Store,
    /// For senders of reports.
    pub resolver: Arc<Resolver>,
    /// Retries.
    pub schedule: Schedule,
    /// Hops open at once.
    pub connections: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

/// Whether the last claim took all that was due.
#[derive(PartialEq, Eq)]
enum Claim {
    /// There may be more.
    Full,
    /// All due entries are being worked on.
    Exhausted,
    /// The database did not answer.
    Failed,
}

/// What the tasks of one run share.
struct Run {
    /// Free hops.
    hops: Arc<Semaphore>,
    /// Addresses that did not answer a moment ago.
    health: HostHealth,
    /// Wakes the loop when entries were deferred: they may be due before it would look.
    deferred: Notify,
    stop: CancellationToken,
}

impl Relay {
    /// Works until `stop`; finishes the hand-overs in progress and releases what waits behind them.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let run = Arc::new(Run {
            hops: Arc::new(Semaphore::new(self.connections.max(1))),
            health: HostHealth::default(),
            deferred: Notify::new(),
            stop: stop.clone(),
        });
        let mut added = self.store.watch_queue();
        while let Some(Ok(hop)) = stop.run_until_cancelled(Arc::clone(&run.hops).acquire_owned()).await {
            added.mark_unchanged();
            match self.start_due(hop, &run, &tasks).await {
                Claim::Full => {}
                Claim::Exhausted => self.wait(&mut added, &run).await,
                Claim::Failed => sleep(AFTER_TROUBLE).await,
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Claims what is due and starts a task for each domain; the first one gets the free hop.
    async fn start_due(self: &Arc<Self>, hop: OwnedSemaphorePermit, run: &Arc<Run>, tasks: &TaskTracker) -> Claim {
        let claimed = match self.store.claim(BATCH, LEASE).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                return Claim::Failed;
            }
        };
        let end = if claimed.len() < BATCH as usize { Claim::Exhausted } else { Claim::Full };
        let mut free = Some(hop);
        for (domain, entries) in by_domain(claimed) {
            let (relay, run, mine) = (Arc::clone(self), Arc::clone(run), free.take());
            tasks.spawn(async move { relay.work(&domain, entries, mine, &run).await });
        }
        end
    }

    /// One domain's entries, from the lease to the settlement. When a lease is lost the attempt is
    /// dropped, which closes its connection; what it handed over before is settled already.
    async fn work(&self, domain: &Domain, entries: Vec<Claimed>, hop: Option<OwnedSemaphorePermit>, run: &Run) {
        let leases = Leases::of(&entries);
        let attempt = async {
            let _hop = match hop {
                Some(hop) => Some(hop),
                None => Arc::clone(&run.hops).acquire_owned().await.ok(),
            };
            self.attempt(domain, entries, &leases, &run.health, &run.stop).await;
        };
        tokio::select! {
            () = attempt => {}
            () = leases.keep(&self.store) => {}
        }
        run.deferred.notify_one();
    }

    /// Until something was added, something falls due, or it is time to look anyway.
    async fn wait(&self, added: &mut watch::Receiver<u64>, run: &Run) {
        let until_due = match self.store.next_due().await {
            Ok(Some(due)) => Duration::try_from(due - self.clock.now()).unwrap_or_default(),
            _ => LONGEST_WAIT,
        };
        tokio::select! {
            _ = added.changed() => {}
            () = run.deferred.notified() => {}
            () = sleep(until_due.clamp(Duration::from_millis(50), LONGEST_WAIT)) => {}
            () = run.stop.cancelled() => {}
        }
    }
}

fn by_domain(claimed: Vec<Claimed>) -> HashMap<Domain, Vec<Claimed>> {
    let mut domains: HashMap<Domain, Vec<Claimed>> = HashMap::new();
    for entry in claimed {
        domains.entry(entry.recipient.domain().clone()).or_default().push(entry);
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn the_last_wait_repeats_and_lots_spread_it() {
        let schedule =
            Schedule { waits: vec![Duration::from_mins(1), Duration::from_mins(10)], expiry: Duration::from_secs(1) };
        assert_eq!(schedule.wait(0, &Fixed(0)), Duration::from_secs(54));
        assert_eq!(schedule.wait(9, &Fixed(255)), Duration::from_mins(11));
    }
}
