//! Words of a query, one behind the other, that are found one behind the other: `saint denis` in the name of a town.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::fold::{each_word, is_optional};
use super::super::texts::at;
use super::super::vocabulary::Field;
use super::index::Index;
use super::reach::Reach;
use super::words::{Mistakes, Word};

/// Values of a pair that are read before any BAL is compared; if more values have both words, they are read as their BALs
/// come up, and the best are soon found.
const MOST_READ_BEFORE: usize = 1_000;
/// If so few BALs are compared, values are read as they come up as well.
const FEW: usize = 30_000;
/// Values that are read for a query as their BALs come up.
const MOST_READ: usize = 20_000;

/// The pairs of a query.
#[derive(Debug)]
pub(super) struct Phrases<'a> {
    pairs: Vec<Pair<'a>>,
    left: Cell<usize>,
    is_exceeded: Cell<bool>,
}

#[derive(Debug)]
struct Pair<'a> {
    words: [&'a Word; 2],
    /// Whether they may be mistyped.
    mistakes: Mistakes,
    bals: Bals,
}

/// The BALs that have a value in which the words stand together.
#[derive(Debug)]
enum Bals {
    None,
    /// One bit for each of the directory.
    Known(Vec<u64>),
    /// Those of values of these fields, which are looked at when they come up: what was found out of each.
    Many(Vec<Field>, RefCell<HashMap<(u8, u32), bool, FixedState>>),
}

impl<'a> Phrases<'a> {
    /// `reaches` are those of the words.
    pub(super) fn of(words: &'a [Word], mistakes: Mistakes, reaches: &[Reach<'_>], index: &Index<'_>) -> Self {
        let candidates = reaches.iter().map(Reach::bals).min().unwrap_or(0);
        let pairs = words.windows(2).zip(reaches.windows(2)).map(|(words, reaches)| {
            let words = [&words[0], &words[1]];
            let mut pair = Pair { words, mistakes, bals: Bals::None };
            pair.bals = pair.bals_of(reaches, index, candidates);
            pair
        });
        Self { pairs: pairs.collect(), left: Cell::new(MOST_READ), is_exceeded: Cell::new(false) }
    }

    /// How many pairs may be found together.
    pub(super) fn most(&self) -> u32 {
        self.pairs.iter().map(|pair| u32::from(pair.bals.may_be())).sum()
    }

    /// Whether the word of this number and the next one may stand one behind the other in a value of any BAL.
    pub(super) fn may_be_in(&self, first: usize) -> bool {
        self.pairs.get(first).is_some_and(|pair| pair.bals.may_be())
    }

    /// Whether the word of this number and the next one stand one behind the other in a value of the BAL.
    pub(super) fn is_in(&self, first: usize, bal: u32, reaches: &[Reach<'_>], index: &Index<'_>) -> bool {
        let (Some(pair), Some([a, b])) = (self.pairs.get(first), reaches.get(first..first + 2)) else { return false };
        match &pair.bals {
            Bals::None => false,
            Bals::Known(bits) => bits.get(at(bal / 64)).is_some_and(|word| word >> (bal % 64) & 1 == 1),
            Bals::Many(fields, _) if fields.is_empty() => false,
            Bals::Many(fields, known) => {
                let mut found = false;
                index.each_value_of(bal, |field, value| {
                    found = found
                        || fields.contains(&field)
                            && a.may_be_in(field, value, bal)
                            && b.may_be_in(field, value, bal)
                            && self.look_up(pair, known, field, value, index);
                });
                found
            }
        }
    }

    /// Whether there were more values than are read.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn look_up(
        &self,
        pair: &Pair<'_>,
        known: &RefCell<HashMap<(u8, u32), bool, FixedState>>,
        field: Field,
        value: u32,
        index: &Index<'_>,
    ) -> bool {
        let key = (field as u8, value);
        if let Some(known) = known.borrow().get(&key) {
            return *known;
        }
        let left = self.left.get();
        if left == 0 {
            self.is_exceeded.set(true);
            return false;
        }
        self.left.set(left - 1);
        let found = index.texts_of(field, value).any(|text| pair.stands_in(text));
        known.borrow_mut().insert(key, found);
        found
    }
}

impl Bals {
    fn may_be(&self) -> bool {
        match self {
            Self::None => false,
            Self::Known(_) => true,
            Self::Many(fields, _) => !fields.is_empty(),
        }
    }
}

impl Pair<'_> {
    fn bals_of(&self, reaches: &[Reach<'_>], index: &Index<'_>, candidates: usize) -> Bals {
        let [a, b] = reaches else { return Bals::None };
        let in_both = |field: &Field| has_texts(*field) && reaches.iter().all(|reach| reach.is_in_field(*field));
        let many = || Bals::Many(Field::ALL.into_iter().filter(in_both).collect(), RefCell::default());
        if candidates <= FEW {
            return many();
        }
        let mut both = Vec::new();
        for field in Field::ALL.into_iter().filter(|field| has_texts(*field)) {
            a.common_values(b, field, index, MOST_READ_BEFORE + 1 - both.len(), &mut both);
        }
        if both.len() > MOST_READ_BEFORE {
            return many();
        }
        both.retain(|(field, value)| index.texts_of(*field, *value).any(|text| self.stands_in(text)));
        if both.is_empty() {
            return Bals::None;
        }
        let mut bits = vec![0_u64; index.tables.rows.len().div_ceil(64)];
        for (field, value) in both {
            index.each_bal_of(field, value, |bal| {
                if let Some(word) = bits.get_mut(at(bal / 64)) {
                    *word |= 1 << (bal % 64);
                }
            });
        }
        Bals::Known(bits)
    }

    /// Articles between the words do not count: `hay roses` stands in `L'Haÿ-les-Roses`.
    fn stands_in(&self, text: &str) -> bool {
        let [first, second] = self.words;
        let (mut follows, mut found) = (false, false);
        each_word(text, &mut String::new(), |word| {
            found |= follows && second.is_meant_by(word, self.mistakes);
            follows = first.is_meant_by(word, self.mistakes) || (follows && is_optional(word));
        });
        found
    }
}

/// Whether its values are texts that people name, word by word. Domains are not: they have no order that says anything.
fn has_texts(field: Field) -> bool {
    !matches!(field, Field::Domain | Field::Local)
}
