//! Letters to patients and of patients: what the store knows of their conversations, asked and told.

use annuaire::{LocalBal, Resolver};
use message::{EnvelopeAddress, MssHeaders, ReplyTo};
use mssante::{
    Address, Answering, Answers, BalId, BalKind, Claim, Conversation, ConversationStep, Ins, Judged, PatientPolicy,
    Refusal, ReversePath, Verdict, Writer, is_service, may_patient_write, may_redirect_answers, whose,
};
use store::{BalRecord, LetterToPatients, Store};

use crate::incoming::{Complete, unavailable};
use crate::policy;
use crate::session::Declined;

/// More BALs to answer than any letter names.
const MOST_REPLY_TO: usize = 10;

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
        match sender.address() {
            Some(patient) if self.is_asked() && self.resolver.is_of_patients(patient.domain()) => {
                self.judge_writer(patient, is_service(patient), recipient).await
            }
            _ => Ok(()),
        }
    }

    /// Whether a letter of another operator is a patient's, whoever its envelope names, and whether he may write it. What
    /// one recipient would refuse is refused for all. `[MSS1 HOP.AUTHOR]`, `[MSS2 ECO.2.2.8]`
    pub(crate) async fn judge_content(
        self,
        sender: &ReversePath,
        recipients: &[&Address],
        complete: &Complete,
    ) -> Verdict {
        let authors = &complete.said.authors;
        let claim = Claim { sender, named: &authors.named, sole: authors.sole(), report: complete.summary.is_report() };
        let writer = match whose(&claim, |domain| self.resolver.is_of_patients(domain)) {
            Ok(Writer::Other) => return Ok(()),
            _ if !self.is_asked() => return Ok(()),
            Ok(writer) => writer,
            Err(refusal) => return self.apply(Err(refusal)),
        };
        let (author, about) = match &writer {
            Writer::Other => return Ok(()),
            Writer::Patient(patient) => (patient, false),
            Writer::About(author) => (author, true),
        };
        if *sender == ReversePath::Null {
            // RCPT did not tell whose letter this would be.
            for recipient in recipients {
                self.judge_writer(author, about, recipient).await?;
            }
        }
        if about { Ok(()) } else { self.judge_answer(author, recipients, complete).await }
    }

    /// A postmaster is written to by anybody. `[RFC5321 4.5.1]`
    async fn judge_writer(self, author: &Address, about: bool, recipient: &Address) -> Verdict {
        if is_service(recipient) {
            return Ok(());
        }
        let bal = self.local(recipient).await?;
        let verdict = if about {
            self.judge_news(bal.id, author).await?
        } else {
            let (conversation, takes) = self.conversation(bal.id, author).await?;
            may_patient_write(author, conversation, takes)
        };
        self.apply(verdict)
    }

    /// What tells of a letter goes to somebody who has written one: to this patient, if he is named. Whoever has no
    /// matricule is no patient, but speaks for their operator.
    async fn judge_news(self, bal: BalId, author: &Address) -> Result<Verdict, Refusal> {
        let written = if author.local().as_str().parse::<Ins>().is_err() {
            self.store.has_written_to_patients(bal).await.map_err(|error| unavailable(&error))?
        } else {
            self.conversation(bal, author).await?.0 != Conversation::None
        };
        Ok(if written { Ok(()) } else { Err(Refusal::NoConversation) })
    }

    /// Whether a patient answers a letter that takes no answer. `[MSS2 ECO.2.2.8]`
    async fn judge_answer(self, patient: &Address, recipients: &[&Address], complete: &Complete) -> Verdict {
        let thread = &complete.said.thread;
        if thread.answered.is_empty() {
            return Ok(());
        }
        let mut bals = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            bals.push(self.local(recipient).await?.id);
        }
        let answered = (!thread.names_too_many).then_some(thread.answered.as_slice());
        let blocked = self.store.takes_no_answer(&bals, patient, answered).await;
        let blocked = blocked.map_err(|error| unavailable(&error))?;
        self.apply(if blocked { Err(Refusal::AnswerBlocked) } else { Ok(()) })
    }

    async fn conversation(
        self,
        bal: BalId,
        patient: &Address,
    ) -> Result<(Conversation, mssante::PatientMail), Refusal> {
        let found = self.store.conversation(bal, patient).await.map_err(|error| unavailable(&error))?;
        found.ok_or(Refusal::StoreUnavailable)
    }

    /// The BAL of a recipient that was found to be ours. Doubt lets nobody through.
    async fn local(self, recipient: &Address) -> Result<LocalBal, Refusal> {
        policy::known(recipient, self.resolver, self.store).await?.ok_or(Refusal::StoreUnavailable)
    }

    /// What a letter of ours does to conversations, if patients are among those whom it goes to.
    pub(crate) async fn letter(
        self,
        sender: &BalRecord,
        recipients: &[&Address],
        complete: &Complete,
    ) -> Result<Option<LetterToPatients>, Declined> {
        let of_patients = recipients.iter().filter(|address| self.resolver.is_of_patients(address.domain()));
        let patients: Vec<Address> = of_patients.map(|address| (*address).clone()).collect();
        if patients.is_empty() {
            return Ok(None);
        }
        let step = answers(&complete.facts.headers).step();
        let message_ids = complete.said.thread.message_ids.clone();
        if step == ConversationStep::Block && message_ids.is_empty() {
            // Nobody could tell an answer to it from one to another letter.
            let codes = vec!["X-MSS-MES: FIN needs a Message-ID <left@right>"];
            return Err(Declined { refusal: Refusal::MalformedMessage, codes });
        }
        if step == ConversationStep::End {
            metrics::counter!("pli_patient_conversations_ended_total").increment(1);
        }
        let answered_by = self.answered_by(sender, complete).await?;
        Ok(Some(LetterToPatients { sender: sender.id, answered_by, patients, step, message_ids }))
    }

    /// Software may name the people who read the answers, as long as they are ours and its own. `[MSS2 ECO.2.2.5]`
    async fn answered_by(self, sender: &BalRecord, complete: &Complete) -> Result<Vec<BalId>, Refusal> {
        let mut answered_by = Vec::new();
        if sender.kind == BalKind::Applicative {
            for address in reply_to(complete).iter().filter(|address| self.resolver.is_ours(address.domain())) {
                let Some(named) = self.store.bal_behind(address).await.map_err(|error| unavailable(&error))? else {
                    continue;
                };
                if may_redirect_answers(&answering(sender), &answering(&named)) {
                    answered_by.push(named.id);
                } else {
                    metrics::counter!("pli_patient_answers_not_redirected_total").increment(1);
                    tracing::warn!(
                        named = address.masked(),
                        "Reply-To of a piece of software opens this BAL to no patient"
                    );
                }
            }
        }
        Ok(if answered_by.is_empty() { vec![sender.id] } else { answered_by })
    }

    pub(crate) fn is_asked(self) -> bool {
        self.policy != PatientPolicy::Off
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

/// A field that can be read in two ways is read as it is shown.
fn reply_to(complete: &Complete) -> Vec<Address> {
    let named = match &complete.said.reply_to {
        ReplyTo::Author => Vec::new(),
        ReplyTo::Addresses(addresses) => addresses.clone(),
        ReplyTo::Unreadable => complete.summary.envelope.reply_to.iter().filter_map(address).collect(),
    };
    named.into_iter().take(MOST_REPLY_TO).collect()
}

fn address(entry: &EnvelopeAddress) -> Option<Address> {
    Address::parse(&format!("{}@{}", entry.mailbox.as_deref()?, entry.host.as_deref()?)).ok()
}

fn answering(bal: &BalRecord) -> Answering<'_> {
    Answering { kind: bal.kind, state: bal.state, replies: bal.replies, structure: bal.structure.as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_that_ends_all_counts_before_the_field() {
        let headers = |fields: &[u8]| answers(&MssHeaders::read(fields));
        assert_eq!(headers(b"Subject: [FIN]\r\nX-MSS-MES: FIN\r\n"), Answers::NoMore);
        assert_eq!(headers(b"Subject: Bonjour\r\nX-MSS-MES: FIN\r\n"), Answers::NotToThis);
        assert_eq!(headers(b"Subject: Bonjour\r\n"), Answers::Welcome);
    }
}
