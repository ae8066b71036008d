//! Which BALs a word of a query is found in: an octet for each BAL of the directory.

use super::super::texts::{at, number};
use super::super::vocabulary::{Field, Occurrence};
use super::index::Index;
use super::score::Grades;
use super::words::{Fit, Mistakes, Word};

/// How much marking is left to a query, about in nanoseconds. What would take longer (beginnings of two letters, many
/// common words) is marked in part, the best fits first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(pub(super) usize);

/// What it costs to go to the BALs of a value, and to mark one.
const VALUE: usize = 4;

/// The marks of a word.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The grade of each BAL; 0 if the word is not found in it.
    grades: Vec<u8>,
    /// How many are marked.
    marked: usize,
    best: u8,
}

impl Marks {
    /// Marks what a word is found in as it is, or, in addition, mistyped.
    pub(super) fn mark(
        &mut self,
        word: &Word,
        mistakes: Mistakes,
        index: &Index<'_>,
        grades: &Grades,
        budget: &mut Budget,
    ) {
        word.each(index.vocabulary, mistakes, &mut |occurrence, fit| {
            if let Some(field) = occurrence.field().filter(|_| budget.0 > 0) {
                let cost = self.mark_value(field, occurrence.value(), grades.grade(field, fit), index);
                budget.0 = budget.0.saturating_sub(cost);
            }
        });
    }

    /// Marks where a word that may be missing would matter: in names of people, teams and places.
    pub(super) fn mark_optional(&mut self, word: &Word, index: &Index<'_>, grades: &Grades) {
        word.each_whole(index.vocabulary, &mut |occurrence: Occurrence, _| {
            if let Some(field @ (Field::Family | Field::Given | Field::Service | Field::Place)) = occurrence.field() {
                self.mark_value(field, occurrence.value(), grades.grade(field, Fit::Whole), index);
            }
        });
    }

    fn mark_value(&mut self, field: Field, value: u32, grade: u8, index: &Index<'_>) -> usize {
        if self.grades.is_empty() {
            self.grades = vec![0; index.tables.rows.len()];
        }
        let Self { grades, marked, best } = self;
        *best = grade.max(*best);
        let mut visited = 0;
        index.each_bal_of(field, value, |bal| {
            visited += 1;
            if let Some(mark) = grades.get_mut(at(bal)) {
                *marked += usize::from(*mark == 0);
                *mark = grade.max(*mark);
            }
        });
        VALUE + visited
    }

    pub(super) fn marked(&self) -> usize {
        self.marked
    }

    pub(super) fn grade(&self, bal: u32) -> u8 {
        self.grades.get(at(bal)).copied().unwrap_or(0)
    }

    /// The best grade.
    pub(super) fn best(&self) -> u8 {
        self.best
    }

    /// Visits all BALs that are marked and some that are not, with their grades.
    pub(super) fn each_bal(&self, mut visit: impl FnMut(u32, u8)) {
        let (eights, rest) = self.grades.as_chunks::<8>();
        for (eight, start) in eights.iter().zip((0..).step_by(8)) {
            if u64::from_ne_bytes(*eight) != 0 {
                for (grade, place) in eight.iter().zip(start..) {
                    visit(place, *grade);
                }
            }
        }
        for (grade, place) in rest.iter().zip(number(eights.len() * 8)..) {
            visit(place, *grade);
        }
    }
}
