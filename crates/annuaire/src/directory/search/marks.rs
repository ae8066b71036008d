//! Which BALs a word of a query is found in: an octet for each BAL of the directory. For words that are found in many:
//! going through their BALs one behind the other is quicker than asking of each BAL what it has.

use super::super::texts::{at, number};
use super::super::vocabulary::Occurrence;
use super::index::Index;
use super::reach::Reach;

/// The marks of a word.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The grade of each BAL; 0 if the word is not found in it.
    grades: Vec<u8>,
    /// How many are marked.
    marked: usize,
    /// How many values of the reach have been gone through.
    values: usize,
}

impl Marks {
    /// Marks the BALs of what has come to the reach of a word, about `most`.
    pub(super) fn add(&mut self, reach: &Reach, index: &Index<'_>, most: usize) {
        self.grades.resize(index.tables.rows.len(), 0);
        let mut visited = 0;
        for value in &reach.values()[self.values..] {
            if visited >= most {
                break;
            }
            visited += self.mark(*value, reach, index);
        }
        self.values = reach.values().len();
    }

    fn mark(&mut self, value: Occurrence, reach: &Reach, index: &Index<'_>) -> usize {
        let Some(field) = value.field() else { return 0 };
        let grade = reach.grade_of(field, value.value());
        let Self { grades, marked, .. } = self;
        let mut visited = 0;
        index.each_bal_of(field, value.value(), |bal| {
            visited += 1;
            if let Some(mark) = grades.get_mut(at(bal)) {
                *marked += usize::from(*mark == 0);
                *mark = grade.max(*mark);
            }
        });
        visited
    }

    pub(super) fn marked(&self) -> usize {
        self.marked
    }

    pub(super) fn grade(&self, bal: u32) -> u8 {
        self.grades.get(at(bal)).copied().unwrap_or(0)
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
