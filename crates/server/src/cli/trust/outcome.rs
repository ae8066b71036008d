//! What became of a list, in words.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::serve::trust::Outcome;

/// For people.
pub(super) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::InForce { version, counts, acknowledged } => {
            let suspicion = acknowledged.as_ref().map(|why| format!("; acknowledged although {why}"));
            format!(
                "version {version} is in force: {} domains, {} added, {} removed, {} with other names{}",
                counts.domains,
                counts.added,
                counts.removed,
                counts.renamed,
                suspicion.unwrap_or_default()
            )
        }
        Outcome::Pending { version, why } => format!(
            "version {version} waits: {why}; look at `pli trust diff`, then run `pli trust acknowledge {version}`"
        ),
        Outcome::Confirmed(version) => format!("nothing new: version {version} is the current one"),
        Outcome::Refused(_, why) => format!("not taken: {why}"),
    }
}

/// For machines.
pub(super) fn value(outcome: &Outcome) -> Value {
    let text = text(outcome);
    match outcome {
        Outcome::InForce { version, counts, acknowledged } => json!({
            "outcome": "in force", "version": version.0, "domains": counts.domains, "added": counts.added,
            "removed": counts.removed, "renamed": counts.renamed, "acknowledged": acknowledged, "text": text,
        }),
        Outcome::Pending { version, why } => {
            json!({ "outcome": "pending", "version": version.0, "why": why, "text": text })
        }
        Outcome::Confirmed(version) => json!({ "outcome": "confirmed", "version": version.0, "text": text }),
        Outcome::Refused(reason, why) => {
            json!({ "outcome": "refused", "reason": reason.word(), "why": why, "text": text })
        }
    }
}

/// Only a list that is in force afterwards is a success.
pub(super) fn success(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::InForce { .. } | Outcome::Confirmed(_) => Ok(()),
        Outcome::Pending { .. } | Outcome::Refused(..) => Err(Failure::Refused(text(outcome))),
    }
}
