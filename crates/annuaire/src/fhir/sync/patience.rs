//! How long to wait after a failure, and when to give up.

use std::time::Duration;

use time::OffsetDateTime;

use super::SyncRules;

/// Too many failures in a row, or one that asks for more time than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Failures in a row of the same call.
#[derive(Debug)]
pub(super) struct Patience {
    tries: u32,
    first: Duration,
    longest: Duration,
    failures: u32,
    /// Since when for how long nothing is asked.
    pause: Option<(OffsetDateTime, Duration)>,
}

impl Patience {
    pub(super) fn new(rules: &SyncRules) -> Self {
        Self { tries: rules.tries, first: rules.first_wait, longest: rules.longest_wait, failures: 0, pause: None }
    }

    /// How much of the pause is left. A clock that was put back does not make it longer.
    pub(super) fn rest(&mut self, now: OffsetDateTime) -> Option<Duration> {
        let (since, pause) = self.pause?;
        let passed = Duration::try_from(now - since).unwrap_or(pause);
        let rest = pause.checked_sub(passed).filter(|rest| !rest.is_zero());
        if rest.is_none() {
            self.pause = None;
        }
        rest
    }

    /// Twice as long each time, and as long as was asked for.
    pub(super) fn failed(&mut self, now: OffsetDateTime, asked_for: Option<Duration>) -> Result<(), Exhausted> {
        self.failures += 1;
        let asked_for = asked_for.unwrap_or_default();
        if self.failures >= self.tries || asked_for > self.longest {
            return Err(Exhausted);
        }
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures - 1));
        self.pause = Some((now, doubled.min(self.longest).max(asked_for)));
        Ok(())
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = None;
    }
}
