//! What a word of a query is found in: values of fields.

use super::super::frequent::Bals;
use super::super::texts::at;
use super::super::vocabulary::{Field, Occurrence};
use super::index::Index;
use super::score::Grades;
use super::words::{Finding, Fit, Mistakes, Word};

/// Values that are taken of a word that may be missing.
const MOST_OPTIONAL_VALUES: usize = 50_000;

/// How much may still be looked at, and whether there was more.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    is_exceeded: bool,
}

impl Budget {
    pub(super) fn of(left: usize) -> Self {
        Self { left, is_exceeded: false }
    }

    /// Whether one more may be looked at.
    pub(super) fn spend(&mut self) -> bool {
        self.is_exceeded |= self.left == 0;
        let spent = self.left > 0;
        self.left = self.left.saturating_sub(1);
        spent
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }
}

/// Values of a field that many BALs have.
#[derive(Debug)]
pub(super) struct Frequent<'a> {
    pub(super) field: Field,
    pub(super) grade: u8,
    pub(super) bals: &'a Bals,
    /// As they are packed.
    values: &'a [u32],
}

/// What a word is found in.
#[derive(Debug, Default)]
pub(super) struct Reach<'a> {
    /// By field, the grade of each value; 0 if the word is not found in it, empty if it is in none.
    grades: [Vec<u8>; Field::ALL.len()],
    /// The values, the best fits first.
    values: Vec<Occurrence>,
    /// The best grade of these.
    best_of_values: u8,
    /// Values that many BALs have, the best grades first.
    frequent: Vec<Frequent<'a>>,
    /// The BALs of all values, those counted twice that have two of them.
    bals: usize,
    best: u8,
}

impl<'a> Reach<'a> {
    /// Adds what a word is found in as it is, or mistyped, until `budget` values have been looked at.
    pub(super) fn add(
        &mut self,
        word: &Word,
        mistakes: Mistakes,
        index: &Index<'a>,
        grades: &Grades,
        budget: &mut Budget,
    ) {
        word.each(index, mistakes, &mut |finding, fit| {
            if budget.spend() {
                self.take(finding, fit, index, grades);
            }
        });
    }

    /// What a word is found in that may be missing: it matters in names of people, teams and places only.
    pub(super) fn of_optional(word: &Word, index: &Index<'a>, grades: &Grades) -> Self {
        let mut reach = Self::default();
        let mut budget = Budget::of(MOST_OPTIONAL_VALUES);
        word.each_whole(index, &mut |finding, fit| {
            let field = match finding {
                Finding::Value(occurrence) => occurrence.field(),
                Finding::Frequent(field, ..) => Some(field),
            };
            if let Some(Field::Family | Field::Given | Field::Service | Field::Place) = field
                && budget.spend()
            {
                reach.take(finding, fit, index, grades);
            }
        });
        reach
    }

    fn take(&mut self, finding: Finding<'a>, fit: Fit, index: &Index<'_>, grades: &Grades) {
        match finding {
            Finding::Value(occurrence) => self.take_value(occurrence, fit, index, grades),
            Finding::Frequent(field, bals, values) => {
                self.take_frequent(Frequent { field, grade: grades.grade(field, fit), bals, values });
            }
        }
    }

    fn take_value(&mut self, occurrence: Occurrence, fit: Fit, index: &Index<'_>, grades: &Grades) {
        let Some(field) = occurrence.field() else { return };
        let known = &mut self.grades[field as usize];
        if known.is_empty() {
            *known = vec![0; index.tables.values_of(field)];
        }
        if let Some(grade @ 0) = known.get_mut(at(occurrence.value())) {
            *grade = grades.grade(field, fit);
            self.best = self.best.max(*grade);
            self.best_of_values = self.best_of_values.max(*grade);
            self.bals += index.bals_of(field, occurrence.value());
            self.values.push(occurrence);
        }
    }

    fn take_frequent(&mut self, new: Frequent<'a>) {
        if self.frequent.iter().any(|known| std::ptr::eq(known.bals, new.bals)) {
            return;
        }
        self.best = self.best.max(new.grade);
        self.bals += new.bals.len();
        let place = self.frequent.partition_point(|known| known.grade >= new.grade);
        self.frequent.insert(place, new);
    }

    /// The BALs of values that many have, with their grades.
    pub(super) fn frequent(&self) -> &[Frequent<'a>] {
        &self.frequent
    }

    /// How much it is found in.
    pub(super) fn len(&self) -> usize {
        self.values.len() + self.frequent.len()
    }

    /// Whether a BAL has the word in one of its values of this field; `value` is one that is asked about.
    pub(super) fn may_be_in(&self, field: Field, value: u32, bal: u32) -> bool {
        self.grade_of(field, value) > 0 || self.frequent.iter().any(|known| known.field == field && known.bals.has(bal))
    }

    /// Adds the values of a field in which this word and the other one are found, at most `most`.
    pub(super) fn common_values(
        &self,
        other: &Self,
        field: Field,
        index: &Index<'_>,
        most: usize,
        common: &mut Vec<(Field, u32)>,
    ) {
        if !self.is_in_field(field) || !other.is_in_field(field) {
            return;
        }
        let mut has = vec![0_u64; index.tables.values_of(field).div_ceil(64)];
        self.each_value_in(field, |value| {
            if let Some(word) = has.get_mut(at(value / 64)) {
                *word |= 1 << (value % 64);
            }
        });
        let end = common.len() + most;
        other.each_value_in(field, |value| {
            // Each once: several words of the directory may stand for one of the query.
            if let Some(word) = has.get_mut(at(value / 64)).filter(|word| **word >> (value % 64) & 1 == 1)
                && common.len() < end
            {
                *word &= !(1 << (value % 64));
                common.push((field, value));
            }
        });
    }

    fn each_value_in(&self, field: Field, mut visit: impl FnMut(u32)) {
        if !self.grades[field as usize].is_empty() {
            let values = self.values.iter().filter(|value| value.field() == Some(field));
            values.for_each(|value| visit(value.value()));
        }
        let packed = self.frequent.iter().filter(|known| known.field == field).flat_map(|known| known.values);
        packed.for_each(|packed| visit(Occurrence(*packed).value()));
    }

    /// Whether the word is found in any value of this field.
    pub(super) fn is_in_field(&self, field: Field) -> bool {
        !self.grades[field as usize].is_empty() || self.frequent.iter().any(|known| known.field == field)
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

    /// The best grade of what a BAL has of the values that many have.
    pub(super) fn frequent_grade(&self, bal: u32) -> u8 {
        self.frequent.iter().find(|known| known.bals.has(bal)).map_or(0, |known| known.grade)
    }

    /// The BALs of values that few have, those counted twice that have two of them.
    pub(super) fn rare_bals(&self) -> usize {
        self.bals - self.frequent.iter().map(|known| known.bals.len()).sum::<usize>()
    }

    /// The best grade of what a BAL has.
    pub(super) fn grade(&self, bal: u32, index: &Index<'_>) -> u8 {
        let mut best = self.frequent_grade(bal);
        if best < self.best_of_values {
            index.each_value_of(bal, |field, value| best = self.grade_of(field, value).max(best));
        }
        best
    }

    /// Visits the BALs of all values, each once.
    pub(super) fn each_bal(&self, index: &Index<'_>, mut visit: impl FnMut(u32)) {
        let mut visited = vec![0_u64; index.tables.rows.len().div_ceil(64)];
        let mut visit_once = |bal: u32| {
            let bit = 1 << (bal % 64);
            if let Some(known) = visited.get_mut(at(bal / 64)).filter(|known| **known & bit == 0) {
                *known |= bit;
                visit(bal);
            }
        };
        for known in &self.frequent {
            known.bals.each(&mut visit_once);
        }
        for value in &self.values {
            let Some(field) = value.field() else { continue };
            index.each_bal_of(field, value.value(), &mut visit_once);
        }
    }
}
