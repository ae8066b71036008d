//! Which BALs a word of a query is found in: an octet for each BAL of the directory. For words that are found in many:
//! going through their BALs one behind the other is quicker than asking of each BAL what it has.

use std::ops::ControlFlow;

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
    /// The same of its frequent ones.
    frequent: usize,
}

impl Marks {
    /// Marks the BALs of what has come to the reach of a word; of values that few have, about as many as `most`.
    /// Tells whether these were all.
    pub(super) fn add(&mut self, reach: &Reach<'_>, index: &Index<'_>, most: usize) -> bool {
        self.grades.resize(index.tables.rows.len(), 0);
        for known in &reach.frequent()[self.frequent..] {
            known.bals.each(|bal| self.mark(bal, known.grade));
        }
        self.frequent = reach.frequent().len();
        let mut visited = 0;
        let mut were_all = true;
        for value in &reach.values()[self.values..] {
            if visited >= most {
                were_all = false;
                break;
            }
            visited += self.mark_value(*value, reach, index);
        }
        self.values = reach.values().len();
        were_all
    }

    fn mark_value(&mut self, value: Occurrence, reach: &Reach<'_>, index: &Index<'_>) -> usize {
        let Some(field) = value.field() else { return 0 };
        let grade = reach.grade_of(field, value.value());
        let mut visited = 0;
        index.each_bal_of(field, value.value(), |bal| {
            visited += 1;
            self.mark(bal, grade);
        });
        visited
    }

    fn mark(&mut self, bal: u32, grade: u8) {
        if let Some(mark) = self.grades.get_mut(at(bal)) {
            self.marked += usize::from(*mark == 0);
            *mark = grade.max(*mark);
        }
    }

    pub(super) fn marked(&self) -> usize {
        self.marked
    }

    pub(super) fn grade(&self, bal: u32) -> u8 {
        self.grades.get(at(bal)).copied().unwrap_or(0)
    }

    /// Visits all BALs that are marked, with their grades, in their order, until it is told to end.
    pub(super) fn each_bal(&self, mut visit: impl FnMut(u32, u8) -> ControlFlow<()>) {
        let (eights, rest) = self.grades.as_chunks::<8>();
        let rest_start = number(eights.len() * 8);
        let eights = eights.iter().map(<[u8; 8]>::as_slice).zip((0_u32..).step_by(8));
        for (some, start) in eights.chain(std::iter::once((rest, rest_start))) {
            if some.iter().all(|grade| *grade == 0) {
                continue;
            }
            for (grade, place) in some.iter().zip(start..) {
                if *grade > 0 && visit(place, *grade).is_break() {
                    return;
                }
            }
        }
    }
}
