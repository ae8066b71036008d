//! What becomes of an entry after its transaction: written down at once, so that a crash can
//! repeat one transaction at most. `[RFC1047]`

use std::collections::HashMap;

use store::{Claimed, MessageId, Outcome};

use crate::Relay;
use crate::attempt::{Ending, Endings};
use crate::trouble::Trouble;

/// What is written down of an ending.
enum Decision {
    Settle(Outcome),
    GiveUp(Trouble),
}

impl Relay {
    /// Writes the endings of one transaction down.
    pub(crate) async fn settle(&self, endings: Endings) {
        let mut outcomes = Vec::new();
        let mut failed: HashMap<MessageId, Vec<(Claimed, Trouble)>> = HashMap::new();
        for (entry, ending) in endings {
            match self.decide(&entry, ending) {
                Decision::Settle(outcome) => outcomes.push((entry.id, entry.fence, outcome)),
                Decision::GiveUp(trouble) => failed.entry(entry.message).or_default().push((entry, trouble)),
            }
        }
        let settled = self.store.settle(&outcomes).await.unwrap_or_else(|error| {
            tracing::error!(%error, "outcomes could not be written down");
            0
        });
        // Their leases run out and they are tried again: a second copy is possible here.
        metrics::counter!("pli_relay_unsettled_total").increment(outcomes.len() as u64 - settled);
        for entries in failed.values() {
            if let Err(error) = self.give_up(entries).await {
                tracing::error!(%error, "a failure could not be reported; it is tried again");
            }
        }
    }

    fn decide(&self, entry: &Claimed, ending: Ending) -> Decision {
        match ending {
            Ending::HandedOver { reply, host, hop } => {
                metrics::counter!("pli_relay_handed_over_total").increment(1);
                tracing::debug!(message = %entry.message, host, ?hop, "handed over");
                Decision::Settle(Outcome::HandedOver { reply, host, hop })
            }
            Ending::Never(trouble) => Decision::GiveUp(trouble),
            Ending::Later(trouble) if self.clock.now() - entry.accepted_at >= self.schedule.expiry => {
                Decision::GiveUp(trouble)
            }
            Ending::Later(trouble) => self.defer(entry, &trouble),
        }
    }

    /// The peer's words are not logged: many repeat the recipient's address.
    fn defer(&self, entry: &Claimed, trouble: &Trouble) -> Decision {
        let next_attempt = self.clock.now() + self.schedule.wait(entry.attempts, &*self.random);
        metrics::counter!("pli_relay_deferred_total", "reason" => trouble.reason).increment(1);
        tracing::info!(message = %entry.message, status = trouble.status, reason = trouble.reason, host = trouble.host, %next_attempt, "deferred");
        Decision::Settle(Outcome::Deferred { next_attempt, setback: trouble.setback() })
    }
}
