//! The loop.

use std::sync::Arc;
use std::time::Duration;

use annuaire::Resolver;
use mssante::{Clock, Random};
use store::Store;
use tokio_util::sync::CancellationToken;
use trust::{HopTls, TrustSpace};

use crate::HostFinder;

/// When to try again and when to give up.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Waits between attempts; the last one repeats.
    pub waits: Vec<Duration>,
    /// Give up and report after this.
    pub expiry: Duration,
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

impl Relay {
    /// Works until `stop`; finishes the hand-overs in progress.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        todo!()
    }
}
