//! What differs between two lists.

use mssante::Domain;

use super::TrustList;
use crate::DistinguishedName;

/// A domain whose names changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Which domain.
    pub domain: Domain,
    /// Names that came.
    pub added: Vec<DistinguishedName>,
    /// Names that went.
    pub removed: Vec<DistinguishedName>,
}

/// What differs between two lists, in the order of domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListChange {
    /// Domains that came.
    pub added: Vec<Domain>,
    /// Domains that went.
    pub removed: Vec<Domain>,
    /// Domains that stayed under other names.
    pub renamed: Vec<Renamed>,
}

impl ListChange {
    /// From `old` to `new`; nothing old means that everything is added.
    pub fn between(old: Option<&TrustList>, new: &TrustList) -> Self {
        let _ = (old, new);
        todo!("list")
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.renamed.is_empty()
    }
}
