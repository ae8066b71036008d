//! What is found, and in which order.

use mssante::BalKind;
use proptest::prelude::*;

use super::super::fold::words_as_written;
use super::sample::{address, any_activities, any_entries, built_with, coded, directory, entries, structure};
use crate::{Activity, Directory, DirectoryBuilder, Found, Hit, Query};

fn query(words: &str) -> Query {
    Query { words: words.to_owned(), kind: None, limit: 20 }
}

fn search(directory: &Directory, words: &str) -> Vec<Hit> {
    directory.search(&query(words), &|_| false)
}

fn locals(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.entry.address.local().as_str().to_lowercase()).collect()
}

#[test]
fn the_first_answers_are_those_of_the_table() {
    let directory = directory();
    let lines = include_str!("ranking.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    for line in lines {
        let (words, expected) = line.split_once(" => ").unwrap();
        let found = locals(&search(&directory, words));
        let expected: Vec<&str> = expected.split(", ").filter(|local| *local != "-").collect();
        if !found.iter().map(String::as_str).take(expected.len().max(1)).eq(expected.iter().copied()) {
            wrong.push(format!("{words}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn answers_say_how_their_words_were_found() {
    let directory = directory();
    let first = |words| search(&directory, words).first().map(|hit| hit.found);
    assert_eq!(first("perin medecin aulnay"), Some(Found::Exact));
    assert_eq!(first("peri medecin aulnay"), Some(Found::Prefix));
    assert_eq!(first("prein medecin aulnay"), Some(Found::Typo));
}

#[test]
fn mistyped_answers_come_last_and_scores_fall() {
    let hits = search(&directory(), "perin");
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:#?}");
    assert!(hits.is_sorted_by_key(|hit| hit.found == Found::Typo));
}

#[test]
fn kinds_are_told_apart_and_limits_kept() {
    let directory = directory();
    let organisational = Query { kind: Some(BalKind::Organisational), ..query("saint etienne") };
    let hits = directory.search(&organisational, &|_| false);
    assert_eq!(locals(&hits), ["secretariat.cardiologie", "urgences"]);
    assert_eq!(directory.search(&Query { limit: 1, ..query("medecin") }, &|_| false).len(), 1);
    assert_eq!(directory.search(&Query { limit: 0, ..query("medecin") }, &|_| false), []);
}

#[test]
fn hidden_entries_leave_their_place_to_others() {
    let directory = directory();
    let only = Query { limit: 1, ..query("perin") };
    let hits = directory.search(&only, &|key| key == "anne.perin@infirmier.mssante.fr");
    assert_eq!(locals(&hits), ["paul.perin"]);
    assert_eq!(directory.search(&query("medecin"), &|_| true), []);
}

#[test]
fn many_hidden_entries_do_not_hide_the_others() {
    let mut builder = DirectoryBuilder::new();
    let model = entries().swap_remove(0);
    for n in 0..5_000 {
        let mut entry = model.clone();
        entry.address = address(&format!("{n}.perin@medecin.mssante.fr"));
        builder.put(&entry);
    }
    let hits = builder.finish().search(&Query { limit: 3, ..query("perin") }, &|key| !key.starts_with("4999."));
    assert_eq!(locals(&hits), ["4999.perin"]);
}

#[test]
fn activities_say_where_professionals_are_found() {
    let mut builder = DirectoryBuilder::new();
    for entry in entries() {
        builder.put(&entry);
    }
    builder.complete(&Activity {
        person: "810001234567".parse().unwrap(),
        profession: coded("Médecin"),
        speciality: coded("Endocrinologie"),
        structure: structure("CLINIQUE DU PARC", "13000", "13000 MARSEILLE"),
    });
    let directory = builder.finish();
    assert_eq!(locals(&search(&directory, "leroux marseille")), ["sans.structure"]);
    assert_eq!(locals(&search(&directory, "leroux endocrinologue")), ["sans.structure"]);
    let completed = directory.get(&address("sans.structure@medecin.mssante.fr")).unwrap();
    assert_eq!(completed.structure.unwrap().name, "CLINIQUE DU PARC");
    assert_eq!(completed.person.unwrap().speciality.label, "Endocrinologie");
    let own = directory.get(&address("jean.perin@medecin.mssante.fr")).unwrap();
    assert_eq!(own.structure.unwrap().name, "CABINET DU DR PERIN");
    assert!(directory.entries().any(|entry| entry.structure.is_none()), "entries stay as the source gave them");
}

#[test]
fn a_second_line_of_an_address_is_found_as_well() {
    let mut builder = DirectoryBuilder::new();
    let first = entries().swap_remove(0);
    let second = crate::Entry { structure: Some(structure("CLINIQUE", "13000", "13000 MARSEILLE")), ..first.clone() };
    builder.put(&first);
    assert_eq!(builder.put(&second), crate::Put::Duplicate);
    let directory = builder.finish();
    assert_eq!(directory.len(), 1);
    assert_eq!(search(&directory, "perin marseille")[0].entry, first);
}

#[test]
fn a_second_line_of_another_person_is_found_and_completes_nothing() {
    let mut builder = DirectoryBuilder::new();
    let mut first = entries().swap_remove(0);
    let mut second = first.clone();
    first.structure = None;
    first.person.as_mut().unwrap().speciality = crate::Coded::default();
    let other = second.person.as_mut().unwrap();
    other.id = "810001234573".parse().ok();
    other.family_name = "QUENEAU".to_owned();
    second.service = "Pataphysique".to_owned();
    builder.put(&first);
    assert_eq!(builder.put(&second), crate::Put::Duplicate);
    let directory = builder.finish();
    assert_eq!(directory.get(&first.address).as_ref(), Some(&first));
    for words in ["perin", "queneau", "pataphysique", "queneau aulnay"] {
        assert_eq!(search(&directory, words).first().map(|hit| &hit.entry), Some(&first), "{words}");
    }
    let copied = DirectoryBuilder::from_entries_of(&directory).finish();
    assert_eq!(search(&copied, "queneau pataphysique").len(), 1);
}

#[test]
fn of_several_activities_the_first_of_the_file_completes() {
    let mut builder = DirectoryBuilder::new();
    let mut entry = entries().swap_remove(0);
    entry.structure = None;
    builder.put(&entry);
    let known = crate::Entry {
        address: address("autre@medecin.mssante.fr"),
        person: None,
        structure: Some(structure("DEJA CONNUE", "13000", "13000 MARSEILLE")),
        ..entry.clone()
    };
    builder.put(&known);
    for name in ["PREMIERE", "DEJA CONNUE"] {
        builder.complete(&Activity {
            person: entry.person.as_ref().unwrap().id.clone().unwrap(),
            profession: coded("Médecin"),
            speciality: coded(""),
            structure: structure(name, "13000", "13000 MARSEILLE"),
        });
    }
    assert_eq!(builder.finish().get(&entry.address).unwrap().structure.unwrap().name, "PREMIERE");
}

#[test]
fn hostile_queries_are_answered() {
    let directory = directory();
    let long = "perin medecin ".repeat(100_000);
    assert_eq!(locals(&search(&directory, &long))[0], "jean.perin");
    let strange =
        ["", " ", "\0", "e\u{301}", "\u{202e}", "ﬁ", "𝔘𝔫𝔦", "a b c d e f g h i j k l m n o p", &"é".repeat(10_000)];
    for words in strange {
        assert!(search(&directory, words).len() <= 20);
    }
}

proptest! {
    #[test]
    fn entries_are_found_by_the_words_of_their_family_name(entries in any_entries(), activities in any_activities()) {
        let directory = built_with(&entries, &activities);
        for entry in directory.entries() {
            let Some(person) = &entry.person else { continue };
            let hits = search(&directory, &person.family_name);
            let wordless = words_as_written(&person.family_name).is_empty();
            let found = hits.iter().any(|hit| hit.entry.address == entry.address);
            prop_assert!(found || wordless || hits.len() == 20, "{:?}", person.family_name);
        }
    }

    #[test]
    fn no_query_breaks_search(entries in any_entries(), words in "\\PC{0,30}", limit in 0_usize..5) {
        let directory = super::sample::built(&entries);
        let hits = directory.search(&Query { words, kind: None, limit }, &|_| false);
        prop_assert!(hits.len() <= limit);
    }
}
