//! Search: words to values of fields, the BALs of the values of the rarest word, the best of those that have all words.
//! If all words are found in many BALs, each marks its own. Everything is bounded, whatever the query; where a bound may
//! have lost answers, they say so.

mod best;
mod index;
mod marks;
mod phrase;
mod reach;
mod score;
mod words;

use std::collections::HashSet;

use mssante::{Address, BalKind, Domain};

use self::best::{Best, Rank};
use self::index::Index;
use self::marks::{Bits, Marks};
use self::phrase::Phrases;
use self::reach::{Budget, Reach};
use self::score::{Grades, OPTIONAL, PHRASE, TOGETHER};
use self::words::{Fit, MOST_WORDS, Mistakes, Words};
use super::tables::Flags;
use super::texts::{at, number};
use super::{Answers, Directory, Extent, Found, Hit, Query};
use crate::Entry;

/// Values that are looked at for the words as they are, and again for mistyped ones. What would need more (beginnings of
/// two letters) is found in part, the best fits first.
const MOST_VALUES: usize = 200_000;
/// The same for one word.
const MOST_VALUES_OF_WORD: usize = 80_000;
/// BALs that are marked for one word, those of frequent words not counted.
const MOST_MARKS: usize = 250_000;
/// A word that is found in so many BALs is not mistyped.
const COMMON: usize = 10_000;
/// BALs with all words that are compared.
const MOST_COMPARED: usize = 300_000;
/// BALs that are compared before all others because they have a word best.
const MOST_FIRST: usize = 1_000;
/// Most answers.
const MOST_HITS: usize = 1_000;

impl Directory {
    /// Searches, best first. Entries of `hidden_domains` are left out before they count, however many there are: what our
    /// own BALs are is told by the store. `[MSS1 ANN.SEARCH]`
    ///
    /// All words must be found: whole, as a beginning, in another form (`infirmières`), or mistyped, if there are too few
    /// answers without that. Of a long query the first eight words count; articles and titles need not be found. Words
    /// that stand one behind the other in the name of a town, a structure, a team or a profession count more than the
    /// same words here and there; only whole names of people (family and given name) come before. At most 1,000 answers.
    /// A query that is a known address has one.
    pub fn search(&self, query: &Query, hidden_domains: &HashSet<Domain>) -> Answers {
        self.search_by(query, hidden_domains, Way::Quicker)
    }

    /// The same in a given way.
    pub(super) fn search_by(&self, query: &Query, hidden_domains: &HashSet<Domain>, way: Way) -> Answers {
        if let Some(hit) = self.addressed(query, hidden_domains) {
            return Answers { hits: vec![hit], extent: Extent::Whole };
        }
        let words = Words::of(&query.words);
        let limit = query.limit.min(MOST_HITS);
        if words.required.is_empty() || limit == 0 {
            return Answers { hits: Vec::new(), extent: Extent::Whole };
        }
        let mut search = Search::new(self, &words, query.kind, self.flags_of(hidden_domains));
        search.way = way;
        search.reach(Mistakes::Without);
        let answers = search.answers(limit);
        if answers.extent == Extent::Limited || answers.hits.len() >= limit || !search.reach(Mistakes::Only) {
            return answers;
        }
        search.answers(limit)
    }

    /// Whether each domain of the directory is among these; empty if none is.
    fn flags_of(&self, domains: &HashSet<Domain>) -> Vec<bool> {
        let numbers: Vec<u32> = domains.iter().filter_map(|domain| self.links.domain(domain)).collect();
        let mut flags = vec![false; if numbers.is_empty() { 0 } else { self.tables.domains.len() }];
        for number in numbers {
            flags[at(number)] = true;
        }
        flags
    }

    /// The BAL whose address the query is.
    fn addressed(&self, query: &Query, hidden_domains: &HashSet<Domain>) -> Option<Hit> {
        let address: Address = query.words.trim().parse().ok()?;
        let entry = self.get(&address).filter(|entry| query.kind.is_none_or(|kind| kind == entry.kind))?;
        let shows = query.limit > 0 && !hidden_domains.contains(address.domain());
        shows.then_some(Hit { entry, score: 3.0, found: Found::Exact })
    }
}

/// How the BALs are found that have all words. All ways find the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In that which seems to take less time.
    Quicker,
    /// Each word marks its own.
    #[cfg(test)]
    Marked,
    /// The BALs of the rarest word are asked for the others.
    #[cfg(test)]
    Asked,
}

struct Search<'a> {
    way: Way,
    index: Index<'a>,
    grades: Grades,
    words: &'a Words,
    kind: Option<BalKind>,
    /// By the number of the domain; empty if all show.
    hidden_domains: Vec<bool>,
    required: Vec<Reach<'a>>,
    optional: Vec<Reach<'a>>,
    phrases: Phrases<'a>,
    /// The required words in the order in which it is soonest known that a BAL has not all of them.
    rarest_first: Vec<usize>,
    /// Of the required words, if all of them are common; otherwise there are none.
    marks: Vec<Marks>,
    /// Whether a bound has ended something.
    is_partial: bool,
}

impl<'a> Search<'a> {
    fn new(directory: &'a Directory, words: &'a Words, kind: Option<BalKind>, hidden_domains: Vec<bool>) -> Self {
        let Directory { tables, links, vocabulary, frequent } = directory;
        let (index, grades) = (Index { tables, links, vocabulary, frequent }, Grades::new());
        Self {
            way: Way::Quicker,
            required: words.required.iter().map(|_| Reach::default()).collect(),
            optional: words.optional.iter().map(|word| Reach::of_optional(word, &index, &grades)).collect(),
            phrases: Phrases::of(&[], Mistakes::Without, &[], &index),
            rarest_first: Vec::new(),
            marks: Vec::new(),
            is_partial: false,
            words,
            hidden_domains,
            index,
            grades,
            kind,
        }
    }

    /// Looks up what the words are found in; tells whether anything new was found.
    fn reach(&mut self, mistakes: Mistakes) -> bool {
        let before = self.found();
        let mut left = MOST_VALUES;
        // Common words must not leave nothing to the rare ones, which say most.
        for place in self.words.rarest_first(self.index.vocabulary) {
            let (word, reach) = (&self.words.required[place], &mut self.required[place]);
            if mistakes == Mistakes::Without || reach.bals() < COMMON {
                let given = left.min(MOST_VALUES_OF_WORD);
                let mut budget = Budget::of(given);
                reach.add(word, mistakes, &self.index, &self.grades, &mut budget);
                left -= given - budget.left();
                self.is_partial |= budget.is_exceeded();
            }
        }
        self.rarest_first = (0..self.required.len()).collect();
        self.rarest_first.sort_by_key(|word| self.required[*word].bals());
        self.phrases = Phrases::of(&self.words.required, mistakes, &self.required, &self.index);
        if !self.marks.is_empty() || self.is_quicker_marked() {
            self.mark();
        }
        self.found() > before
    }

    /// Whether to mark the BALs of all words takes less time than to ask each BAL of the rarest word for the others.
    /// In nanoseconds, about.
    fn is_quicker_marked(&self) -> bool {
        #[cfg(test)]
        if self.way != Way::Quicker {
            return self.way == Way::Marked;
        }
        let rare = |reach: &Reach<'_>| reach.values().len() * 8 + reach.rare_bals().min(MOST_MARKS) * 5;
        let mark = |reach: &Reach<'_>| 100_000 + reach.frequent().len() * 20_000 + rare(reach);
        let rarest = self.required.iter().map(Reach::bals).min().unwrap_or(0);
        let ask = rarest * (15 + 40 * self.required.len().min(3));
        self.required.iter().map(mark).sum::<usize>() < ask
    }

    fn found(&self) -> usize {
        self.required.iter().map(Reach::len).sum()
    }

    fn mark(&mut self) {
        self.marks.resize_with(self.required.len(), Marks::default);
        for (marks, reach) in self.marks.iter_mut().zip(&self.required) {
            self.is_partial |= !marks.add(reach, &self.index, MOST_MARKS);
        }
    }

    /// The best answers, at most `limit`.
    fn answers(&self, limit: usize) -> Answers {
        let (best, compared) = self.best(limit + 1);
        let extent = if self.is_partial || self.phrases.is_exceeded() || compared > MOST_COMPARED {
            Extent::Partial
        } else if best.len() > limit {
            Extent::Limited
        } else {
            Extent::Whole
        };
        let hits = best.into_iter().take(limit).filter_map(|rank| self.hit(rank)).collect();
        Answers { hits, extent }
    }

    /// The best `keep` BALs, in order, and how many had all words until no better ones could come.
    fn best(&self, keep: usize) -> (Vec<Rank>, usize) {
        let mut best = Best::new(keep);
        let mut compared = 0;
        if !self.marks.is_empty() {
            compared = self.compare_marked(&mut best);
        } else if let Some(rarest) = self.rarest_first.first() {
            self.required[*rarest].each_bal(&self.index, |bal| {
                self.offer(bal, &mut best, &mut compared);
            });
        }
        (best.into_sorted(), compared)
    }

    /// Offers the BALs that all words have marked, in the order of names, after the few that have a word best. As soon as
    /// there are enough, those are left out of which a single word says that they are not better.
    fn compare_marked(&self, best: &mut Best) -> usize {
        let Some((first, others)) = self.marks.split_first() else { return 0 };
        let mut bals = first.all().clone();
        for other in others {
            bals.iter_mut().zip(other.all()).for_each(|(bals, other)| *bals &= other);
        }
        let mut compared = self.compare_best_of_words(&mut bals, best);
        let mut floors = vec![1; self.required.len()];
        let mut is_full = compared > 0;
        for place in 0..bals.len() {
            if is_full && self.raise(&mut floors, &mut bals, best, number(place * 64)) || compared > MOST_COMPARED {
                break;
            }
            is_full = false;
            while bals[place] != 0 {
                let bal = number(place * 64) + bals[place].trailing_zeros();
                bals[place] &= bals[place] - 1;
                is_full |= self.offer(bal, best, &mut compared);
            }
        }
        compared
    }

    /// Offers those of `bals` that have one of the words as well as any has it, if these are few, and takes them out: the
    /// better the first ones, the more of the others need not be looked at.
    fn compare_best_of_words(&self, bals: &mut Bits, best: &mut Best) -> usize {
        let mut compared = 0;
        for marks in &self.marks {
            for bal in marks.best_of(bals, MOST_FIRST) {
                bals[at(bal / 64)] &= !(1 << (bal % 64));
                self.offer(bal, best, &mut compared);
            }
        }
        compared
    }

    /// Takes those out of `bals`, which are of this number or greater ones, that cannot be among the best any more; tells whether
    /// these are all.
    fn raise(&self, floors: &mut [u8], bals: &mut Bits, best: &Best, from: u32) -> bool {
        for (word, floor) in floors.iter_mut().enumerate() {
            let new = self.floor(word, best, from);
            if new == u8::MAX {
                return true;
            }
            if new > *floor {
                *floor = new;
                self.marks[word].keep(bals, new);
            }
        }
        false
    }

    /// Offers a BAL if it has all words and shows; tells whether less may be offered from now on.
    fn offer(&self, bal: u32, best: &mut Best, compared: &mut usize) -> bool {
        let Some(grades) = self.grades_of(bal) else { return false };
        *compared += 1;
        // What is dear to find out comes last.
        if !best.may_take(Rank { class: self.best_class(grades), bal }) {
            return false;
        }
        let rank = Rank { class: self.class(bal, grades), bal };
        best.may_take(rank) && self.may_show(bal) && best.offer(rank)
    }

    /// The least grade of a word with which a BAL of this number or a greater one may still be among the best; `u8::MAX`
    /// if none is.
    fn floor(&self, word: usize, best: &Best, from: u32) -> u8 {
        let points_of = |reach: &Reach<'_>| self.grades.points(reach.best());
        let others = self.required.iter().map(points_of).sum::<u32>() - points_of(&self.required[word]);
        let extra = others + self.most_extra();
        let may_be = |grade: &u8| {
            let points = self.grades.points(*grade) + extra;
            best.may_take(Rank { class: class_of(points, self.grades.is_mistyped(*grade)), bal: from })
        };
        (1..=self.required[word].best()).find(may_be).unwrap_or(u8::MAX)
    }

    /// Most points that a BAL may have besides those of each word.
    fn most_extra(&self) -> u32 {
        let pairs = number(self.required.len() - 1);
        let phrases = self.phrases.most();
        TOGETHER * (pairs - phrases) + PHRASE * phrases + OPTIONAL * number(self.optional.len())
    }

    /// How well a BAL has each word; none if it has not all of them.
    fn grades_of(&self, bal: u32) -> Option<[u8; MOST_WORDS]> {
        let mut grades = [0; MOST_WORDS];
        if !self.marks.is_empty() {
            for (grade, marks) in grades.iter_mut().zip(&self.marks) {
                *grade = Some(marks.grade(bal)).filter(|grade| *grade > 0)?;
            }
            return Some(grades);
        }
        for word in &self.rarest_first {
            grades[*word] = Some(self.required[*word].grade(bal, &self.index)).filter(|grade| *grade > 0)?;
        }
        Some(grades)
    }

    /// The class of a BAL if everything is as good as it can be; what is dear to find out is not looked at.
    fn best_class(&self, grades: [u8; MOST_WORDS]) -> u32 {
        let pairs = self.pairs_extra(grades, |first| self.phrases.may_be_in(first));
        self.class_with(grades, pairs + OPTIONAL * number(self.optional.len()))
    }

    /// The part of the rank that follows from the words.
    fn class(&self, bal: u32, grades: [u8; MOST_WORDS]) -> u32 {
        let is_phrase = |first| self.phrases.is_in(first, bal, &self.required, &self.index);
        let found = self.optional.iter().filter(|reach| reach.grade(bal, &self.index) > 0).count();
        self.class_with(grades, self.pairs_extra(grades, is_phrase) + OPTIONAL * number(found))
    }

    /// Points for words one behind the other; `is_phrase` tells of the first one of a pair whether they stand so.
    fn pairs_extra(&self, grades: [u8; MOST_WORDS], is_phrase: impl Fn(usize) -> bool) -> u32 {
        let pairs = grades[..self.required.len()].windows(2).enumerate();
        let extra = pairs.map(|(first, pair)| match pair {
            _ if is_phrase(first) => PHRASE,
            [a, b] if self.grades.are_together(*a, *b) => TOGETHER,
            _ => 0,
        });
        extra.sum()
    }

    fn class_with(&self, grades: [u8; MOST_WORDS], extra: u32) -> u32 {
        let grades = &grades[..self.required.len()];
        let points: u32 = grades.iter().map(|grade| self.grades.points(*grade)).sum();
        let worst = grades.iter().copied().min().unwrap_or(u8::MAX);
        class_of(points + extra, self.grades.is_mistyped(worst))
    }

    /// Whether it is of the kind, and not of a hidden domain.
    fn may_show(&self, bal: u32) -> bool {
        let Some(row) = self.index.row(bal) else { return false };
        let is_hidden = self.hidden_domains.get(at(row.domain)).copied().unwrap_or(false);
        !is_hidden && self.kind.is_none_or(|kind| Flags::kind(row.flags) == kind)
    }

    fn hit(&self, rank: Rank) -> Option<Hit> {
        let grades = self.grades_of(rank.bal)?;
        let fits = grades[..self.required.len()].iter().filter_map(|grade| self.grades.of(*grade));
        let worst = fits.map(|found| found.fit).min().unwrap_or(Fit::Whole);
        Some(hit(self.index.completed(rank.bal)?, rank.class, worst))
    }
}

/// What comes first in a rank.
fn class_of(points: u32, is_mistyped: bool) -> u32 {
    u32::from(is_mistyped) << 16 | u32::from(u16::MAX).saturating_sub(points)
}

#[expect(clippy::cast_precision_loss, reason = "points fit 16 bits")]
fn hit(entry: Entry, class: u32, fit: Fit) -> Hit {
    let found = match fit {
        Fit::Whole => Found::Exact,
        Fit::NearlyWhole | Fit::Beginning => Found::Prefix,
        Fit::OneMistake | Fit::TwoMistakes => Found::Typo,
    };
    let missing = (class & u32::from(u16::MAX)) as f32 / f32::from(u16::MAX);
    Hit { entry, score: if found == Found::Typo { 1.0 } else { 2.0 } - missing, found }
}
