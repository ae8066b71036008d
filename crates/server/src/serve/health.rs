//! Whether this node can do its work: what `/readyz` and `pli status` say.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::trust::TrustSpace;
use mssante::Clock as _;
use serde::Serialize;
use store::Store;

use super::annuaire;
use super::directory::Reading;
use super::expiry::{self, Urgency};
use super::node::Tls;
use super::trust::{self, Keeper, View};
use super::witness::Alarm;
use crate::ambient::SystemClock;
use crate::cli::moment;

/// What the endpoints look at.
pub(super) struct Health {
    opened: OnceLock<Opened>,
    trust: TrustSpace,
    tls: Tls,
    audit: Alarm,
    bals: AtomicUsize,
    draining: AtomicBool,
}

/// What is there when the store is open.
struct Opened {
    store: Store,
    trust: Arc<Keeper>,
    annuaire: Arc<annuaire::Keeper>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The database answers and the server is not about to stop.
    pub(super) ready: bool,
    /// `ok`, or what is wrong.
    pub(super) database: String,
    /// The trust list and the revocation lists. A missing or expired list does not make the server unready: people
    /// go on reading, and a load balancer that took all nodes away would stop them, too. See docs/adr/0010.
    #[serde(flatten)]
    pub(super) trust: View,
    /// The directory. A node serves without it, too.
    #[serde(flatten)]
    pub(super) annuaire: annuaire::View,
    /// When our own certificate ends. An expired one does not make the server unready: reading still works.
    pub(super) certificate_not_after: String,
    /// What to do about that, from 60 days before.
    pub(super) certificate_warning: Option<String>,
    /// How urgent it is: `notice`, `warning` (30 days), `alarm` (7 days).
    pub(super) certificate_urgency: Option<Urgency>,
    /// What is wrong with the audit trail, as far as this node saw it. A node serves on: who could write to the
    /// database is no better off when nobody gets his letters any more.
    pub(super) audit_alarm: Option<String>,
    /// How many BALs the resolver knows.
    pub(super) bals: usize,
    /// The server is about to stop.
    pub(super) draining: bool,
}

impl Health {
    pub(super) fn new(trust: TrustSpace, tls: Tls) -> Self {
        Self {
            opened: OnceLock::new(),
            trust,
            tls,
            audit: Alarm::default(),
            bals: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// For who follows the audit trail.
    pub(super) fn audit(&self) -> Alarm {
        self.audit.clone()
    }

    /// The store is open and the resolver is filled.
    pub(super) fn opened(&self, store: Store, trust: Arc<Keeper>, annuaire: Arc<annuaire::Keeper>) {
        let _ = self.opened.set(Opened { store, trust, annuaire });
    }

    /// Sets the gauges that change by themselves.
    pub(super) fn measure(&self) {
        trust::tell(&self.trust);
        if let Some(opened) = self.opened.get() {
            annuaire::tell(&opened.annuaire);
        }
    }

    /// BALs were read for the resolver.
    #[allow(clippy::cast_precision_loss, reason = "fewer BALs than 2^52")]
    pub(super) fn has_read(&self, reading: Reading) {
        self.bals.store(reading.known, Ordering::Relaxed);
        metrics::gauge!("pli_bals").set(reading.known as f64);
        metrics::counter!("pli_bals_read_total").increment(reading.read as u64);
    }

    /// The server is about to stop.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) async fn report(&self) -> Report {
        let database = match self.opened.get() {
            None => Err("not open yet".to_owned()),
            Some(opened) => answers(&opened.store).await,
        };
        let draining = self.draining.load(Ordering::Relaxed);
        let expiry = expiry::notice(&self.tls, SystemClock.now());
        Report {
            ready: database.is_ok() && !draining,
            database: database.err().unwrap_or_else(|| "ok".to_owned()),
            trust: View::of(&self.trust, self.opened.get().map(|opened| &*opened.trust)),
            annuaire: annuaire::View::of(self.opened.get().map(|opened| &*opened.annuaire)),
            certificate_not_after: moment(self.tls.first_end()),
            certificate_urgency: expiry.as_ref().map(|warning| warning.urgency),
            certificate_warning: expiry.map(|warning| warning.text),
            audit_alarm: self.audit.get(),
            bals: self.bals.load(Ordering::Relaxed),
            draining,
        }
    }
}

/// Whether the database answers within two seconds.
pub(super) async fn answers(store: &Store) -> Result<(), String> {
    match tokio::time::timeout(Duration::from_secs(2), store.ping()).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("no answer within 2 seconds".to_owned()),
    }
}
