//! The words of a query, and what each can mean.

use super::super::fold::{is_optional, other_forms, words_as_written, written_out};
use super::super::frequent::Bals;
use super::super::typo::{Distance, Pattern};
use super::super::vocabulary::{Field, Occurrence, Vocabulary};
use super::index::Index;

/// Octets of a query that are read.
const MOST_OCTETS: usize = 400;
/// Words that must be found; further ones are passed over.
pub(super) const MOST_WORDS: usize = 8;
/// Optional words that are looked at.
const MOST_OPTIONAL: usize = 4;
/// Words that a mistyped one may stand for.
const MOST_SIMILAR: usize = 40;
/// A beginning as long as this counts for any word of the query, a shorter one for the last.
const BEGINNING: usize = 3;
/// A completion by so few letters is nearly the word.
const FEW_LETTERS: usize = 2;

/// How well a word fits, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    TwoMistakes,
    OneMistake,
    Beginning,
    NearlyWhole,
    Whole,
}

impl Fit {
    pub(super) const ALL: [Self; 5] =
        [Self::TwoMistakes, Self::OneMistake, Self::Beginning, Self::NearlyWhole, Self::Whole];
}

impl Fit {
    pub(super) fn is_mistyped(self) -> bool {
        self <= Self::OneMistake
    }
}

/// A word of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
    /// Other forms of it.
    forms: Vec<String>,
    /// Whether this is the last one, which may still be in the making.
    is_last: bool,
}

/// The words of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// All of these must be found.
    pub(super) required: Vec<Word>,
    /// It is good if these are found.
    pub(super) optional: Vec<Word>,
}

impl Words {
    pub(super) fn of(query: &str) -> Self {
        let mut texts = words_as_written(&query[..query.floor_char_boundary(MOST_OCTETS)]);
        let last = texts.last().cloned();
        let mut seen = Vec::new();
        texts.retain(|text| {
            !seen.contains(text) && {
                seen.push(text.clone());
                true
            }
        });
        let words = texts.into_iter().map(|text| Word {
            is_last: Some(&text) == last.as_ref(),
            forms: other_forms(&text).collect(),
            text,
        });
        let (mut optional, mut required): (Vec<_>, Vec<_>) =
            words.partition(|word| is_optional(written_out(&word.text)));
        if required.is_empty() {
            required = std::mem::take(&mut optional);
        }
        required.truncate(MOST_WORDS);
        optional.truncate(MOST_OPTIONAL);
        Self { required, optional }
    }

    /// The places of the required words, the one with the fewest occurrences first.
    pub(super) fn rarest_first(&self, vocabulary: &Vocabulary) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.required.len()).collect();
        places.sort_by_cached_key(|place| self.required[*place].count_occurrences(vocabulary));
        places
    }
}

/// Which words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistakes {
    /// Those that begin as the word, or are another form of it.
    Without,
    /// Those that it may stand for if it is mistyped.
    Only,
}

/// What a word is found in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finding<'a> {
    /// A value.
    Value(Occurrence),
    /// Values that many BALs have: these. The values come as they are packed.
    Frequent(Field, &'a Bals, &'a [u32]),
}

impl Word {
    /// Calls `take` with what the word is found in as it is.
    pub(super) fn each_whole<'a>(&self, index: &Index<'a>, take: &mut impl FnMut(Finding<'a>, Fit)) {
        for whole in [written_out(&self.text), &self.text] {
            each_finding(index, index.vocabulary.find(whole), Fit::Whole, take);
        }
    }

    /// Whether a word of a text may be this one: as it is, another form of it, a completion, or also mistyped.
    pub(super) fn is_meant_by(&self, word: &str, mistakes: Mistakes) -> bool {
        word == written_out(&self.text)
            || (self.text.len() >= BEGINNING && word.starts_with(&self.text))
            || self.forms.iter().any(|form| form == word)
            || (mistakes == Mistakes::Only && self.is_nearly(word))
    }

    fn is_nearly(&self, word: &str) -> bool {
        let near = Distance::allowed(&self.text).filter(|most| self.text.len().abs_diff(word.len()) <= most.edits());
        near.is_some_and(|most| Pattern::new(&self.text).distance(word, most).is_some())
    }

    /// Calls `take` with what the word is found in, the best fits first.
    pub(super) fn each<'a>(&self, index: &Index<'a>, mistakes: Mistakes, take: &mut impl FnMut(Finding<'a>, Fit)) {
        match mistakes {
            Mistakes::Without => {
                self.each_whole(index, take);
                for form in &self.forms {
                    each_finding(index, index.vocabulary.find(form), Fit::NearlyWhole, take);
                }
                self.each_beginning(index, take);
            }
            Mistakes::Only => self.each_similar(index, take),
        }
    }

    /// About how many values it is found in as it is.
    fn count_occurrences(&self, vocabulary: &Vocabulary) -> usize {
        vocabulary.count_occurrences(&vocabulary.beginning_with(&self.text))
    }

    fn each_similar<'a>(&self, index: &Index<'a>, take: &mut impl FnMut(Finding<'a>, Fit)) {
        let Some(distance) = Distance::allowed(&self.text) else { return };
        for (word, found) in index.vocabulary.similar(&self.text, distance, MOST_SIMILAR) {
            let fit = if found == Distance::One { Fit::OneMistake } else { Fit::TwoMistakes };
            each_finding(index, Some(word), fit, take);
        }
    }

    fn each_beginning<'a>(&self, index: &Index<'a>, take: &mut impl FnMut(Finding<'a>, Fit)) {
        let letters = self.text.chars().count();
        if letters < BEGINNING && !(self.is_last && letters + 1 == BEGINNING) {
            return;
        }
        let completions = index.vocabulary.beginning_with(&self.text);
        let is_near = |word: u32| index.vocabulary.word(word).len() <= self.text.len() + FEW_LETTERS;
        for word in completions.clone().filter(|word| is_near(*word)) {
            each_finding(index, Some(word), Fit::NearlyWhole, take);
        }
        for word in completions.filter(|word| !is_near(*word)) {
            each_finding(index, Some(word), Fit::Beginning, take);
        }
    }
}

fn each_finding<'a>(index: &Index<'a>, word: Option<u32>, fit: Fit, take: &mut impl FnMut(Finding<'a>, Fit)) {
    let Some(word) = word else { return };
    for (field, occurrences) in index.vocabulary.by_field(word) {
        match index.frequent.bals(word, field) {
            Some(bals) => take(Finding::Frequent(field, bals, occurrences), fit),
            None => occurrences.iter().for_each(|packed| take(Finding::Value(Occurrence(*packed)), fit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::vocabulary::{Collector, Field};
    use super::*;

    fn texts(words: &[Word]) -> Vec<&str> {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn articles_and_titles_may_be_missing_unless_there_is_nothing_else() {
        let words = Words::of("Dr Périn, L'Haÿ-les-Roses");
        assert_eq!(texts(&words.required), ["perin", "hay", "roses"]);
        assert_eq!(texts(&words.optional), ["dr", "l", "les"]);
        assert_eq!(texts(&Words::of("de la").required), ["de", "la"]);
    }

    #[test]
    fn rare_words_are_looked_up_before_common_ones() {
        let mut collector = Collector::default();
        for value in 0..9 {
            collector.note("medecin", Field::Trade, value);
            collector.note(if value < 4 { "paris" } else { "parisot" }, Field::Place, value);
        }
        collector.note("perin", Field::Family, 0);
        collector.note("paris", Field::Place, 9);
        let vocabulary = collector.finish();
        let words = Words::of("paris medecin perin inconnu");
        assert_eq!(words.rarest_first(&vocabulary), [3, 2, 1, 0]);
    }

    #[test]
    fn long_queries_are_cut() {
        let many: Vec<String> = (0..500).map(|n| format!("word{n}")).collect();
        assert_eq!(Words::of(&many.join(" ")).required.len(), MOST_WORDS);
        assert!(Words::of(&"é".repeat(1_000_000)).required[0].text.len() <= 40);
        assert_eq!(Words::of(" ,;' ").required, []);
    }
}
