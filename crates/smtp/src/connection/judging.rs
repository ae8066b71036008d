//! What the connection answers when its session asks whether a sender, a recipient or a letter is let through.

use auth::{Principal, Standing};
use mssante::{Address, BalKind, Refusal, ReversePath, Right};
use store::{LetterToPatients, Source};

use super::Connection;
use crate::command::RcptCommand;
use crate::header::Author;
use crate::incoming::{Complete, unavailable};
use crate::patients::Conversations;
use crate::session::{Declined, Destination, Envelope};
use crate::{Role, Service, policy};

/// Where a message comes from, and whose it has to be.
pub(super) struct Origin {
    pub(super) source: Source,
    pub(super) author: Author,
}

impl Connection {
    /// Where mail of this sender comes from, or why it is not taken. Asked at MAIL, and again before the message is
    /// accepted: while it came in, the list may have been replaced, the certificate may have ended, and what the log-in
    /// rests on may have been taken away. `[MSS1 HOP.IN]`
    pub(super) async fn judge_sender(&mut self, sender: &ReversePath) -> Result<Origin, Refusal> {
        if let Some(standing) = &mut self.standing
            && !standing.holds(&self.service.authenticator).await
        {
            return Err(Refusal::SenderNotAllowed);
        }
        match self.service.role {
            Role::Hop => self.judge_peer_sender(sender),
            Role::Submission => self.judge_own_sender(sender),
        }
    }

    fn judge_peer_sender(&self, sender: &ReversePath) -> Result<Origin, Refusal> {
        let Service { resolver, trust, .. } = &*self.service;
        let (peer, address) = (self.transport.judged(), self.address.ip().to_string());
        let matched = policy::judge_peer_sender(sender, peer, resolver, trust)?.word();
        let peer = peer?;
        let source = Source::Hop { dn: peer.key().to_owned(), address, matched, certificate: *peer.sha256() };
        Ok(Origin { source, author: Author::Anybody })
    }

    fn judge_own_sender(&self, sender: &ReversePath) -> Result<Origin, Refusal> {
        let Service { resolver, trust, .. } = &*self.service;
        let identity = self.standing.as_ref().map(Standing::identity);
        let right = policy::judge_own_sender(sender, identity, self.transport.judged(), resolver, trust)?;
        let address = sender.address().ok_or(Refusal::SenderNotAllowed)?.clone();
        // which of the two a delegate uses is seen in the header
        let delegated = right.delegation.map(|_| Right::SendAs);
        let source = Source::Submission { bal: right.bal, address: self.address.ip().to_string(), right: delegated };
        Ok(Origin { source, author: Author::Bal { address, sender: right.sender } })
    }

    pub(super) async fn judge_recipient(&mut self, rcpt: RcptCommand) {
        let Service { role, resolver, trust, store, .. } = &*self.service;
        let address = policy::recipient_address(rcpt.path, resolver);
        let answer = match &address {
            Some(address) => {
                let (sender, size) = self.announced();
                let judged = policy::judge_recipient(address, &sender, *role, resolver, trust, store).await;
                match judged {
                    Ok(destination) => self.judge_room(destination, size).await,
                    Err(refusal) => Err(refusal),
                }
            }
            None => Err(Refusal::UnknownRecipient),
        };
        let answer = match (answer, &address, self.session.envelope()) {
            (Ok(destination @ Destination::Local(_)), Some(address), Some(envelope)) if *role == Role::Hop => {
                let judged = self.conversations().judge_letter(&envelope.reverse_path, address).await;
                judged.map(|()| destination)
            }
            (answer, ..) => answer,
        };
        self.session.recipient_answer(address, answer);
    }

    pub(super) fn conversations(&self) -> Conversations<'_> {
        let Service { patients, resolver, store, .. } = &*self.service;
        Conversations { policy: *patients, resolver, store }
    }

    /// What MAIL said: from whom, and how large. `[RFC1870 3]`
    fn announced(&self) -> (ReversePath, u64) {
        let envelope = self.session.envelope();
        envelope.map_or((ReversePath::Null, 0), |envelope| {
            (envelope.reverse_path.clone(), envelope.parameters.size.unwrap_or(0))
        })
    }

    /// A recipient whose BAL is full is refused for now. `[MSS1 BAL.QUOTA]`
    async fn judge_room(&self, destination: Destination, size: u64) -> Result<Destination, Refusal> {
        if let Destination::Local(bals) = &destination {
            self.service.rooms.judge(bals, size).await.map_err(|error| unavailable(&error))??;
        }
        Ok(destination)
    }

    /// A message of one of ours begins. `[MSS1 APP.RATE]`
    pub(super) fn count_message(&self, source: &Source) -> Result<(), Refusal> {
        let Source::Submission { bal, .. } = source else { return Ok(()) };
        let kind = if self.is_software() { BalKind::Applicative } else { BalKind::Nominative };
        let Service { rates, sending, clock, .. } = &*self.service;
        rates.begin(sending, *bal, kind, clock.now())
    }

    pub(super) fn is_software(&self) -> bool {
        let principal = self.standing.as_ref().map(|standing| standing.identity().principal());
        matches!(principal, Some(Principal::Software(_)))
    }

    /// In whose name a letter of another operator comes, and whether patients may write it; what one of ours to patients
    /// does to conversations.
    pub(super) async fn heed_patients(
        &self,
        source: &Source,
        envelope: &Envelope,
        complete: &mut Complete,
    ) -> Result<Option<LetterToPatients>, Declined> {
        let recipients: Vec<&Address> = envelope.recipients.iter().map(|recipient| &recipient.address).collect();
        match source {
            Source::Hop { .. } => {
                let Service { sending, resolver, trust, .. } = &*self.service;
                let named = &complete.said.authors.named;
                if envelope.reverse_path == ReversePath::Null && self.conversations().is_asked() {
                    policy::judge_patients_operator(named, self.transport.judged(), resolver, trust)?;
                }
                complete.facts.in_our_name = policy::judge_authors(named, sending.own_from_on_hops, resolver)?;
                self.conversations().judge_content(&envelope.reverse_path, &recipients, complete).await?;
                Ok(None)
            }
            Source::Submission { bal, .. } => {
                let identity = self.standing.as_ref().map(Standing::identity);
                let sender = identity.and_then(|identity| identity.accesses().iter().find(|open| open.bal.id == *bal));
                let sender = &sender.ok_or(Refusal::SenderNotAllowed)?.bal;
                self.conversations().letter(sender, &recipients, complete).await
            }
            Source::Internal => Ok(None),
        }
    }
}
