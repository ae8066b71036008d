//! Mail that was refused at the door, in the audit trail.

use std::net::IpAddr;

use mssante::{BalId, Domain, hex};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::trace::{self, Event, Trace};
use crate::{Actor, Store, StoreError};

/// Who was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refusee {
    /// Another operator, by the key of the DN in its certificate, see `trust::DistinguishedName::key`, which is good.
    Operator(String),
    /// A hop in clear, without a certificate, or with one that is not good: what it says of itself is a claim.
    Stranger(Option<String>),
    /// Somebody at our own door, and the BAL that he logged in to.
    Sender(Actor, Option<BalId>),
}

/// One refusal, or several alike of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRefusal {
    /// When; of several, the last.
    pub at: OffsetDateTime,
    /// The stable word of the reason.
    pub reason: &'static str,
    /// What the reply says beyond the reason: codes of what is wrong with an archive. Nothing of what is in it.
    pub codes: Vec<&'static str>,
    /// From where.
    pub address: IpAddr,
    /// Who.
    pub refusee: Refusee,
    /// The domain of the envelope sender, if there was one.
    pub sender_domain: Option<Domain>,
    /// SHA-256 of the certificate shown.
    pub certificate: Option<[u8; 32]>,
    /// How many refusals this is.
    pub count: u64,
}

/// Characters of a DN that anybody may have made up.
const NAME: usize = 500;

impl MailRefusal {
    fn trace(&self) -> Trace {
        let trace = Trace::new(self.at, self.event()).with(self.detail());
        match &self.refusee {
            Refusee::Operator(name) => trace.by(Actor::Operator).with_peer(storable(name)),
            Refusee::Stranger(None) => trace.by(Actor::Stranger),
            Refusee::Stranger(Some(name)) => trace.by(Actor::Stranger).with_peer(storable(name)),
            Refusee::Sender(actor, None) => trace.by(actor.clone()),
            Refusee::Sender(actor, Some(bal)) => trace.by(actor.clone()).of_bal(*bal),
        }
    }

    fn event(&self) -> Event {
        match self.refusee {
            Refusee::Operator(_) | Refusee::Stranger(_) => Event::HopRefused,
            Refusee::Sender(..) => Event::SubmissionRefused,
        }
    }

    fn detail(&self) -> Value {
        let mut detail = json!({
            "reason": self.reason,
            "address": self.address.to_canonical(),
            "sender_domain": self.sender_domain.as_ref().map(Domain::as_str),
            "certificate": self.certificate.as_ref().map(|digest| hex(digest)),
            "count": self.count,
        });
        if !self.codes.is_empty() {
            detail["codes"] = json!(self.codes);
        }
        detail
    }
}

/// Short, and without the NUL that PostgreSQL's texts cannot hold.
fn storable(name: &str) -> String {
    name.chars().take(NAME).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Store {
    /// Writes refusals into the audit trail, all in one statement.
    pub async fn trace_refusals(&self, refusals: &[MailRefusal]) -> Result<(), StoreError> {
        let traces: Vec<_> = refusals.iter().map(MailRefusal::trace).collect();
        let mut connection = self.pool().acquire().await?;
        Ok(trace::insert_all(&traces, &mut connection).await?)
    }
}
