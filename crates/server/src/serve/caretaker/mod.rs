//! Looks after BALs: tells those that are nearly full and those that nobody opens, closes the latter some time after they
//! were told, and empties closed ones when their retention is over; notes what delegations are over. `[MSS1 BAL.LIFE]`,
//! `[MSS1 BAL.QUOTA]`

mod letters;

use std::sync::Arc;
use std::time::Duration;

use mssante::{BalId, Clock, Quotas};
use store::{NearlyFull, Store, StoreError};
use time::OffsetDateTime;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use letters::{Ending, Post};

/// The round's name in the database.
const ROUND: &str = "bal";
/// How often a node asks whether the round is due: rounds may be further apart, but not closer together.
const LOOK: Duration = Duration::from_mins(1);
/// BALs that are told at once that they are nearly full.
const BATCH: usize = 100;

/// Looks after BALs until the node stops.
pub(super) struct Caretaker {
    settings: Settings,
    quotas: Quotas,
    store: Store,
    post: Post,
    clock: Arc<dyn Clock>,
    nearly_full: Mutex<mpsc::UnboundedReceiver<BalId>>,
}

impl Caretaker {
    pub(super) fn new(
        settings: &Settings,
        store: Store,
        clock: Arc<dyn Clock>,
        nearly_full: mpsc::UnboundedReceiver<BalId>,
    ) -> Self {
        let post = Post {
            store: store.clone(),
            host: settings.operator.hostname.clone(),
            our_domains: settings.operator.domains.clone(),
        };
        let quotas = settings.quota.quotas();
        Self { settings: settings.clone(), quotas, store, post, clock, nearly_full: Mutex::new(nearly_full) }
    }

    /// Until `stop`: rounds, and in between what the sessions of this node notice.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut nearly_full = self.nearly_full.lock().await;
        let mut look = tokio::time::interval(LOOK.min(self.settings.bal.round));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut noticed = Vec::with_capacity(BATCH);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => self.round().await,
                count = nearly_full.recv_many(&mut noticed, BATCH) => {
                    if count == 0 {
                        return stop.cancelled().await;
                    }
                    let bals = std::mem::take(&mut noticed);
                    self.tell_nearly_full(Some(&bals)).await
                }
            };
            if let Err(error) = done {
                tracing::error!(%error, "BALs could not be looked after; it is tried again");
            }
        }
    }

    /// All that is due, if no other node does it.
    async fn round(&self) -> Result<(), StoreError> {
        if !self.store.claim_round(ROUND, self.settings.bal.round).await? {
            return Ok(());
        }
        self.store.calm_quotas(&self.quotas).await?;
        self.tell_nearly_full(None).await?;
        self.tell_unused().await?;
        self.close_unused().await?;
        self.empty_closed().await?;
        while self.store.end_lapsed_delegations().await? > 0 {}
        self.count().await
    }

    async fn tell_nearly_full(&self, bals: Option<&[BalId]>) -> Result<(), StoreError> {
        for full in self.store.nearly_full(&self.quotas, bals).await? {
            self.tell_full(&full).await?;
        }
        Ok(())
    }

    async fn tell_full(&self, full: &NearlyFull) -> Result<(), StoreError> {
        let letter = self.post.nearly_full(full, self.clock.now()).await?;
        if self.store.warn_full(full, letter).await? {
            metrics::counter!("pli_bal_quota_warnings_total").increment(1);
            tracing::warn!(bal = full.bal.address.masked(), octets = full.octets, limit = %full.limit, "nearly full");
        }
        Ok(())
    }

    async fn tell_unused(&self) -> Result<(), StoreError> {
        let settings = &self.settings.bal;
        if settings.inactive_warning.is_zero() {
            return Ok(());
        }
        let now = self.clock.now();
        let before = now - settings.inactive_warning;
        loop {
            let bals = self.store.inactive_to_warn(before).await?;
            let mut told = 0;
            for bal in &bals {
                let last = bal.last_login_at.unwrap_or(bal.created_at).max(bal.state_since);
                let letters = self.post.unused(bal, self.ending(last, now), now).await?;
                if self.store.warn_inactive(bal.id, before, letters).await? {
                    told += 1;
                    metrics::counter!("pli_bal_inactive_warnings_total").increment(1);
                    tracing::info!(bal = bal.address.masked(), "told that nobody opens it");
                }
            }
            // Those that could not be told come again in the next round.
            if told == 0 {
                return Ok(());
            }
        }
    }

    /// Nobody is closed sooner after the warning than the settings are apart.
    fn ending(&self, last: OffsetDateTime, now: OffsetDateTime) -> Ending {
        let settings = &self.settings.bal;
        let closes = || (last + settings.inactive_closing).max(now + self.grace());
        Ending { unused_since: last, closes_at: (!settings.inactive_closing.is_zero()).then(closes) }
    }

    fn grace(&self) -> Duration {
        self.settings.bal.inactive_closing.saturating_sub(self.settings.bal.inactive_warning)
    }

    async fn close_unused(&self) -> Result<(), StoreError> {
        let settings = &self.settings.bal;
        if settings.inactive_closing.is_zero() || settings.inactive_warning.is_zero() {
            return Ok(());
        }
        let now = self.clock.now();
        loop {
            let closed = self.store.close_inactive(now - settings.inactive_closing, now - self.grace()).await?;
            if closed.is_empty() {
                return Ok(());
            }
            metrics::counter!("pli_bal_inactive_closed_total").increment(closed.len() as u64);
            for bal in closed {
                tracing::warn!(bal = bal.address.masked(), "closed: nobody has opened it, in spite of a warning");
            }
        }
    }

    async fn empty_closed(&self) -> Result<(), StoreError> {
        let retention = self.settings.bal.closed_retention;
        if retention.is_zero() {
            return Ok(());
        }
        while let Some((bal, usage)) = self.store.empty_closed(self.clock.now() - retention).await? {
            metrics::counter!("pli_bal_emptied_total").increment(1);
            tracing::warn!(bal = bal.address.masked(), messages = usage.messages, "emptied: its retention is over");
        }
        Ok(())
    }

    async fn count(&self) -> Result<(), StoreError> {
        let counts = self.store.inactive_counts().await?;
        for (state, count) in [("warned", counts.warned), ("closed", counts.closed)] {
            #[allow(clippy::cast_precision_loss, reason = "fewer BALs than people")]
            metrics::gauge!("pli_bals_inactive", "state" => state).set(count as f64);
        }
        Ok(())
    }
}
