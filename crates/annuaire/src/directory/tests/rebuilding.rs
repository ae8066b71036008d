//! Entries in, entries out; one directory from another.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::sample::{address, any_activities, any_entries, built, built_with, directory, entries};
use crate::{Directory, DirectoryBuilder, Put, Query};

fn keys(directory: &Directory) -> Vec<String> {
    directory.entries().map(|entry| entry.address.key()).collect()
}

#[test]
fn addresses_are_found_in_any_case() {
    let directory = directory();
    assert!(directory.contains(&address("jean-pierre.chateaubriand@MEDECIN.mssante.fr")));
    assert!(directory.contains(&address("JEAN-PIERRE.Chateaubriand@medecin.mssante.fr")));
    assert!(!directory.contains(&address("jean-pierre.chateaubriand@pharmacie.mssante.fr")));
    assert!(!directory.contains(&address("jean-pierre.chateaubriand@nobody.mssante.fr")));
    assert!(directory.knows_domain(address("x@medecin.mssante.fr").domain()));
    assert!(!directory.knows_domain(address("x@nobody.mssante.fr").domain()));
}

#[test]
fn counts_are_by_kind() {
    let counts = directory().counts();
    assert_eq!((counts.nominative, counts.organisational, counts.applicative, counts.cabinet), (16, 3, 1, 1));
    assert_eq!(counts.domains, 8);
}

#[test]
fn an_empty_directory_answers_nothing() {
    for directory in [Directory::default(), DirectoryBuilder::new().finish()] {
        assert!(directory.is_empty());
        assert!(!directory.contains(&address("a@b.fr")));
        assert_eq!(directory.get(&address("a@b.fr")), None);
        assert_eq!(directory.entries().count(), 0);
    }
}

#[test]
fn what_was_taken_out_can_come_back() {
    let mut builder = DirectoryBuilder::from_entries_of(&directory());
    let entry = entries().swap_remove(0);
    builder.forget(&entry.carrier);
    assert_eq!(builder.put(&entry), Put::New);
    let directory = builder.finish();
    assert_eq!(directory.entries().collect::<Vec<_>>(), [entry]);
    assert!(!directory.knows_domain(address("x@biolab.mssante.fr").domain()), "its last address is gone");
}

proptest! {
    #[test]
    fn every_entry_comes_back_as_it_was_put(entries in any_entries()) {
        let directory = built(&entries);
        let mut first = BTreeMap::new();
        for entry in entries {
            first.entry(entry.address.key()).or_insert(entry);
        }
        prop_assert_eq!(directory.len(), first.len());
        for entry in directory.entries() {
            prop_assert!(directory.contains(&entry.address));
            prop_assert_eq!(first.get(&entry.address.key()), Some(&entry));
        }
        let sorted = directory.entries().is_sorted_by_key(|entry| {
            (entry.address.domain().clone(), entry.address.local().as_str().to_lowercase())
        });
        prop_assert!(sorted);
    }

    #[test]
    fn a_directory_from_another_is_the_same(entries in any_entries(), activities in any_activities()) {
        let first = built_with(&entries, &activities);
        let mut builder = DirectoryBuilder::from_entries_of(&first);
        builder.complete_from(&first);
        let second = builder.finish();
        prop_assert_eq!(keys(&first), keys(&second));
        prop_assert_eq!(first.changes_since(&second), crate::Changes::default());
        let sorted = |directory: &Directory| {
            let mut activities: Vec<String> = directory.activities().map(|activity| format!("{activity:?}")).collect();
            activities.sort_unstable();
            activities
        };
        prop_assert_eq!(sorted(&first), sorted(&second));
    }

    #[test]
    fn activities_of_those_without_a_bal_are_not_kept(entries in any_entries(), activities in any_activities()) {
        let directory = built_with(&entries, &activities);
        let known: Vec<_> = entries.iter().filter_map(|entry| entry.person.as_ref()?.id.clone()).collect();
        for activity in directory.activities() {
            prop_assert!(known.contains(&activity.person));
            prop_assert!(activities.contains(&activity));
        }
    }
}

#[test]
fn whoever_an_address_is_found_by_is_named() {
    let mut martin = entries().swap_remove(0);
    martin.address = address("cabinet@medecin.mssante.fr");
    let mut durand = martin.clone();
    let names = [(&mut martin, "MARTIN", "810000000001"), (&mut durand, "DURAND", "810000000002")];
    for (entry, name, id) in names {
        let person = entry.person.as_mut().unwrap();
        (person.family_name, person.id) = (name.to_owned(), id.parse().ok());
    }
    let directory = built(&[martin.clone(), durand.clone(), durand.clone()]);
    for words in ["martin", "durand"] {
        let query = Query { words: words.to_owned(), kind: None, limit: 9 };
        let hits = directory.search(&query, &HashSet::new()).hits;
        assert_eq!(hits.len(), 1, "{words}");
        assert_eq!(hits[0].entry.person, martin.person);
        assert_eq!(hits[0].entry.others, durand.person.iter().cloned().collect::<Vec<_>>());
    }
    assert_eq!(directory.entries().collect::<Vec<_>>(), [martin], "entries are as their source gave them");
}
