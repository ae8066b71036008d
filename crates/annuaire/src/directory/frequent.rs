//! Words that many BALs have: which ones, worked out once. A query of such words need not go through the hundred thousand
//! structures of each.

use super::links::Links;
use super::tables::Tables;
use super::texts::{at, number};
use super::vocabulary::{Field, Occurrence, Vocabulary};

/// A word of a field is frequent if so many BALs have it.
pub(super) const FREQUENT: usize = 8_192;

/// Most octets of all lists together; the most frequent words come first.
const MOST_OCTETS: usize = 48 << 20;

/// The BALs of frequent words.
#[derive(Debug, Default)]
pub(super) struct Frequent {
    /// Word and field, sorted.
    keys: Vec<(u32, Field)>,
    bals: Vec<Bals>,
}

/// BALs, each once, in the order of names: one bit for each of the directory, or their numbers if that is less.
#[derive(Debug)]
pub(super) enum Bals {
    Bits {
        bits: Box<[u64]>,
        count: usize,
    },
    Numbers {
        numbers: Box<[u32]>,
        /// Where those of each block begin, and where the last ones end.
        starts: Box<[u32]>,
    },
}

/// BALs of a block, as a power of two: a number is looked for among those of its block only.
const BLOCK: u32 = 9;

impl Frequent {
    /// `frequent` is [`FREQUENT`], but for tests.
    pub(super) fn of(tables: &Tables, links: &Links, vocabulary: &Vocabulary, frequent: usize) -> Self {
        let mut found = candidates(tables, links, vocabulary, frequent);
        let total = tables.rows.len();
        let mut left = MOST_OCTETS;
        found.retain(|(count, ..)| {
            let needed = octets(*count, total);
            let fits = needed <= left;
            left -= if fits { needed } else { 0 };
            fits
        });
        found.sort_unstable_by_key(|(_, word, field)| (*word, *field));
        let mut bits = vec![0_u64; total.div_ceil(64)];
        let gathered = found.iter().map(|(_, word, field)| {
            bits.fill(0);
            for value in vocabulary.occurrences_in(*word, *field) {
                links.each_bal_of(*field, value, |bal| mark(&mut bits, bal));
            }
            Bals::of(&bits)
        });
        let bals = gathered.collect();
        Self { keys: found.into_iter().map(|(_, word, field)| (word, field)).collect(), bals }
    }

    /// The BALs that have this word in this field, if it is frequent there.
    pub(super) fn bals(&self, word: u32, field: Field) -> Option<&Bals> {
        self.bals.get(self.keys.binary_search(&(word, field)).ok()?)
    }
}

/// Words with their fields and about how many BALs have them there; those of most BALs first.
fn candidates(tables: &Tables, links: &Links, vocabulary: &Vocabulary, frequent: usize) -> Vec<(usize, u32, Field)> {
    let total = tables.rows.len();
    let mut found = Vec::new();
    for word in 0..number(vocabulary.len()) {
        for (field, occurrences) in vocabulary.by_field(word) {
            let values = occurrences.iter().map(|packed| Occurrence(*packed).value());
            let count: usize = values.map(|value| links.bals_of(field, value)).sum();
            if count >= frequent && count > 0 {
                found.push((count.min(total), word, field));
            }
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// What a list of `count` BALs of `total` takes.
fn octets(count: usize, total: usize) -> usize {
    (count * 4).min(total.div_ceil(64) * 8)
}

fn mark(bits: &mut [u64], bal: u32) {
    if let Some(word) = bits.get_mut(at(bal / 64)) {
        *word |= 1 << (bal % 64);
    }
}

impl Bals {
    fn of(bits: &[u64]) -> Self {
        let count = bits.iter().map(|word| word.count_ones() as usize).sum();
        let marked = Self::Bits { bits: bits.into(), count };
        if octets(count, bits.len() * 64) == bits.len() * 8 {
            return marked;
        }
        let mut numbers = Vec::with_capacity(count);
        marked.each(|bal| numbers.push(bal));
        let blocks = 0..=number(bits.len() * 64) >> BLOCK;
        let start = |block: u32| number(numbers.partition_point(|bal| bal >> BLOCK < block));
        let starts = blocks.map(start).chain([number(numbers.len())]).collect();
        Self::Numbers { numbers: numbers.into(), starts }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bits { count, .. } => *count,
            Self::Numbers { numbers, .. } => numbers.len(),
        }
    }

    pub(super) fn has(&self, bal: u32) -> bool {
        match self {
            Self::Bits { bits, .. } => bits.get(at(bal / 64)).is_some_and(|word| word >> (bal % 64) & 1 == 1),
            Self::Numbers { numbers, starts } => {
                let bound = |block: u32| starts.get(at(block)).map_or(numbers.len(), |start| at(*start));
                let block = bal >> BLOCK;
                numbers.get(bound(block)..bound(block + 1)).is_some_and(|some| some.contains(&bal))
            }
        }
    }

    /// Sets the bits of all of them.
    pub(super) fn mark(&self, to: &mut [u64]) {
        match self {
            Self::Numbers { numbers, .. } => numbers.iter().for_each(|bal| mark(to, *bal)),
            Self::Bits { bits, .. } => to.iter_mut().zip(bits).for_each(|(to, mine)| *to |= mine),
        }
    }

    /// Visits all of them, in their order.
    pub(super) fn each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Self::Numbers { numbers, .. } => numbers.iter().copied().for_each(visit),
            Self::Bits { bits, .. } => {
                for (word, start) in bits.iter().zip((0_u32..).step_by(64)) {
                    let mut left = *word;
                    while left != 0 {
                        visit(start + left.trailing_zeros());
                        left &= left - 1;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(numbers: &[u32], total: usize) -> Vec<u64> {
        let mut bits = vec![0; usize::div_ceil(total, 64)];
        for bal in numbers {
            mark(&mut bits, *bal);
        }
        bits
    }

    #[test]
    fn few_are_kept_as_numbers_and_many_as_bits_and_both_say_the_same() {
        let few = [0, 63, 64, 999];
        let many: Vec<u32> = (0..1000).filter(|bal| bal % 3 == 0).collect();
        for (numbers, is_bits) in [(&few[..], false), (&many[..], true)] {
            let bals = Bals::of(&bits(numbers, 1000));
            assert_eq!(matches!(bals, Bals::Bits { .. }), is_bits);
            let mut found = Vec::new();
            bals.each(|bal| found.push(bal));
            assert_eq!(found, numbers);
            assert_eq!(bals.len(), numbers.len());
            let mut marked = vec![0; 16];
            bals.mark(&mut marked);
            assert_eq!(marked, bits(numbers, 1000));
        }
    }
}
