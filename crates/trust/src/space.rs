//! The trust space as the sessions see it: a list that can be exchanged while they run.

use std::sync::Arc;

use mssante::{Domain, Refusal, ReversePath};

use crate::{DnMatch, TrustList, VerifiedPeer};

/// The list in force. Cheap to clone; all clones see the same list.
#[derive(Debug, Clone)]
pub struct TrustSpace {}

impl TrustSpace {
    /// A trust space without a list: everything that needs one is refused temporarily.
    pub fn new(how: DnMatch) -> Self {
        todo!()
    }

    /// Puts a list in force.
    pub fn install(&self, list: TrustList) {
        todo!()
    }

    /// The list in force.
    pub fn list(&self) -> Option<Arc<TrustList>> {
        todo!()
    }

    /// Whether the domain is listed; temporary refusal without a list.
    pub fn lists(&self, domain: &Domain) -> Result<bool, Refusal> {
        todo!()
    }

    /// Whether this peer may hand over mail from this sender. `[MSS1 HOP.IN]`
    pub fn judge_sender(&self, sender: &ReversePath, peer: &VerifiedPeer) -> Result<(), Refusal> {
        todo!()
    }

    /// Whether this peer may be given mail for this domain. `[MSS1 HOP.OUT]`
    pub fn judge_recipient(&self, domain: &Domain, peer: &VerifiedPeer) -> Result<(), Refusal> {
        todo!()
    }
}
