//! Searching as people do, as people mistype, and as nobody should.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use annuaire::{Directory, Entry, Query};
use anyhow::{Result, ensure};
use mssante::Address;

use super::corpus::{Chance, Corpus};
use crate::cpu::spent;
use crate::figure::{Figure, least, most};
use crate::latency::Percentiles;

/// Queries of each kind.
const QUERIES: usize = 400;
/// Answers that are shown.
const SHOWN: usize = 20;

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
    let mut some = |write: &dyn Fn(&Words, &mut Chance) -> String| -> Vec<Sought> {
        let one = |_| {
            let person = &people[chance.below(people.len())];
            Sought { words: write(person, &mut chance), person: Some(person) }
        };
        (0..QUERIES).map(one).collect()
    };
    let exact = some(&|words, _| format!("{} {} {}", words.family, words.profession, words.town));
    let mistyped = some(&|words, chance| {
        format!("{} {} {}", mistype(&words.family, chance), words.profession, mistype(&words.town, chance))
    });
    let names = some(&|words, chance| format!("{} {}", mistype(&words.family, chance), mistype(&words.given, chance)));
    let beginnings = some(&|words, _| words.family.chars().take(3).collect());
    let pairs = some(&|words, _| format!("{} {} ", words.family, words.town));
    let fifty = pairs.chunks(50).map(|some| some.iter().map(|one| one.words.as_str()).collect::<String>());
    let common = COMMON.iter().cycle().take(QUERIES).map(|words| Sought::nobody((*words).to_owned())).collect();
    // What is fast is to be right as well: how many of a hundred are among the twenty that are shown.
    let kinds: [(&str, Vec<Sought>, Option<f64>); 6] = [
        ("name, profession, town", exact, Some(99.0)),
        ("name and town mistyped", mistyped, Some(80.0)),
        ("both names mistyped", names, Some(80.0)),
        ("three letters", beginnings, None),
        ("common words", common, None),
        ("a hundred words", fifty.map(Sought::nobody).collect(), None),
    ];
    let mut all = Vec::new();
    for (what, sought, share) in kinds {
        if let Some(share) = share {
            let found = found(&directory, &sought);
            ensure!(found >= share / 2.0, "{what}: {found:.0} % of those who are looked for are found");
            all.push(Figure::new(case, format!("{what}: found"), found, "%", least(share)));
        }
        let queries: Vec<String> = sought.into_iter().map(|sought| sought.words).collect();
        all.extend(figures(case, what, &directory, &queries)?);
    }
    Ok(all)
}

/// Of a hundred who are looked for, how many are among the answers, or would be but for people of the same names.
fn found(directory: &Directory, sought: &[Sought<'_>]) -> f64 {
    let (mut asked, mut found) = (0.0, 0.0);
    for Sought { words, person } in sought {
        let Some(person) = person else { continue };
        let hits = search(directory, words);
        let is_homonym = |entry: &Entry| {
            entry.person.as_ref().is_some_and(|other| {
                (&other.family_name, &other.given_name) == (&person.family, &person.given)
                    || other.family_name == person.family && person.is_without_given_name(words)
            })
        };
        let is_there = hits.iter().any(|hit| hit.entry.address == person.address);
        let is_crowded_out = hits.len() == SHOWN && hits.iter().all(|hit| is_homonym(&hit.entry));
        asked += 1.0;
        if is_there || is_crowded_out {
            found += 1.0;
        }
    }
    100.0 * found / f64::max(asked, 1.0)
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
    directory.search(&Query { words: words.to_owned(), kind: None, limit: SHOWN }, &HashSet::new()).hits
}

/// A query, and whom it is for.
struct Sought<'a> {
    words: String,
    person: Option<&'a Words>,
}

impl Sought<'_> {
    fn nobody(words: String) -> Self {
        Self { words, person: None }
    }
}

/// What people know of somebody.
struct Words {
    address: Address,
    family: String,
    given: String,
    profession: String,
    town: String,
}

impl Words {
    /// Whether nobody could tell him from others of his family name by these words.
    fn is_without_given_name(&self, words: &str) -> bool {
        !words.contains(&self.given)
    }
}

/// Persons with a structure, from all over the directory.
fn people(directory: &Directory) -> Vec<Words> {
    directory.entries().step_by(100).filter_map(words).collect()
}

fn words(entry: Entry) -> Option<Words> {
    let (address, person, structure) = (entry.address, entry.person?, entry.structure?);
    let town = structure.town.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
    let (family, given, profession) = (person.family_name, person.given_name, person.profession.label);
    Some(Words { address, family, given, profession, town })
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
