//! Accepting a message: body, deliveries, queue entries and traces in one durable transaction.

use std::collections::{BTreeMap, BTreeSet};

use message::MessageFacts;
use mssante::{Address, BalId, ReversePath, Right};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::committer::Job;
use crate::landing::{Admission, Landing, Placed, Placement, Relayed};
use crate::trace::{Event, Trace};
use crate::{
    Actor, DsnParameters, Flags, FolderId, LetterToPatients, SealedMessage, Store, StoreError, Uid, UidValidity,
};

/// Where a message came from, for its traces.
#[derive(Debug, Clone)]
pub enum Source {
    /// A peer operator, by the key of its DN.
    Hop {
        /// `trust::DistinguishedName::key`.
        dn: String,
        /// Network address.
        address: String,
        /// By which way of comparing the DN matched the list: `strict` or `normalised`.
        matched: &'static str,
        /// SHA-256 of the peer's certificate.
        certificate: [u8; 32],
    },
    /// One of our BALs.
    Submission {
        /// Which.
        bal: BalId,
        /// Network address.
        address: String,
        /// Under which right a delegate sent it; nobody's if it was sent by the BAL's own credential.
        right: Option<Right>,
    },
    /// pli itself (reports).
    Internal,
}

/// A local recipient.
#[derive(Debug, Clone)]
pub struct LocalDelivery {
    /// Into this BAL's INBOX.
    pub bal: BalId,
    /// The address it was sent to: the BAL's own, an alias, or that of a BAL that hands on to it.
    pub recipient: Address,
}

/// A remote recipient.
#[derive(Debug, Clone)]
pub struct RelayRequest {
    /// To whom.
    pub recipient: Address,
    /// What the sender asked to be told.
    pub dsn: DsnParameters,
}

/// All that is decided when the final `250` is due.
pub struct Acceptance {
    /// The message.
    pub message: SealedMessage,
    /// What was found out about it, for the trace.
    pub facts: MessageFacts,
    /// Envelope sender.
    pub reverse_path: ReversePath,
    /// Whether it needs SMTPUTF8 on the next hop.
    pub smtputf8: bool,
    /// ENVID. `[RFC3461 4.4]`
    pub envelope_id: Option<String>,
    /// RET=FULL or HDRS, as given. `[RFC3461 4.3]`
    pub ret: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// Local recipients; duplicates of one BAL are delivered once.
    pub deliveries: Vec<LocalDelivery>,
    /// Remote recipients.
    pub relays: Vec<RelayRequest>,
    /// What it does to conversations, if one of ours writes to patients.
    pub to_patients: Option<LetterToPatients>,
}

/// Where APPEND put it. `[RFC4315 3]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The folder's.
    pub uid_validity: UidValidity,
    /// The message's.
    pub uid: Uid,
}

impl Store {
    /// Accepts a message: body, deliveries, queue entries and traces in one durable
    /// transaction, shared with other messages that are ready at the same moment.
    /// When this returns `Ok`, the message is on disk and its folders' sessions were woken. With
    /// [`StoreError::TakesNoMail`] nothing was written: a BAL was closed or suspended since it was named as recipient.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<(), StoreError> {
        let landing = self.landing(acceptance).await?;
        self.commit(landing).await?;
        Ok(())
    }

    /// Puts a message into a folder (IMAP APPEND); `filed` is the line about it, where a delegate does that.
    /// `[RFC3501 6.3.11]`
    pub async fn append(
        &self,
        folder: FolderId,
        message: SealedMessage,
        flags: Flags,
        internal_date: Option<OffsetDateTime>,
        filed: Option<Trace>,
    ) -> Result<Appended, StoreError> {
        let at = self.clock().now();
        let internal_date = internal_date.unwrap_or(at);
        let admission = Admission::Always;
        let placements = vec![Placement { folder, delivered_to: None, admission, flags, internal_date }];
        let trace = filed.map(|line| line.of_message(message.id()));
        let landing = Landing { message, placements, relays: Vec::new(), trace, conversing: None, at };
        let placed = self.commit(landing).await?;
        let place =
            placed.first().ok_or_else(|| StoreError::inconsistent("folder_message", "an APPEND without UID"))?;
        Ok(Appended { uid_validity: place.uid_validity, uid: place.uid })
    }

    /// Hands over to the committers and waits for the commit.
    pub(crate) async fn commit(&self, landing: Landing) -> Result<Vec<Placed>, StoreError> {
        let closed = || StoreError::Unavailable("the store is being closed".to_owned());
        let (reply, committed) = oneshot::channel();
        self.jobs().send(Job::new(landing, reply)).await.map_err(|_| closed())?;
        committed.await.map_err(|_| closed())?
    }

    /// What an acceptance writes.
    pub(crate) async fn landing(&self, acceptance: Acceptance) -> Result<Landing, StoreError> {
        if acceptance.deliveries.is_empty() && acceptance.relays.is_empty() {
            return Err(StoreError::NoRecipient);
        }
        let at = self.clock().now();
        let trace = Some(accepted(&acceptance, at, self.actor()));
        // A BAL that is named twice (an alias, a list) gets one copy.
        let bals: BTreeSet<BalId> = acceptance.deliveries.iter().map(|delivery| delivery.bal).collect();
        let bals: Vec<BalId> = bals.into_iter().collect();
        let inboxes = self.inboxes(&bals).await?;
        // Nobody is left to be told that a report did not arrive.
        let admission = match acceptance.source {
            Source::Internal => Admission::Always,
            Source::Hop { .. } | Source::Submission { .. } => Admission::IfOpen,
        };
        let placements = bals.iter().zip(inboxes).map(|(bal, folder)| Placement {
            folder,
            delivered_to: Some(*bal),
            admission,
            flags: Flags::default(),
            internal_date: at,
        });
        let placements = placements.collect();
        let relays = relayed(&acceptance);
        let conversing = acceptance.to_patients.as_ref().map(|letter| self.conversing(letter));
        Ok(Landing { message: acceptance.message, placements, relays, trace, conversing, at })
    }
}

/// The queue entries: one for each recipient, however often he is named.
fn relayed(acceptance: &Acceptance) -> Vec<Relayed> {
    let recipients: BTreeMap<String, &RelayRequest> =
        acceptance.relays.iter().rev().map(|relay| (relay.recipient.key(), relay)).collect();
    let relayed = recipients.into_values().map(|relay| Relayed {
        recipient: relay.recipient.clone(),
        reverse_path: acceptance.reverse_path.clone(),
        smtputf8: acceptance.smtputf8,
        envelope_id: acceptance.envelope_id.clone(),
        ret: acceptance.ret.clone(),
        dsn: relay.dsn.clone(),
    });
    relayed.collect()
}

/// The line of the audit trail; full addresses are allowed there, and only there.
fn accepted(acceptance: &Acceptance, at: OffsetDateTime, actor: &Actor) -> Trace {
    let mut detail = json!({
        "from": acceptance.reverse_path.address(),
        "size": acceptance.message.size,
        "local": named(&acceptance.deliveries),
        "bals": acceptance.deliveries.iter().map(|delivery| delivery.bal).collect::<BTreeSet<_>>(),
        "remote": acceptance.relays.iter().map(|relay| &relay.recipient).collect::<Vec<_>>(),
        "source": source_detail(&acceptance.source),
    });
    if !acceptance.facts.is_empty() {
        detail["facts"] = json!(acceptance.facts);
    }
    if let Some(letter) = &acceptance.to_patients {
        detail["patients"] = json!({ "step": letter.step.word(), "answered_by": letter.answered_by });
    }
    let trace = Trace::new(at, Event::MessageAccepted).of_message(acceptance.message.id()).with(detail);
    match &acceptance.source {
        Source::Hop { dn, .. } => trace.by(Actor::Operator).with_peer(dn),
        Source::Submission { bal, right, .. } => {
            let trace = trace.by(actor.clone()).of_bal(*bal);
            match right {
                Some(right) => trace.under(right.word()),
                None => trace,
            }
        }
        Source::Internal => trace,
    }
}

/// The addresses, each once, however many BALs it leads to.
fn named(deliveries: &[LocalDelivery]) -> Vec<&Address> {
    let by_key: BTreeMap<String, &Address> =
        deliveries.iter().map(|delivery| (delivery.recipient.key(), &delivery.recipient)).collect();
    by_key.into_values().collect()
}

fn source_detail(source: &Source) -> Value {
    match source {
        Source::Hop { address, matched, certificate, .. } => {
            json!({ "hop": address, "matched": matched, "certificate": mssante::hex(certificate) })
        }
        Source::Submission { address, .. } => json!({ "submission": address }),
        Source::Internal => json!("internal"),
    }
}
