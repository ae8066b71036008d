//! Which BALs a word of a query is found in: a bit for each BAL of the directory. For words that are found in many: to
//! compare all bits of two words takes less time than to ask a hundred BALs what they have.

use super::super::texts::at;
use super::index::Index;
use super::reach::Reach;

/// A bit for each BAL.
pub(super) type Bits = Vec<u64>;

/// The marks of a word.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The BALs that have the word.
    all: Bits,
    /// Those of values that are not frequent, which are also in the first.
    rare: Bits,
    /// The grades of these; empty if there is none.
    grades: Vec<u8>,
    /// How many values of the reach have been gone through.
    values: usize,
}

impl Marks {
    /// Marks the BALs of what has come to the reach of a word; of values that few have, about as many as `most`.
    /// Tells whether these were all.
    pub(super) fn add(&mut self, reach: &Reach<'_>, index: &Index<'_>, most: usize) -> bool {
        let total = index.tables.rows.len();
        self.all.resize(total.div_ceil(64), 0);
        let were_all = self.add_values(reach, index, most);
        for (all, rare) in self.all.iter_mut().zip(&self.rare) {
            *all |= *rare;
        }
        for known in reach.frequent() {
            known.bals.mark(&mut self.all);
        }
        were_all
    }

    fn add_values(&mut self, reach: &Reach<'_>, index: &Index<'_>, most: usize) -> bool {
        let new = &reach.values()[self.values..];
        if !new.is_empty() && self.grades.is_empty() {
            self.grades = vec![0; index.tables.rows.len()];
            self.rare = vec![0; self.all.len()];
        }
        self.values = reach.values().len();
        let mut visited = 0;
        for value in new {
            if visited >= most {
                return false;
            }
            let Some(field) = value.field() else { continue };
            let grade = reach.grade_of(field, value.value());
            index.each_bal_of(field, value.value(), |bal| {
                visited += 1;
                if let (Some(known), Some(bits)) = (self.grades.get_mut(at(bal)), self.rare.get_mut(at(bal / 64))) {
                    *known = grade.max(*known);
                    *bits |= 1 << (bal % 64);
                }
            });
        }
        true
    }

    /// The BALs that have the word.
    pub(super) fn all(&self) -> &Bits {
        &self.all
    }

    /// How well a BAL has the word; 0 if it has not.
    pub(super) fn grade(&self, bal: u32, reach: &Reach<'_>) -> u8 {
        reach.frequent_grade(bal).max(self.grades.get(at(bal)).copied().unwrap_or(0))
    }

    /// Takes those out of `bals` that have the word with a lesser grade, as far as that is soon told.
    pub(super) fn keep(&self, bals: &mut Bits, floor: u8, reach: &Reach<'_>) {
        let mut good = if self.rare.is_empty() { vec![0; self.all.len()] } else { self.rare.clone() };
        for known in reach.frequent().iter().filter(|known| known.grade >= floor) {
            known.bals.mark(&mut good);
        }
        for (kept, good) in bals.iter_mut().zip(good) {
            *kept &= good;
        }
    }
}
