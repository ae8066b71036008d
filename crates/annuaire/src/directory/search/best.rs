//! The best of many.

/// What orders answers, the least first: the class that follows from the words, then the BAL (the order of names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) class: u32,
    pub(super) bal: u32,
}

impl Rank {
    const LAST: Self = Self { class: u32::MAX, bal: u32::MAX };
}

/// The least ranks of many.
pub(super) struct Best {
    keep: usize,
    ranks: Vec<Rank>,
    bar: Rank,
}

impl Best {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, ranks: Vec::new(), bar: Rank::LAST }
    }

    /// Whether this one may be among the best.
    pub(super) fn may_take(&self, rank: Rank) -> bool {
        rank < self.bar
    }

    /// Tells whether less may be taken from now on.
    pub(super) fn offer(&mut self, rank: Rank) -> bool {
        if rank < self.bar {
            self.ranks.push(rank);
        }
        if self.ranks.len() < self.keep * 2 {
            return false;
        }
        let (_, bar, _) = self.ranks.select_nth_unstable(self.keep - 1);
        self.bar = *bar;
        self.ranks.truncate(self.keep);
        true
    }

    pub(super) fn into_sorted(mut self) -> Vec<Rank> {
        self.ranks.sort_unstable();
        self.ranks.truncate(self.keep);
        self.ranks
    }
}
