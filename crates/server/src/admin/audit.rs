//! The audit trail and what is counted from it: reading and verifying. Nobody changes it.

use std::path::Path;

use mssante::Address;
use serde::Serialize;
use store::{Event, EventClass, Fault, Indicators, MessageId, TraceFilter, TraceRecord, Verification, Witness};
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;

use super::{AdminError, Administration};
use crate::serve::witness;

/// Which lines of the trail are asked for; what is left out lets all through.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskTraces {
    /// What was done on this BAL, and messages that came to it.
    pub(crate) bal: Option<Address>,
    /// Done by this actor: an account, an address, a DN.
    pub(crate) actor: Option<String>,
    /// Of this event.
    pub(crate) event: Option<Event>,
    /// Of this class of events, if no event is named.
    pub(crate) class: Option<EventClass>,
    /// About this message.
    pub(crate) message: Option<MessageId>,
    /// From this moment on.
    pub(crate) from: Option<OffsetDateTime>,
    /// Before this moment.
    pub(crate) to: Option<OffsetDateTime>,
    /// The newest so many.
    pub(crate) limit: u32,
}

/// What a verification of the trail found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct VerifiedTrail {
    /// Lines that were looked at.
    lines: u64,
    /// Of these, lines whose content is gone by retention.
    contents_removed: u64,
    /// Links of the chain.
    links: u64,
    /// When the last line was entered.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    entered_until: Option<OffsetDateTime>,
    /// The end of the chain, to be noted down elsewhere.
    end: String,
    /// How many things are wrong; 0 if the trail holds.
    faults: u64,
    /// The number of the first wrong line.
    first_wrong_number: Option<i64>,
    /// The first wrong things, in words.
    findings: Vec<String>,
    /// What is wrong in one sentence, and what to do; nothing if the trail holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Reads the number of a message as replies and Received fields have it.
pub(crate) fn message_number(text: &str) -> Result<MessageId, String> {
    let digits = text.strip_prefix('P').ok_or("write the number with its P, as in P3E8")?;
    i64::from_str_radix(digits, 16).map(MessageId).map_err(|error| error.to_string())
}

impl VerifiedTrail {
    /// What is wrong and what to do, if something is.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl Administration {
    /// The newest lines that were asked for, oldest first.
    pub(crate) async fn traces(&self, ask: AskTraces) -> Result<Vec<TraceRecord>, AdminError> {
        let bal = match &ask.bal {
            Some(address) => {
                let bal = self.store.bal_behind(address).await?;
                Some(bal.ok_or_else(|| AdminError::NoSuchBal(address.clone()))?.id)
            }
            None => None,
        };
        let AskTraces { actor, event, class, message, from, to, limit, .. } = ask;
        let events = event.map(|event| vec![event.word().to_owned()]);
        let filter = TraceFilter { bal, actor, events, message, from, to, limit };
        let filter = match class.filter(|_| event.is_none()) {
            Some(class) => filter.of_class(class),
            None => filter,
        };
        Ok(self.store.traces(&filter).await?)
    }

    /// Verifies the whole trail, against `witnesses` and what this machine noted down itself.
    pub(crate) async fn verify_trail(
        &self,
        data_dir: &Path,
        mut witnesses: Vec<Witness>,
    ) -> Result<VerifiedTrail, AdminError> {
        witnesses.extend(witness::read(data_dir).map_err(AdminError::File)?);
        Ok(verified(&self.store.verify_traces(&witnesses).await?))
    }

    /// What the BALs did in the month of this day.
    pub(crate) async fn indicators(&self, month: Date) -> Result<Indicators, AdminError> {
        Ok(self.store.indicators(month).await?)
    }
}

/// A verification as it is told.
pub(crate) fn verified(found: &Verification) -> VerifiedTrail {
    let first = found.findings.first();
    let detail = first.map(|finding| {
        let (faults, cure) = (found.faults, cure(&finding.fault));
        format!("the audit trail does not hold: {finding} ({faults} faults in all). {cure}")
    });
    VerifiedTrail {
        lines: found.lines,
        contents_removed: found.removed,
        links: found.links,
        entered_until: found.entered_at,
        end: found.end.to_string(),
        faults: found.faults,
        first_wrong_number: first.map(|finding| finding.number),
        findings: found.findings.iter().map(ToString::to_string).collect(),
        detail,
    }
}

/// What to do about it.
fn cure(fault: &Fault) -> &'static str {
    match fault {
        Fault::KeyMissing(_) => {
            "Put the key back into the key ring (a backup of store.keyring_file has it) and verify again."
        }
        Fault::NotAsWitnessed => {
            "If the database was restored from a backup, note that down and remove the file audit-end of data.dir, or \
             leave --expect out; if not, keep the database as it is and find out who could write to it."
        }
        _ => {
            "Change nothing: keep the database and its backups, compare with the newest backup and the exports from that \
             line on, and find out who could write to the database."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_as_replies_name_it() {
        assert_eq!(message_number(&MessageId(1000).to_string()), Ok(MessageId(1000)));
        assert!(message_number("1000").is_err() && message_number("Pxyz").is_err());
    }
}
