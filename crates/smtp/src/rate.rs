//! How many messages each BAL begins in a minute. `[MSS1 APP.RATE]`
//!
//! Counted by each process for itself: a row in the database for every message would cost more than the rate protects.
//! With several nodes a sender has the rate on each of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mssante::{BalId, BalKind, Refusal, SendingRules, Verdict};
use time::OffsetDateTime;

/// BALs that are counted at once; then those of former minutes are forgotten.
const MOST: usize = 10_000;

/// The counters of a process; shared by its submission listeners.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<BalId, Minute>>);

#[derive(Debug, Clone, Copy)]
struct Minute {
    number: i64,
    begun: u32,
}

impl Rates {
    /// A BAL begins a message.
    pub fn begin(&self, rules: &SendingRules, bal: BalId, kind: BalKind, now: OffsetDateTime) -> Verdict {
        let Some(most) = rules.per_minute(kind) else { return Ok(()) };
        let number = now.unix_timestamp().div_euclid(60);
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= MOST {
            minutes.retain(|_, minute| minute.number == number);
        }
        let minute = minutes.entry(bal).or_insert(Minute { number, begun: 0 });
        if minute.number != number {
            *minute = Minute { number, begun: 0 };
        }
        if minute.begun >= most {
            return Err(Refusal::RateExceeded);
        }
        minute.begun += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn rule_app_rate_begins_anew_each_minute_and_for_each_bal() {
        let rates = Rates::default();
        let rules = SendingRules { software_per_minute: 2, person_per_minute: 1, ..SendingRules::default() };
        let now = datetime!(2026-11-22 09:00:30 UTC);
        let app = |bal, at| rates.begin(&rules, BalId(bal), BalKind::Applicative, at);
        assert_eq!([app(1, now), app(1, now)], [Ok(()), Ok(())]);
        assert_eq!(app(1, now + Duration::seconds(29)), Err(Refusal::RateExceeded));
        assert_eq!(app(2, now), Ok(()), "another BAL");
        assert_eq!(app(1, now + Duration::seconds(30)), Ok(()), "another minute");
        let person = |at| rates.begin(&rules, BalId(3), BalKind::Nominative, at);
        assert_eq!([person(now), person(now)], [Ok(()), Err(Refusal::RateExceeded)]);
        let unlimited = SendingRules { software_per_minute: 0, ..rules };
        for _ in 0..100_000 {
            assert_eq!(rates.begin(&unlimited, BalId(4), BalKind::Applicative, now), Ok(()));
        }
    }
}
