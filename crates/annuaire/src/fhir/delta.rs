//! What changed since the last time, and a directory to which it is applied.

use std::collections::HashSet;

use mssante::PersonId;

use crate::{Directory, DirectoryBuilder, Entry, Person, Structure};

/// The resource that carries a BAL, as far as an entry tells: an updated resource replaces all BALs that it carried.
///
/// Sources give no number of it that would last. Two roles of one person in one structure look the same, and a
/// structure without national number is told by its name and postcode: what goes wrong for these lasts until the next
/// full synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Carrier {
    person: Option<PersonId>,
    structure: Option<String>,
}

impl Carrier {
    /// The one that an entry came from; `None` if nothing names it.
    pub fn of(entry: &Entry) -> Option<Self> {
        Self::new(entry.person.as_ref(), entry.structure.as_ref())
    }

    pub(super) fn new(person: Option<&Person>, structure: Option<&Structure>) -> Option<Self> {
        // A person without number is not told apart from others; the structure alone would be another carrier.
        if person.is_some_and(|person| person.id.is_none()) {
            return None;
        }
        let carrier = Self { person: person.and_then(|person| person.id.clone()), structure: structure.and_then(name) };
        (carrier.person.is_some() || carrier.structure.is_some()).then_some(carrier)
    }
}

fn name(structure: &Structure) -> Option<String> {
    match &structure.id {
        Some(id) => Some(id.to_string()),
        None if structure.name.is_empty() => None,
        None => Some(format!("{}|{}", structure.name.to_lowercase(), structure.postcode)),
    }
}

/// What an incremental synchronisation found.
#[derive(Debug, Default)]
pub struct Delta {
    touched: HashSet<Carrier>,
    entries: Vec<Entry>,
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

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.entries.is_empty()
    }

    /// The next directory, not yet finished: `old` with these changes, and its activities.
    pub fn apply(&self, old: &Directory) -> DirectoryBuilder {
        let mut next = DirectoryBuilder::from_entries_of(old);
        for entry in old.entries().filter(|entry| self.is_over(entry)).chain(self.entries.iter().cloned()) {
            next.remove(&entry.address);
        }
        for entry in &self.entries {
            next.put(entry);
        }
        next.complete_from(old);
        next
    }

    /// Whether the resource that carried an entry was updated: what it carries now is told anew.
    fn is_over(&self, entry: &Entry) -> bool {
        Carrier::of(entry).is_some_and(|carrier| self.touched.contains(&carrier))
    }
}

#[cfg(test)]
mod tests {
    use mssante::BalKind;

    use super::*;
    use crate::Paperless;

    fn entry(address: &str, person: Option<&str>, structure: Option<&str>) -> Entry {
        Entry {
            address: address.parse().unwrap(),
            kind: BalKind::Nominative,
            person: person.map(|id| Person { id: Some(id.parse().unwrap()), ..Person::default() }),
            structure: structure.map(|name| Structure { name: name.to_owned(), ..Structure::default() }),
            service: String::new(),
            paperless: Paperless::NotSaid,
        }
    }

    fn directory(entries: &[Entry]) -> Directory {
        let mut builder = DirectoryBuilder::new();
        for entry in entries {
            builder.put(entry);
        }
        builder.finish()
    }

    fn addresses(delta: &Delta, old: &[Entry]) -> Vec<String> {
        delta.apply(&directory(old)).finish().entries().map(|entry| entry.address.to_string()).collect()
    }

    #[test]
    fn an_updated_resource_loses_what_it_carried_and_others_keep_theirs() {
        let old = [
            entry("own@a.fr", Some("810003461033"), None),
            entry("there@a.fr", Some("810003461033"), Some("CH AULNAY")),
            entry("team@a.fr", None, Some("CH AULNAY")),
            entry("other@a.fr", Some("810003461041"), None),
        ];
        let mut delta = Delta::new();
        assert!(delta.is_empty());
        delta.touch(Carrier::of(&old[0]).unwrap());
        assert_eq!(addresses(&delta, &old), ["other@a.fr", "team@a.fr", "there@a.fr"]);
        delta.touch(Carrier::of(&old[2]).unwrap());
        assert_eq!(addresses(&delta, &old), ["other@a.fr", "there@a.fr"]);
    }

    #[test]
    fn a_new_entry_replaces_the_old_one_of_its_address_wherever_it_came_from() {
        let mut delta = Delta::new();
        delta.put(entry("MOVED@a.fr", Some("810003461041"), None));
        delta.put(entry("moved@a.fr", Some("810003461041"), Some("CH AULNAY")));
        let old = [entry("moved@a.fr", Some("810003461033"), None), entry("kept@a.fr", None, None)];
        let new = delta.apply(&directory(&old)).finish();
        assert_eq!(new.len(), 2);
        let moved = new.get(&"moved@a.fr".parse().unwrap()).unwrap();
        assert_eq!(moved.person.unwrap().id, Some("810003461041".parse().unwrap()));
    }

    #[test]
    fn persons_without_number_are_not_taken_for_one_another() {
        let mut nameless = entry("a@a.fr", None, Some("CH AULNAY"));
        nameless.person = Some(Person::default());
        assert_eq!(Carrier::of(&nameless), None);
        assert_eq!(Carrier::of(&entry("a@a.fr", None, None)), None);
    }
}
