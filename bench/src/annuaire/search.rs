//! Searching as people do, as people mistype, and as nobody should.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use annuaire::{Directory, Entry, Query};
use anyhow::{Result, ensure};

use super::corpus::{Chance, Corpus};
use crate::cpu::spent;
use crate::figure::{Figure, most};
use crate::latency::Percentiles;

/// Queries of each kind.
const QUERIES: usize = 400;

/// What half the directory has, beginnings of all kinds, and more words than anybody writes.
const COMMON: [&str; 26] = [
    "medecin",
    "infirmier paris",
    "infirmiere paris",
    "marie",
    "jean pierre",
    "saint denis",
    "cabinet medical saint denis",
    "medecin paris",
    "medecin generaliste paris",
    "infirmier",
    "infirmiere marseille",
    "pharmacie",
    "pharmacie de la gare",
    "cabinet medical",
    "centre hospitalier",
    "secretariat cardiologie",
    "saint",
    "de la",
    "dr",
    "m",
    "ma",
    "sa",
    "75",
    "mssante fr",
    "medecin medical cabinet paris",
    "ma mar mari le la de me ce ca sa",
];

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let directory = Corpus::new()?.import()?;
    let people = people(&directory);
    let mut chance = Chance::new(5);
    let mut some = |write: &dyn Fn(&Words, &mut Chance) -> String| -> Vec<String> {
        (0..QUERIES)
            .map(|_| {
                let person = &people[chance.below(people.len())];
                write(person, &mut chance)
            })
            .collect()
    };
    let exact = some(&|words, _| format!("{} {} {}", words.family, words.profession, words.town));
    let mistyped = some(&|words, chance| {
        format!("{} {} {}", mistype(&words.family, chance), words.profession, mistype(&words.town, chance))
    });
    let names = some(&|words, chance| format!("{} {}", mistype(&words.family, chance), mistype(&words.given, chance)));
    let beginnings = some(&|words, _| words.family.chars().take(3).collect());
    let fifty =
        some(&|words, _| format!("{} {} ", words.family, words.town)).chunks(50).map(<[String]>::concat).collect();
    let found = exact.iter().filter(|words| !search(&directory, words).is_empty()).count();
    ensure!(found == exact.len(), "{found} of {} persons are found", exact.len());
    let common = COMMON.iter().cycle().take(QUERIES).map(|words| (*words).to_owned()).collect();
    let kinds: [(&str, Vec<String>); 6] = [
        ("name, profession, town", exact),
        ("name and town mistyped", mistyped),
        ("both names mistyped", names),
        ("three letters", beginnings),
        ("common words", common),
        ("a hundred words", fifty),
    ];
    let mut all = Vec::new();
    for (what, queries) in kinds {
        all.extend(figures(case, what, &directory, &queries)?);
    }
    Ok(all)
}

fn figures(case: &'static str, what: &str, directory: &Directory, queries: &[String]) -> Result<[Figure; 4]> {
    let (mut clock, mut cpu) = (Vec::new(), Vec::new());
    for words in queries {
        let (begun, before) = (Instant::now(), spent()?);
        std::hint::black_box(search(directory, words));
        cpu.push(spent()?.saturating_sub(before));
        clock.push(begun.elapsed());
    }
    for (words, cpu) in slowest(queries, &cpu) {
        println!("  {what}: {:.1} ms CPU: {}", cpu.as_secs_f64() * 1e3, words.chars().take(60).collect::<String>());
    }
    let (clock, cpu) = (Percentiles::of(clock), Percentiles::of(cpu));
    Ok([
        Figure::new(case, format!("{what}: p50"), clock.p50, "ms", None),
        Figure::new(case, format!("{what}: p99"), clock.p99, "ms", most(10.0)),
        Figure::new(case, format!("{what}: p50, CPU"), cpu.p50, "ms", None),
        Figure::new(case, format!("{what}: p99, CPU"), cpu.p99, "ms", None),
    ])
}

/// The five slowest queries, each once, by the least that each took.
fn slowest<'a>(queries: &'a [String], cpu: &[Duration]) -> Vec<(&'a str, Duration)> {
    let mut least: BTreeMap<&str, Duration> = BTreeMap::new();
    for (words, cpu) in queries.iter().zip(cpu) {
        let known = least.entry(words).or_insert(*cpu);
        *known = (*cpu).min(*known);
    }
    let mut slowest: Vec<(&str, Duration)> = least.into_iter().collect();
    slowest.sort_by_key(|(_, cpu)| std::cmp::Reverse(*cpu));
    slowest.truncate(5);
    slowest
}

fn search(directory: &Directory, words: &str) -> Vec<annuaire::Hit> {
    directory.search(&Query { words: words.to_owned(), kind: None, limit: 20 }, &HashSet::new()).hits
}

/// What people know of somebody.
struct Words {
    family: String,
    given: String,
    profession: String,
    town: String,
}

/// Persons with a structure, from all over the directory.
fn people(directory: &Directory) -> Vec<Words> {
    directory.entries().step_by(100).filter_map(words).collect()
}

fn words(entry: Entry) -> Option<Words> {
    let (person, structure) = (entry.person?, entry.structure?);
    let town = structure.town.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
    Some(Words { family: person.family_name, given: person.given_name, profession: person.profession.label, town })
}

/// One letter missing, wrong, or exchanged with the next.
fn mistype(text: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() > 3 {
        let place = chance.below(letters.len() - 1);
        match chance.below(3) {
            0 => letters.swap(place, place + 1),
            1 => drop(letters.remove(place)),
            _ => letters[place] = 'x',
        }
    }
    letters.into_iter().collect()
}
