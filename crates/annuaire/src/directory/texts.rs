//! Texts and rows of numbers, each kept once and told by its number.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// The number of nothing.
pub(super) const NONE: u32 = u32::MAX;

/// The place of a row in a table.
pub(super) fn at(number: u32) -> usize {
    number as usize
}

/// The number of a row; tables are kept shorter than 2³² rows.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

pub(super) fn hash_of<T: std::hash::Hash + ?Sized>(value: &T) -> u64 {
    FixedState::default().hash_one(value)
}

/// Texts one behind the other, told apart by where each ends. At most 4 GiB in all: what goes beyond is kept as "".
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    octets: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Texts from an image; none if the ends do not fit.
    pub(super) fn from_parts(octets: String, ends: Vec<u32>) -> Option<Self> {
        let ordered = ends.is_sorted() && ends.iter().all(|end| octets.is_char_boundary(at(*end)));
        let whole = ends.last().map_or(0, |end| at(*end)) == octets.len();
        (ordered && whole).then_some(Self { octets, ends })
    }

    pub(super) fn parts(&self) -> (&str, &[u32]) {
        (&self.octets, &self.ends)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of this number; "" if there is none.
    pub(super) fn get(&self, number: u32) -> &str {
        let Some(end) = self.ends.get(at(number)) else { return "" };
        let start = at(number).checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.octets.get(at(start)..at(*end)).unwrap_or("")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..number(self.len())).map(|number| self.get(number))
    }

    pub(super) fn push(&mut self, text: &str) -> u32 {
        if self.octets.len() + text.len() < at(NONE) {
            self.octets.push_str(text);
        }
        self.ends.push(number(self.octets.len()));
        number(self.ends.len() - 1)
    }

    /// The same texts in another order.
    pub(super) fn reordered(&self, order: &[u32]) -> Self {
        let mut texts =
            Self { octets: String::with_capacity(self.octets.len()), ends: Vec::with_capacity(order.len()) };
        for number in order {
            texts.push(self.get(*number));
        }
        texts
    }

    pub(super) fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Texts while they are collected: the same text gets the same number.
#[derive(Debug, Default, Clone)]
pub(super) struct TextSet {
    texts: Texts,
    seen: HashTable<u32>,
}

impl TextSet {
    pub(super) fn put(&mut self, text: &str) -> u32 {
        let Self { texts, seen } = self;
        let hash = hash_of(text);
        if let Some(known) = seen.find(hash, |number| texts.get(*number) == text) {
            return *known;
        }
        let new = texts.push(text);
        seen.insert_unique(hash, new, |number| hash_of(texts.get(*number)));
        new
    }

    pub(super) fn into_texts(mut self) -> Texts {
        self.texts.shrink();
        self.texts
    }
}

/// Rows of numbers while they are collected: the same row gets the same number.
#[derive(Debug, Clone)]
pub(super) struct RowSet<const N: usize> {
    rows: Vec<[u32; N]>,
    seen: HashTable<u32>,
}

impl<const N: usize> Default for RowSet<N> {
    fn default() -> Self {
        Self { rows: Vec::new(), seen: HashTable::new() }
    }
}

impl<const N: usize> RowSet<N> {
    pub(super) fn put(&mut self, row: [u32; N]) -> u32 {
        let Self { rows, seen } = self;
        let hash = hash_of(&row);
        if let Some(known) = seen.find(hash, |number| rows[at(*number)] == row) {
            return *known;
        }
        rows.push(row);
        let new = number(rows.len() - 1);
        seen.insert_unique(hash, new, |number| hash_of(&rows[at(*number)]));
        new
    }

    pub(super) fn into_rows(mut self) -> Vec<[u32; N]> {
        self.rows.shrink_to_fit();
        self.rows
    }
}
