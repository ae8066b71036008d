//! What is different between two directories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::sample::{address, any_entries, built, entries};
use crate::{Change, ChangeKind, Entry};

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
