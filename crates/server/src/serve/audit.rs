//! The audit trail's own work: lines that wait are entered into the chain, old contents go, BALs are counted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mssante::Domain;
use store::{Entered, Retentions, Store, StoreError, Witness};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// How often old contents are looked for, and BALs counted.
const ROUND: Duration = Duration::from_mins(10);
/// How often the end of the chain is noted down outside of the database.
const WITNESS: Duration = Duration::from_secs(30);
/// Entered lines after which the inbox gives space back.
const TIDY: u64 = 20_000;

/// Where this machine notes the end of the chain down.
pub(crate) fn witness_file(data_dir: &Path) -> PathBuf {
    data_dir.join("audit-end")
}

/// What this machine noted down last; none if it never did.
pub(crate) fn witness(data_dir: &Path) -> Result<Option<Witness>, String> {
    let file = witness_file(data_dir);
    match std::fs::read_to_string(&file) {
        Ok(text) => text.parse().map(Some).map_err(|why| format!("{}: {why}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Enters, as one of the nodes that may.
pub(super) struct Clerk {
    store: Store,
    patients: Vec<Domain>,
    every: Duration,
    retentions: Retentions,
    data_dir: PathBuf,
    /// Lines entered since the inbox was tidied.
    untidy: u64,
    noted: Option<Instant>,
}

impl Clerk {
    pub(super) fn new(settings: &Settings, store: Store) -> Self {
        Self {
            store,
            patients: settings.annuaire.patient_domains.clone(),
            every: settings.audit.enter_every,
            retentions: settings.audit.retentions(),
            data_dir: settings.data.dir.clone(),
            untidy: 0,
            noted: None,
        }
    }

    /// Works until `stop`, then enters what there still is.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut enter = tokio::time::interval(self.every);
        enter.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = enter.tick() => self.enter().await,
                _ = round.tick() => self.look_after().await,
            }
        }
        self.noted = None;
        self.enter().await;
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
                return self.note(lines).await;
            }
        }
    }

    /// Notes the end of the chain down where who only holds the database cannot change it.
    async fn note(&mut self, lines: u64) -> Result<(), StoreError> {
        if lines == 0 || self.noted.is_some_and(|noted| noted.elapsed() < WITNESS) {
            return Ok(());
        }
        self.noted = Some(Instant::now());
        let end = self.store.trace_end().await?;
        let file = witness_file(&self.data_dir);
        let new = file.with_extension("new");
        let written = std::fs::write(&new, format!("{end}\n")).and_then(|()| std::fs::rename(&new, &file));
        if let Err(error) = written {
            metrics::counter!("pli_audit_failures_total", "step" => "witness").increment(1);
            tracing::warn!(file = %file.display(), %error, "the end of the audit trail is not noted down");
        }
        Ok(())
    }

    async fn look_after(&self) {
        let removed = self.store.retain_traces(&self.retentions).await;
        failed("retention", &removed);
        if let Ok(removed @ 1..) = removed {
            metrics::counter!("pli_audit_removed_total").increment(removed);
            tracing::info!(removed, "contents of the audit trail went: their retention is over");
        }
        failed("count", &self.store.count_bals().await);
    }
}

fn failed<T>(step: &'static str, result: &Result<T, StoreError>) {
    if let Err(error) = result {
        metrics::counter!("pli_audit_failures_total", "step" => step).increment(1);
        tracing::warn!(step, %error, "work on the audit trail failed; it is tried again");
    }
}
