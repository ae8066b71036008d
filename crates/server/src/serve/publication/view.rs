//! What is seen of publication from outside.

use std::collections::BTreeMap;

use store::PublicationState;

/// Sets counters to zero: what never happened is known, too.
pub(crate) fn begin_counting() {
    for state in PublicationState::ALL {
        metrics::counter!("pli_publication_outcomes_total", "state" => state.word()).absolute(0);
    }
}

/// How many BALs are in which state.
pub(super) fn tell(counts: &BTreeMap<PublicationState, u64>) {
    for state in PublicationState::ALL {
        let count = u32::try_from(counts.get(&state).copied().unwrap_or_default()).unwrap_or(u32::MAX);
        metrics::gauge!("pli_publications", "state" => state.word()).set(f64::from(count));
    }
}

/// One more ended so.
pub(super) fn ended(state: PublicationState) {
    metrics::counter!("pli_publication_outcomes_total", "state" => state.word()).increment(1);
}
