//! What is different between two directories.

use std::cmp::Ordering;

use super::Directory;
use super::local::compare_locals;
use super::tables::{Double, PersonCode, Tables};
use super::texts::{NONE, at};
use crate::{Change, ChangeKind, Changes};

/// Examples of each kind of change.
const EXAMPLES: u64 = 10;

impl Directory {
    /// What changed since `older`, by the entries as their sources gave them, without activities.
    pub fn changes_since(&self, older: &Directory) -> Changes {
        let (new, old) = (&self.tables, &older.tables);
        let mut changes = Changes::default();
        let (mut here, mut there) = (0, 0);
        loop {
            match compare(new, here, old, there) {
                None => return changes,
                Some(Ordering::Less) => {
                    note(&mut changes, ChangeKind::Added, new, here);
                    here += 1;
                }
                Some(Ordering::Greater) => {
                    note(&mut changes, ChangeKind::Removed, old, there);
                    there += 1;
                }
                Some(Ordering::Equal) => {
                    if !says_the_same(new, here, old, there) {
                        note(&mut changes, ChangeKind::Changed, new, here);
                    }
                    here += 1;
                    there += 1;
                }
            }
        }
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

fn note(changes: &mut Changes, what: ChangeKind, tables: &Tables, row: u32) {
    let count = match what {
        ChangeKind::Added => &mut changes.added,
        ChangeKind::Changed => &mut changes.changed,
        ChangeKind::Removed => &mut changes.removed,
    };
    *count += 1;
    if *count <= EXAMPLES
        && let Some(address) = tables.address(row)
    {
        changes.examples.push(Change { what, address });
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
        let new = &self.new.doubles[self.new.doubles_of(here)];
        let old = &self.old.doubles[self.old.doubles_of(there)];
        new.len() == old.len() && new.iter().all(|a| old.iter().any(|b| self.double(a, b)))
    }
}
