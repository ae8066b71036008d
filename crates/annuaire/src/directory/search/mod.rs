//! Search: words to values of fields, the BALs of the values of the rarest word, the best of those that have all words.
//! If all words are found in many BALs, each marks its own. Everything is bounded, whatever the query.

mod index;
mod marks;
mod reach;
mod score;
mod words;

use mssante::{Address, BalKind};

use self::index::Index;
use self::marks::Marks;
use self::reach::Reach;
use self::score::{Grades, OPTIONAL, TOGETHER};
use self::words::{Fit, MOST_WORDS, Mistakes, Words};
use super::tables::Flags;
use super::texts::{at, number};
use super::{Directory, Found, Hit, Query};
use crate::Entry;

/// Values that are looked at for the words as they are, and again for mistyped ones. What would need more (beginnings of
/// two letters) is found in part, the best fits first.
const MOST_VALUES: usize = 600_000;
/// The same for one word.
const MOST_VALUES_OF_WORD: usize = 250_000;
/// BALs that are marked for one word.
const MOST_MARKS: usize = 600_000;
/// A word that is found in so many BALs is not mistyped.
const COMMON: usize = 10_000;
/// BALs that are compared by name where words leave them equal; of `medecin` alone there are ten times as many.
const MOST_NAMES: usize = 30_000;
/// BALs with all words that are compared; only words that say nothing leave more.
const MOST_COMPARED: usize = 150_000;
/// Most answers.
const MOST_HITS: usize = 1_000;

/// What orders answers, the least first: whether a word was mistyped, then points, then the name.
type Rank = u128;

impl Directory {
    /// Searches, best first. `hidden` leaves entries out before they count (local BALs win, unlisted ones never show);
    /// it is asked for the keys of those only that would be among the answers.
    ///
    /// All words must be found: whole, as a beginning, in another form (`infirmières`), or mistyped, if there are too few
    /// answers without that. Of a long query the first eight words count; articles and titles need not be found. At most
    /// 1,000 answers. A query that is a known address has one.
    pub fn search(&self, query: &Query, hidden: &dyn Fn(&str) -> bool) -> Vec<Hit> {
        if let Some(hit) = self.addressed(query, hidden) {
            return vec![hit];
        }
        let words = Words::of(&query.words);
        let limit = query.limit.min(MOST_HITS);
        if words.required.is_empty() || limit == 0 {
            return Vec::new();
        }
        let mut search = Search::new(self, &words, query.kind);
        search.reach(&words, Mistakes::Without);
        let hits = search.hits(limit, hidden);
        if hits.len() >= limit {
            return hits;
        }
        if search.reach(&words, Mistakes::Only) { search.hits(limit, hidden) } else { hits }
    }

    /// The BAL whose address the query is.
    fn addressed(&self, query: &Query, hidden: &dyn Fn(&str) -> bool) -> Option<Hit> {
        let address: Address = query.words.trim().parse().ok()?;
        let entry = self.get(&address).filter(|entry| query.kind.is_none_or(|kind| kind == entry.kind))?;
        let shows = query.limit > 0 && !hidden(&address.key());
        shows.then_some(Hit { entry, score: 3.0, found: Found::Exact })
    }
}

struct Search<'a> {
    index: Index<'a>,
    grades: Grades,
    kind: Option<BalKind>,
    required: Vec<Reach>,
    optional: Vec<Reach>,
    /// The required words in the order in which it is soonest known that a BAL has not all of them.
    rarest_first: Vec<usize>,
    /// Of the required words, if all of them are common; otherwise there are none.
    marks: Vec<Marks>,
}

impl<'a> Search<'a> {
    fn new(directory: &'a Directory, words: &Words, kind: Option<BalKind>) -> Self {
        let Directory { tables, links, vocabulary } = directory;
        let (index, grades) = (Index { tables, links, vocabulary }, Grades::new());
        Self {
            required: words.required.iter().map(|_| Reach::default()).collect(),
            optional: words.optional.iter().map(|word| Reach::of_optional(word, &index, &grades)).collect(),
            rarest_first: Vec::new(),
            marks: Vec::new(),
            index,
            grades,
            kind,
        }
    }

    /// Looks up what the words are found in; tells whether anything new was found.
    fn reach(&mut self, words: &Words, mistakes: Mistakes) -> bool {
        let before = self.values();
        let mut left = MOST_VALUES;
        for (word, reach) in words.required.iter().zip(&mut self.required) {
            if mistakes == Mistakes::Without || reach.bals() < COMMON {
                let given = left.min(MOST_VALUES_OF_WORD);
                let mut budget = given;
                reach.add(word, mistakes, &self.index, &self.grades, &mut budget);
                left -= given - budget;
            }
        }
        self.rarest_first = (0..self.required.len()).collect();
        self.rarest_first.sort_by_key(|word| self.required[*word].bals());
        if !self.marks.is_empty() || self.is_quicker_marked() {
            self.mark();
        }
        self.values() > before
    }

    /// Whether to mark the BALs of all words takes less time than to ask each BAL of the rarest word for the others.
    /// In nanoseconds, about. Both ways find the same, except where words are so common that a bound ends one of them.
    fn is_quicker_marked(&self) -> bool {
        let mark = |reach: &Reach| 200_000 + reach.values().len() * 8 + reach.bals().min(MOST_MARKS) * 3;
        let rarest = self.required.iter().map(Reach::bals).min().unwrap_or(0);
        let ask = rarest * (15 + 30 * self.required.len().min(3));
        self.required.iter().map(mark).sum::<usize>() < ask
    }

    fn values(&self) -> usize {
        self.required.iter().map(|reach| reach.values().len()).sum()
    }

    fn mark(&mut self) {
        self.marks.resize_with(self.required.len(), Marks::default);
        for (marks, reach) in self.marks.iter_mut().zip(&self.required) {
            marks.add(reach, &self.index, MOST_MARKS);
        }
    }

    /// The best answers that may show, at most `limit`.
    fn hits(&self, limit: usize, hidden: &dyn Fn(&str) -> bool) -> Vec<Hit> {
        let mut keep = limit * 2 + 32;
        loop {
            let best = self.best(keep);
            let all = best.len() < keep;
            let hits: Vec<Hit> = best.into_iter().filter_map(|rank| self.hit(rank, hidden)).take(limit).collect();
            if all || hits.len() >= limit {
                return hits;
            }
            keep *= 16;
        }
    }

    /// The ranks of the best `keep` BALs, in order.
    fn best(&self, keep: usize) -> Vec<Rank> {
        let mut best = Best::new(keep);
        if let Some((word, rarest)) = self.marks.iter().enumerate().min_by_key(|(_, marks)| marks.marked()) {
            let mut floor = 1;
            rarest.each_bal(|bal, grade| {
                if grade >= floor && self.offer(bal, &mut best) {
                    floor = self.floor(word, &best);
                }
            });
        } else if let Some(rarest) = self.rarest_first.first() {
            self.required[*rarest].each_bal(&self.index, |bal| {
                self.offer(bal, &mut best);
            });
        }
        best.into_sorted()
    }

    /// Offers a BAL if it has all words and is of the kind; tells whether less may be offered from now on.
    fn offer(&self, bal: u32, best: &mut Best) -> bool {
        let class = self.class(bal);
        best.compared += usize::from(class.is_some());
        match class {
            _ if best.compared > MOST_COMPARED => true,
            Some(class) if best.may_take(class) && self.has_kind(bal) => best.offer(self.rank(bal, class)),
            _ => false,
        }
    }

    /// The least grade of a word with which a BAL may still be among the best.
    fn floor(&self, word: usize, best: &Best) -> u8 {
        if best.compared > MOST_COMPARED {
            return u8::MAX;
        }
        let points_of = |reach: &Reach| self.grades.points(reach.best());
        let others = self.required.iter().map(points_of).sum::<u32>() - points_of(&self.required[word]);
        let together = TOGETHER * number(self.required.len() - 1);
        let extra = others + together + OPTIONAL * number(self.optional.len());
        let may_be = |grade: &u8| {
            let points = self.grades.points(*grade) + extra;
            best.may_take(class_of(points, self.grades.is_mistyped(*grade)))
        };
        (1..=self.required[word].best()).find(may_be).unwrap_or(u8::MAX)
    }

    /// How well a BAL has a word; 0 if it has not.
    fn grade(&self, word: usize, bal: u32) -> u8 {
        match self.marks.get(word) {
            Some(marks) => marks.grade(bal),
            None => self.required[word].grade(bal, &self.index),
        }
    }

    /// The part of the rank that follows from the words; none if the BAL has not all of them.
    fn class(&self, bal: u32) -> Option<u32> {
        let mut grades = [0; MOST_WORDS];
        for word in &self.rarest_first {
            grades[*word] = Some(self.grade(*word, bal)).filter(|grade| *grade > 0)?;
        }
        let (mut points, mut worst, mut before) = (0, u8::MAX, 0);
        for grade in grades.into_iter().take(self.required.len()) {
            points += self.grades.points(grade);
            points += if self.grades.are_together(before, grade) { TOGETHER } else { 0 };
            (worst, before) = (worst.min(grade), grade);
        }
        for reach in &self.optional {
            points += if reach.grade(bal, &self.index) == 0 { 0 } else { OPTIONAL };
        }
        Some(class_of(points, self.grades.is_mistyped(worst)))
    }

    fn rank(&self, bal: u32, class: u32) -> Rank {
        let row = &self.index.tables.rows[at(bal)];
        let name = u128::from(row.family) << 64 | u128::from(row.given) << 32;
        u128::from(class) << 96 | name | u128::from(bal)
    }

    /// The worst fit of a word.
    fn fit(&self, bal: u32) -> Fit {
        let words = 0..self.required.len();
        let fits = words.filter_map(|word| self.grades.of(self.grade(word, bal)));
        fits.map(|found| found.fit).min().unwrap_or(Fit::Whole)
    }

    fn has_kind(&self, bal: u32) -> bool {
        let row = self.index.tables.rows.get(at(bal));
        row.is_some_and(|row| self.kind.is_none_or(|kind| Flags::kind(row.flags) == kind))
    }

    fn hit(&self, rank: Rank, hidden: &dyn Fn(&str) -> bool) -> Option<Hit> {
        let bal = u32::try_from(rank & u128::from(u32::MAX)).ok()?;
        let address = self.index.tables.address(bal)?;
        if hidden(&address.key()) {
            return None;
        }
        Some(hit(self.index.completed(bal)?, self.class(bal)?, self.fit(bal)))
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

/// The least ranks of many.
struct Best {
    keep: usize,
    /// How many had all words so far.
    compared: usize,
    /// How many are still compared by name.
    names: usize,
    ranks: Vec<Rank>,
    bar: Rank,
}

impl Best {
    fn new(keep: usize) -> Self {
        Self { keep, compared: 0, names: MOST_NAMES.max(keep * 4), ranks: Vec::new(), bar: Rank::MAX }
    }

    /// Whether a BAL of this class may be among the best. Of the many that are as good as each other, those that are met
    /// late are not asked for their names.
    fn may_take(&self, class: u32) -> bool {
        let bar = self.bar >> 96;
        u128::from(class) < bar || (u128::from(class) == bar && self.names > 0)
    }

    /// Tells whether less may be taken from now on.
    fn offer(&mut self, rank: Rank) -> bool {
        self.names = self.names.saturating_sub(1);
        if rank < self.bar {
            self.ranks.push(rank);
        }
        if self.ranks.len() < self.keep * 2 {
            return self.names == 0;
        }
        let (_, bar, _) = self.ranks.select_nth_unstable(self.keep - 1);
        self.bar = *bar;
        self.ranks.truncate(self.keep);
        true
    }

    fn into_sorted(mut self) -> Vec<Rank> {
        self.ranks.sort_unstable();
        self.ranks.truncate(self.keep);
        self.ranks
    }
}
