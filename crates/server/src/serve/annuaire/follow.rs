//! The loops of a serving node: one hears what others wrote down, one for each source asks it.

use std::sync::Arc;
use std::time::Duration;

use annuaire::Resolver;
use mssante::Clock as _;
use store::{Due, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Feed, Keeper, Step, Watcher};
use crate::ambient::SystemClock;

/// Nothing is looked at more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Clocks are set right, notices get lost: sooner or later everything is looked at.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When the database does not answer.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// Looks after the directory of a node until it stops.
#[derive(Clone)]
pub(crate) struct Follower {
    keeper: Arc<Keeper>,
    resolver: Arc<Resolver>,
    nudge: watch::Sender<u64>,
}

impl Follower {
    pub(crate) fn new(keeper: Arc<Keeper>, resolver: Arc<Resolver>) -> Self {
        Self { keeper, resolver, nudge: watch::Sender::new(0) }
    }

    /// SIGHUP: the sources are asked now.
    pub(crate) fn reload(&self) {
        self.nudge.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins to look after everything. Nobody waits for the directory: a node serves without it.
    pub(crate) fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for feed in Feed::ALL {
            if feed.url(&self.keeper.settings).is_some() {
                // Before anything is loaded, so that nothing that is of no use goes unheard.
                let rebuilds = self.keeper.rebuilds();
                tasks.spawn(self.clone().keep(feed, rebuilds, stop.clone()));
            }
        }
        tasks.spawn(self.clone().hear(stop.clone()));
    }

    /// Takes over what other nodes and commands have written down, and tells the resolver what it may rely on. A directory
    /// gets stale without anybody's doing: that is noticed within [`LONGEST_PAUSE`].
    async fn hear(self, stop: CancellationToken) {
        let mut changes = self.keeper.store.annuaire_changes();
        loop {
            changes.mark_unchanged();
            let taken = tokio::select! {
                () = stop.cancelled() => return,
                taken = self.keeper.take_over() => taken,
            };
            if let Err(error) = taken {
                tracing::warn!(%error, "the directory cannot be read from the database; the one in force stays");
            }
            self.resolver.rely_on(self.keeper.reliable());
            tokio::select! {
                () = stop.cancelled() => return,
                alive = changes.changed() => if alive.is_err() { return },
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
        }
    }

    async fn keep(self, feed: Feed, mut rebuilds: watch::Receiver<u64>, stop: CancellationToken) {
        let mut nudge = self.nudge.subscribe();
        let mut due = Due::InTime;
        loop {
            // Not cut off when the server stops: what was claimed is given back.
            let pause = match self.ask(feed, due, &stop).await {
                Ok(()) => self.pause(feed).await,
                Err(error) => {
                    tracing::warn!(%error, "the source of the directory cannot be asked");
                    TROUBLE_PAUSE
                }
            };
            due = tokio::select! {
                () = stop.cancelled() => return,
                _ = nudge.changed() => Due::WhenFree,
                _ = rebuilds.changed() => Due::WhenFree,
                () = tokio::time::sleep(pause) => Due::InTime,
            };
        }
    }

    async fn ask(&self, feed: Feed, due: Due, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(url) = feed.url(&self.keeper.settings) else { return Ok(()) };
        let Some(claim) = self.keeper.claim(feed, url, due).await? else { return Ok(()) };
        let watcher: Watcher = Arc::new(|step| match step {
            Step::Downloading => tracing::info!("a directory is downloaded"),
            Step::Reading(_) | Step::Asking { .. } => {}
            Step::Building => tracing::debug!("the directory is built"),
            Step::Writing => tracing::debug!("the directory is written to the database"),
        });
        tokio::select! {
            () = stop.cancelled() => self.keeper.store.release_source(&claim).await,
            asked = self.keeper.ask_claimed(feed, &claim, &watcher) => asked.map(drop),
        }
    }

    /// Until the source is due.
    async fn pause(&self, feed: Feed) -> Duration {
        let Ok(sources) = self.keeper.store.sources(feed.kind()).await else { return TROUBLE_PAUSE };
        let url = feed.url(&self.keeper.settings);
        let ours = sources.iter().find(|source| Some(source.url.as_str()) == url);
        let wait = ours.map_or(LONGEST_PAUSE, |source| {
            Duration::try_from(source.next_attempt - SystemClock.now()).unwrap_or_default()
        });
        wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}
