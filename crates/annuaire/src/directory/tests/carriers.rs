//! Directories of an interface that is asked for updates: whoever carries what, an update and a full synchronisation come
//! to the same.

use std::collections::{BTreeMap, HashSet};

use mssante::{Address, BalKind};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::super::tables::Tables;
use super::sample::address;
use crate::fhir::{Carrier, Delta};
use crate::{Directory, DirectoryBuilder, Entry, Paperless, Query};

/// What each resource carries: which address, and what is said of it; 5 is "on the liste rouge".
type Resources = BTreeMap<u8, Vec<(u8, u8)>>;

const UNLISTED: u8 = 5;

fn carrier(resource: u8) -> Carrier {
    Carrier::named(&format!("{}/{resource}", ["Organization", "Practitioner"][usize::from(resource % 2)]))
}

fn bal(number: u8) -> Address {
    address(&format!("bal{number}@a.fr"))
}

fn carried(resources: &Resources) -> impl Iterator<Item = (u8, u8, u8)> {
    resources.iter().flat_map(|(resource, bals)| bals.iter().map(|(bal, said)| (*resource, *bal, *said)))
}

fn entry((resource, number, said): (u8, u8, u8)) -> Entry {
    Entry {
        address: bal(number),
        kind: BalKind::ALL[usize::from(said % 4)],
        person: None,
        structure: None,
        service: format!("service {said}"),
        paperless: Paperless::NotSaid,
        others: Vec::new(),
        carrier: Some(carrier(resource)),
    }
}

/// A full synchronisation that meets the resources in this order.
fn full(lines: impl Iterator<Item = (u8, u8, u8)>) -> Directory {
    let mut builder = DirectoryBuilder::new();
    for (resource, number, said) in lines {
        if said == UNLISTED {
            builder.hide(&bal(number), Some(&carrier(resource)));
        } else {
            builder.put(&entry((resource, number, said)));
        }
    }
    again(&builder.finish())
}

/// As it is after a restart.
fn again(directory: &Directory) -> Directory {
    let mut image = Vec::new();
    directory.write_image(&mut image).unwrap();
    Directory::read_image(&mut &image[..]).unwrap()
}

fn update(directory: &Directory, update: &Resources) -> Directory {
    let mut delta = Delta::new();
    for resource in update.keys() {
        delta.touch(carrier(*resource));
    }
    for (resource, number, said) in carried(update) {
        if said == UNLISTED {
            delta.hide(bal(number), Some(carrier(resource)));
        } else {
            delta.put(entry((resource, number, said)));
        }
    }
    again(&delta.apply(directory).finish())
}

/// Every line of a directory, second ones and hidden ones as well.
fn lines(directory: &Directory) -> Vec<String> {
    let Tables { rows, doubles, locals, services, texts, hidden, hidden_lines, .. } = &directory.tables;
    let rows = rows.iter().zip(0..).map(|(row, number)| (number, row.flags, row.service, row.carrier));
    let doubles = doubles.iter().map(|double| (double.row, double.flags, double.service, double.carrier));
    let shown = rows.chain(doubles).map(|(row, flags, service, carrier)| {
        format!("{} {flags} {} {}", locals.get(row), services.get(service), texts.get(carrier))
    });
    let mut hidden: Vec<_> = hidden_lines
        .iter()
        .map(|[address, carrier, what]| format!("{} {} {what}", hidden.get(*address), texts.get(*carrier)))
        .collect();
    hidden.sort_unstable();
    shown.chain(hidden).collect()
}

fn any_resources() -> impl Strategy<Value = Resources> {
    btree_map(0..6_u8, vec((0..4_u8, 0..=UNLISTED), 0..4), 0..6)
}

/// Whether an address is known, and whether it is shown.
fn standing(directory: &Directory, number: u8) -> (bool, bool) {
    let shown = directory.get(&bal(number)).is_some();
    assert_eq!(shown, directory.entries().any(|entry| entry.address == bal(number)));
    (directory.contains(&bal(number)), shown)
}

#[test]
fn what_is_unlisted_is_known_and_never_shown() {
    let listed = Resources::from([(0, vec![(1, 0)]), (1, vec![(1, 1), (2, 2)])]);
    let before = full(carried(&listed));
    let hidden = update(&before, &Resources::from([(1, vec![(1, UNLISTED), (2, UNLISTED)])]));
    assert_eq!([1, 2, 3].map(|number| standing(&hidden, number)), [(true, false), (true, false), (false, false)]);
    assert!(hidden.knows_domain(bal(1).domain()), "as if they were shown");
    let query = Query { words: "bal1 service".to_owned(), kind: None, limit: 9 };
    assert!(hidden.search(&query, &HashSet::new()).hits.is_empty());
    let changes = hidden.changes_since(&before);
    assert_eq!((changes.removed, changes.examples), (2, vec![]), "no report names them");
    // The other resource says something else of it: it stays hidden.
    let other = update(&hidden, &Resources::from([(0, vec![(1, 3)])]));
    assert_eq!(standing(&other, 1), (true, false));
    let shown = update(&other, &Resources::from([(1, vec![(1, 1)])]));
    assert_eq!([1, 2].map(|number| standing(&shown, number)), [(true, true), (false, false)]);
    let gone = update(&update(&other, &Resources::from([(1, vec![])])), &Resources::from([(0, vec![])]));
    assert_eq!(standing(&gone, 1), (false, false));
}

proptest! {
    #[test]
    fn updates_come_to_the_same_as_a_full_synchronisation(before in any_resources(), updates in vec(any_resources(), 1..4)) {
        let listed = |resources: Resources| -> Resources {
            let unlisted = |(bal, said): (u8, u8)| (bal, said.min(UNLISTED - 1));
            resources.into_iter().map(|(number, bals)| (number, bals.into_iter().map(unlisted).collect())).collect()
        };
        let mut resources = listed(before);
        let mut updated = full(carried(&resources));
        for one in updates.into_iter().map(listed) {
            updated = update(&updated, &one);
            resources.extend(one);
        }
        let anew = full(carried(&resources));
        prop_assert_eq!(lines(&updated), lines(&anew));
        prop_assert_eq!(updated.changes_since(&anew), crate::Changes::default());
    }

    /// What others say of an address is not kept while it is hidden: after that, it may be shown later than by a full one.
    #[test]
    fn updates_know_the_same_addresses_as_a_full_synchronisation_and_show_no_more(before in any_resources(), updates in vec(any_resources(), 1..4)) {
        let mut resources = before;
        let mut updated = full(carried(&resources));
        for one in updates {
            updated = update(&updated, &one);
            resources.extend(one);
        }
        for number in 0..4 {
            let said: Vec<u8> = carried(&resources).filter(|(_, bal, _)| *bal == number).map(|(.., said)| said).collect();
            let (known, shown) = standing(&updated, number);
            prop_assert_eq!(known, !said.is_empty());
            prop_assert!(!shown || !said.contains(&UNLISTED), "it is on the liste rouge");
        }
    }

    #[test]
    fn the_order_in_which_resources_come_changes_nothing(resources in any_resources()) {
        let mut backwards: Vec<_> = resources.iter().map(|(number, bals)| Resources::from([(*number, bals.clone())])).collect();
        backwards.reverse();
        let other = full(backwards.iter().flat_map(carried));
        prop_assert_eq!(lines(&full(carried(&resources))), lines(&other));
    }
}
