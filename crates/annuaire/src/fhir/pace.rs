//! Not more calls in a second than the interface allows: 17 for an application.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

/// Spreads calls evenly. All who use the same key share one.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Mutex<OffsetDateTime>,
}

impl Pace {
    /// This many calls a second at most; 0 counts as 1.
    pub fn per_second(calls: u32) -> Self {
        Self { gap: Duration::from_secs(1) / calls.max(1), next: Mutex::new(OffsetDateTime::UNIX_EPOCH) }
    }

    /// Takes the next place, or says how long to wait for it.
    pub fn take(&self, now: OffsetDateTime) -> Result<(), Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = Duration::try_from(*next - now).unwrap_or_default();
        // More than a gap ahead: the clock was put back.
        if !wait.is_zero() && wait <= self.gap {
            return Err(wait);
        }
        *next = now + self.gap;
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
    fn a_clock_that_is_put_back_does_not_stop_the_calls() {
        let pace = Pace::per_second(1);
        assert_eq!(pace.take(datetime!(2027-01-01 0:00 UTC)), Ok(()));
        assert_eq!(pace.take(datetime!(2026-01-01 0:00 UTC)), Ok(()));
    }
}
