//! Telling the sender: a failure becomes a report in his INBOX, in the same transaction that
//! ends the entry.

use message::{FailedRecipient, FailureReport, MessageFacts, Scanner, Span, failure_report};
use mssante::{Address, BalId, ReversePath, french_for_patient_status};
use store::{Acceptance, Claimed, DsnNotify, LocalDelivery, QueueId, Setback, Source, StoreError};

use crate::Relay;
use crate::trouble::Trouble;

/// What the sender is told.
enum Word {
    /// He declined reports, or there is no sender.
    NotWanted,
    /// This report.
    Report(Box<Acceptance>),
    /// He should be told and cannot be: his BAL does not exist.
    NobodyToTell,
}

impl Relay {
    /// Ends entries of one message for good, with a report where one is due. Where it is due and
    /// nobody can be told, the entries are held with an alarm and never dropped.
    pub(crate) async fn give_up(&self, failed: &[(Claimed, Trouble)]) -> Result<(), StoreError> {
        let settled: Vec<(QueueId, i64, Setback)> =
            failed.iter().map(|(entry, trouble)| (entry.id, entry.fence, trouble.setback())).collect();
        let report = match self.report(failed).await? {
            Word::NotWanted => None,
            Word::Report(report) => Some(*report),
            Word::NobodyToTell => {
                metrics::counter!("pli_relay_held_total").increment(failed.len() as u64);
                let message = failed.first().map(|(entry, _)| entry.message.to_string());
                tracing::error!(message, "held: it cannot be handed over and its sender has no BAL to report to");
                let held: Vec<_> = settled.into_iter().map(|(id, fence, setback)| (id, fence, setback.reply)).collect();
                self.store.hold(&held).await?;
                return Ok(());
            }
        };
        self.store.settle_failed(&settled, report).await?;
        for (_, trouble) in failed {
            metrics::counter!("pli_relay_failed_total", "reason" => trouble.reason).increment(1);
        }
        Ok(())
    }

    /// Gives entries back that were not tried.
    pub(crate) async fn release(&self, entries: &[Claimed]) {
        let leases: Vec<_> = entries.iter().map(|entry| (entry.id, entry.fence)).collect();
        if let Err(error) = self.store.release(&leases).await {
            tracing::warn!(%error, "entries were not given back; they come due when their lease ends");
        }
    }

    /// Reports are not answered by reports, and a sender may decline them. `[RFC3461 4.1]`,
    /// `[RFC5321 4.5.5]`
    async fn report(&self, failed: &[(Claimed, Trouble)]) -> Result<Word, StoreError> {
        let wanted: Vec<_> = failed.iter().filter(|(entry, _)| wants_failure(&entry.dsn.notify)).collect();
        let Some((first, _)) = wanted.first() else { return Ok(Word::NotWanted) };
        let ReversePath::Address(sender) = &first.reverse_path else { return Ok(Word::NotWanted) };
        let Some(bal) = self.bal_of(sender).await? else { return Ok(Word::NobodyToTell) };
        let report = FailureReport {
            reporting_mta: self.hops.hostname.clone(),
            to: sender.clone(),
            envelope_id: first.envelope_id.clone(),
            arrived_at: first.accepted_at,
            now: self.clock.now(),
            id: format!("{}.{}.report@{}", first.message, first.id.0, self.hops.hostname),
            recipients: wanted.iter().map(|(entry, trouble)| self.failed_recipient(entry, trouble)).collect(),
            original_header: self.header_of(first).await?,
        };
        Ok(Word::Report(Box::new(self.take_in(&report, bal, sender).await?)))
    }

    /// The resolver may not know a BAL that was made a moment ago.
    async fn bal_of(&self, sender: &Address) -> Result<Option<BalId>, StoreError> {
        match self.resolver.local(sender) {
            Some(bal) => Ok(Some(bal.id)),
            None => Ok(self.store.bal(sender).await?.map(|bal| bal.id)),
        }
    }

    /// The original's header, or nothing if the message cannot be read: the report is due all the
    /// more then.
    async fn header_of(&self, entry: &Claimed) -> Result<Vec<u8>, StoreError> {
        let span = Span { start: 0, len: entry.header_size };
        match self.store.read_spans(&[(entry.message, span)]).await {
            Ok(header) => Ok(header.into_iter().next().unwrap_or_default()),
            Err(error @ StoreError::Unavailable(_)) => Err(error),
            Err(error) => {
                tracing::error!(message = %entry.message, %error, "the message to report on cannot be read");
                Ok(Vec::new())
            }
        }
    }

    /// A refusal of the citizens' operator is the patient's own or about him, and is told as such.
    fn failed_recipient(&self, entry: &Claimed, trouble: &Trouble) -> FailedRecipient {
        let of_patient = trouble.is_refusal_of_peer() && self.resolver.is_of_patients(entry.recipient.domain());
        let french = if of_patient { french_for_patient_status(&trouble.status) } else { trouble.french };
        FailedRecipient {
            recipient: entry.recipient.clone(),
            original_recipient: entry.dsn.original_recipient.clone(),
            status: trouble.status.clone(),
            diagnostic: trouble.text.clone(),
            french: french.to_owned(),
            remote_mta: trouble.host.clone(),
        }
    }

    async fn take_in(&self, report: &FailureReport, bal: BalId, sender: &Address) -> Result<Acceptance, StoreError> {
        let octets = [b"Return-Path: <>\r\n", failure_report(report).as_slice()].concat();
        let mut scanner = Scanner::new();
        scanner.push(&octets);
        let mut intake = self.store.begin_intake().await?;
        intake.write(&octets).await?;
        Ok(Acceptance {
            message: intake.finish(scanner.finish()).await?,
            facts: MessageFacts::default(),
            reverse_path: ReversePath::Null,
            smtputf8: false,
            envelope_id: None,
            ret: None,
            source: Source::Internal,
            deliveries: vec![LocalDelivery { bal, recipient: sender.clone() }],
            relays: Vec::new(),
            to_patients: None,
        })
    }
}

fn wants_failure(notify: &DsnNotify) -> bool {
    match notify {
        DsnNotify::Unsaid => true,
        DsnNotify::Never => false,
        DsnNotify::On { failure, .. } => *failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_may_decline_reports() {
        assert!(wants_failure(&DsnNotify::Unsaid));
        assert!(!wants_failure(&DsnNotify::Never));
        assert!(!wants_failure(&DsnNotify::On { success: true, failure: false, delay: true }));
    }
}
