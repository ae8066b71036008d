//! The look inside archives, off the threads that talk to clients: a few at a time, within a budget of memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use message::{
    AttachmentDecoder, MssHeaders, Part, XdmLetter, XdmVerdict, XdmVerdicts, judge_without_archive, look_inside,
    xdm_archives,
};
use mssante::Refusal;
use store::{Intake, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::incoming::{Complete, unavailable};
use crate::session::Declined;

/// KiB of all archives that are held at once.
const MEMORY: u32 = 64 * 1024;
/// Archives that are looked into at once.
const LOOKS: usize = 2;
/// Wait for memory and a turn; whoever waits longer is not looked into.
const PATIENCE: Duration = Duration::from_secs(30);
/// Codes that a reply names: it is one line.
const NAMED: usize = 5;

/// What is done with a letter whose archive is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdmPolicy {
    /// Nobody looks.
    Off,
    /// It is taken; what is wrong is counted and noted.
    Report,
    /// It is refused if the archive has an error; warnings are counted and noted.
    Reject,
}

/// What a listener does about archives.
#[derive(Debug, Clone)]
pub struct XdmRule {
    /// What is done with flawed ones.
    pub policy: XdmPolicy,
    /// Errors that are no reason to refuse.
    pub tolerated: BTreeSet<XdmVerdict>,
    /// Where they are looked into.
    pub desk: Arc<XdmDesk>,
}

impl XdmRule {
    /// Notes what is wrong with the message's archive, and refuses the message if that is wanted. `[MSS2 ECO.2.1.1]`
    pub(crate) async fn judge(
        &self,
        message: &mut Complete,
        patients: &[String],
        role: &'static str,
    ) -> Result<(), Declined> {
        let archives = xdm_archives(&message.summary);
        message.facts.has_archive = !archives.is_empty();
        if self.policy == XdmPolicy::Off {
            return Ok(());
        }
        let headers = &message.facts.headers;
        let verdicts = match archives.as_slice() {
            [] => judge_without_archive(headers, &message.summary),
            [archive, others @ ..] => {
                let looked = self.desk.look(&message.intake, archive, headers, patients).await;
                let mut verdicts = looked.map_err(|error| unavailable(&error))?;
                if !others.is_empty() {
                    verdicts.add(XdmVerdict::SeveralArchives);
                }
                verdicts
            }
        };
        message.facts.verdicts = verdicts;
        count(&message.facts.verdicts, message.facts.has_archive, role);
        self.decide(&message.facts.verdicts)
    }

    fn decide(&self, verdicts: &XdmVerdicts) -> Result<(), Declined> {
        let errors = verdicts.errors().filter(|verdict| !self.tolerated.contains(verdict));
        let codes: Vec<_> = errors.map(XdmVerdict::code).take(NAMED).collect();
        if self.policy == XdmPolicy::Reject && !codes.is_empty() {
            return Err(Declined { refusal: Refusal::XdmInvalid, codes });
        }
        Ok(())
    }
}

/// By code; nothing else of an archive goes into metrics and logs.
fn count(verdicts: &XdmVerdicts, has_archive: bool, role: &'static str) {
    for code in verdicts.codes() {
        metrics::counter!("pli_xdm_verdicts_total", "role" => role, "verdict" => code).increment(1);
    }
    if has_archive {
        let outcome = match (verdicts.errors().next(), verdicts.is_empty()) {
            (Some(_), _) => "error",
            (None, false) => "warning",
            (None, true) => "right",
        };
        metrics::counter!("pli_xdm_archives_total", "role" => role, "outcome" => outcome).increment(1);
    }
    if !verdicts.is_empty() {
        let codes: Vec<_> = verdicts.codes().collect();
        tracing::info!(verdicts = codes.join(","), "archive judged");
    }
}

/// Where archives are looked into; one for all listeners. An archive has to be held as a whole, because its directory
/// stands at its end: it is read back when the message is complete, so that no slow sender keeps memory occupied.
#[derive(Debug)]
pub struct XdmDesk {
    memory: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

impl Default for XdmDesk {
    fn default() -> Self {
        Self { memory: Arc::new(Semaphore::new(MEMORY as usize)), looks: Arc::new(Semaphore::new(LOOKS)) }
    }
}

impl XdmDesk {
    async fn look(
        &self,
        intake: &Intake,
        archive: &Part,
        headers: &MssHeaders,
        patients: &[String],
    ) -> Result<XdmVerdicts, StoreError> {
        let begun = Instant::now();
        let not_looked_into = || Ok(XdmVerdicts::from_iter([XdmVerdict::NotLookedInto]));
        let Some(room) = turn(&self.memory, kibibytes(archive.body.len), begun + PATIENCE).await else {
            return not_looked_into();
        };
        let octets = read_back(intake, archive).await?;
        let Some(turn) = turn(&self.looks, 1, begun + PATIENCE).await else { return not_looked_into() };
        let (headers, patients) = (headers.clone(), patients.to_vec());
        let looked = tokio::task::spawn_blocking(move || {
            // Held here, so that a client that goes away does not free what is still in use.
            let _held = (room, turn);
            let letter = XdmLetter { headers: &headers, patients: &patients };
            match &octets {
                Some(octets) => look_inside(octets, &letter),
                None => XdmVerdicts::from_iter([XdmVerdict::ArchiveUnreadable]),
            }
        });
        let looked = looked.await.or_else(|error| {
            tracing::error!(%error, "the look inside an archive broke off");
            not_looked_into()
        });
        metrics::histogram!("pli_xdm_look_seconds").record(begun.elapsed().as_secs_f64());
        looked
    }
}

/// At most all there is, so that an archive larger than the budget has its turn, too.
fn kibibytes(octets: u64) -> u32 {
    u32::try_from(octets / 1024 + 1).unwrap_or(MEMORY).min(MEMORY)
}

/// `count` permits, unless they are not free by then.
async fn turn(of: &Arc<Semaphore>, count: u32, by: Instant) -> Option<OwnedSemaphorePermit> {
    timeout_at(by, Arc::clone(of).acquire_many_owned(count)).await.ok()?.ok()
}

/// The octets of the attachment; `None` where its encoding is broken.
async fn read_back(intake: &Intake, archive: &Part) -> Result<Option<Vec<u8>>, StoreError> {
    let mut decoder = AttachmentDecoder::new(archive);
    let (mut at, end) = (archive.body.start, archive.body.end());
    while at < end {
        let octets = intake.octets_from(at).await?;
        let wanted = usize::try_from(end - at).map_or(octets.len(), |wanted| wanted.min(octets.len()));
        if wanted == 0 {
            return Err(StoreError::Unavailable(format!("octet {at} of {intake:?} is not there")));
        }
        decoder.push(&octets[..wanted]);
        at += wanted as u64;
    }
    Ok(decoder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(policy: XdmPolicy, tolerated: &[XdmVerdict]) -> XdmRule {
        XdmRule { policy, tolerated: tolerated.iter().copied().collect(), desk: Arc::default() }
    }

    fn refused(rule: &XdmRule, verdicts: &[XdmVerdict]) -> Option<String> {
        rule.decide(&verdicts.iter().copied().collect()).err().map(|declined| declined.codes.join(", "))
    }

    #[test]
    fn only_errors_are_refused_and_only_where_that_is_wanted() {
        let both = [XdmVerdict::HashMismatch, XdmVerdict::ReadmeMissing];
        assert_eq!(refused(&rule(XdmPolicy::Reject, &[]), &both).as_deref(), Some("hash-mismatch"));
        assert_eq!(refused(&rule(XdmPolicy::Reject, &[]), &both[1..]), None);
        assert_eq!(refused(&rule(XdmPolicy::Report, &[]), &both), None);
    }

    #[test]
    fn what_the_administrator_tolerates_is_not_refused() {
        let rule = rule(XdmPolicy::Reject, &[XdmVerdict::HashMismatch]);
        assert_eq!(refused(&rule, &[XdmVerdict::HashMismatch]), None);
        let more = [XdmVerdict::HashMismatch, XdmVerdict::PatientMissing];
        assert_eq!(refused(&rule, &more).as_deref(), Some("patient-missing"));
    }

    #[test]
    fn a_reply_names_the_first_codes_only() {
        let all = message::verdict_table().iter().map(|row| row.verdict).collect::<Vec<_>>();
        let remark = refused(&rule(XdmPolicy::Reject, &[]), &all).unwrap();
        assert_eq!(remark.split(", ").count(), NAMED);
        assert!(remark.len() < 150);
    }

    #[test]
    fn the_largest_archive_takes_all_the_memory_and_not_more() {
        assert_eq!(kibibytes(0), 1);
        assert_eq!(kibibytes(25 << 20), 25 * 1024 + 1);
        assert_eq!(kibibytes(u64::MAX), MEMORY);
    }

    #[tokio::test]
    async fn who_finds_no_room_in_time_goes_without() {
        let desk = XdmDesk::default();
        let held = turn(&desk.memory, MEMORY, Instant::now()).await;
        assert!(turn(&desk.memory, 1, Instant::now()).await.is_none());
        drop(held);
        assert!(turn(&desk.memory, MEMORY, Instant::now()).await.is_some());
    }
}
