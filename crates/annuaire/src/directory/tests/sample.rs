//! The directory of `sample.txt`, and entries by chance.

use mssante::{Address, BalKind};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::vocabulary::Vocabulary;
use crate::fhir::Carrier;
use crate::{Activity, Coded, Directory, DirectoryBuilder, Entry, Paperless, Person, Structure};

pub(super) fn entries() -> Vec<Entry> {
    let lines = include_str!("sample.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| entry(&line.split('|').collect::<Vec<_>>())).collect()
}

pub(super) fn directory() -> Directory {
    built(&entries())
}

pub(super) fn built(entries: &[Entry]) -> Directory {
    built_with(entries, &[])
}

pub(super) fn built_with(entries: &[Entry], activities: &[Activity]) -> Directory {
    collected(entries, activities).finish()
}

/// The same with another bound from which on words are frequent.
pub(super) fn built_with_frequent(entries: &[Entry], activities: &[Activity], frequent: usize) -> Directory {
    let tables = collected(entries, activities).into_tables();
    let vocabulary = Vocabulary::of(&tables);
    Directory::with_frequent(tables, vocabulary, frequent)
}

fn collected(entries: &[Entry], activities: &[Activity]) -> DirectoryBuilder {
    let mut builder = DirectoryBuilder::new();
    for entry in entries {
        builder.put(entry);
    }
    for activity in activities {
        builder.complete(activity);
    }
    builder
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn entry(fields: &[&str]) -> Entry {
    let [kind, mail, civility, family, given, profession, speciality, service, name, postcode, town] = fields else {
        panic!("not a line of the sample: {fields:?}")
    };
    Entry {
        address: address(mail),
        kind: kind.parse().unwrap(),
        person: (!family.is_empty()).then(|| Person {
            id: Some("810001234567".parse().unwrap()),
            civility: (*civility).to_owned(),
            family_name: (*family).to_owned(),
            given_name: (*given).to_owned(),
            category: coded("Civil"),
            profession: coded(profession),
            speciality: coded(speciality),
        }),
        structure: (!name.is_empty()).then(|| structure(name, postcode, town)),
        service: (*service).to_owned(),
        paperless: Paperless::Accepted,
        others: Vec::new(),
        carrier: Some(Carrier::named("PractitionerRole/005-1")),
    }
}

pub(super) fn structure(name: &str, postcode: &str, town: &str) -> Structure {
    Structure { name: name.to_owned(), postcode: postcode.to_owned(), town: town.to_owned(), ..Structure::default() }
}

pub(super) fn coded(label: &str) -> Coded {
    Coded { code: label.chars().take(2).collect(), label: label.to_owned() }
}

/// Few different texts, so that they meet.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["", "[a-c]{1,3}", "[A-CÉ][a-cé ']{0,4}", "\\PC{0,4}"]
}

fn codeds() -> impl Strategy<Value = Coded> {
    (text(), text()).prop_map(|(code, label)| Coded { code, label })
}

fn persons() -> impl Strategy<Value = Person> {
    let id = option::of(prop_oneof!["81000000000[0-9]", "0[0-9]{9}", "[a-z0-9]{1,5}"]);
    (id, text(), text(), text(), codeds(), codeds(), codeds()).prop_map(
        |(id, civility, family_name, given_name, category, profession, speciality)| Person {
            id: id.and_then(|id| id.parse().ok()),
            civility,
            family_name,
            given_name,
            category,
            profession,
            speciality,
        },
    )
}

fn structures() -> impl Strategy<Value = Structure> {
    let id = option::of(Just("318751275100020"));
    (id, text(), text(), vec(text(), 0..3), text(), text(), text(), text()).prop_map(
        |(id, name, trade_name, street, town, postcode, department, country)| Structure {
            id: id.and_then(|id| id.parse().ok()),
            name,
            trade_name,
            street,
            town,
            postcode,
            department,
            country,
        },
    )
}

/// Few different ones, some of which need quotes.
fn addresses() -> impl Strategy<Value = Address> {
    let local = prop_oneof!["[a-cA-C]{1,2}", "[a-cé]{1,2}\\.[a-c]", "\"[a-c .]{1,3}\""];
    (local, "[ab]{1,2}\\.fr").prop_map(|(local, domain)| address(&format!("{local}@{domain}")))
}

pub(super) fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    let paperless = prop_oneof![Just(Paperless::NotSaid), Just(Paperless::Accepted), Just(Paperless::NotAccepted)];
    let kind = prop::sample::select(BalKind::ALL.to_vec());
    let entry = (addresses(), kind, option::of(persons()), option::of(structures()), text(), paperless).prop_map(
        |(address, kind, person, structure, service, paperless)| Entry {
            carrier: None,
            address,
            kind,
            person,
            structure,
            service,
            paperless,
            others: Vec::new(),
        },
    );
    vec(entry, 0..12)
}

pub(super) fn any_activities() -> impl Strategy<Value = Vec<Activity>> {
    let person = "81000000000[0-9]".prop_map(|id| id.parse().unwrap());
    let activity = (person, codeds(), codeds(), structures())
        .prop_map(|(person, profession, speciality, structure)| Activity { person, profession, speciality, structure });
    vec(activity, 0..6)
}
