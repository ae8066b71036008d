//! What is seen of the trust space from outside: log lines, metrics, the fields of `/readyz`.

use std::sync::{Mutex, PoisonError};

use mssante::Clock;
use serde::Serialize;
use store::{ListVersion, SourceKind, StoreError, TrustSource};
use time::OffsetDateTime;
use trust::{ListStanding, TrustSpace};

use super::{Keeper, Outcome, Reason};
use crate::ambient::SystemClock;
use crate::cli::moment;

/// What the database said last; the list in force itself is asked directly.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pending: Option<ListVersion>,
    list: Option<TrustSource>,
    crls: Vec<TrustSource>,
    unusable: Option<String>,
}

/// Its present value.
#[derive(Default)]
pub(super) struct Shown(Mutex<Snapshot>);

/// The trust space in `/readyz` and `pli status`.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    /// `fresh`, `stale`, `expired`, `missing`.
    pub(crate) trust_list_standing: &'static str,
    /// When the list in force was generated.
    pub(crate) trust_list_generated_at: Option<String>,
    /// When its source last said that it is the current one.
    pub(crate) trust_list_confirmed_at: Option<String>,
    /// How many domains it has.
    pub(crate) trust_list_domains: usize,
    /// Where it comes from.
    pub(crate) trust_list_source: Option<String>,
    /// Why its source could not be used the last time.
    pub(crate) trust_list_last_error: Option<String>,
    /// The list that waits for `pli trust acknowledge`, and why.
    pub(crate) trust_list_pending: Option<String>,
    /// Revocation lists with their end and last error.
    pub(crate) revocation_lists: Vec<RevocationList>,
}

/// One revocation list.
#[derive(Debug, Serialize)]
pub(crate) struct RevocationList {
    pub(crate) url: String,
    pub(crate) next_update: Option<String>,
    pub(crate) last_error: Option<String>,
}

impl View {
    /// Of a trust space, with what its keeper knows if there is one yet.
    pub(in crate::serve) fn of(space: &TrustSpace, keeper: Option<&Keeper>) -> Self {
        let in_force = space.in_force();
        let shown = keeper.map(|keeper| keeper.shown.get()).unwrap_or_default();
        let pending = shown.pending.map(|pending| format!("{}: {}", pending.id, pending.why.unwrap_or_default()));
        Self {
            trust_list_standing: space.standing().word(),
            trust_list_generated_at: in_force.as_ref().map(|current| moment(current.list.generated_at())),
            trust_list_confirmed_at: in_force.as_ref().map(|current| moment(current.confirmed_at)),
            trust_list_domains: in_force.map_or(0, |current| current.list.domain_count()),
            trust_list_source: shown.list.as_ref().map(|source| source.url.clone()),
            trust_list_last_error: shown.unusable.or(shown.list.and_then(|source| source.last_error)),
            trust_list_pending: pending,
            revocation_lists: shown.crls.into_iter().map(RevocationList::of).collect(),
        }
    }
}

impl RevocationList {
    fn of(source: TrustSource) -> Self {
        Self { url: source.url, next_update: source.next_update.map(moment), last_error: source.last_error }
    }
}

impl Shown {
    fn get(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads again what is shown.
pub(super) async fn refresh(keeper: &Keeper) -> Result<(), StoreError> {
    let source = keeper.source_name();
    let pending = keeper.store.pending_list().await?;
    let list =
        keeper.store.sources(SourceKind::List).await?.into_iter().find(|list| Some(&list.url) == source.as_ref());
    let crls = keeper.store.sources(SourceKind::Crl).await?;
    metrics::gauge!("pli_trust_list_pending").set(f64::from(u8::from(pending.is_some())));
    let unusable = keeper.unusable().await;
    *keeper.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = Snapshot { pending, list, crls, unusable };
    Ok(())
}

/// Sets counters to zero: what never happened is known, too.
pub(in crate::serve) fn begin_counting() {
    for reason in Reason::ALL {
        metrics::counter!("pli_trust_list_refusals_total", "reason" => reason.word()).absolute(0);
    }
    for kind in [SourceKind::List, SourceKind::Crl] {
        metrics::counter!("pli_trust_source_failures_total", "kind" => kind.word()).absolute(0);
    }
}

/// Sets the gauges of the list in force; called whenever somebody reads them, since age grows by itself.
pub(in crate::serve) fn tell(space: &TrustSpace) {
    let standing = space.standing();
    for state in [ListStanding::Missing, ListStanding::Fresh, ListStanding::Stale, ListStanding::Expired] {
        let value = f64::from(u8::from(state == standing));
        metrics::gauge!("pli_trust_list_standing", "state" => state.word()).set(value);
    }
    let Some(current) = space.in_force() else { return };
    #[allow(clippy::cast_precision_loss, reason = "fewer domains than 2^52")]
    metrics::gauge!("pli_trust_list_domains").set(current.list.domain_count() as f64);
    gauge_of_moment("pli_trust_list_generated_timestamp", current.list.generated_at());
    gauge_of_moment("pli_trust_list_confirmed_timestamp", current.confirmed_at);
    let age = (SystemClock.now() - current.confirmed_at).max(time::Duration::ZERO);
    metrics::gauge!("pli_trust_list_age_seconds").set(age.as_seconds_f64());
}

/// Says in the log that the standing of the list is another one than before.
pub(super) fn turned(before: ListStanding, space: &TrustSpace) -> ListStanding {
    let standing = space.standing();
    if standing != before {
        let confirmed_at = space.in_force().map(|current| moment(current.confirmed_at));
        match standing {
            ListStanding::Fresh => tracing::info!(confirmed_at, "the trust list is fresh"),
            ListStanding::Stale => tracing::warn!(
                confirmed_at,
                "the trust list is stale: its source has not confirmed it for longer than trust_list.stale_after"
            ),
            ListStanding::Expired => tracing::error!(
                confirmed_at,
                "the trust list has expired: mail of other operators is refused temporarily, mail to them waits"
            ),
            ListStanding::Missing => tracing::error!("there is no trust list"),
        }
    }
    standing
}

#[allow(clippy::cast_precision_loss, reason = "a date before the year 142 million")]
fn gauge_of_moment(name: &'static str, at: OffsetDateTime) {
    metrics::gauge!(name).set(at.unix_timestamp() as f64);
}

/// One more list that was not taken.
pub(super) fn count_refusal(reason: Reason) {
    metrics::counter!("pli_trust_list_refusals_total", "reason" => reason.word()).increment(1);
}

/// Logs and counts what became of a list.
pub(super) fn report(outcome: &Outcome, source: &str) {
    match outcome {
        Outcome::InForce { version, counts, acknowledged } => tracing::info!(
            version = version.0,
            source,
            domains = counts.domains,
            added = counts.added,
            removed = counts.removed,
            renamed = counts.renamed,
            acknowledged,
            "trust list in force"
        ),
        Outcome::Pending { version, why } => tracing::error!(
            version = version.0, source, %why,
            "a trust list waits: look at `pli trust diff`, then run `pli trust acknowledge {version}`; \
             the one in force stays and grows old"
        ),
        Outcome::Confirmed(version) => tracing::debug!(version = version.0, source, "trust list confirmed"),
        Outcome::Refused(reason, why) => {
            count_refusal(*reason);
            tracing::error!(source, reason = reason.word(), %why, "trust list not taken; the one in force, if any, stays");
        }
    }
}

/// Logs and counts that a source gave nothing.
pub(super) fn source_failed(kind: SourceKind, source: &str, why: &str) {
    metrics::counter!("pli_trust_source_failures_total", "kind" => kind.word()).increment(1);
    tracing::warn!(kind = kind.word(), source, %why, "nothing new from this source; what we have stays");
}
