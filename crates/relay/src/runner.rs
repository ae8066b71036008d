//! The loop: claim what is due, one task per domain, settle, wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use annuaire::Resolver;
use mssante::{Clock, Domain, Random};
use store::{Claimed, MessageId, Outcome, QueueId, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trust::{HopTls, TrustSpace};

use crate::HostFinder;
use crate::attempt::{Ending, Endings, Trouble};

/// How long claimed entries stay ours without a renewal: what a killed node leaves waiting.
const LEASE: Duration = Duration::from_secs(90);
/// How often the lease of running work is renewed.
const RENEWAL: Duration = Duration::from_secs(30);
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
    fn wait(&self, attempts: u32, random: &dyn Random) -> Duration {
        let place = usize::try_from(attempts).unwrap_or(usize::MAX).min(self.waits.len().saturating_sub(1));
        let wait = self.waits.get(place).copied().unwrap_or(LONGEST_WAIT);
        let mut lot = [0];
        random.fill(&mut lot);
        wait.mul_f64(0.9 + 0.2 * f64::from(lot[0]) / 255.0)
    }
}

/// The queue runner of one node.
pub struct Relay {
    /// Our name in EHLO and in reports.
    pub hostname: String,
    /// The store.
    pub store: Store,
    /// TLS of outgoing hops.
    pub tls: Arc<HopTls>,
    /// The trust list.
    pub trust: TrustSpace,
    /// For senders of reports.
    pub resolver: Arc<Resolver>,
    /// Where operators listen.
    pub hosts: HostFinder,
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

impl Relay {
    /// Works until `stop`; finishes the hand-overs in progress.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let hops = Arc::new(Semaphore::new(self.connections.max(1)));
        let mut added = self.store.watch_queue();
        while !stop.is_cancelled() {
            let Ok(hop) = Arc::clone(&hops).acquire_owned().await else { break };
            added.mark_unchanged();
            match self.start_due(hop, &hops, &tasks).await {
                Claim::Full => {}
                Claim::Exhausted => self.wait(&mut added, &stop).await,
                Claim::Failed => sleep(AFTER_TROUBLE).await,
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Claims what is due and starts a task for each domain; the first one gets the free hop.
    async fn start_due(
        self: &Arc<Self>,
        hop: OwnedSemaphorePermit,
        hops: &Arc<Semaphore>,
        tasks: &TaskTracker,
    ) -> Claim {
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
            let (relay, hops, mine) = (Arc::clone(self), Arc::clone(hops), free.take());
            tasks.spawn(async move { relay.work(&domain, entries, mine, hops).await });
        }
        end
    }

    /// One domain's entries, from the lease to the settlement.
    async fn work(
        &self,
        domain: &Domain,
        entries: Vec<Claimed>,
        hop: Option<OwnedSemaphorePermit>,
        hops: Arc<Semaphore>,
    ) {
        let leases: Vec<_> = entries.iter().map(|entry| (entry.id, entry.fence)).collect();
        let attempt = async {
            let _hop = match hop {
                Some(hop) => Some(hop),
                None => hops.acquire_owned().await.ok(),
            };
            self.attempt(domain, entries).await
        };
        let endings = tokio::select! {
            endings = attempt => endings,
            () = self.keep_leases(&leases) => return,
        };
        self.settle(domain, endings).await;
    }

    /// Renews until a lease is lost: then another node works on the entries and our attempt is
    /// dropped, which closes its connection.
    async fn keep_leases(&self, leases: &[(QueueId, i64)]) {
        let mut ticks = interval(RENEWAL);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match self.store.renew(leases, LEASE).await {
                Ok(kept) if kept == leases.len() as u64 => {}
                Ok(_) => {
                    tracing::error!("a lease was lost; another node has taken over");
                    return;
                }
                Err(error) => tracing::warn!(%error, "leases could not be renewed"),
            }
        }
    }

    async fn settle(&self, domain: &Domain, endings: Endings) {
        let mut outcomes = Vec::new();
        let mut failed: HashMap<MessageId, Vec<(Claimed, Trouble)>> = HashMap::new();
        for (entry, ending) in endings {
            match self.decide(&entry, ending) {
                Decision::Settle(outcome) => outcomes.push((entry.id, entry.fence, outcome)),
                Decision::GiveUp(trouble) => failed.entry(entry.message).or_default().push((entry, trouble)),
            }
        }
        log_outcomes(domain, &outcomes);
        if let Err(error) = self.store.settle(&outcomes).await {
            // The leases run out and the entries are tried again: a second copy is possible here,
            // as RFC 1047 describes, and is counted.
            metrics::counter!("pli_relay_unsettled_total").increment(outcomes.len() as u64);
            tracing::error!(%domain, %error, "outcomes could not be written down");
        }
        for entries in failed.values() {
            if let Err(error) = self.give_up(entries).await {
                tracing::error!(%domain, %error, "a failure could not be reported; it is tried again");
            }
        }
    }

    fn decide(&self, entry: &Claimed, ending: Ending) -> Decision {
        match ending {
            Ending::HandedOver { reply, host } => Decision::Settle(Outcome::HandedOver { reply, host }),
            Ending::Never(trouble) => Decision::GiveUp(trouble),
            Ending::Later(trouble) if self.clock.now() - entry.accepted_at >= self.schedule.expiry => {
                Decision::GiveUp(trouble)
            }
            Ending::Later(trouble) => {
                let next_attempt = self.clock.now() + self.schedule.wait(entry.attempts, &*self.random);
                Decision::Settle(Outcome::Deferred { next_attempt, reply: trouble.text })
            }
        }
    }

    /// Until something was added, something falls due, or it is time to look anyway.
    async fn wait(&self, added: &mut watch::Receiver<u64>, stop: &CancellationToken) {
        let until_due = match self.store.next_due().await {
            Ok(Some(due)) => Duration::try_from(due - self.clock.now()).unwrap_or_default(),
            _ => LONGEST_WAIT,
        };
        tokio::select! {
            _ = added.changed() => {}
            () = sleep(until_due.clamp(Duration::from_millis(50), LONGEST_WAIT)) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What is written down of an ending.
enum Decision {
    Settle(Outcome),
    GiveUp(Trouble),
}

fn by_domain(claimed: Vec<Claimed>) -> HashMap<Domain, Vec<Claimed>> {
    let mut domains: HashMap<Domain, Vec<Claimed>> = HashMap::new();
    for entry in claimed {
        domains.entry(entry.recipient.domain().clone()).or_default().push(entry);
    }
    domains
}

fn log_outcomes(domain: &Domain, outcomes: &[(QueueId, i64, Outcome)]) {
    for (_, _, outcome) in outcomes {
        match outcome {
            Outcome::HandedOver { host, .. } => {
                metrics::counter!("pli_relay_handed_over_total").increment(1);
                tracing::debug!(%domain, host, "handed over");
            }
            Outcome::Deferred { reply, .. } | Outcome::Failed { reply } => {
                metrics::counter!("pli_relay_deferred_total").increment(1);
                tracing::info!(%domain, reply, "deferred");
            }
        }
    }
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
