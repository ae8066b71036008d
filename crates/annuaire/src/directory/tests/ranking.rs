//! What is found, and in which order. `[MSS1 ANN.SEARCH]`

use std::collections::HashSet;

use mssante::{BalKind, Domain};
use proptest::prelude::*;

use super::super::fold::words_as_written;
use super::super::search::Way;
use super::sample::{
    address, any_activities, any_entries, built_with, built_with_frequent, coded, directory, entries, structure,
};
use crate::{Activity, Directory, DirectoryBuilder, Extent, Found, Hit, Query};

fn query(words: &str) -> Query {
    Query { words: words.to_owned(), kind: None, limit: 20 }
}

fn search(directory: &Directory, words: &str) -> Vec<Hit> {
    directory.search(&query(words), &HashSet::new()).hits
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
    let hits = directory.search(&organisational, &HashSet::new()).hits;
    assert_eq!(locals(&hits), ["secretariat.cardiologie", "urgences"]);
    assert_eq!(directory.search(&Query { limit: 1, ..query("medecin") }, &HashSet::new()).hits.len(), 1);
    assert_eq!(directory.search(&Query { limit: 0, ..query("medecin") }, &HashSet::new()).hits, []);
}

#[test]
fn entries_of_hidden_domains_leave_their_place_to_others() {
    let directory = directory();
    let domains = HashSet::from([Domain::parse("infirmier.mssante.fr").unwrap()]);
    let only = Query { limit: 1, ..query("perin") };
    assert_eq!(locals(&directory.search(&only, &domains).hits), ["paul.perin"]);
    assert_eq!(directory.search(&query("anne.perin@infirmier.mssante.fr"), &domains).hits, []);
    let all: HashSet<Domain> = directory.entries().map(|entry| entry.address.domain().clone()).collect();
    assert_eq!(directory.search(&query("perin"), &all).hits, []);
}

#[test]
fn many_hidden_entries_do_not_hide_the_others() {
    let mut builder = DirectoryBuilder::new();
    let model = entries().swap_remove(0);
    for n in 0..5_000 {
        let domain = if n == 4_999 { "autre" } else { "medecin" };
        builder.put(&crate::Entry { address: address(&format!("{n}.perin@{domain}.mssante.fr")), ..model.clone() });
    }
    let hidden = HashSet::from([Domain::parse("medecin.mssante.fr").unwrap()]);
    let answers = builder.finish().search(&Query { limit: 3, ..query("perin") }, &hidden);
    assert_eq!((locals(&answers.hits), answers.extent), (vec!["4999.perin".to_owned()], Extent::Whole));
}

#[test]
fn answers_say_whether_they_are_all() {
    let directory = directory();
    let extent = |words: &str, limit| directory.search(&Query { limit, ..query(words) }, &HashSet::new()).extent;
    assert_eq!(extent("perin", 20), Extent::Whole);
    assert_eq!(extent("medecin", 20), Extent::Whole);
    assert_eq!(extent("medecin", 3), Extent::Limited);
    assert_eq!(extent("jean.perin@medecin.mssante.fr", 1), Extent::Whole);
}

#[test]
fn where_a_bound_ends_a_search_the_answers_say_that_there_may_be_more() {
    let mut builder = DirectoryBuilder::new();
    let model = entries().swap_remove(0);
    // More words that begin so than are looked at.
    for n in 0..15 {
        let words: Vec<String> = (0..6_000).map(|word| format!("za{}", n * 6_000 + word)).collect();
        let service = words.join(" ");
        let address = address(&format!("{n}@medecin.mssante.fr"));
        builder.put(&crate::Entry { address, service, ..model.clone() });
    }
    let answers = builder.finish().search(&query("za"), &HashSet::new());
    assert_eq!(answers.extent, Extent::Partial);
    assert!((1..15).contains(&answers.hits.len()), "{}", answers.hits.len());
}

#[test]
fn words_of_a_town_or_a_structure_come_before_the_same_words_here_and_there() {
    let mut put_in = Vec::new();
    let model = entries().swap_remove(0);
    let mut put = |local: &str, family: &str, given: &str, trade: &str, name: &str, town: &str| {
        let mut person = model.person.clone().unwrap();
        (person.family_name, person.given_name, person.profession) = (family.into(), given.into(), coded(trade));
        put_in.push(crate::Entry {
            address: address(&format!("{local}@medecin.mssante.fr")),
            person: Some(person),
            structure: Some(structure(name, "93200", town)),
            ..model.clone()
        });
    };
    put("scattered", "DENIS", "Aline", "Médecin", "HOPITAL SAINT LOUIS", "75010 PARIS");
    put("other-order", "ABADIE", "Aline", "Médecin", "CLINIQUE DENIS", "42000 SAINT ETIENNE");
    put("town", "ZOLA", "Emile", "Médecin", "CABINET MEDICAL", "93200 SAINT-DENIS CEDEX");
    put("named-as-town", "ZOLA", "Denis", "Médecin", "CABINET MEDICAL", "93200 SAINT DENIS");
    put("structure", "YVAIN", "Rose", "Médecin", "CLINIQUE ST DENIS", "44000 NANTES");
    put("nurse-called-paris", "PARIS", "Rose", "Infirmier", "CABINET", "44000 NANTES");
    put("nurse-in-paris", "ROUX", "Rose", "Infirmier", "CABINET", "75010 PARIS");
    put("nurses-of-paris", "ZOLA", "Rose", "Sage-Femme", "MAISON INFIRMIERE DE PARIS", "92000 NANTERRE");
    for threshold in [1, usize::MAX] {
        let directory = built_with_frequent(&put_in, &[], threshold);
        let found = locals(&search(&directory, "saint denis"));
        assert_eq!(found[..3], ["named-as-town", "structure", "town"], "{found:?}");
        assert_eq!(locals(&search(&directory, "infirmiere paris"))[0], "nurses-of-paris");
        assert_eq!(locals(&search(&directory, "medecin saint-deni"))[..3], found[..3]);
        assert_eq!(locals(&search(&directory, "siant denis"))[..3], found[..3]);
    }
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
    let named = crate::Entry { others: second.person.iter().cloned().collect(), ..first.clone() };
    assert_eq!(directory.get(&first.address).as_ref(), Some(&named), "he is named, and says nothing of the first");
    for words in ["perin", "queneau", "pataphysique", "queneau aulnay"] {
        assert_eq!(search(&directory, words).first().map(|hit| &hit.entry), Some(&named), "{words}");
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
    fn frequent_words_are_found_as_others_are(
        entries in any_entries(),
        activities in any_activities(),
        words in "[a-c]{1,3}( [a-cé]{1,3}){0,2}",
        limit in 1_usize..5,
    ) {
        let query = Query { words, kind: None, limit };
        let [usual, all_frequent, some] =
            [usize::MAX, 1, 3].map(|frequent| built_with_frequent(&entries, &activities, frequent));
        let answers = usual.search(&query, &HashSet::new());
        prop_assert_eq!(&all_frequent.search(&query, &HashSet::new()), &answers);
        prop_assert_eq!(&some.search(&query, &HashSet::new()), &answers);
        for directory in [&usual, &all_frequent, &some] {
            prop_assert_eq!(&directory.search_by(&query, &HashSet::new(), Way::Marked), &answers);
            prop_assert_eq!(&directory.search_by(&query, &HashSet::new(), Way::Asked), &answers);
        }
    }

    #[test]
    fn no_query_breaks_search(entries in any_entries(), words in "\\PC{0,30}", limit in 0_usize..5) {
        let directory = super::sample::built(&entries);
        let hits = directory.search(&Query { words, kind: None, limit }, &HashSet::new()).hits;
        prop_assert!(hits.len() <= limit);
    }
}
