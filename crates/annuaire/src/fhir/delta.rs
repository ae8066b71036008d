//! What changed since the last time, and a directory to which it is applied.

use std::collections::HashSet;

use mssante::Address;

use crate::{Directory, DirectoryBuilder, Entry};

/// The resource that carries a BAL, by type and id: an updated resource replaces all BALs that it carried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Carrier(String);

impl Carrier {
    /// `Practitioner` and `003-1`; nothing for a resource without id.
    pub(super) fn of(kind: &str, id: &str) -> Option<Self> {
        (!id.is_empty()).then(|| Self(format!("{kind}/{id}")))
    }

    /// By the name that [`Carrier::name`] gave.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// `Practitioner/003-1`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What an incremental synchronisation found.
#[derive(Debug, Default)]
pub struct Delta {
    touched: HashSet<Carrier>,
    entries: Vec<Entry>,
    unlisted: Vec<(Address, Option<Carrier>)>,
}

impl Delta {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A resource was updated: what it carried before does not count any more.
    pub fn touch(&mut self, carrier: Carrier) {
        self.touched.insert(carrier);
    }

    /// What it carries now.
    pub fn put(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// An address is on the liste rouge, says this resource: it is not shown, whoever else carries it.
    /// `[MSS1 ANN.UNLISTED]`
    pub fn hide(&mut self, address: Address, carrier: Option<Carrier>) {
        self.unlisted.push((address, carrier));
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.entries.is_empty() && self.unlisted.is_empty()
    }

    /// The next directory, not yet finished: `old` with these changes, and its activities.
    pub fn apply(&self, old: &Directory) -> DirectoryBuilder {
        let mut next = DirectoryBuilder::from_entries_of(old);
        next.forget(&self.touched);
        for entry in &self.entries {
            next.put(entry);
        }
        for (address, carrier) in &self.unlisted {
            next.hide(address, carrier.as_ref());
        }
        next.complete_from(old);
        next
    }
}

#[cfg(test)]
mod tests {
    use mssante::BalKind;

    use super::*;
    use crate::Paperless;

    fn entry(address: &str, carrier: &str) -> Entry {
        Entry {
            address: address.parse().unwrap(),
            kind: BalKind::Nominative,
            person: None,
            structure: None,
            service: String::new(),
            paperless: Paperless::NotSaid,
            others: Vec::new(),
            carrier: (!carrier.is_empty()).then(|| Carrier::named(carrier)),
        }
    }

    fn directory(entries: &[Entry]) -> Directory {
        let mut builder = DirectoryBuilder::new();
        for entry in entries {
            builder.put(entry);
        }
        // Carriers are known again after a restart.
        let mut image = Vec::new();
        builder.finish().write_image(&mut image).unwrap();
        Directory::read_image(&mut &image[..]).unwrap()
    }

    fn addresses(delta: &Delta, old: &[Entry]) -> Vec<String> {
        delta.apply(&directory(old)).finish().entries().map(|entry| entry.address.to_string()).collect()
    }

    #[test]
    fn an_updated_resource_loses_what_it_carried_and_others_keep_theirs() {
        let old = [
            entry("own@a.fr", "Practitioner/1"),
            entry("there@a.fr", "PractitionerRole/1"),
            entry("also.there@a.fr", "PractitionerRole/2"),
            entry("team@a.fr", "Organization/1"),
            entry("file@a.fr", ""),
        ];
        let mut delta = Delta::new();
        assert!(delta.is_empty());
        delta.touch(Carrier::of("Practitioner", "1").unwrap());
        assert_eq!(addresses(&delta, &old), ["also.there@a.fr", "file@a.fr", "team@a.fr", "there@a.fr"]);
        delta.touch(Carrier::of("PractitionerRole", "1").unwrap());
        assert_eq!(addresses(&delta, &old), ["also.there@a.fr", "file@a.fr", "team@a.fr"]);
        assert_eq!(Carrier::of("Organization", ""), None);
    }

    #[test]
    fn what_was_carried_is_still_known_after_several_updates() {
        let mut delta = Delta::new();
        delta.put(entry("new@a.fr", "Organization/2"));
        let second = delta.apply(&directory(&[entry("team@a.fr", "Organization/1")])).finish();
        let mut delta = Delta::new();
        delta.touch(Carrier::named("Organization/1"));
        let third = delta.apply(&second).finish();
        let carriers: Vec<_> = third.entries().map(|entry| entry.carrier.unwrap().name().to_owned()).collect();
        assert_eq!(carriers, ["Organization/2"]);
    }

    #[test]
    fn an_address_is_known_as_long_as_one_resource_carries_it() {
        let both = [entry("team@a.fr", "Organization/1"), entry("TEAM@a.fr", "Organization/2")];
        for (first, second) in [("Organization/1", "Organization/2"), ("Organization/2", "Organization/1")] {
            let mut delta = Delta::new();
            delta.touch(Carrier::named(first));
            let one = delta.apply(&directory(&both)).finish();
            let team = one.get(&"team@a.fr".parse().unwrap()).unwrap();
            assert_eq!(team.carrier, Some(Carrier::named(second)));
            let mut delta = Delta::new();
            delta.touch(Carrier::named(second));
            assert!(delta.apply(&one).finish().is_empty());
        }
    }

    #[test]
    fn who_carries_an_address_as_well_is_still_known_after_an_update_of_the_other() {
        let mut delta = Delta::new();
        delta.touch(Carrier::named("Organization/2"));
        delta.put(entry("team@a.fr", "Organization/2"));
        let both = delta.apply(&directory(&[entry("team@a.fr", "Organization/1")])).finish();
        let mut delta = Delta::new();
        delta.touch(Carrier::named("Organization/2"));
        let one = delta.apply(&both).finish();
        let team = one.get(&"team@a.fr".parse().unwrap()).unwrap();
        assert_eq!(team.carrier, Some(Carrier::named("Organization/1")));
    }

    #[test]
    fn what_moves_from_one_resource_to_another_is_what_the_other_says() {
        let mut delta = Delta::new();
        delta.touch(Carrier::named("Practitioner/1"));
        delta.touch(Carrier::named("Practitioner/2"));
        delta.put(entry("MOVED@a.fr", "Practitioner/2"));
        let new = delta.apply(&directory(&[entry("moved@a.fr", "Practitioner/1"), entry("kept@a.fr", "")])).finish();
        assert_eq!(new.len(), 2);
        let moved = new.get(&"moved@a.fr".parse().unwrap()).unwrap();
        assert_eq!(moved.carrier, Some(Carrier::named("Practitioner/2")));
        // as it is written now
        assert_eq!(moved.address.to_string(), "MOVED@a.fr");
    }

    #[test]
    fn the_liste_rouge_wins_over_what_was_there_and_over_what_comes() {
        let mut delta = Delta::new();
        delta.hide("OLD@a.fr".parse().unwrap(), Some(Carrier::named("Practitioner/1")));
        delta.hide("new@a.fr".parse().unwrap(), Some(Carrier::named("PractitionerRole/1")));
        assert!(!delta.is_empty());
        delta.put(entry("new@a.fr", "PractitionerRole/1"));
        let old = [entry("old@a.fr", "Practitioner/1"), entry("kept@a.fr", "Practitioner/1")];
        assert_eq!(addresses(&delta, &old), ["kept@a.fr"]);
    }
}
