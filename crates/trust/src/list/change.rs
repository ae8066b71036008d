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

/// What differs between two lists, in the order of domains. Names that are spelt otherwise differ.
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
        let Some(old) = old else {
            let added = sorted(new.domains.keys().cloned(), Clone::clone);
            return Self { added, ..Self::default() };
        };
        Self {
            added: missing(new, old),
            removed: missing(old, new),
            renamed: sorted(new.domains.keys().filter_map(|domain| renamed(old, new, domain)), |renamed| {
                renamed.domain.clone()
            }),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.renamed.is_empty()
    }
}

/// The domains of one list that the other lacks.
fn missing(of: &TrustList, in_other: &TrustList) -> Vec<Domain> {
    sorted(of.domains.keys().filter(|domain| !in_other.lists(domain)).cloned(), Clone::clone)
}

/// How the names of a domain that both lists have differ.
fn renamed(old: &TrustList, new: &TrustList, domain: &Domain) -> Option<Renamed> {
    let (before, after) = (old.domains.get(domain)?, new.domains.get(domain)?);
    let added = without(after, before);
    let removed = without(before, after);
    let differs = !added.is_empty() || !removed.is_empty();
    differs.then(|| Renamed { domain: domain.clone(), added, removed })
}

fn without(names: &[DistinguishedName], others: &[DistinguishedName]) -> Vec<DistinguishedName> {
    names.iter().filter(|name| !others.contains(name)).cloned().collect()
}

fn sorted<T>(items: impl Iterator<Item = T>, domain: impl Fn(&T) -> Domain) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort_by_cached_key(domain);
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::tests::{domain, list_of};

    #[test]
    fn what_came_what_went_and_what_is_named_otherwise_is_told_in_order() {
        let old = list_of(&[("b.fr", "CN=1"), ("a.fr", "CN=1"), ("c.fr", "CN=1"), ("c.fr", "CN=2"), ("e.fr", "CN=1")]);
        let new = list_of(&[("c.fr", "CN=3"), ("c.fr", "CN=2"), ("d.fr", "CN=1"), ("0.fr", "CN=1"), ("e.fr", "CN=1")]);
        let change = ListChange::between(Some(&old), &new);
        assert_eq!(change.added, [domain("0.fr"), domain("d.fr")]);
        assert_eq!(change.removed, [domain("a.fr"), domain("b.fr")]);
        let [renamed] = &change.renamed[..] else { panic!("{change:?}") };
        assert_eq!(renamed.domain, domain("c.fr"));
        assert_eq!(renamed.added, [DistinguishedName::parse("CN=3").unwrap()]);
        assert_eq!(renamed.removed, [DistinguishedName::parse("CN=1").unwrap()]);
        assert_eq!(ListChange::between(None, &new).added.len(), 4);
    }

    #[test]
    fn the_order_of_entries_is_no_change() {
        let one = list_of(&[("a.fr", "CN=1"), ("a.fr", "CN=2"), ("b.fr", "CN=1")]);
        let other = list_of(&[("b.fr", "CN=1"), ("a.fr", "CN=2"), ("a.fr", "CN=1"), ("a.fr", "CN=1")]);
        assert!(ListChange::between(Some(&one), &other).is_empty());
    }
}
