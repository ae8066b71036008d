//! What changed between two lists, as the database keeps it.

use mssante::Domain;
use store::{DomainChange, DomainChangeKind};
use trust::{DistinguishedName, ListChange, TrustList};

/// The changes from `old` to `new`, domain by domain, with the names that came and went.
pub(crate) fn changes(change: &ListChange, old: Option<&TrustList>, new: &TrustList) -> Vec<DomainChange> {
    let before = |domain: &Domain| old.map(|old| texts(old.names_of(domain))).unwrap_or_default();
    let added = change.added.iter().map(|domain| DomainChange {
        domain: domain.clone(),
        kind: DomainChangeKind::Added,
        names_added: texts(new.names_of(domain)),
        names_removed: Vec::new(),
    });
    let removed = change.removed.iter().map(|domain| DomainChange {
        domain: domain.clone(),
        kind: DomainChangeKind::Removed,
        names_added: Vec::new(),
        names_removed: before(domain),
    });
    let renamed = change.renamed.iter().map(|renamed| DomainChange {
        domain: renamed.domain.clone(),
        kind: DomainChangeKind::Renamed,
        names_added: texts(&renamed.added),
        names_removed: texts(&renamed.removed),
    });
    added.chain(removed).chain(renamed).collect()
}

fn texts(names: &[DistinguishedName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
