//! Which BALs changed lately, for those who keep a picture of them: what changed is read again, and not everything.

use std::collections::{BTreeSet, VecDeque};

use mssante::BalId;
use tokio::sync::watch;

/// Changes that are remembered one by one. Whoever missed more reads everything.
const REMEMBERED: usize = 1_000;

/// BALs that changed, or whose aliases or forwards did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalChange {
    /// These; perhaps none.
    Of(BTreeSet<BalId>),
    /// Any of them: too many changed, or notices may have been lost.
    Any,
}

impl Default for BalChange {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

impl BalChange {
    /// Whether there is nothing to read.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Of(bals) if bals.is_empty())
    }

    /// Both, as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(mut bals), Self::Of(others)) => {
                bals.extend(others);
                if bals.len() > REMEMBERED { Self::Any } else { Self::Of(bals) }
            }
            _ => Self::Any,
        }
    }
}

/// The last changes, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many there were.
    count: u64,
    /// The last ones.
    last: VecDeque<BalId>,
}

impl Log {
    fn note(&mut self, change: BalChange) {
        match change {
            BalChange::Of(bals) => {
                self.count += bals.len() as u64;
                self.last.extend(bals);
                self.last.drain(..self.last.len().saturating_sub(REMEMBERED));
            }
            // One that nobody remembers.
            BalChange::Any => {
                self.count += 1;
                self.last.clear();
            }
        }
    }

    /// What came after the first `seen` changes.
    fn since(&self, seen: u64) -> BalChange {
        let missed = self.count - seen;
        match usize::try_from(missed).ok().and_then(|missed| self.last.len().checked_sub(missed)) {
            Some(known) => BalChange::Of(self.last.iter().skip(known).copied().collect()),
            None => BalChange::Any,
        }
    }
}

pub(super) fn note(log: &watch::Sender<Log>, change: BalChange) {
    log.send_modify(|log| log.note(change));
}

/// Hears which BALs change, from the moment at which it was made; none is missed.
#[derive(Debug, Clone)]
pub struct BalNews {
    log: watch::Receiver<Log>,
    seen: u64,
}

impl BalNews {
    pub(super) fn of(log: &watch::Sender<Log>) -> Self {
        let log = log.subscribe();
        let seen = log.borrow().count;
        Self { log, seen }
    }

    /// Waits until something changed that was not told yet; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<BalChange> {
        self.log.changed().await.ok()?;
        Some(self.latest())
    }

    /// What changed and was not told yet, without waiting.
    pub fn latest(&mut self) -> BalChange {
        let log = self.log.borrow_and_update();
        let change = log.since(self.seen);
        self.seen = log.count;
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: i64 = 1_000;

    fn of(bals: impl IntoIterator<Item = i64>) -> BalChange {
        BalChange::Of(bals.into_iter().map(BalId).collect())
    }

    #[tokio::test]
    async fn each_one_hears_what_changed_since_he_asked_last() {
        let log = watch::Sender::new(Log::default());
        note(&log, of([1]));
        let (mut one, mut two) = (BalNews::of(&log), BalNews::of(&log));
        note(&log, of([2]));
        assert_eq!(one.next().await, Some(of([2])));
        note(&log, of([3]));
        note(&log, of([2]));
        assert_eq!((one.next().await, two.next().await), (Some(of([2, 3])), Some(of([2, 3]))));
        assert!(one.latest().is_nothing());
        drop(log);
        assert_eq!(one.next().await, None);
    }

    #[test]
    fn who_missed_too_much_or_may_have_missed_something_reads_everything() {
        let log = watch::Sender::new(Log::default());
        let (mut late, mut in_time) = (BalNews::of(&log), BalNews::of(&log));
        note(&log, of([0]));
        assert_eq!(in_time.latest(), of([0]));
        (1..=MOST).for_each(|bal| note(&log, of([bal])));
        assert_eq!((late.latest(), in_time.latest()), (BalChange::Any, of(1..=MOST)));
        note(&log, of([7]));
        note(&log, BalChange::Any);
        note(&log, of([8]));
        assert_eq!(in_time.latest(), BalChange::Any);
        note(&log, of([9]));
        assert_eq!(in_time.latest(), of([9]));
    }

    #[test]
    fn what_is_owed_adds_up_and_stays_bounded() {
        assert_eq!(of([1]).and(of([2])), of([1, 2]));
        assert_eq!(of([1]).and(BalChange::Any), BalChange::Any);
        assert_eq!(of(0..MOST).and(of([-1])), BalChange::Any);
    }
}
