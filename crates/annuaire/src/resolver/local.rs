//! Our own BALs: every address that leads to one, and where their mail is handed on to.

use std::collections::{HashMap, HashSet, VecDeque};

use mssante::{Address, BalId, BalKind, BalState, ForwardCopy, may_receive};

use super::step::Step;

/// Hand-overs from one BAL to the next that are followed; more are cut off, so that no table can make a message
/// travel without end.
const MOST_FORWARDS: usize = 5;
/// BALs that one recipient may end in.
const MOST_BALS: usize = 20;

/// The part of a BAL that routing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalBal {
    /// Its number in the store.
    pub id: BalId,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
}

/// Mail of one BAL that goes to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// To which BAL.
    pub target: BalId,
    /// What stays.
    pub copy: ForwardCopy,
}

/// All that is known of our BALs.
#[derive(Debug, Default)]
pub struct LocalTable {
    /// By the key of each address, own or alias.
    addresses: HashMap<String, BalId>,
    bals: HashMap<BalId, LocalBal>,
    forwards: HashMap<BalId, Vec<Forward>>,
}

impl LocalTable {
    /// Puts a BAL in under its own address, or replaces what was known of it.
    pub fn put(&mut self, address: &Address, bal: LocalBal) {
        self.addresses.insert(address.key(), bal.id);
        self.bals.insert(bal.id, bal);
    }

    /// Another address that leads to a BAL.
    pub fn alias(&mut self, address: &Address, bal: BalId) {
        self.addresses.insert(address.key(), bal);
    }

    /// Mail of `from` goes to another BAL.
    pub fn forward(&mut self, from: BalId, forward: Forward) {
        self.forwards.entry(from).or_default().push(forward);
    }

    /// How many BALs.
    pub fn len(&self) -> usize {
        self.bals.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bals.is_empty()
    }

    /// The BAL that an address leads to.
    pub fn find(&self, address: &Address) -> Option<LocalBal> {
        self.addresses.get(&address.key()).and_then(|id| self.bals.get(id)).copied()
    }

    /// In which BALs a message for `bal` ends: itself, those that it is handed on to, or both. Never nowhere:
    /// if no target takes it, it stays. `[MSS1 BAL.FORWARD]`
    pub(super) fn delivery(&self, bal: LocalBal, tell: &mut impl FnMut(Step)) -> Vec<BalId> {
        if !self.forwards.contains_key(&bal.id) {
            return vec![bal.id];
        }
        let mut ends = Vec::new();
        let mut seen = HashSet::from([bal.id]);
        let mut waiting = VecDeque::from([(bal, 0)]);
        while let Some((bal, depth)) = waiting.pop_front() {
            let targets = self.targets(bal, depth, &mut seen, tell);
            if targets.stays {
                ends.push(bal.id);
            }
            waiting.extend(targets.bals.into_iter().map(|target| (target, depth + 1)));
        }
        ends
    }

    fn targets(&self, from: LocalBal, depth: usize, seen: &mut HashSet<BalId>, tell: &mut impl FnMut(Step)) -> Targets {
        let mut targets = Targets { bals: Vec::new(), stays: true };
        for forward in self.forwards.get(&from.id).map_or(&[][..], Vec::as_slice) {
            let target = self.bals.get(&forward.target).copied().filter(|target| may_receive(target.state).is_ok());
            let Some(target) = target.filter(|_| depth < MOST_FORWARDS && seen.len() < MOST_BALS) else {
                tell(Step::ForwardSkipped { from: from.id, to: forward.target });
                continue;
            };
            tell(Step::Forward { from: from.id, to: target.id, copy: forward.copy });
            // In a circle each BAL would leave the message to the next: one that was there before takes none off it.
            if seen.insert(target.id) {
                targets.stays &= forward.copy == ForwardCopy::Keep;
                targets.bals.push(target);
            }
        }
        targets
    }
}

struct Targets {
    bals: Vec<LocalBal>,
    /// Whether a copy stays behind.
    stays: bool,
}
