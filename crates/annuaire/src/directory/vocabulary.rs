//! All words of a directory, and where each occurs.

use std::ops::Range;

use super::texts::{NONE, TextSet, Texts, at, number};
use super::typo::{Distance, Pattern};

/// What a word occurs in, from what says most of a BAL to what says least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Family,
    Given,
    Service,
    Structure,
    Place,
    Trade,
    Domain,
    Local,
}

impl Field {
    pub(super) const ALL: [Self; 8] = [
        Self::Family,
        Self::Given,
        Self::Service,
        Self::Structure,
        Self::Place,
        Self::Trade,
        Self::Domain,
        Self::Local,
    ];
}

/// A value of a field in which a word occurs: the field in the four highest bits, the number of the value in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occurrence(pub(super) u32);

impl Occurrence {
    const VALUE: u32 = (1 << 28) - 1;

    /// None for numbers that are too large to be told.
    pub(super) fn new(field: Field, value: u32) -> Option<Self> {
        (value < Self::VALUE).then_some(Self((field as u32) << 28 | value))
    }

    pub(super) fn field(self) -> Option<Field> {
        Field::ALL.get(at(self.0 >> 28)).copied()
    }

    pub(super) fn value(self) -> u32 {
        self.0 & Self::VALUE
    }
}

/// The words, sorted, so that those with the same beginning are neighbours and their occurrences as well.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    words: Texts,
    /// Where the occurrences of each word begin, and where the last ones end.
    starts: Vec<u32>,
    occurrences: Vec<u32>,
    lengths: Lengths,
}

/// The words by their lengths with the letters that they have: what a search for mistyped words passes through.
#[derive(Debug, Default)]
struct Lengths {
    /// Words of `n` octets are at `starts[n]..starts[n + 1]`.
    starts: Vec<u32>,
    words: Vec<u32>,
    letters: Vec<u32>,
}

/// Most octets of a word with a place in [`Lengths`].
const LONGEST: usize = 63;

impl Vocabulary {
    /// From an image; none if it does not fit together.
    pub(super) fn from_parts(words: Texts, starts: Vec<u32>, occurrences: Vec<u32>) -> Option<Self> {
        let fits = starts.is_sorted()
            && starts.len() == words.len() + 1
            && starts.last().map(|end| at(*end)) == Some(occurrences.len());
        fits.then(|| Self { lengths: Lengths::of(&words), words, starts, occurrences })
    }

    pub(super) fn parts(&self) -> (&Texts, &[u32], &[u32]) {
        (&self.words, &self.starts, &self.occurrences)
    }

    /// The number of a word.
    pub(super) fn find(&self, word: &str) -> Option<u32> {
        let place = self.before(|known| known < word);
        (self.words.get(place) == word && at(place) < self.words.len()).then_some(place)
    }

    /// The words that begin so.
    pub(super) fn beginning_with(&self, start: &str) -> Range<u32> {
        let first = self.before(|known| known < start);
        let end = self.before(|known| known < start || known.starts_with(start));
        first..end
    }

    pub(super) fn word(&self, word: u32) -> &str {
        self.words.get(word)
    }

    pub(super) fn occurrences(&self, word: u32) -> impl ExactSizeIterator<Item = Occurrence> {
        self.packed(word).iter().map(|packed| Occurrence(*packed))
    }

    fn packed(&self, word: u32) -> &[u32] {
        let bound = |place: u32| self.starts.get(at(place)).map_or(0, |start| at(*start));
        self.occurrences.get(bound(word)..bound(word.saturating_add(1))).unwrap_or(&[])
    }

    /// The occurrences of a word, field by field, as they are packed.
    pub(super) fn by_field(&self, word: u32) -> impl Iterator<Item = (Field, &[u32])> {
        let mut left = self.packed(word);
        std::iter::from_fn(move || {
            let field = Occurrence(*left.first()?).field()?;
            let here = left.partition_point(|packed| packed >> 28 <= field as u32);
            let (of_field, others) = left.split_at(here);
            left = others;
            Some((field, of_field))
        })
    }

    /// The values of a field in which a word occurs.
    pub(super) fn occurrences_in(&self, word: u32, field: Field) -> impl Iterator<Item = u32> {
        let of_field = self.by_field(word).find(|(known, _)| *known == field).map_or(&[][..], |(_, found)| found);
        of_field.iter().map(|packed| Occurrence(*packed).value())
    }

    /// How many words.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// How many occurrences neighbouring words have.
    pub(super) fn count_occurrences(&self, words: &Range<u32>) -> usize {
        let bound = |place: u32| self.starts.get(at(place)).map_or(0, |start| at(*start));
        bound(words.end).saturating_sub(bound(words.start))
    }

    /// The words that may have been meant, the nearest first, of these the most frequent first; at most `most`.
    pub(super) fn similar(&self, word: &str, distance: Distance, most: usize) -> Vec<(u32, Distance)> {
        let pattern = Pattern::new(word);
        let slack = distance.edits();
        let mut found = Vec::new();
        for length in word.len().saturating_sub(slack)..=(word.len() + slack).min(LONGEST) {
            let (words, letters) = self.lengths.of_length(length);
            for (candidate, letters) in words.iter().zip(letters) {
                if !pattern.may_be(*letters, distance) {
                    continue;
                }
                if let Some(edits) = pattern.distance(self.words.get(*candidate), distance) {
                    found.push((edits, std::cmp::Reverse(self.occurrences(*candidate).len()), *candidate));
                }
            }
        }
        found.sort_unstable();
        found.truncate(most);
        found.into_iter().map(|(edits, _, word)| (word, edits)).collect()
    }

    fn before(&self, is_before: impl Fn(&str) -> bool) -> u32 {
        let (mut low, mut high) = (0, number(self.words.len()));
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.words.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Lengths {
    fn of(words: &Texts) -> Self {
        let with_length = || words.iter().zip(0_u32..).filter(|(word, _)| word.len() <= LONGEST);
        let mut starts = vec![0_u32; LONGEST + 2];
        for (word, _) in with_length() {
            starts[word.len() + 1] += 1;
        }
        for length in 1..starts.len() {
            starts[length] += starts[length - 1];
        }
        let mut next = starts.clone();
        let total = starts.last().map_or(0, |end| at(*end));
        let mut lengths = Self { starts, words: vec![0; total], letters: vec![0; total] };
        for (word, number) in with_length() {
            let place = at(next[word.len()]);
            lengths.words[place] = number;
            lengths.letters[place] = super::typo::letters(word);
            next[word.len()] += 1;
        }
        lengths
    }

    fn of_length(&self, length: usize) -> (&[u32], &[u32]) {
        let bound = |place: usize| self.starts.get(place).map_or(0, |start| at(*start));
        let range = bound(length)..bound(length + 1);
        (self.words.get(range.clone()).unwrap_or(&[]), self.letters.get(range).unwrap_or(&[]))
    }
}

/// A vocabulary while its words are collected.
#[derive(Debug, Default)]
pub(super) struct Collector {
    words: TextSet,
    /// Number of the word in the high half, occurrence in the low one.
    pairs: Vec<u64>,
}

impl Collector {
    /// Notes that `word` occurs in the value of this number; tells the number of the word for the time being.
    pub(super) fn note(&mut self, word: &str, field: Field, value: u32) -> u32 {
        let known = self.words.put(word);
        self.note_known(known, field, value);
        known
    }

    /// The number of a word for the time being.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        self.words.put(word)
    }

    pub(super) fn note_known(&mut self, word: u32, field: Field, value: u32) {
        if let Some(occurrence) = Occurrence::new(field, value).filter(|_| word != NONE) {
            self.pairs.push(u64::from(word) << 32 | u64::from(occurrence.0));
        }
    }

    pub(super) fn finish(self) -> Vocabulary {
        let Self { words, mut pairs } = self;
        let unsorted = words.into_texts();
        let mut order: Vec<u32> = (0..number(unsorted.len())).collect();
        order.sort_unstable_by_key(|number| unsorted.get(*number));
        let mut new = vec![0_u64; order.len()];
        for (place, old) in (0_u64..).zip(&order) {
            new[at(*old)] = place;
        }
        let words = unsorted.reordered(&order);
        drop((unsorted, order));
        for pair in &mut pairs {
            *pair = new[usize::try_from(*pair >> 32).unwrap_or(0)] << 32 | *pair & u64::from(NONE);
        }
        drop(new);
        pairs.sort_unstable();
        pairs.dedup();
        Self::pack(words, &pairs)
    }

    fn pack(words: Texts, pairs: &[u64]) -> Vocabulary {
        let low = |pair: u64| u32::try_from(pair & u64::from(NONE)).unwrap_or(NONE);
        let mut starts = vec![0_u32; words.len() + 1];
        for pair in pairs {
            starts[at(low(*pair >> 32)) + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let occurrences = pairs.iter().map(|pair| low(*pair)).collect();
        Vocabulary { lengths: Lengths::of(&words), words, starts, occurrences }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(words: &[&str]) -> Vocabulary {
        let mut collector = Collector::default();
        for (word, value) in words.iter().zip(0..) {
            collector.note(word, Field::Family, value);
        }
        collector.finish()
    }

    #[test]
    fn words_are_found_whole_by_their_beginning_and_mistyped() {
        let vocabulary = vocabulary(&["martin", "marin", "perin", "martinez", "zola", "martin"]);
        let words =
            |found: Vec<u32>| found.into_iter().map(|word| vocabulary.word(word).to_owned()).collect::<Vec<_>>();
        assert_eq!(words(vocabulary.find("marin").into_iter().collect()), ["marin"]);
        assert_eq!(vocabulary.find("mari"), None);
        assert_eq!(words(vocabulary.beginning_with("mart").collect()), ["martin", "martinez"]);
        let similar = vocabulary.similar("matrin", Distance::One, 10).into_iter().map(|(word, _)| word).collect();
        assert_eq!(words(similar), ["martin", "marin"], "the more frequent one first");
        let martin = vocabulary.find("martin").unwrap();
        let values: Vec<u32> = vocabulary.occurrences(martin).map(Occurrence::value).collect();
        assert_eq!(values, [0, 5]);
    }
}
