//! When to fetch again: pure arithmetic, for the white list and for revocation lists alike.
//!
//! Thousands of operators fetch the same files; nobody shall do so at the full hour, nor hammer a
//! source that is down. The source of revocation lists turns clients away after few requests.

use std::time::Duration;

use mssante::Random;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::FetchError;

/// After the first failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_mins(1);
/// After the first refusal of a source that has had enough of us.
const FIRST_RETRY_WHEN_LIMITED: Duration = Duration::from_mins(15);
/// A source that refuses is left alone no longer than this.
const LONGEST_RETRY_WHEN_LIMITED: Duration = Duration::from_hours(6);
/// What a server may ask for: more is a mistake, or somebody who wants us not to hear of revocations.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(6);
/// Revocation lists are not asked for more often, however soon they end.
const SHORTEST_GAP: Duration = Duration::from_mins(5);

/// The next attempt after one that succeeded: the interval, give or take a tenth.
pub fn after_success(now: OffsetDateTime, interval: Duration, random: &dyn Random) -> OffsetDateTime {
    now + interval.mul_f64(0.9 + 0.2 * fraction(random))
}

/// The next attempt after `failures` (from 1) in a row, the last one with `error`: about a minute,
/// twice as long each time, at most the interval. A source that limits rates (403, 429) is left
/// alone for 15 minutes at least and up to six hours, and whatever it says in `Retry-After` up to six hours.
pub fn after_failure(
    now: OffsetDateTime,
    interval: Duration,
    failures: u32,
    error: &FetchError,
    random: &dyn Random,
) -> OffsetDateTime {
    // Never earlier than asked for.
    now + pause(interval, failures, error).mul_f64(1.0 + 0.1 * fraction(random))
}

/// The interval for [`after_failure`] while a document is in hand: half of the life that is left to it, so that the
/// longer pauses do not outlast it; but five minutes at least.
pub fn while_it_lasts(now: OffsetDateTime, next_update: OffsetDateTime, interval: Duration) -> Duration {
    let left = Duration::try_from(next_update - now).unwrap_or_default();
    interval.min((left / 2).max(SHORTEST_GAP))
}

/// How long a source is left alone after `failures` in a row, see [`after_failure`].
pub(crate) fn pause(interval: Duration, failures: u32, error: &FetchError) -> Duration {
    let doublings = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let (status, retry_after) = match error {
        FetchError::Status { status, retry_after, .. } | FetchError::TurnedAway { status, retry_after, .. } => {
            (Some(*status), *retry_after)
        }
        _ => (None, None),
    };
    let (first, longest) = match status {
        Some(403 | 429) => (FIRST_RETRY_WHEN_LIMITED, LONGEST_RETRY_WHEN_LIMITED),
        _ => (FIRST_RETRY.min(interval), interval),
    };
    let asked_for = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    first.saturating_mul(doublings).min(longest).max(asked_for)
}

/// The next attempt for a document that ends: `interval` from now or after half of the life that
/// is left to it, whichever comes first, and before the last tenth of its life; but not within five minutes.
pub fn before_end(
    now: OffsetDateTime,
    this_update: OffsetDateTime,
    next_update: OffsetDateTime,
    interval: Duration,
    random: &dyn Random,
) -> OffsetDateTime {
    let left = Duration::try_from(next_update - now).unwrap_or_default();
    let life = Duration::try_from(next_update - this_update).unwrap_or_default();
    let wait = interval.min(left / 2).min(left.saturating_sub(life / 10));
    now + wait.mul_f64(1.0 - 0.1 * fraction(random)).max(SHORTEST_GAP)
}

/// What the server asks for: seconds, or a date. `[RFC9110 10.2.3]`
pub(super) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Some(Duration::try_from(date - now).unwrap_or_default())
}

/// A number from 0 to 1.
fn fraction(random: &dyn Random) -> f64 {
    let mut octets = [0; 4];
    random.fill(&mut octets);
    f64::from(u32::from_le_bytes(octets)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use testkit::clock::TestRandom;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
    const HOUR: Duration = Duration::from_hours(1);

    fn broken() -> FetchError {
        FetchError::Connection { url: "http://a/".to_owned(), why: "refused".to_owned() }
    }

    fn refused(status: u16, retry_after: Option<Duration>) -> FetchError {
        FetchError::Status { url: "http://a/".to_owned(), status, retry_after }
    }

    fn wait_after(failures: u32, error: &FetchError, seed: u64) -> Duration {
        let next = after_failure(NOW, HOUR, failures, error, &TestRandom::seeded(seed));
        Duration::try_from(next - NOW).unwrap()
    }

    fn retry_after_of(value: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
        retry_after(&headers, NOW)
    }

    #[test]
    fn the_first_retries_come_after_one_two_and_four_minutes() {
        for (failures, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            let wait = wait_after(failures, &broken(), 7);
            let exact = Duration::from_mins(minutes);
            assert!(wait >= exact && wait <= exact.mul_f64(1.1), "{failures}: {wait:?}");
        }
    }

    #[test]
    fn a_source_that_limits_rates_is_left_alone_for_a_quarter_of_an_hour() {
        for status in [403, 429] {
            assert!(wait_after(1, &refused(status, None), 7) >= Duration::from_mins(15));
            assert!(wait_after(1, &refused(status, Some(Duration::from_secs(1))), 7) >= Duration::from_mins(15));
        }
        assert!(wait_after(1, &refused(503, None), 7) < Duration::from_mins(2));
    }

    #[test]
    fn an_interface_that_says_when_to_come_back_is_left_alone_as_long() {
        let turned_away = |status, hours| FetchError::TurnedAway {
            url: "http://a/".to_owned(),
            why: "too many calls".to_owned(),
            status,
            retry_after: Some(Duration::from_hours(hours)),
        };
        assert!(wait_after(1, &turned_away(429, 2), 7) >= 2 * HOUR);
        assert!(wait_after(1, &turned_away(503, 2), 7) >= 2 * HOUR);
        assert!(wait_after(1, &turned_away(429, 0), 7) >= Duration::from_mins(15));
    }

    #[test]
    fn a_server_may_say_when_to_come_back_but_not_next_year() {
        let half_an_hour = Duration::from_mins(30);
        assert!(wait_after(1, &refused(503, Some(half_an_hour)), 7) >= half_an_hour);
        let year = Duration::from_hours(365 * 24);
        assert!(wait_after(1, &refused(503, Some(year)), 7) <= Duration::from_hours(7));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_date() {
        assert_eq!(retry_after_of("120"), Some(Duration::from_mins(2)));
        assert_eq!(retry_after_of("Tue, 03 Nov 2026 08:05:00 GMT"), Some(Duration::from_mins(5)));
        assert_eq!(retry_after_of("Tue, 03 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after_of("soon"), None);
        assert_eq!(retry_after_of("-1"), None);
    }

    #[test]
    fn a_revocation_list_is_fetched_at_half_of_its_life_or_every_interval() {
        let next = |hours: i64| {
            let end = NOW + time::Duration::hours(hours);
            before_end(NOW, NOW, end, Duration::from_hours(6), &TestRandom::seeded(7)) - NOW
        };
        assert!(next(8) <= time::Duration::hours(4) && next(8) >= time::Duration::minutes(3 * 60 + 36));
        assert!(next(100) <= time::Duration::hours(6) && next(100) >= time::Duration::minutes(5 * 60 + 24));
        assert_eq!(next(0), time::Duration::minutes(5));
        assert_eq!(next(-1), time::Duration::minutes(5));
    }

    #[test]
    fn the_nearer_the_end_of_what_is_in_hand_the_shorter_are_the_pauses_after_failures() {
        let interval = |minutes: i64| while_it_lasts(NOW, NOW + time::Duration::minutes(minutes), 6 * HOUR);
        let minutes = Duration::from_mins;
        for (left, expected) in [(24 * 60, 360), (120, 60), (20, 10), (10, 5), (1, 5), (-600, 5)] {
            assert_eq!(interval(left), minutes(expected), "{left} minutes before its end");
        }
        let next = after_failure(NOW, interval(20), 12, &broken(), &TestRandom::seeded(7));
        assert!(next < NOW + time::Duration::minutes(20), "before the list has ended");
    }

    proptest! {
        #[test]
        fn success_waits_for_the_interval_give_or_take_a_tenth(seed: u64, seconds in 60_u64..1_000_000) {
            let interval = Duration::from_secs(seconds);
            let wait = Duration::try_from(after_success(NOW, interval, &TestRandom::seeded(seed)) - NOW).unwrap();
            prop_assert!(wait >= interval.mul_f64(0.899) && wait <= interval.mul_f64(1.101));
        }

        #[test]
        fn failures_never_wait_longer_than_the_interval_nor_not_at_all(seed: u64, failures: u32) {
            let wait = wait_after(failures, &broken(), seed);
            prop_assert!(wait >= FIRST_RETRY && wait <= HOUR.mul_f64(1.1));
        }

        #[test]
        fn whatever_a_server_says_it_is_asked_again_within_seven_hours(
            seed: u64, failures: u32, status in 300_u16..600, seconds: u64,
        ) {
            let error = refused(status, Some(Duration::from_secs(seconds)));
            prop_assert!(wait_after(failures, &error, seed) <= Duration::from_hours(7));
        }

        #[test]
        fn a_revocation_list_is_replaced_before_its_last_tenth_if_there_is_time(
            seed: u64, age in 0_i64..2_000_000, left in 0_i64..2_000_000, every in 1_u64..1_000_000,
        ) {
            let (start, end) = (NOW - time::Duration::seconds(age), NOW + time::Duration::seconds(left));
            let next = before_end(NOW, start, end, Duration::from_secs(every), &TestRandom::seeded(seed));
            let earliest = NOW + SHORTEST_GAP;
            prop_assert!(next >= earliest);
            prop_assert!(next == earliest || next <= end - (end - start) / 10);
            prop_assert!(next == earliest || next <= NOW + Duration::from_secs(every));
        }
    }
}
