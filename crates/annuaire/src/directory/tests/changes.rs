//! What is different between two directories.

use std::collections::{BTreeMap, HashSet};

use mssante::Domain;
use proptest::prelude::*;

use super::sample::{address, any_entries, built, built_with, entries};
use crate::{Activity, Change, ChangeKind, Coded, Compared, Comparison, Entry, Structure};

#[test]
fn what_is_new_other_and_gone_is_told() {
    let older = entries();
    let mut newer = entries();
    newer.retain(|entry| entry.address != address("labo-noreply@biolab.mssante.fr"));
    newer[0].structure.as_mut().unwrap().town = "93600 AULNAY-SOUS-BOIS".to_owned();
    let mut added = newer[1].clone();
    added.address = address("paul.perin@nouveau.mssante.fr");
    newer.push(added);
    let changes = built(&newer).changes_since(&built(&older));
    assert_eq!((changes.added, changes.changed, changes.removed), (1, 1, 1));
    let expected = [
        (ChangeKind::Removed, "labo-noreply@biolab.mssante.fr"),
        (ChangeKind::Changed, "jean.perin@medecin.mssante.fr"),
        (ChangeKind::Added, "paul.perin@nouveau.mssante.fr"),
    ];
    assert_eq!(changes.examples, expected.map(|(what, text)| Change { what, address: address(text) }));
}

#[test]
fn examples_are_few() {
    let changes = built(&entries()).changes_since(&crate::Directory::default());
    assert_eq!((changes.added, changes.examples.len()), (21, 10));
}

#[test]
fn bals_of_some_domains_are_counted_and_not_named() {
    let unnamed = HashSet::from([Domain::parse("medecin.mssante.fr").unwrap()]);
    let comparison = Comparison { compared: Compared::Entries, examples: 100, unnamed: &unnamed };
    let changes = built(&entries()).compare(&crate::Directory::default(), comparison);
    assert_eq!(changes.added, 21);
    let named = |address: &mssante::Address| changes.examples.iter().any(|change| change.address == *address);
    for entry in entries() {
        assert_eq!(named(&entry.address), !unnamed.contains(entry.address.domain()), "{}", entry.address);
    }
}

#[test]
fn activities_change_the_bals_of_whom_they_say_something_else() {
    let person = entries().into_iter().find_map(|entry| entry.person?.id).unwrap();
    let concerned = entries()
        .iter()
        .filter(|entry| entry.person.as_ref().and_then(|other| other.id.as_ref()) == Some(&person))
        .count() as u64;
    let activity = |town: &str| Activity {
        person: person.clone(),
        profession: Coded::default(),
        speciality: Coded { code: "SM54".to_owned(), label: "Médecine générale".to_owned() },
        structure: Structure { name: "CABINET".to_owned(), town: town.to_owned(), ..Structure::default() },
    };
    let none = HashSet::new();
    let changed = |new: &[Activity], old: &[Activity], compared| {
        let changes = built_with(&entries(), new)
            .compare(&built_with(&entries(), old), Comparison { compared, examples: 9, unnamed: &none });
        assert_eq!((changes.added, changes.removed), (0, 0));
        changes.changed
    };
    let (lyon, paris) = (activity("LYON"), activity("PARIS"));
    for (new, old) in
        [(vec![lyon.clone()], vec![]), (vec![], vec![lyon.clone()]), (vec![lyon.clone()], vec![paris.clone()])]
    {
        assert_eq!(changed(&new, &old, Compared::Activities), concerned);
        assert_eq!(changed(&new, &old, Compared::Entries), 0);
    }
    assert_eq!(changed(&[lyon.clone(), paris.clone()], &[lyon, paris], Compared::Activities), 0);
}

proptest! {
    #[test]
    fn changes_are_those_that_a_map_tells(older in any_entries(), newer in any_entries()) {
        let map = |entries: Vec<Entry>| {
            let mut map = BTreeMap::new();
            // without second lines, which the map does not know
            for entry in entries {
                map.entry(entry.address.key()).or_insert(entry);
            }
            map
        };
        let (older, newer) = (map(older), map(newer));
        let of = |map: &BTreeMap<String, Entry>| built(&map.values().cloned().collect::<Vec<_>>());
        let changes = of(&newer).changes_since(&of(&older));
        let written = |entry: &Entry| (entry.address.to_string(), entry.clone());
        let added = newer.keys().filter(|key| !older.contains_key(*key)).count();
        let removed = older.keys().filter(|key| !newer.contains_key(*key)).count();
        let changed =
            newer.iter().filter(|(key, new)| older.get(*key).is_some_and(|old| written(old) != written(new))).count();
        prop_assert_eq!((changes.added, changes.changed, changes.removed), (added as u64, changed as u64, removed as u64));
    }
}
