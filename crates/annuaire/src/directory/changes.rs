//! What is different between two directories.

use std::cmp::Ordering;
use std::collections::HashSet;

use mssante::Domain;

use super::Directory;
use super::links::Other;
use super::local::compare_locals;
use super::tables::{Double, PersonCode, Tables};
use super::texts::{NONE, at};
use crate::{Change, ChangeKind, Changes};

/// How two directories are compared.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// Which changes count.
    pub compared: Compared,
    /// Most examples of each kind of change.
    pub examples: u64,
    /// Domains whose BALs are counted, but are no examples: those of them that are on the liste rouge show nowhere.
    /// `[MSS1 ANN.UNLISTED]`
    pub unnamed: &'a HashSet<Domain>,
}

/// What makes an entry another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// What its source says of it.
    Entries,
    /// The same, and what activities add to it.
    Activities,
}

/// Examples of each kind of change.
const EXAMPLES: u64 = 10;

impl Directory {
    /// What changed since `older`, by the entries as their sources gave them, without activities.
    pub fn changes_since(&self, older: &Directory) -> Changes {
        let unnamed = &HashSet::new();
        self.compare(older, Comparison { compared: Compared::Entries, examples: EXAMPLES, unnamed })
    }

    /// What changed since `older`.
    pub fn compare(&self, older: &Directory, comparison: Comparison<'_>) -> Changes {
        let (new, old) = (&self.tables, &older.tables);
        let mut changes = Noted { comparison, newer: self, changes: Changes::default(), named: [0; 3] };
        let (mut here, mut there) = (0, 0);
        loop {
            match compare(new, here, old, there) {
                None => return changes.changes,
                Some(Ordering::Less) => {
                    changes.note(ChangeKind::Added, new, here);
                    here += 1;
                }
                Some(Ordering::Greater) => {
                    changes.note(ChangeKind::Removed, old, there);
                    there += 1;
                }
                Some(Ordering::Equal) => {
                    let same = says_the_same(new, here, old, there)
                        && (comparison.compared == Compared::Entries || self.practises_the_same(here, older, there));
                    if !same {
                        changes.note(ChangeKind::Changed, new, here);
                    }
                    here += 1;
                    there += 1;
                }
            }
        }
    }
}

impl Directory {
    /// Whether activities say the same of a row here and of one of another directory.
    fn practises_the_same(&self, here: u32, older: &Directory, there: u32) -> bool {
        let both = Both { new: &self.tables, old: &older.tables };
        let (ours, theirs) = (self.practices_of(here), older.practices_of(there));
        let same = |(a, b): (&Other, &Other)| both.trade(a.trade, b.trade) && both.structure(a.structure, b.structure);
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(same)
    }

    fn practices_of(&self, row: u32) -> Vec<Other> {
        let others = self.links.others(row).iter().copied();
        others.filter(|other| other.double(&self.tables).is_none()).collect()
    }
}

/// Which of two rows comes first; the end of a directory comes last. None at both ends.
fn compare(new: &Tables, here: u32, old: &Tables, there: u32) -> Option<Ordering> {
    match (new.rows.get(at(here)), old.rows.get(at(there))) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(a), Some(b)) => {
            let domains = new.domains[at(a.domain)].cmp(&old.domains[at(b.domain)]);
            Some(domains.then_with(|| compare_locals(new.locals.get(here), old.locals.get(there))))
        }
    }
}

/// The changes so far.
struct Noted<'a> {
    comparison: Comparison<'a>,
    newer: &'a Directory,
    changes: Changes,
    /// Examples of added, changed and removed ones.
    named: [u64; 3],
}

impl Noted<'_> {
    fn note(&mut self, what: ChangeKind, tables: &Tables, row: u32) {
        let (count, named) = match what {
            ChangeKind::Added => (&mut self.changes.added, &mut self.named[0]),
            ChangeKind::Changed => (&mut self.changes.changed, &mut self.named[1]),
            ChangeKind::Removed => (&mut self.changes.removed, &mut self.named[2]),
        };
        *count += 1;
        if *named < self.comparison.examples
            && !self.comparison.unnamed.contains(&tables.domains[at(tables.rows[at(row)].domain)])
            && let Some(address) = tables.address(row)
            // Who is on the liste rouge by now shows in no report.
            && !self.newer.links.hidden.contains(&self.newer.tables, &address)
        {
            *named += 1;
            self.changes.examples.push(Change { what, address });
        }
    }
}

fn says_the_same(new: &Tables, here: u32, old: &Tables, there: u32) -> bool {
    let (a, b) = (&new.rows[at(here)], &old.rows[at(there)]);
    let both = Both { new, old };
    a.flags == b.flags
        && new.locals.get(here) == old.locals.get(there)
        && both.person(a.person, b.person)
        && (a.family == NONE) == (b.family == NONE)
        && new.families.get(a.family) == old.families.get(b.family)
        && new.givens.get(a.given) == old.givens.get(b.given)
        && new.services.get(a.service) == old.services.get(b.service)
        && both.trade(a.trade, b.trade)
        && both.structure(a.structure, b.structure)
        && both.doubles(here, there)
}

/// Values of two directories, which have numbers of their own.
struct Both<'a> {
    new: &'a Tables,
    old: &'a Tables,
}

impl Both<'_> {
    fn text(&self, a: u32, b: u32) -> bool {
        self.new.texts.get(a) == self.old.texts.get(b)
    }

    fn texts<const N: usize>(&self, a: [u32; N], b: [u32; N]) -> bool {
        a.into_iter().zip(b).all(|(a, b)| self.text(a, b))
    }

    fn person(&self, a: PersonCode, b: PersonCode) -> bool {
        match (a.text(), b.text()) {
            (Some(a), Some(b)) => self.text(a, b),
            _ => a == b,
        }
    }

    fn trade(&self, a: u32, b: u32) -> bool {
        self.texts(self.new.trade(a), self.old.trade(b))
    }

    fn structure(&self, a: u32, b: u32) -> bool {
        match (self.new.structures.get(at(a)), self.old.structures.get(at(b))) {
            (None, None) => true,
            (Some([a_texts @ .., a_place]), Some([b_texts @ .., b_place])) => {
                self.texts(*a_texts, *b_texts) && self.place(*a_place, *b_place)
            }
            _ => false,
        }
    }

    fn place(&self, a: u32, b: u32) -> bool {
        let place = |tables: &Tables, place: u32| tables.places.get(at(place)).copied().unwrap_or([NONE; 4]);
        self.texts(place(self.new, a), place(self.old, b))
    }

    fn double(&self, a: &Double, b: &Double) -> bool {
        let (new, old) = (self.new, self.old);
        self.person(a.person, b.person)
            && new.families.get(a.family) == old.families.get(b.family)
            && new.givens.get(a.given) == old.givens.get(b.given)
            && new.services.get(a.service) == old.services.get(b.service)
            && self.trade(a.trade, b.trade)
            && self.structure(a.structure, b.structure)
    }

    fn doubles(&self, here: u32, there: u32) -> bool {
        let (new, old) = (telling(self.new, here), telling(self.old, there));
        new.iter().all(|a| old.iter().any(|b| self.double(a, b)))
            && old.iter().all(|b| new.iter().any(|a| self.double(a, b)))
    }
}

/// The second lines of a row that say something; who carries them is nothing that changes.
fn telling(tables: &Tables, row: u32) -> Vec<&Double> {
    let doubles = tables.doubles[tables.doubles_of(row)].iter();
    doubles.filter(|double| double.says_more_than(&tables.rows[at(row)])).collect()
}
