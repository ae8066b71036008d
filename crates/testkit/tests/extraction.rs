//! The invented France is read as the published one is, and looks like it.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;

use annuaire::{Activity, Entry, Extraction, ExtractionKind, Item, ReadingLimits, Rejection, Summary};
use mssante::{BalKind, StructureId};
use testkit::extraction::{Delta, France, Row};

#[derive(Default)]
struct Read {
    entries: Vec<Entry>,
    activities: Vec<Activity>,
    rejected: Vec<Rejection>,
    summary: Summary,
}

fn read(octets: Vec<u8>, name: &str) -> Read {
    let mut read = Read::default();
    let extraction = Extraction::open(Cursor::new(octets), name, ReadingLimits::default()).expect("an extraction");
    read.summary = extraction
        .read(
            &mut |item| match item {
                Item::Entry(entry) => read.entries.push(entry.clone()),
                Item::Activity(activity) => read.activities.push(activity.clone()),
                Item::Rejected(rejection) => read.rejected.push(rejection),
            },
            &mut |_| {},
        )
        .expect("a whole one");
    read
}

fn text(france: &France) -> Read {
    let mut octets = Vec::new();
    france.write_text(&mut octets).expect("room in memory");
    read(octets, "x.txt")
}

#[test]
fn every_line_is_good_and_every_key_is_right() {
    let france = France::new(7, 6000);
    let mut octets = Vec::new();
    let written = france.write_text(&mut octets).unwrap();
    let read = read(octets, "x.txt");
    let all = Summary { lines: written.lines, taken: written.lines, ..Summary::default() };
    assert_eq!(read.summary, all);
    let addresses: HashSet<_> = read.entries.iter().map(|entry| entry.address.key()).collect();
    assert_eq!(addresses.len(), 6000);
    assert_eq!(read.entries.len() as u64, 6000 + written.duplicates);
}

#[test]
fn kinds_domains_and_names_are_distributed_as_in_the_published_files() {
    let entries = text(&France::new(7, 20_000)).entries;
    let share = |count: usize| count * 100 / entries.len();
    let people: Vec<_> = entries.iter().filter(|entry| entry.kind == BalKind::Nominative).collect();
    assert!((80..=86).contains(&share(people.len())), "{} %", share(people.len()));
    let mut domains: HashMap<&str, usize> = HashMap::new();
    for entry in &entries {
        *domains.entry(entry.address.domain().as_str()).or_default() += 1;
    }
    let largest = share(*domains.values().max().unwrap());
    assert!((22..=38).contains(&largest) && domains.len() > 250, "{largest} % in one of {}", domains.len());
    let families: HashSet<_> = people.iter().map(|entry| &entry.person.as_ref().unwrap().family_name).collect();
    assert!(families.len() > people.len() / 4, "a long tail of names: {}", families.len());
    let martins = people.iter().filter(|entry| entry.person.as_ref().unwrap().family_name == "MARTIN").count();
    assert!(martins > 50, "{martins}");
    assert!(people.iter().any(|entry| entry.structure.is_none()), "some do not say where they work");
    let finess =
        |entry: &&Entry| matches!(entry.structure.as_ref().and_then(|s| s.id.as_ref()), Some(StructureId::Finess(_)));
    assert!(entries.iter().any(|entry| finess(&entry)));
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_another() {
    let octets = |seed| {
        let mut octets = Vec::new();
        France::new(seed, 300).write_text(&mut octets).unwrap();
        octets
    };
    assert_eq!(octets(1), octets(1));
    assert_ne!(octets(1), octets(2));
}

#[test]
fn the_next_day_differs_by_exactly_its_delta() {
    let today = France::new(3, 5000).duplicates(0);
    let delta = Delta { added: 40, changed: 30, removed: 20 };
    let tomorrow = today.next_day(delta);
    let after = tomorrow.next_day(delta);
    for (older, newer) in [(&today, &tomorrow), (&tomorrow, &after)] {
        let by_address = |france| -> HashMap<String, Entry> {
            text(france).entries.into_iter().map(|entry| (entry.address.key(), entry)).collect()
        };
        let (older, newer) = (by_address(older), by_address(newer));
        let added = newer.keys().filter(|key| !older.contains_key(*key)).count();
        let removed = older.keys().filter(|key| !newer.contains_key(*key)).count();
        let changed =
            newer.iter().filter(|(key, entry)| older.get(*key).is_some_and(|before| before != *entry)).count();
        assert_eq!((added, changed, removed), (40, 30, 20));
    }
    assert_eq!(after.len(), 5040);
}

#[test]
fn irregular_lines_are_all_rejected_and_planted_ones_are_there() {
    let france = France::new(5, 4000).irregular(20_000).plant(Row::perin());
    let mut octets = Vec::new();
    let written = france.write_text(&mut octets).unwrap();
    let read = read(octets, "x.txt");
    assert!(written.irregular > 40, "{}", written.irregular);
    assert_eq!(read.rejected.len() as u64, written.irregular);
    let reasons: HashSet<_> = read.rejected.iter().map(|rejection| rejection.reason).collect();
    assert_eq!(reasons.len(), 5);
    let perin = &read.entries[0];
    assert_eq!(perin.structure.as_ref().unwrap().town, "93600 AULNAY SOUS BOIS");
    assert_eq!(perin.structure.as_ref().unwrap().id, "1930110069".parse().ok());
}

#[test]
fn activities_are_of_the_same_people_and_come_in_the_zip_with_three_texts() {
    let france = France::new(9, 3000);
    let mut zip = Cursor::new(Vec::new());
    france.write_zip(&mut zip, "Extraction_Correspondance_MSSante_202608250032.txt").unwrap();
    let entries = read(zip.into_inner(), "x.zip").entries;
    let mut zip = Cursor::new(Vec::new());
    let written = france.write_activities_zip(&mut zip, "202608250032").unwrap();
    let octets = zip.into_inner();
    let extraction = Extraction::open(Cursor::new(octets.clone()), "x.zip", ReadingLimits::default()).unwrap();
    assert_eq!(extraction.kind(), ExtractionKind::Activities);
    assert!(extraction.generated_at().is_some());
    let activities = read(octets, "x.zip").activities;
    assert_eq!(activities.len() as u64, written.lines);
    let professions: HashMap<_, _> =
        activities.iter().map(|activity| (activity.person.clone(), activity.profession.code.as_str())).collect();
    let people: Vec<_> = entries.iter().filter_map(|entry| entry.person.as_ref()).collect();
    for person in &people {
        let id = person.id.as_ref().unwrap();
        assert_eq!(professions.get(id), Some(&person.profession.code.as_str()), "{id}");
    }
    assert!(professions.len() > people.iter().map(|person| &person.id).collect::<HashSet<_>>().len());
    assert!(activities.iter().all(|activity| activity.structure.id.is_some() && !activity.structure.town.is_empty()));
}
