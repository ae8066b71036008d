//! What the tests of this crate share.

use std::sync::atomic::{AtomicU8, Ordering};

use mssante::{Address, BalId, BalKind, BalState, Clock, Random};
use store::{BalRecord, NewBal};
use time::OffsetDateTime;

pub(crate) const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        START
    }
}

/// Fills with 0, 0, 0…, then 1, 1, 1…
#[derive(Default)]
pub(crate) struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

pub(crate) fn bal(address: &str, kind: BalKind, state: BalState) -> BalRecord {
    let new = NewBal::new(Address::parse(address).unwrap(), kind);
    BalRecord { state, ..BalRecord::fresh(BalId(1), new, START) }
}
