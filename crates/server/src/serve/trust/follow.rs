//! The loops of a serving node. Each of them waits for its own things only: a source that does not answer holds
//! up nothing else.

use std::sync::Arc;
use std::time::Duration;

use mssante::Clock;
use store::{Due, SourceClaim, SourceKind, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trust::ListStanding;

use super::{Keeper, crl, view};
use crate::ambient::SystemClock;
use crate::config::ListSource;

/// A file is looked at so often.
const FILE_PAUSE: Duration = Duration::from_secs(2);
/// Nothing is looked at more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Clocks are set right, notices get lost: sooner or later everything is looked at.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When the database does not answer.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// Looks after the trust space of a node until it stops.
#[derive(Clone)]
pub(crate) struct Follower {
    keeper: Arc<Keeper>,
    nudge: watch::Sender<u64>,
    /// Counts the revocation lists that came.
    crls: watch::Sender<u64>,
}

impl Follower {
    pub(crate) fn new(keeper: Arc<Keeper>) -> Self {
        Self { keeper, nudge: watch::Sender::new(0), crls: watch::Sender::new(0) }
    }

    /// SIGHUP: other authorities may count, and the source of the list is asked now.
    pub(crate) fn reload(&self) {
        let keeper = &self.keeper;
        if keeper.checks_revocation() {
            super::trust_again(&keeper.settings, keeper.space.revocation());
            keeper.loaded.forget();
        }
        self.nudge();
    }

    fn nudge(&self) {
        self.nudge.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins to look after everything.
    pub(crate) fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(self.clone().hear(stop.clone()));
        tasks.spawn(self.clone().keep_list(stop.clone()));
        self.start_crls(tasks, stop);
    }

    /// Only the revocation lists, for a command that needs them.
    pub(crate) fn start_crls(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        if self.keeper.checks_revocation() {
            tasks.spawn(self.clone().keep_crls(stop.clone()));
        }
    }

    /// Takes over what other nodes and commands have written down.
    async fn hear(self, stop: CancellationToken) {
        let mut changes = self.keeper.store.trust_changes();
        let mut nudge = self.nudge.subscribe();
        let mut standing = self.keeper.space.standing();
        changes.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                alive = changes.changed() => if alive.is_err() { return },
                _ = nudge.changed() => self.keeper.try_again().await,
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
            changes.mark_unchanged();
            standing = view::turned(standing, &self.keeper.space);
            if let Err(error) = self.keeper.take_over().await {
                tracing::warn!(%error, "the trust list cannot be read from the database; the one in force stays");
            }
        }
    }

    async fn keep_list(self, stop: CancellationToken) {
        let (mut nudge, mut crls) = (self.nudge.subscribe(), self.crls.subscribe());
        let mut due = Due::InTime;
        loop {
            // Not cut off when the server stops: what was claimed is given back.
            let pause = self.ask_list(due, &stop).await;
            due = tokio::select! {
                () = stop.cancelled() => return,
                _ = nudge.changed() => {
                    self.keeper.try_again().await;
                    Due::Now
                }
                _ = crls.changed() => self.without_list(),
                () = tokio::time::sleep(pause) => Due::InTime,
            };
        }
    }

    /// Asks the source of the white list if it is due; how long to wait then.
    async fn ask_list(&self, due: Due, stop: &CancellationToken) -> Duration {
        let keeper = &self.keeper;
        let asked = match keeper.settings.trust_list.source() {
            Some(ListSource::Url(url)) => self.ask_url(url, due, stop).await,
            _ => keeper.ask_source(due).await.map(drop),
        };
        if let Err(error) = asked {
            tracing::warn!(%error, "the source of the trust list cannot be asked");
            return TROUBLE_PAUSE;
        }
        match keeper.settings.trust_list.source() {
            Some(ListSource::Url(_)) => self.pause(SourceKind::List).await,
            _ => FILE_PAUSE,
        }
    }

    async fn ask_url(&self, url: &str, due: Due, stop: &CancellationToken) -> Result<(), StoreError> {
        let Some(claim) = self.keeper.claim_list(url, due).await? else { return Ok(()) };
        tokio::select! {
            () = stop.cancelled() => self.keeper.store.release_source(&claim).await,
            asked = self.keeper.ask_url(&claim) => asked.map(drop),
        }
    }

    async fn keep_crls(self, stop: CancellationToken) {
        let mut wants = self.keeper.space.revocation().wants();
        let mut nudge = self.nudge.subscribe();
        let mut running = JoinSet::new();
        loop {
            let free = crl::AT_ONCE - running.len().min(crl::AT_ONCE);
            let claimed = self.claim_crls(free).await;
            let pause = match claimed {
                Ok(claims) => {
                    for claim in claims {
                        running.spawn(self.clone().ask_crl(claim, stop.clone()));
                    }
                    self.pause(SourceKind::Crl).await
                }
                Err(error) => {
                    tracing::warn!(%error, "the sources of revocation lists cannot be asked");
                    TROUBLE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => {}
                alive = wants.changed() => if alive.is_err() { break },
                _ = nudge.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// What is due; what others know by now is taken over first.
    async fn claim_crls(&self, limit: usize) -> Result<Vec<SourceClaim>, StoreError> {
        self.keeper.load_crls().await?;
        self.keeper.claim_crls(Due::InTime, limit).await
    }

    async fn ask_crl(self, claim: SourceClaim, stop: CancellationToken) {
        let asked = tokio::select! {
            () = stop.cancelled() => self.keeper.store.release_source(&claim).await,
            asked = self.keeper.ask_crl(&claim) => asked.map(|asked| self.came(&asked)),
        };
        if let Err(error) = asked {
            tracing::warn!(url = claim.url, %error, "what a source of revocation lists gave is not written down");
        }
    }

    fn came(&self, asked: &crl::CrlAsked) {
        if matches!(asked.result, Ok(Some(_))) {
            self.crls.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// A revocation list came. A white list that was refused because nobody could say whether its signer is revoked
    /// need not wait for its turn.
    fn without_list(&self) -> Due {
        match self.keeper.space.standing() {
            ListStanding::Missing => Due::Now,
            ListStanding::Fresh | ListStanding::Stale | ListStanding::Expired => Due::InTime,
        }
    }

    /// Until the first of the sources is due.
    async fn pause(&self, kind: SourceKind) -> Duration {
        let Ok(sources) = self.keeper.store.sources(kind).await else { return TROUBLE_PAUSE };
        let source = self.keeper.source_name();
        let ours = |url: &String| kind == SourceKind::Crl || Some(url) == source.as_ref();
        let first = sources.iter().filter(|source| ours(&source.url)).map(|source| source.next_attempt).min();
        let wait =
            first.map_or(LONGEST_PAUSE, |first| Duration::try_from(first - SystemClock.now()).unwrap_or_default());
        wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}
