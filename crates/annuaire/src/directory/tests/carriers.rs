//! Directories of an interface that is asked for updates: whoever carries what, an update and a full synchronisation come
//! to the same.

use std::collections::BTreeMap;

use mssante::BalKind;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::super::tables::Tables;
use super::sample::address;
use crate::fhir::{Carrier, Delta};
use crate::{Directory, DirectoryBuilder, Entry, Paperless};

/// What each resource carries: which address, and what is said of it.
type Resources = BTreeMap<u8, Vec<(u8, u8)>>;

fn carrier(resource: u8) -> Carrier {
    Carrier::named(&format!("{}/{resource}", ["Organization", "Practitioner"][usize::from(resource % 2)]))
}

fn carried(resources: &Resources) -> impl Iterator<Item = Entry> {
    resources.iter().flat_map(|(resource, bals)| {
        bals.iter().map(|(bal, said)| Entry {
            address: address(&format!("bal{bal}@a.fr")),
            kind: BalKind::ALL[usize::from(said % 4)],
            person: None,
            structure: None,
            service: format!("service {said}"),
            paperless: Paperless::NotSaid,
            carrier: Some(carrier(*resource)),
        })
    })
}

/// A full synchronisation that meets the resources in this order.
fn full(entries: impl Iterator<Item = Entry>) -> Directory {
    let mut builder = DirectoryBuilder::new();
    for entry in entries {
        builder.put(&entry);
    }
    builder.finish()
}

/// Every line of a directory, second ones as well.
fn lines(directory: &Directory) -> Vec<String> {
    let Tables { rows, doubles, locals, services, texts, .. } = &directory.tables;
    let rows = rows.iter().zip(0..).map(|(row, number)| (number, row.flags, row.service, row.carrier));
    let doubles = doubles.iter().map(|double| (double.row, double.flags, double.service, double.carrier));
    rows.chain(doubles)
        .map(|(row, flags, service, carrier)| {
            format!("{} {flags} {} {}", locals.get(row), services.get(service), texts.get(carrier))
        })
        .collect()
}

fn any_resources() -> impl Strategy<Value = Resources> {
    btree_map(0..6_u8, vec((0..4_u8, 0..6_u8), 0..4), 0..6)
}

proptest! {
    #[test]
    fn updates_come_to_the_same_as_a_full_synchronisation(before in any_resources(), updates in vec(any_resources(), 1..4)) {
        let mut resources = before;
        let mut updated = full(carried(&resources));
        for update in updates {
            let mut delta = Delta::new();
            update.keys().for_each(|resource| delta.touch(carrier(*resource)));
            carried(&update).for_each(|entry| delta.put(entry));
            resources.extend(update);
            updated = delta.apply(&updated).finish();
        }
        let anew = full(carried(&resources));
        prop_assert_eq!(lines(&updated), lines(&anew));
        prop_assert_eq!(updated.changes_since(&anew), crate::Changes::default());
        for bal in 0..4 {
            let known = resources.values().flatten().any(|(carried, _)| *carried == bal);
            prop_assert_eq!(updated.contains(&address(&format!("bal{bal}@a.fr"))), known);
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
