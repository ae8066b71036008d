//! What metrics tell of revocation.

use super::{CrlFacts, NOT_CHECKED, Standing, responders};

/// The lists in use.
pub(super) fn lists(lists: &[CrlFacts]) {
    #[allow(clippy::cast_precision_loss, reason = "some dozens")]
    metrics::gauge!("pli_revocation_lists").set(lists.len() as f64);
    for list in lists {
        #[allow(clippy::cast_precision_loss, reason = "a date before the year 142 million")]
        metrics::gauge!("pli_revocation_list_end_seconds", "url" => list.url.clone())
            .set(list.next_update.unix_timestamp() as f64);
    }
}

/// Authorities of which nobody can say whether they were revoked.
pub(super) fn unchecked_authorities(number: usize) {
    #[allow(clippy::cast_precision_loss, reason = "some dozens")]
    metrics::gauge!("pli_revocation_authorities_unchecked").set(number as f64);
}

/// A certificate was looked up.
pub(super) fn checked(standing: &Standing) {
    let (outcome, source) = match standing {
        Standing::Good { source } => ("good", kind(source)),
        Standing::Revoked { source, .. } => ("revoked", kind(source)),
        Standing::Unknown { .. } => ("unknown", "none"),
    };
    metrics::counter!("pli_revocation_checks_total", "outcome" => outcome, "source" => source).increment(1);
}

pub(super) fn accepted_in_doubt() {
    metrics::counter!("pli_revocation_doubts_accepted_total").increment(1);
}

fn kind(source: &str) -> &'static str {
    match source {
        NOT_CHECKED => "none",
        responders::STAPLED => "stapled",
        _ if source.starts_with(responders::PREFIX) => "responder",
        _ => "list",
    }
}
