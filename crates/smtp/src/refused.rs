//! Refusals on their way to the audit trail.

use std::net::IpAddr;

use auth::Identity;
use mssante::Domain;
use store::{Actor, MailRefusal, Refusee};
use tokio::sync::mpsc;
use trust::{CertificateFacts, Transport};

use crate::{Role, Service};

/// Refusals that wait to be written. Whoever is faster than the database is not written down each time.
const WAITING: usize = 1000;

/// Hands refusals over without waiting: what does not fit is counted and left out.
#[derive(Debug, Clone)]
pub struct Refusals(mpsc::Sender<MailRefusal>);

impl Refusals {
    /// Both ends.
    pub fn new() -> (Self, mpsc::Receiver<MailRefusal>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    fn tell(&self, refusal: MailRefusal) {
        if self.0.try_send(refusal).is_err() {
            metrics::counter!("pli_refusals_untraced_total", "why" => "queue").increment(1);
        }
    }
}

/// What was refused, and to whom, as far as that is known.
#[derive(Clone)]
pub(crate) struct RefusalFacts<'a> {
    pub(crate) reason: &'static str,
    pub(crate) codes: Vec<&'static str>,
    pub(crate) address: IpAddr,
    pub(crate) sender_domain: Option<Domain>,
    /// None if there was no handshake.
    pub(crate) transport: Option<&'a Transport>,
    /// Who has logged in.
    pub(crate) identity: Option<&'a Identity>,
}

impl Service {
    /// For the audit trail.
    pub(crate) fn trace_refusal(&self, facts: RefusalFacts<'_>) {
        let RefusalFacts { reason, codes, address, sender_domain, transport, identity } = facts;
        let shown = transport.and_then(Transport::shown);
        let certificate = shown.and_then(|shown| CertificateFacts::of_certificate(shown).ok());
        let (name, certificate) = certificate.map(|facts| (facts.name.key().to_owned(), facts.sha256)).unzip();
        let refusee = match (self.role, identity) {
            (Role::Hop, _) => match (name, transport.and_then(Transport::peer)) {
                (Some(name), Some(_)) => Refusee::Operator(name),
                (name, _) => Refusee::Stranger(name),
            },
            (Role::Submission, None) => Refusee::Sender(Actor::Stranger, None),
            (Role::Submission, Some(identity)) => {
                Refusee::Sender(identity.principal().actor(), Some(identity.bal().id))
            }
        };
        let at = self.clock.now();
        self.refused.tell(MailRefusal { at, reason, codes, address, refusee, sender_domain, certificate, count: 1 });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn who_refuses_never_waits_for_the_audit_trail() {
        let (refused, mut receiver) = Refusals::new();
        let refusal = MailRefusal {
            at: datetime!(2026-11-22 07:00 UTC),
            reason: "certificate-expired",
            address: Ipv4Addr::LOCALHOST.into(),
            codes: Vec::new(),
            refusee: Refusee::Stranger(None),
            sender_domain: None,
            certificate: None,
            count: 1,
        };
        for _ in 0..WAITING + 10 {
            refused.tell(refusal.clone());
        }
        let mut arrived = 0;
        while receiver.try_recv().is_ok() {
            arrived += 1;
        }
        assert_eq!(arrived, WAITING);
        drop(receiver);
        refused.tell(refusal);
    }
}
