//! What was refused on incoming hops, in the audit trail.

use std::net::IpAddr;

use mssante::{Domain, hex};
use serde_json::json;
use time::OffsetDateTime;

use crate::trace::{self, Event, Trace};
use crate::{Actor, Store, StoreError};

/// Whether it is known who was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HopClient {
    /// It showed a certificate that is good: it is who the name in it says.
    Verified,
    /// In clear, without a certificate, or with one that is not good: what it says of itself is a claim.
    Stranger,
}

/// One refusal, or several alike of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopRefusal {
    /// When; of several, the last.
    pub at: OffsetDateTime,
    /// The stable word of the reason.
    pub reason: &'static str,
    /// From where.
    pub address: IpAddr,
    /// Whether it is known who that was.
    pub client: HopClient,
    /// The key of the DN in the certificate shown, see `trust::DistinguishedName::key`; of a stranger, a claim.
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
        let actor = match self.client {
            HopClient::Verified => Actor::Operator,
            HopClient::Stranger => Actor::Stranger,
        };
        let trace = Trace::new(self.at, Event::HopRefused).by(actor).with(json!({
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
