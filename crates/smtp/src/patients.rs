//! Letters to patients and of patients: what the store knows of their conversations, asked and told.

use annuaire::Resolver;
use message::{Envelope, EnvelopeAddress, MssHeaders};
use mssante::{
    Address, Answers, BalId, BalKind, ConversationStep, Judged, PatientPolicy, Refusal, ReversePath, Verdict,
    may_patient_write, may_redirect_answers,
};
use store::{LetterToPatients, Store};

use crate::incoming::unavailable;

/// More BALs to answer than any letter names.
const MOST_REPLY_TO: usize = 10;
/// More letters than one answers at a time.
const MOST_ANSWERED: usize = 20;

/// Who asks and tells.
#[derive(Clone, Copy)]
pub(crate) struct Conversations<'a> {
    pub(crate) policy: PatientPolicy,
    pub(crate) resolver: &'a Resolver,
    pub(crate) store: &'a Store,
}

impl Conversations<'_> {
    /// Whether a recipient of ours takes what a patient writes; others than patients are not judged here.
    /// `[MSS1 PATIENT.CONVERSATION]`
    pub(crate) async fn judge_letter(self, sender: &ReversePath, recipient: &Address) -> Verdict {
        let Some(patient) = self.patient(sender) else { return Ok(()) };
        let Some(bal) = self.resolver.local(recipient) else { return Ok(()) };
        let found = self.store.conversation(bal.id, patient).await.map_err(|error| unavailable(&error))?;
        let Some((conversation, takes)) = found else { return Ok(()) };
        self.apply(may_patient_write(conversation, takes))
    }

    /// Whether a patient answers a letter that takes no answer. `[MSS2 ECO.2.2.8]`
    pub(crate) async fn judge_answer(
        self,
        sender: &ReversePath,
        recipients: impl Iterator<Item = &Address>,
        said: &Envelope,
    ) -> Verdict {
        let Some(patient) = self.patient(sender) else { return Ok(()) };
        let answered = message_ids(said.in_reply_to.as_deref().unwrap_or_default());
        if answered.is_empty() {
            return Ok(());
        }
        let bals: Vec<BalId> =
            recipients.filter_map(|address| self.resolver.local(address)).map(|bal| bal.id).collect();
        let blocked = self.store.takes_no_answer(&bals, patient, &answered).await;
        let blocked = blocked.map_err(|error| unavailable(&error))?;
        self.apply(if blocked { Err(Refusal::AnswerBlocked) } else { Ok(()) })
    }

    /// Tells the store of a letter of ours, if patients are among those whom it goes to.
    pub(crate) async fn note(
        self,
        (sender, kind): (BalId, Option<BalKind>),
        recipients: impl Iterator<Item = &Address>,
        headers: &MssHeaders,
        said: &Envelope,
    ) -> Result<(), Refusal> {
        let patients: Vec<Address> =
            recipients.filter(|address| self.resolver.is_of_patients(address.domain())).cloned().collect();
        if patients.is_empty() {
            return Ok(());
        }
        let step = answers(headers).step();
        if step == ConversationStep::End {
            metrics::counter!("pli_patient_conversations_ended_total").increment(1);
        }
        let letter = LetterToPatients {
            sender,
            answered_by: self.answered_by(sender, kind, said),
            patients,
            step,
            message_id: said.message_id.as_deref().and_then(|field| message_ids(field).pop()),
        };
        self.store.note_letter_to_patients(&letter).await.map_err(|error| unavailable(&error))
    }

    /// Software may name the people who read the answers, as long as they are ours. `[MSS2 ECO.2.2.5]`
    fn answered_by(self, sender: BalId, kind: Option<BalKind>, said: &Envelope) -> Vec<BalId> {
        let named = said.reply_to.iter().take(MOST_REPLY_TO).filter_map(address);
        let named: Vec<BalId> = named.filter_map(|named| self.resolver.local(&named)).map(|bal| bal.id).collect();
        if named.is_empty() || !kind.is_some_and(may_redirect_answers) { vec![sender] } else { named }
    }

    fn patient(self, sender: &ReversePath) -> Option<&Address> {
        sender.address().filter(|address| self.resolver.is_of_patients(address.domain()))
    }

    fn apply(self, verdict: Verdict) -> Verdict {
        match self.policy.apply(verdict) {
            Judged::Taken => Ok(()),
            Judged::TakenInSpiteOf(refusal) => {
                metrics::counter!("pli_patient_letters_doubtful_total", "reason" => refusal.word()).increment(1);
                tracing::warn!(reason = refusal.word(), "a letter of a patient is taken that a rule would refuse");
                Ok(())
            }
            Judged::Refused(refusal) => Err(refusal),
        }
    }
}

fn answers(headers: &MssHeaders) -> Answers {
    if headers.ends_conversations {
        Answers::NoMore
    } else if headers.blocks_answer {
        Answers::NotToThis
    } else {
        Answers::Welcome
    }
}

fn address(entry: &EnvelopeAddress) -> Option<Address> {
    Address::parse(&format!("{}@{}", entry.mailbox.as_deref()?, entry.host.as_deref()?)).ok()
}

/// What stands between angle brackets, with them. `[RFC5322 3.6.4]`
fn message_ids(field: &str) -> Vec<String> {
    let pieces = field.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    pieces.map(|(id, _)| format!("<{}>", id.trim())).take(MOST_ANSWERED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_found_whatever_stands_around_them() {
        assert_eq!(message_ids("<a@b>"), ["<a@b>"]);
        assert_eq!(message_ids("votre message <a@b> \r\n\t< c@d >"), ["<a@b>", "<c@d>"]);
        for none in ["", "a@b", "<a@b", "a@b>"] {
            assert!(message_ids(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn the_subject_that_ends_all_counts_before_the_field() {
        let headers = |fields: &[u8]| answers(&MssHeaders::read(fields));
        assert_eq!(headers(b"Subject: [FIN]\r\nX-MSS-MES: FIN\r\n"), Answers::NoMore);
        assert_eq!(headers(b"Subject: Bonjour\r\nX-MSS-MES: FIN\r\n"), Answers::NotToThis);
        assert_eq!(headers(b"Subject: Bonjour\r\n"), Answers::Welcome);
    }
}
