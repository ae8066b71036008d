//! Not more calls in a second than the interface allows: 17 for an application.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

/// Spreads calls evenly. All who use the same key share one.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Arc<Mutex<Next>>,
}

/// The next free place, and how far it was put off.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: OffsetDateTime,
    gap: Duration,
}

impl Pace {
    /// This many calls a second at most; 0 counts as 1.
    pub fn per_second(calls: u32) -> Self {
        let gap = Duration::from_secs(1) / calls.max(1);
        Self { gap, next: Arc::new(Mutex::new(Next { at: OffsetDateTime::UNIX_EPOCH, gap })) }
    }

    /// One that has its places in the same row, and leaves this many calls a second after its own.
    #[must_use]
    pub fn sharing(&self, calls: u32) -> Self {
        Self { gap: Duration::from_secs(1) / calls.max(1), next: Arc::clone(&self.next) }
    }

    /// Takes the next place, or says how long to wait for it.
    pub fn take(&self, now: OffsetDateTime) -> Result<(), Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = Duration::try_from(next.at - now).unwrap_or_default();
        // More than a gap ahead: the clock was put back.
        if !wait.is_zero() && wait <= next.gap {
            return Err(wait);
        }
        *next = Next { at: now + self.gap, gap: self.gap };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn calls_are_spread_over_the_second() {
        let (pace, mut now) = (Pace::per_second(15), datetime!(2026-11-22 6:00 UTC));
        let end = now + Duration::from_secs(10);
        let mut calls = 0;
        while now < end {
            match pace.take(now) {
                Ok(()) => calls += 1,
                Err(wait) => now += wait,
            }
        }
        assert!((149..=151).contains(&calls), "{calls}");
    }

    #[test]
    fn two_that_share_a_row_make_no_more_calls_than_one() {
        let (reading, mut now) = (Pace::per_second(15), datetime!(2026-11-22 6:00 UTC));
        let telling = reading.sharing(15);
        let end = now + Duration::from_secs(10);
        let mut calls = 0;
        while now < end {
            let waits = [reading.take(now), telling.take(now)].map(|taken| match taken {
                Ok(()) => {
                    calls += 1;
                    Duration::from_millis(1)
                }
                Err(wait) => wait,
            });
            now += waits[0].min(waits[1]);
        }
        assert!((149..=151).contains(&calls), "{calls}");
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_stop_the_calls() {
        let pace = Pace::per_second(1);
        assert_eq!(pace.take(datetime!(2027-01-01 0:00 UTC)), Ok(()));
        assert_eq!(pace.take(datetime!(2026-01-01 0:00 UTC)), Ok(()));
    }
}
