//! The table of our BALs, and in which order it was told what it knows: what was read before something else was put in
//! must not take its place.

use std::collections::{HashSet, VecDeque};
use std::mem;

use mssante::BalId;

use super::local::LocalTable;

/// Patches that are remembered; whoever read before the first of them reads again.
const REMEMBERED: usize = 10_000;

/// A moment before something is read, see [`super::Resolver::ticket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What became of something that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It is known now.
    Taken,
    /// What was put in meanwhile may be younger: it is to be read again.
    Overtaken,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) table: LocalTable,
    /// How often the table was changed by what its keeper read.
    changes: u64,
    /// Of the last changes, which BALs they were of.
    recent: VecDeque<(u64, BalId)>,
    /// Before this change nobody knows any more.
    forgotten: u64,
    /// What sessions have learned since the keeper began to read everything anew.
    learned: Option<HashSet<BalId>>,
}

impl Known {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.changes)
    }

    pub(super) fn learn(&mut self, read_at: Ticket, bal: BalId, fresh: LocalTable) -> Learned {
        let mut changed_since = self.recent.iter().rev().take_while(|(change, _)| *change > read_at.0);
        if read_at.0 < self.forgotten || changed_since.any(|(_, changed)| *changed == bal) {
            return Learned::Overtaken;
        }
        self.table.patch(&[bal], fresh);
        if let Some(learned) = &mut self.learned {
            learned.insert(bal);
        }
        Learned::Taken
    }

    pub(super) fn patch(&mut self, bals: &[BalId], fresh: LocalTable) {
        self.changes += 1;
        self.table.patch(bals, fresh);
        self.recent.extend(bals.iter().map(|bal| (self.changes, *bal)));
        while self.recent.len() > REMEMBERED {
            self.forgotten = self.recent.pop_front().map_or(self.changes, |(change, _)| change);
        }
    }

    pub(super) fn expect_all(&mut self) {
        self.learned = Some(HashSet::new());
    }

    /// The table before, and what was learned after the new one was begun.
    pub(super) fn replace(&mut self, fresh: LocalTable) -> (LocalTable, Vec<BalId>) {
        self.changes += 1;
        self.recent.clear();
        self.forgotten = self.changes;
        let learned = self.learned.take().unwrap_or_default();
        (mem::replace(&mut self.table, fresh), learned.into_iter().collect())
    }
}
