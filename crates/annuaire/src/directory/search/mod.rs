//! Search: words to values, values to BALs, the best of them in order. Everything is bounded, whatever the query.

mod index;
mod reach;
mod score;
mod words;

use std::ops::ControlFlow;

use mssante::BalKind;

use self::index::Index;
use self::reach::Reach;
use self::score::{Reaches, Score};
use self::words::{Fit, Mistakes, Words};
use super::tables::Flags;
use super::texts::at;
use super::{Directory, Found, Hit, Query};

/// BALs that are looked at for the rarest word of a query; the rarest of `medecin france` has more.
const MOST_CANDIDATES: usize = 200_000;
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
    /// 1,000 answers.
    pub fn search(&self, query: &Query, hidden: &dyn Fn(&str) -> bool) -> Vec<Hit> {
        let words = Words::of(&query.words);
        let limit = query.limit.min(MOST_HITS);
        if words.required.is_empty() || limit == 0 {
            return Vec::new();
        }
        let search = Search { directory: self, kind: query.kind, limit, hidden };
        let exact = search.run(&words, Mistakes::Ignored);
        if exact.len() >= limit {
            return exact;
        }
        search.run(&words, Mistakes::Considered)
    }
}

struct Search<'a> {
    directory: &'a Directory,
    kind: Option<BalKind>,
    limit: usize,
    hidden: &'a dyn Fn(&str) -> bool,
}

impl Search<'_> {
    fn run(&self, words: &Words, mistakes: Mistakes) -> Vec<Hit> {
        let index = self.index();
        let required: Vec<Reach> = words.required.iter().map(|word| Reach::of(word, mistakes, &index)).collect();
        if required.iter().any(Reach::is_empty) {
            return Vec::new();
        }
        let optional = words.optional.iter().map(|word| Reach::of_whole(word, &index)).collect();
        let reaches = Reaches { required, optional };
        let mut keep = self.limit * 2 + 32;
        loop {
            let best = self.best(&reaches, keep);
            let all = best.len() < keep;
            let hits = self.hits(&reaches, best);
            if all || hits.len() >= self.limit {
                return hits;
            }
            keep *= 16;
        }
    }

    fn index(&self) -> Index<'_> {
        let Directory { tables, links, vocabulary } = self.directory;
        Index { tables, links, vocabulary }
    }

    /// The ranks of the best `keep` BALs, in order.
    fn best(&self, reaches: &Reaches, keep: usize) -> Vec<Rank> {
        let index = self.index();
        let Some(rarest) = reaches.required.iter().min_by_key(|reach| reach.bals()) else { return Vec::new() };
        let mut seen = vec![0_u64; index.tables.rows.len() / 64 + 1];
        let mut looked_at = 0;
        let mut best = Best { keep, ranks: Vec::new(), bar: Rank::MAX };
        rarest.each_bal(&index, &mut |bal| {
            let (place, bit) = (at(bal / 64), 1 << (bal % 64));
            if seen.get(place).is_none_or(|known| known & bit != 0) {
                return ControlFlow::Continue(());
            }
            seen[place] |= bit;
            looked_at += 1;
            if let Some(score) = self.has_kind(bal).then(|| reaches.score(bal, &index)).flatten() {
                best.offer(self.rank(bal, score));
            }
            if looked_at < MOST_CANDIDATES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        best.into_sorted()
    }

    fn has_kind(&self, bal: u32) -> bool {
        let row = self.directory.tables.rows.get(at(bal));
        row.is_some_and(|row| self.kind.is_none_or(|kind| Flags::kind(row.flags) == kind))
    }

    fn rank(&self, bal: u32, score: Score) -> Rank {
        let row = &self.directory.tables.rows[at(bal)];
        let mistyped = u128::from(score.fit <= Fit::OneMistake);
        let missing = u128::from(u16::MAX - u16::try_from(score.points).unwrap_or(u16::MAX));
        mistyped << 112 | missing << 96 | u128::from(row.family) << 64 | u128::from(row.given) << 32 | u128::from(bal)
    }

    /// The answers that may show, at most `limit`.
    fn hits(&self, reaches: &Reaches, ranks: Vec<Rank>) -> Vec<Hit> {
        let index = self.index();
        let bals = ranks.into_iter().filter_map(|rank| u32::try_from(rank & u128::from(u32::MAX)).ok());
        let hit = |bal: u32| {
            let address = index.tables.address(bal).filter(|address| !(self.hidden)(&address.key()));
            address.and_then(|_| Some(hit(self.directory.completed(bal)?, reaches.score(bal, &index)?)))
        };
        bals.filter_map(hit).take(self.limit).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "points fit 16 bits")]
fn hit(entry: crate::Entry, score: Score) -> Hit {
    let found = match score.fit {
        Fit::Whole => Found::Exact,
        Fit::NearlyWhole | Fit::Beginning => Found::Prefix,
        Fit::OneMistake | Fit::TwoMistakes => Found::Typo,
    };
    let points = score.points.min(u32::from(u16::MAX)) as f32 / f32::from(u16::MAX);
    Hit { entry, score: if found == Found::Typo { points } else { 1.0 + points }, found }
}

/// The least ranks of many.
struct Best {
    keep: usize,
    ranks: Vec<Rank>,
    bar: Rank,
}

impl Best {
    fn offer(&mut self, rank: Rank) {
        if rank >= self.bar {
            return;
        }
        self.ranks.push(rank);
        if self.ranks.len() >= self.keep * 2 {
            let (_, bar, _) = self.ranks.select_nth_unstable(self.keep - 1);
            self.bar = *bar;
            self.ranks.truncate(self.keep);
        }
    }

    fn into_sorted(mut self) -> Vec<Rank> {
        self.ranks.sort_unstable();
        self.ranks.truncate(self.keep);
        self.ranks
    }
}
