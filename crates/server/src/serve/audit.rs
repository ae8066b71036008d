//! The audit trail's own work: lines that wait are entered into the chain, old contents go, BALs are counted.

use std::sync::Arc;
use std::time::Duration;

use auth::{Authenticator, LogInsDue};
use mssante::Domain;
use store::{Entered, Retained, Retentions, Store, StoreError};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::node::Node;
use super::witness::{Alarm, Observer};
use crate::config::Settings;

/// How often old contents are looked for, and BALs counted.
const ROUND: Duration = Duration::from_mins(10);
/// How often the chain is followed, and its end noted down outside of the database: also by nodes that enter nothing.
const WITNESS: Duration = Duration::from_secs(30);
/// How long what waits at the end may take.
pub(super) const LAST_ENTERING: Duration = Duration::from_secs(10);
/// Entered lines after which the inbox gives space back.
const TIDY: u64 = 20_000;

/// Enters, as one of the nodes that may.
pub(super) struct Clerk {
    store: Store,
    log_ins: Arc<Authenticator>,
    patients: Vec<Domain>,
    every: Duration,
    caretaker: Caretaker,
    observer: Observer,
    /// Lines entered since the inbox was tidied.
    untidy: u64,
}

impl Clerk {
    pub(super) fn new(settings: &Settings, node: &Node, alarm: Alarm) -> Self {
        let store = node.store.clone();
        Self {
            caretaker: Caretaker { store: store.clone(), retentions: settings.audit.retentions() },
            observer: Observer::new(store.clone(), &settings.data.dir, alarm),
            store,
            log_ins: Arc::clone(&node.log_ins),
            patients: settings.annuaire.patient_domains.clone(),
            every: settings.audit.enter_every,
            untidy: 0,
        }
    }

    /// Works until `stop`, then enters what there still is.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let caring = tokio::spawn(self.caretaker.clone().run(stop.clone()));
        let (mut enter, mut witness) = (every(self.every), every(WITNESS));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = enter.tick() => {
                    self.log_ins.write_log_ins(LogInsDue::Now).await;
                    self.enter().await;
                }
                _ = witness.tick() => self.observer.look().await,
            }
        }
        self.log_ins.write_log_ins(LogInsDue::All).await;
        self.enter().await;
        self.observer.look().await;
        // It stops by itself; a step that it did not finish is done again.
        let _ = caring.await;
    }

    /// All that waits, link by link.
    async fn enter(&mut self) {
        let entered = self.enter_all().await;
        failed("enter", &entered);
        if self.untidy >= TIDY {
            self.untidy = 0;
            failed("tidy", &self.store.tidy_inbox().await);
        }
    }

    async fn enter_all(&mut self) -> Result<(), StoreError> {
        loop {
            let entered = self.store.enter_traces(&self.patients).await?;
            let (lines, more) = match entered {
                Entered::Elsewhere => return Ok(()),
                Entered::Some(lines) => (lines, true),
                Entered::All(lines) => (lines, false),
            };
            metrics::counter!("pli_audit_entered_total").increment(lines);
            self.untidy += lines;
            if !more {
                return Ok(());
            }
        }
    }
}

/// Looks after what was entered. A task of its own: what takes long must not hold up who enters.
#[derive(Clone)]
struct Caretaker {
    store: Store,
    retentions: Retentions,
}

impl Caretaker {
    async fn run(self, stop: CancellationToken) {
        let mut round = every(ROUND);
        while stop.run_until_cancelled(self.look_after(&mut round)).await.is_some() {}
    }

    async fn look_after(&self, round: &mut Interval) {
        round.tick().await;
        self.retain().await;
        failed("count", &self.store.count_bals().await);
    }

    async fn retain(&self) {
        let Retained { lines, kept_longer, failed: classes } = self.store.retain_traces(&self.retentions).await;
        if lines > 0 {
            metrics::counter!("pli_audit_removed_total").increment(lines);
            tracing::info!(lines, "contents of the audit trail went: their retention is over");
        }
        for class in kept_longer {
            tracing::warn!(%class, "another node keeps lines longer than audit.retention says here; the longer holds");
        }
        for (class, error) in classes {
            tracing::warn!(%class, "the retention of this class is not looked after");
            failed::<()>("retention", &Err(error));
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn failed<T>(step: &'static str, result: &Result<T, StoreError>) {
    if let Err(error) = result {
        metrics::counter!("pli_audit_failures_total", "step" => step).increment(1);
        tracing::warn!(step, %error, "work on the audit trail failed; it is tried again");
    }
}
