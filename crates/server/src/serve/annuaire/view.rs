//! What is seen of the directory from outside: log lines, metrics, the fields of `/readyz`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annuaire::RejectionReason;
use mssante::Clock as _;
use serde::Serialize;
use store::{StoreError, TrustSource};
use time::OffsetDateTime;

use super::{Feed, Keeper, Outcome, Reason, Report};
use crate::ambient::SystemClock;
use crate::cli::moment;

/// What the database said last.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pending: Option<String>,
    sources: Vec<TrustSource>,
    unusable: Option<String>,
}

/// Its present value.
#[derive(Default)]
pub(super) struct Shown(Mutex<Snapshot>);

/// Whether the directory can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is none.
    Missing,
    /// Its source confirmed it lately.
    Fresh,
    /// Its source has not confirmed it for longer than `annuaire.stale_after`, or it was generated before.
    Stale,
}

impl Standing {
    /// The word in JSON, metrics and for people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

/// By the moment for which it speaks, see [`super::as_of`].
pub(crate) fn standing(as_of: Option<OffsetDateTime>, stale_after: Duration, now: OffsetDateTime) -> Standing {
    match as_of {
        None => Standing::Missing,
        Some(at) if now - at < stale_after => Standing::Fresh,
        Some(_) => Standing::Stale,
    }
}

/// The directory in `/readyz` and `pli status`.
#[derive(Debug, Default, Serialize)]
#[allow(clippy::struct_field_names, reason = "they stand among others in `/readyz`")]
pub(crate) struct View {
    /// `fresh`, `stale`, `missing`.
    pub(crate) annuaire_standing: &'static str,
    /// How many BALs are in it.
    pub(crate) annuaire_entries: u64,
    /// When its entries were generated.
    pub(crate) annuaire_generated_at: Option<String>,
    /// When their source last said that they are the current ones.
    pub(crate) annuaire_confirmed_at: Option<String>,
    /// The directory that waits for `pli annuaire acknowledge`, and why.
    pub(crate) annuaire_pending: Option<String>,
    /// Why a source could not be used the last time.
    pub(crate) annuaire_last_error: Option<String>,
}

impl View {
    /// Of what a keeper has, if there is one yet.
    pub(in crate::serve) fn of(keeper: Option<&Keeper>) -> Self {
        let Some(keeper) = keeper else { return Self { annuaire_standing: "missing", ..Self::default() } };
        let shown = keeper.shown.get();
        let current = keeper.in_force();
        let confirmed_at = current.as_ref().map(|current| current.version.confirmed_at);
        let as_of = current.as_ref().map(|current| current.as_of());
        let part = current.as_ref().and_then(|current| current.report.entries.clone());
        let failed = shown.sources.into_iter().find_map(|source| source.last_error);
        Self {
            annuaire_standing: standing(as_of, keeper.settings.annuaire.stale_after, SystemClock.now()).word(),
            annuaire_entries: current.map_or(0, |current| current.report.len()),
            annuaire_generated_at: part.and_then(|part| part.generated_at).map(moment),
            annuaire_confirmed_at: confirmed_at.map(moment),
            annuaire_pending: shown.pending,
            annuaire_last_error: shown.unusable.or(failed),
        }
    }
}

impl Shown {
    fn get(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads again what is shown.
pub(super) async fn refresh(keeper: &Keeper) -> Result<(), StoreError> {
    let pending = keeper.store.pending_annuaire().await?;
    let pending = pending.map(|pending| format!("version {}: {}", pending.id, pending.why.unwrap_or_default()));
    let mut sources = Vec::new();
    for feed in Feed::ALL {
        let Some(url) = feed.url(&keeper.settings) else { continue };
        let all = keeper.store.sources(feed.kind()).await?;
        sources.extend(all.into_iter().filter(|source| source.url == url));
    }
    let unusable = keeper.unusable().await;
    metrics::gauge!("pli_annuaire_pending").set(f64::from(u8::from(pending.is_some())));
    metrics::gauge!("pli_annuaire_unusable").set(f64::from(u8::from(unusable.is_some())));
    *keeper.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = Snapshot { pending, sources, unusable };
    Ok(())
}

/// Sets counters to zero: what never happened is known, too.
pub(in crate::serve) fn begin_counting() {
    for reason in Reason::ALL {
        metrics::counter!("pli_annuaire_refusals_total", "reason" => reason.word()).absolute(0);
    }
    for feed in Feed::ALL {
        metrics::counter!("pli_annuaire_refresh_failures_total", "kind" => feed.kind().word()).absolute(0);
    }
}

/// Sets the gauge that grows by itself; called whenever somebody reads it.
pub(in crate::serve) fn tell(keeper: &Keeper) {
    let Some(current) = keeper.in_force() else { return };
    let age = (SystemClock.now() - current.as_of()).max(time::Duration::ZERO);
    metrics::gauge!("pli_annuaire_age_seconds").set(age.as_seconds_f64());
}

/// Sets the gauges of the directory in force.
#[allow(clippy::cast_precision_loss, reason = "fewer entries than 2^52")]
pub(super) fn count_entries(report: &Report) {
    let counts = report.counts;
    for (kind, count) in [
        ("PER", counts.nominative),
        ("ORG", counts.organisational),
        ("APP", counts.applicative),
        ("CAB", counts.cabinet),
    ] {
        metrics::gauge!("pli_annuaire_entries", "kind" => kind).set(count as f64);
    }
    metrics::gauge!("pli_annuaire_rejected_lines").set(report.rejected as f64);
}

/// The word for why a line was passed over.
pub(crate) fn reason_word(reason: RejectionReason) -> String {
    let word = serde_json::to_value(reason).ok();
    word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned()
}

/// Logs and counts what became of a directory.
pub(super) fn report(outcome: &Outcome, source: &str) {
    let source = trust::masked(source);
    match outcome {
        Outcome::InForce { version, report, acknowledged } => {
            metrics::gauge!("pli_annuaire_import_seconds").set(report.seconds);
            tracing::info!(
                version = version.0,
                %source,
                entries = report.len(),
                added = report.added,
                changed = report.changed,
                removed = report.removed,
                rejected = report.rejected,
                seconds = report.seconds,
                acknowledged,
                "directory in force"
            );
        }
        Outcome::Pending { version, why, .. } => tracing::error!(
            version = version.0, %source, %why,
            "a directory waits: look at `pli annuaire status`, then run `pli annuaire acknowledge {version}`; the one \
             in force stays"
        ),
        Outcome::Confirmed(version) => tracing::debug!(version = version.0, %source, "directory confirmed"),
        Outcome::Tried { .. } => {}
        Outcome::Refused(reason, why) => {
            metrics::counter!("pli_annuaire_refusals_total", "reason" => reason.word()).increment(1);
            tracing::error!(
                %source, reason = reason.word(), %why, "directory not taken; the one in force, if any, stays"
            );
        }
    }
}

/// Logs and counts that a source gave nothing.
pub(super) fn source_failed(feed: Feed, source: &str, why: &str) {
    let source = trust::masked(source);
    metrics::counter!("pli_annuaire_refresh_failures_total", "kind" => feed.kind().word()).increment(1);
    tracing::warn!(kind = feed.kind().word(), %source, %why, "nothing new from this source; the directory in force stays");
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_directory_is_stale_when_its_source_was_silent_for_so_long() {
        let now = datetime!(2026-11-22 08:00 UTC);
        let week = Duration::from_hours(7 * 24);
        assert_eq!(standing(None, week, now), Standing::Missing);
        assert_eq!(standing(Some(now - time::Duration::days(6)), week, now), Standing::Fresh);
        assert_eq!(standing(Some(now - week), week, now), Standing::Stale);
    }

    #[test]
    fn reasons_are_words_with_hyphens() {
        assert_eq!(reason_word(RejectionReason::TooLong), "too-long");
    }
}
