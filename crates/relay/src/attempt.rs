//! One attempt to hand the waiting messages of one domain over.

use std::collections::BTreeMap;

use mssante::{Address, Domain, Permanence};
use smtp::client::{ClientError, Envelope, Reply};
use store::{Claimed, DsnParameters, HopFacts, MessageId};
use tokio_util::sync::CancellationToken;

use crate::Relay;
use crate::content::StoredContent;
use crate::health::HostHealth;
use crate::hop::{Extent, NoHop, OpenHop};
use crate::journal::Journal;
use crate::lease::Leases;
use crate::trouble::Trouble;

/// How the attempt ended for one recipient.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The peer has it.
    HandedOver { reply: String, host: String, hop: HopFacts },
    /// Not now.
    Later(Trouble),
    /// Never.
    Never(Trouble),
}

/// The endings of an attempt, entry by entry.
pub(crate) type Endings = Vec<(Claimed, Ending)>;

/// The hop of an attempt and how it came to it.
struct Caller {
    hop: Option<OpenHop>,
    /// Calls so far.
    calls: usize,
    /// How entries end while no hop is open.
    last: Ending,
}

/// Most hops opened in one attempt: a message on which the peer hangs up must not keep the others
/// from going, and a peer that hangs up on all of them must not be called for each.
const MOST_HOPS: usize = 3;

/// Most recipients of one transaction: what every server takes. `[RFC5321 4.5.3.1.8]`
const MOST_RECIPIENTS: usize = 100;

impl Relay {
    /// Hands over what it can and writes the ending of each transaction down before the next one
    /// begins. On `stop` the entries that wait are released.
    pub(crate) async fn attempt(
        &self,
        domain: &Domain,
        entries: Vec<Claimed>,
        leases: &Leases,
        health: &HostHealth,
        stop: &CancellationToken,
    ) {
        let nothing_yet = Ending::Later(Trouble::unreached("4.4.2", "connection-lost", "no hop", None));
        let mut caller = Caller { hop: None, calls: 0, last: nothing_yet };
        for recipients in transactions(entries) {
            if stop.is_cancelled() {
                leases.forget(recipients.iter());
                self.release(&recipients).await;
                continue;
            }
            self.call(&mut caller, domain, health).await;
            let endings = self.transact(&mut caller, recipients).await;
            leases.forget(endings.iter().map(|(entry, _)| entry));
            self.settle(endings).await;
        }
        if let Some(open) = caller.hop {
            open.client.quit().await;
        }
    }

    /// Opens a hop if none is open and the peer may still be called. A hop that is open is judged anew for each
    /// transaction.
    async fn call(&self, caller: &mut Caller, domain: &Domain, health: &HostHealth) {
        if let Some(open) = caller.hop.take() {
            match self.hops.judge_again(domain, &open) {
                Ok(()) => caller.hop = Some(open),
                Err(trouble) => {
                    caller.last = Ending::Later(trouble);
                    open.client.quit().await;
                }
            }
        }
        if caller.hop.is_some() || caller.calls >= MOST_HOPS {
            return;
        }
        caller.calls += 1;
        let mut journal = Journal::dropped(self.hops.clock.clone());
        match self.hops.open(domain, Extent::First, health, &mut journal).await {
            Ok(open) => caller.hop = Some(open),
            Err(NoHop { permanence, trouble }) => {
                caller.last = match permanence {
                    Permanence::Permanent => Ending::Never(trouble),
                    Permanence::Temporary => Ending::Later(trouble),
                };
                caller.calls = MOST_HOPS;
            }
        }
    }

    /// One transaction on the open hop; without one, its recipients end as the last call did.
    async fn transact(&self, caller: &mut Caller, recipients: Vec<Claimed>) -> Endings {
        let Some(open) = caller.hop.as_mut() else { return all_end(recipients, &caller.last) };
        match self.hand_over(open, &recipients).await {
            Ok(results) => per_recipient(recipients, results, &open.host.name, &open.facts()),
            Err(error) => {
                caller.last = Ending::Later(Trouble::of_client(&error, &open.host.name));
                let endings = all_end(recipients, &ending_of(&error, &open.host.name));
                if !open.client.recover(&error).await {
                    caller.hop = None;
                }
                endings
            }
        }
    }

    async fn hand_over(
        &self,
        hop: &mut OpenHop,
        entries: &[Claimed],
    ) -> Result<Vec<Result<Reply, Reply>>, ClientError> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let mut content = StoredContent::open(&self.store, first.message, first.size)
            .await
            .map_err(|error| ClientError::Content(error.to_string()))?;
        let recipients: Vec<(Address, DsnParameters)> =
            entries.iter().map(|entry| (entry.recipient.clone(), entry.dsn.clone())).collect();
        let envelope = Envelope {
            reverse_path: &first.reverse_path,
            recipients: &recipients,
            size: content.size(),
            smtputf8: first.smtputf8,
            envelope_id: first.envelope_id.as_deref(),
            ret: first.ret.as_deref(),
        };
        hop.client.send(&envelope, &mut content).await
    }
}

/// The entries of each message, oldest first, cut to what one transaction takes.
fn transactions(entries: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut messages: BTreeMap<MessageId, Vec<Vec<Claimed>>> = BTreeMap::new();
    for entry in entries {
        let transactions = messages.entry(entry.message).or_default();
        match transactions.last_mut() {
            Some(last) if last.len() < MOST_RECIPIENTS => last.push(entry),
            _ => transactions.push(vec![entry]),
        }
    }
    messages.into_values().flatten().collect()
}

fn all_end(entries: Vec<Claimed>, ending: &Ending) -> Endings {
    entries.into_iter().map(|entry| (entry, ending.clone())).collect()
}

fn per_recipient(entries: Vec<Claimed>, results: Vec<Result<Reply, Reply>>, host: &str, hop: &HopFacts) -> Endings {
    let endings = results.into_iter().map(|result| match result {
        Ok(reply) => Ending::HandedOver { reply: reply.to_string(), host: host.to_owned(), hop: hop.clone() },
        Err(reply) => {
            let trouble = Trouble::of_reply(&reply, host);
            if reply.code() >= 500 { Ending::Never(trouble) } else { Ending::Later(trouble) }
        }
    });
    entries.into_iter().zip(endings).collect()
}

fn ending_of(error: &ClientError, host: &str) -> Ending {
    let trouble = Trouble::of_client(error, host);
    match error.permanence() {
        Permanence::Permanent => Ending::Never(trouble),
        Permanence::Temporary => Ending::Later(trouble),
    }
}

#[cfg(test)]
mod tests {
    use mssante::ReversePath;
    use store::QueueId;
    use time::OffsetDateTime;

    use super::*;

    fn entry(id: i64, message: i64) -> Claimed {
        Claimed {
            id: QueueId(id),
            fence: 1,
            message: MessageId(message),
            size: 10,
            header_size: 5,
            reverse_path: ReversePath::Null,
            recipient: Address::parse("a@peer.mssante.fr").unwrap(),
            smtputf8: false,
            envelope_id: None,
            ret: None,
            dsn: DsnParameters::default(),
            accepted_at: OffsetDateTime::UNIX_EPOCH,
            attempts: 0,
        }
    }

    #[test]
    fn a_message_goes_to_many_recipients_in_one_transaction_up_to_a_hundred() {
        let entries = (0..250).map(|id| entry(id, 2)).chain([entry(250, 1)]).collect();
        let sizes: Vec<_> = transactions(entries).iter().map(|t| (t[0].message.0, t.len())).collect();
        assert_eq!(sizes, [(1, 1), (2, 100), (2, 100), (2, 50)]);
    }

    #[test]
    fn every_recipient_ends_as_his_own_answer_says() {
        let ending = ending_of(&ClientError::NoStartTls, "mx.peer.fr");
        assert!(matches!(ending, Ending::Later(trouble) if trouble.status == "4.7.0"));
        let ending = ending_of(&ClientError::PeerLimit(1), "mx.peer.fr");
        assert!(matches!(ending, Ending::Never(trouble) if trouble.host.as_deref() == Some("mx.peer.fr")));
    }
}
