//! What a word of a query is found in: values of fields.

use super::super::texts::at;
use super::super::vocabulary::{Field, Occurrence};
use super::index::Index;
use super::score::Grades;
use super::words::{Fit, Mistakes, Word};

/// What a word is found in.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By field, the grade of each value; 0 if the word is not found in it, empty if it is in none.
    grades: [Vec<u8>; Field::ALL.len()],
    /// The values, the best fits first.
    values: Vec<Occurrence>,
    /// The BALs of all values, those counted twice that have two of them.
    bals: usize,
    best: u8,
}

impl Reach {
    /// Adds what a word is found in as it is, or mistyped, until `budget` values have been looked at.
    pub(super) fn add(
        &mut self,
        word: &Word,
        mistakes: Mistakes,
        index: &Index<'_>,
        grades: &Grades,
        budget: &mut usize,
    ) {
        word.each(index.vocabulary, mistakes, &mut |occurrence, fit| {
            if *budget > 0 {
                *budget -= 1;
                self.take(occurrence, fit, index, grades);
            }
        });
    }

    /// What a word is found in that may be missing: it matters in names of people, teams and places only.
    pub(super) fn of_optional(word: &Word, index: &Index<'_>, grades: &Grades) -> Self {
        let mut reach = Self::default();
        word.each_whole(index.vocabulary, &mut |occurrence, fit| {
            if let Some(Field::Family | Field::Given | Field::Service | Field::Place) = occurrence.field() {
                reach.take(occurrence, fit, index, grades);
            }
        });
        reach
    }

    fn take(&mut self, occurrence: Occurrence, fit: Fit, index: &Index<'_>, grades: &Grades) {
        let Some(field) = occurrence.field() else { return };
        let known = &mut self.grades[field as usize];
        if known.is_empty() {
            *known = vec![0; index.tables.values_of(field)];
        }
        if let Some(grade @ 0) = known.get_mut(at(occurrence.value())) {
            *grade = grades.grade(field, fit);
            self.best = self.best.max(*grade);
            self.bals += index.bals_of(field, occurrence.value());
            self.values.push(occurrence);
        }
    }

    pub(super) fn values(&self) -> &[Occurrence] {
        &self.values
    }

    pub(super) fn bals(&self) -> usize {
        self.bals
    }

    /// The best grade of a value.
    pub(super) fn best(&self) -> u8 {
        self.best
    }

    /// The grade of a value.
    pub(super) fn grade_of(&self, field: Field, value: u32) -> u8 {
        self.grades[field as usize].get(at(value)).copied().unwrap_or(0)
    }

    /// The best grade of what a BAL has.
    pub(super) fn grade(&self, bal: u32, index: &Index<'_>) -> u8 {
        let mut best = 0;
        index.each_value_of(bal, |field, value| best = self.grade_of(field, value).max(best));
        best
    }

    /// Visits the BALs of all values, each once.
    pub(super) fn each_bal(&self, index: &Index<'_>, mut visit: impl FnMut(u32)) {
        let mut visited = vec![0_u64; index.tables.rows.len().div_ceil(64)];
        for value in &self.values {
            let Some(field) = value.field() else { continue };
            index.each_bal_of(field, value.value(), |bal| {
                let bit = 1 << (bal % 64);
                if let Some(known) = visited.get_mut(at(bal / 64)).filter(|known| **known & bit == 0) {
                    *known |= bit;
                    visit(bal);
                }
            });
        }
    }
}
