//! What was refused on incoming hops, in the audit trail.

use std::net::IpAddr;

use mssante::{Domain, hex};
use serde_json::json;
use time::OffsetDateTime;

use crate::trace::{self, Event, Trace};
use crate::{Actor, Store, StoreError};

/// One refusal, or several alike of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopRefusal {
    /// When; of several, the last.
    pub at: OffsetDateTime,
    /// The stable word of the reason.
    pub reason: &'static str,
    /// From where.
    pub address: IpAddr,
    /// The key of the DN in the certificate shown, see `trust::DistinguishedName::key`. Unless the reason comes after
    /// the judgement on the certificate, this is a claim that nobody has verified.
    pub peer: Option<String>,
    /// The domain of the envelope sender, if there was one.
    pub sender_domain: Option<Domain>,
    /// SHA-256 of the certificate shown.
    pub certificate: Option<[u8; 32]>,
    /// How many refusals this is.
    pub count: u64,
}

/// Characters of a DN that anybody may have made up.
const NAME: usize = 500;

impl HopRefusal {
    fn trace(&self) -> Trace {
        let trace = Trace::new(self.at, Event::HopRefused).by(Actor::Operator).with(json!({
            "reason": self.reason,
            "address": self.address.to_canonical(),
            "sender_domain": self.sender_domain.as_ref().map(Domain::as_str),
            "certificate": self.certificate.as_ref().map(|digest| hex(digest)),
            "count": self.count,
        }));
        match &self.peer {
            Some(name) => trace.with_peer(storable(name)),
            None => trace,
        }
    }
}

/// Short, and without the NUL that PostgreSQL's texts cannot hold.
fn storable(name: &str) -> String {
    name.chars().take(NAME).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Store {
    /// Writes refusals into the audit trail, all in one statement.
    pub async fn trace_hop_refusals(&self, refusals: &[HopRefusal]) -> Result<(), StoreError> {
        let traces: Vec<_> = refusals.iter().map(HopRefusal::trace).collect();
        let mut connection = self.pool().acquire().await?;
        Ok(trace::insert_all(&traces, &mut connection).await?)
    }
}
