//! Refusals of hops on their way to the audit trail.

use std::net::IpAddr;

use mssante::Domain;
use store::{HopClient, HopRefusal};
use tokio::sync::mpsc;
use trust::{CertificateFacts, Transport};

use crate::{Role, Service};

/// Refusals that wait to be written. Whoever is faster than the database is not written down each time.
const WAITING: usize = 1000;

/// Hands refusals over without waiting: what does not fit is counted and left out.
#[derive(Debug, Clone)]
pub struct RefusedHops(mpsc::Sender<HopRefusal>);

impl RefusedHops {
    /// Both ends.
    pub fn new() -> (Self, mpsc::Receiver<HopRefusal>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    fn tell(&self, refusal: HopRefusal) {
        if self.0.try_send(refusal).is_err() {
            metrics::counter!("pli_hop_refusals_untraced_total", "why" => "queue").increment(1);
        }
    }
}

impl Service {
    /// A hop from `address` was refused something; over `transport`, if there was a handshake.
    pub(crate) fn trace_refusal(
        &self,
        address: IpAddr,
        reason: &'static str,
        sender_domain: Option<Domain>,
        transport: Option<&Transport>,
    ) {
        if self.role != Role::Hop {
            return;
        }
        let client = match transport.and_then(Transport::peer) {
            Some(_) => HopClient::Verified,
            None => HopClient::Stranger,
        };
        let shown = transport.and_then(Transport::shown);
        let facts = shown.and_then(|shown| CertificateFacts::of_certificate(shown).ok());
        let (peer, certificate) = facts.map(|facts| (facts.name.key().to_owned(), facts.sha256)).unzip();
        let at = self.clock.now();
        self.refused.tell(HopRefusal { at, reason, address, client, peer, sender_domain, certificate, count: 1 });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn who_refuses_never_waits_for_the_audit_trail() {
        let (refused, mut receiver) = RefusedHops::new();
        let refusal = HopRefusal {
            at: datetime!(2026-11-22 07:00 UTC),
            reason: "certificate-expired",
            address: Ipv4Addr::LOCALHOST.into(),
            client: HopClient::Stranger,
            peer: None,
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
