//! Clocks and randomness for tests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use mssante::{Clock, Random};
use time::{Duration, OffsetDateTime};

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct FixedClock {
    milliseconds: AtomicI64,
}

impl FixedClock {
    /// A clock that shows `moment`, cut to the millisecond.
    pub fn at(moment: OffsetDateTime) -> Self {
        let milliseconds = (moment - OffsetDateTime::UNIX_EPOCH).whole_milliseconds();
        Self { milliseconds: AtomicI64::new(i64::try_from(milliseconds).unwrap_or(i64::MAX)) }
    }

    /// Moves the clock, backwards if `step` is negative.
    pub fn advance(&self, step: Duration) {
        let milliseconds = i64::try_from(step.whole_milliseconds()).unwrap_or(i64::MAX);
        self.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(self.milliseconds.load(Ordering::SeqCst))
    }
}

/// The real time, for tests that talk to programs which look at it too.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where tests take the real time")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// Bytes that look random and are the same on every run. Never for real keys.
#[derive(Debug)]
pub struct TestRandom {
    state: AtomicU64,
}

impl TestRandom {
    /// A sequence that depends on `seed` only.
    pub fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next step of `SplitMix64`.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Random for TestRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::at(datetime!(2026-11-03 08:00 UTC));
        assert_eq!(clock.now(), datetime!(2026-11-03 08:00 UTC));
        clock.advance(Duration::hours(-1));
        assert_eq!(clock.now(), datetime!(2026-11-03 07:00 UTC));
    }

    #[test]
    fn seeded_bytes_repeat_with_the_seed_and_differ_along_the_sequence() {
        let (mut a, mut b, mut c) = ([0; 13], [0; 13], [0; 13]);
        let random = TestRandom::seeded(7);
        random.fill(&mut a);
        random.fill(&mut c);
        TestRandom::seeded(7).fill(&mut b);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
