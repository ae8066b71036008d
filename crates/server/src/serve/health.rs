//! Whether this node can do its work: what `/readyz` and `pli status` say.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use store::Store;
use trust::TrustSpace;

use super::node::Tls;
use crate::cli::moment;

/// What the endpoints look at.
pub(super) struct Health {
    store: OnceLock<Store>,
    trust: TrustSpace,
    tls: Tls,
    bals: AtomicUsize,
    draining: AtomicBool,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The database answers, a trust list is in force and the server is not about to stop.
    pub(super) ready: bool,
    /// `ok`, or what is wrong.
    pub(super) database: String,
    /// When the list in force was generated.
    pub(super) trust_list_generated_at: Option<String>,
    /// How many domains it has.
    pub(super) trust_list_domains: usize,
    /// When our own certificate ends. An expired one does not make the server unready: reading still works.
    pub(super) certificate_not_after: String,
    /// How many BALs the resolver knows.
    pub(super) bals: usize,
    /// The server is about to stop.
    pub(super) draining: bool,
}

impl Health {
    pub(super) fn new(trust: TrustSpace, tls: Tls) -> Self {
        Self { store: OnceLock::new(), trust, tls, bals: AtomicUsize::new(0), draining: AtomicBool::new(false) }
    }

    /// The store is open and the resolver is filled.
    pub(super) fn opened(&self, store: Store) {
        let _ = self.store.set(store);
    }

    /// How many BALs the resolver knows now.
    #[allow(clippy::cast_precision_loss, reason = "fewer BALs than 2^52")]
    pub(super) fn knows_bals(&self, count: usize) {
        self.bals.store(count, Ordering::Relaxed);
        metrics::gauge!("pli_bals").set(count as f64);
    }

    /// The server is about to stop.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) async fn report(&self) -> Report {
        let database = match self.store.get() {
            None => Err("not open yet".to_owned()),
            Some(store) => answers(store).await,
        };
        let list = self.trust.list();
        let draining = self.draining.load(Ordering::Relaxed);
        Report {
            ready: database.is_ok() && list.is_some() && !draining,
            database: database.err().unwrap_or_else(|| "ok".to_owned()),
            trust_list_generated_at: list.as_ref().map(|list| moment(list.generated_at())),
            trust_list_domains: list.map_or(0, |list| list.domain_count()),
            certificate_not_after: moment(self.tls.first_end()),
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
