//! Words of a query, one behind the other, that are found one behind the other: `saint denis` in the name of a town.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::fold::{each_word, is_optional};
use super::super::vocabulary::Field;
use super::index::Index;
use super::reach::Reach;
use super::words::Word;

/// Texts that are read for a query. Names of structures that many have are read once.
const MOST_TEXTS: usize = 20_000;

/// The pairs of a query.
#[derive(Debug)]
pub(super) struct Phrases<'a> {
    pairs: Vec<Pair<'a>>,
    texts_left: Cell<usize>,
    is_exceeded: Cell<bool>,
}

#[derive(Debug)]
struct Pair<'a> {
    words: [&'a Word; 2],
    /// In which both words are found at all.
    fields: Vec<Field>,
    /// What was found out of each value.
    known: RefCell<HashMap<(u8, u32), bool, FixedState>>,
}

impl<'a> Phrases<'a> {
    /// `reaches` are those of the words.
    pub(super) fn of(words: &'a [Word], reaches: &[Reach<'_>]) -> Self {
        let pairs = words.windows(2).zip(reaches.windows(2)).map(|(words, reaches)| Pair {
            words: [&words[0], &words[1]],
            fields: Field::ALL
                .into_iter()
                .filter(|field| has_texts(*field) && reaches.iter().all(|reach| reach.is_in_field(*field)))
                .collect(),
            known: RefCell::default(),
        });
        Self { pairs: pairs.collect(), texts_left: Cell::new(MOST_TEXTS), is_exceeded: Cell::new(false) }
    }

    /// How many pairs may be found together.
    pub(super) fn most(&self) -> u32 {
        self.pairs.iter().map(|pair| u32::from(!pair.fields.is_empty())).sum()
    }

    /// Whether the word of this number and the next one stand one behind the other in a value of the BAL.
    pub(super) fn is_in(&self, first: usize, bal: u32, reaches: &[Reach<'_>], index: &Index<'_>) -> bool {
        let (Some(pair), Some([a, b])) = (self.pairs.get(first), reaches.get(first..first + 2)) else { return false };
        if pair.fields.is_empty() {
            return false;
        }
        let mut found = false;
        index.each_value_of(bal, |field, value| {
            found = found
                || pair.fields.contains(&field)
                    && a.may_be_in(field, value, bal)
                    && b.may_be_in(field, value, bal)
                    && self.has(pair, field, value, index);
        });
        found
    }

    /// Whether there were more texts than are read.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn has(&self, pair: &Pair<'_>, field: Field, value: u32, index: &Index<'_>) -> bool {
        let key = (field as u8, value);
        if let Some(known) = pair.known.borrow().get(&key) {
            return *known;
        }
        let left = self.texts_left.get();
        if left == 0 {
            self.is_exceeded.set(true);
            return false;
        }
        self.texts_left.set(left - 1);
        let found = index.texts_of(field, value).any(|text| pair.stands_in(text));
        pair.known.borrow_mut().insert(key, found);
        found
    }
}

impl Pair<'_> {
    /// Articles between the words do not count: `hay roses` stands in `L'Haÿ-les-Roses`.
    fn stands_in(&self, text: &str) -> bool {
        let [first, second] = self.words;
        let (mut follows, mut found) = (false, false);
        each_word(text, &mut String::new(), |word| {
            found |= follows && second.is_meant_by(word);
            let is_first = first.is_meant_by(word);
            follows = is_first || (follows && is_optional(word));
        });
        found
    }
}

/// Whether its values are texts that people name, word by word. Domains are not: they have no order that says anything.
fn has_texts(field: Field) -> bool {
    !matches!(field, Field::Domain | Field::Local)
}
