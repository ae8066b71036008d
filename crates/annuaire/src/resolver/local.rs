//! Our own BALs: every address that leads to one, and where their mail is handed on to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mssante::{Address, BalId, BalKind, BalState, ForwardCopy, Replies, may_receive};

use super::step::{Skipped, Step};

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
    /// Whether people may write to it.
    pub replies: Replies,
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
    addresses: HashMap<Arc<str>, BalId>,
    bals: HashMap<BalId, LocalBal>,
    /// The keys under which each BAL was put in.
    keys: HashMap<BalId, Vec<Arc<str>>>,
    forwards: HashMap<BalId, Vec<Forward>>,
}

impl LocalTable {
    /// Puts a BAL in under its own address, or replaces what was known of it.
    pub fn put(&mut self, address: &Address, bal: LocalBal) {
        self.alias(address, bal.id);
        self.bals.insert(bal.id, bal);
    }

    /// Another address that leads to a BAL.
    pub fn alias(&mut self, address: &Address, bal: BalId) {
        let key: Arc<str> = address.key().into();
        let before = self.addresses.insert(Arc::clone(&key), bal);
        if before != Some(bal) {
            self.keys.entry(bal).or_default().push(key);
        }
    }

    /// Forgets a BAL, every address that leads to it, and where its mail goes.
    fn forget(&mut self, bal: BalId) {
        for key in self.keys.remove(&bal).unwrap_or_default() {
            // It may lead to another BAL by now.
            if self.addresses.get(&key) == Some(&bal) {
                self.addresses.remove(&key);
            }
        }
        self.bals.remove(&bal);
        self.forwards.remove(&bal);
    }

    /// Replaces what is known of `bals` by what `fresh` has of them.
    pub(super) fn patch(&mut self, bals: &[BalId], fresh: Self) {
        for bal in bals {
            self.forget(*bal);
        }
        for (key, bal) in fresh.addresses {
            self.keys.entry(bal).or_default().push(Arc::clone(&key));
            self.addresses.insert(key, bal);
        }
        self.bals.extend(fresh.bals);
        self.forwards.extend(fresh.forwards);
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
        self.addresses.get(address.key().as_str()).and_then(|id| self.bals.get(id)).copied()
    }

    /// In which BALs a message for `bal` ends: itself, those that it is handed on to, or both. Never nowhere:
    /// if no target takes it, it stays. `[MSS1 BAL.FORWARD]`
    pub(super) fn delivery(&self, bal: LocalBal, tell: &mut impl FnMut(Step)) -> Vec<BalId> {
        if !self.forwards.contains_key(&bal.id) {
            return vec![bal.id];
        }
        let mut walk = Walk { table: self, path: Vec::new(), seen: HashSet::from([bal.id]), ends: Vec::new(), tell };
        walk.visit(bal);
        walk.ends
    }

    /// The BAL of this number, if it takes mail.
    fn taker(&self, bal: BalId) -> Option<LocalBal> {
        self.bals.get(&bal).copied().filter(|bal| may_receive(bal.state).is_ok())
    }
}

/// A message on its way from BAL to BAL.
struct Walk<'a, T> {
    table: &'a LocalTable,
    /// The BALs by which it came to where it is.
    path: Vec<BalId>,
    seen: HashSet<BalId>,
    /// Where a copy stays.
    ends: Vec<BalId>,
    tell: &'a mut T,
}

impl<T: FnMut(Step)> Walk<'_, T> {
    fn visit(&mut self, bal: LocalBal) {
        let table = self.table;
        self.path.push(bal.id);
        let mut stays = true;
        for forward in table.forwards.get(&bal.id).map_or(&[][..], Vec::as_slice) {
            let taken = self.hand_on(bal.id, *forward);
            stays &= !(taken && forward.copy == ForwardCopy::Move);
        }
        self.path.pop();
        if stays {
            self.ends.push(bal.id);
        }
    }

    /// Whether the target takes the message, now or because it has it already. In a circle each BAL would leave it to
    /// the next: one by which it came takes it off nobody.
    fn hand_on(&mut self, from: BalId, forward: Forward) -> bool {
        let to = forward.target;
        let target = match self.target(to) {
            Ok(target) => target,
            Err(why) => {
                (self.tell)(Step::ForwardSkipped { from, to, why });
                return false;
            }
        };
        (self.tell)(Step::Forward { from, to, copy: forward.copy });
        if self.seen.insert(to) {
            self.visit(target);
        }
        true
    }

    fn target(&self, to: BalId) -> Result<LocalBal, Skipped> {
        let target = self.table.taker(to).ok_or(Skipped::TakesNoMail)?;
        if self.path.contains(&to) {
            return Err(Skipped::Circle);
        }
        let room = self.path.len() <= MOST_FORWARDS && (self.seen.len() < MOST_BALS || self.seen.contains(&to));
        if room { Ok(target) } else { Err(Skipped::TooMany) }
    }
}
