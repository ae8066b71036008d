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
    /// The same by how well they have it, the best first. A BAL may be in several.
    levels: Vec<Level>,
    /// How many values of the reach have been gone through.
    values: usize,
}

/// The BALs that have a word with a grade.
#[derive(Debug)]
struct Level {
    grade: u8,
    bals: Bits,
}

impl Marks {
    /// Marks the BALs of what has come to the reach of a word; of values that few have, about as many as `most`.
    /// Tells whether these were all.
    pub(super) fn add(&mut self, reach: &Reach<'_>, index: &Index<'_>, most: usize) -> bool {
        self.all.resize(index.tables.rows.len().div_ceil(64), 0);
        let were_all = self.add_values(reach, index, most);
        for known in reach.frequent() {
            known.bals.mark(self.level(known.grade));
        }
        for level in &self.levels {
            self.all.iter_mut().zip(&level.bals).for_each(|(all, level)| *all |= *level);
        }
        were_all
    }

    fn add_values(&mut self, reach: &Reach<'_>, index: &Index<'_>, most: usize) -> bool {
        let new = &reach.values()[self.values..];
        self.values = reach.values().len();
        let mut visited = 0;
        for value in new {
            if visited >= most {
                return false;
            }
            let Some(field) = value.field() else { continue };
            let level = self.level(reach.grade_of(field, value.value()));
            index.each_bal_of(field, value.value(), |bal| {
                visited += 1;
                if let Some(word) = level.get_mut(at(bal / 64)) {
                    *word |= 1 << (bal % 64);
                }
            });
        }
        true
    }

    fn level(&mut self, grade: u8) -> &mut Bits {
        let place = self.levels.partition_point(|level| level.grade > grade);
        if self.levels.get(place).is_none_or(|level| level.grade != grade) {
            self.levels.insert(place, Level { grade, bals: vec![0; self.all.len()] });
        }
        &mut self.levels[place].bals
    }

    /// The BALs that have the word.
    pub(super) fn all(&self) -> &Bits {
        &self.all
    }

    /// How well a BAL has the word; 0 if it has not.
    pub(super) fn grade(&self, bal: u32) -> u8 {
        let has = |level: &&Level| level.bals.get(at(bal / 64)).is_some_and(|word| word >> (bal % 64) & 1 == 1);
        self.levels.iter().find(has).map_or(0, |level| level.grade)
    }

    /// Those of `bals` that have the word as well as any of them has it; none if these are more than `most`.
    pub(super) fn best_of(&self, bals: &Bits, most: usize) -> Vec<u32> {
        let both = |level: &Level| -> Bits { level.bals.iter().zip(bals).map(|(a, b)| a & b).collect() };
        let count = |bits: &Bits| bits.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        let best = self.levels.iter().map(both).find(|bits| bits.iter().any(|word| *word != 0)).unwrap_or_default();
        if count(&best) > most { Vec::new() } else { numbers(&best) }
    }

    /// Takes those out of `bals` that have the word with a lesser grade.
    pub(super) fn keep(&self, bals: &mut Bits, floor: u8) {
        let good: Vec<&Bits> =
            self.levels.iter().take_while(|level| level.grade >= floor).map(|level| &level.bals).collect();
        for (place, kept) in bals.iter_mut().enumerate().filter(|(_, kept)| **kept != 0) {
            *kept &= good.iter().fold(0, |all, level| all | level[place]);
        }
    }
}

/// The numbers of the bits that are set.
fn numbers(bits: &Bits) -> Vec<u32> {
    let mut numbers = Vec::new();
    for (word, start) in bits.iter().zip((0_u32..).step_by(64)) {
        let mut left = *word;
        while left != 0 {
            numbers.push(start + left.trailing_zeros());
            left &= left - 1;
        }
    }
    numbers
}
