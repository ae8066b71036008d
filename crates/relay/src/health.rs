//! Addresses that did not answer a moment ago. One operator serves thousands of domains: when his
//! host is silent, the first attempt finds out and the others need not wait for it too.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// How long an address is left alone after it was silent once, twice, and each further time.
const PAUSES: [Duration; 3] = [Duration::seconds(10), Duration::minutes(1), Duration::minutes(5)];
/// How long the others leave it alone while one caller looks whether it has come back.
const TRIAL: Duration = Duration::minutes(1);
/// Addresses remembered at most; beyond that the ones whose pause is over are forgotten.
const MOST: usize = 10_000;

/// Which addresses were silent the last time.
#[derive(Debug, Default)]
pub(crate) struct HostHealth(Mutex<HashMap<SocketAddr, Silence>>);

#[derive(Debug)]
struct Silence {
    /// How often in a row.
    times: usize,
    /// Left alone until then.
    until: OffsetDateTime,
    /// One caller may call meanwhile.
    on_trial: bool,
}

impl HostHealth {
    /// Whether the address may be called now. Of those who ask after its pause one may, and the others hear from them.
    pub(crate) fn may_call(&self, address: SocketAddr, now: OffsetDateTime) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(silence) = known.get_mut(&address) else { return true };
        let is_over = silence.until <= now;
        if is_over {
            (silence.until, silence.on_trial) = (now + TRIAL, true);
        }
        is_over
    }

    /// Nobody answered there. Callers of the same time count once.
    pub(crate) fn is_silent(&self, address: SocketAddr, now: OffsetDateTime) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, silence| silence.until > now);
        }
        let silence = known.entry(address).or_insert(Silence { times: 0, until: now, on_trial: true });
        if silence.on_trial || silence.until <= now {
            let pause = PAUSES[silence.times.min(PAUSES.len() - 1)];
            *silence = Silence { times: silence.times + 1, until: now + pause, on_trial: false };
        }
    }

    /// Somebody answered there.
    pub(crate) fn has_answered(&self, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 25))
    }

    #[test]
    fn a_silent_address_is_left_alone_for_a_while() {
        let health = HostHealth::default();
        assert!(health.may_call(address(), NOW));
        health.is_silent(address(), NOW);
        assert!(!health.may_call(address(), NOW + Duration::seconds(9)));
        assert!(health.may_call(SocketAddr::from(([192, 0, 2, 1], 26)), NOW));
        assert!(health.may_call(address(), NOW + PAUSES[0]));
    }

    #[test]
    fn the_pause_grows_with_repeated_silence_and_ends_with_an_answer() {
        let health = HostHealth::default();
        let mut now = NOW;
        health.is_silent(address(), now);
        for seconds in [10, 60, 300, 300] {
            assert!(!health.may_call(address(), now + Duration::seconds(seconds - 1)), "{seconds}");
            now += Duration::seconds(seconds);
            assert!(health.may_call(address(), now), "{seconds}");
            health.is_silent(address(), now);
        }
        health.has_answered(address());
        assert!(health.may_call(address(), now));
        health.is_silent(address(), now);
        assert!(health.may_call(address(), now + PAUSES[0]), "it is the first time again");
    }

    #[test]
    fn after_the_pause_one_caller_finds_out_for_all() {
        let health = HostHealth::default();
        health.is_silent(address(), NOW);
        let after = NOW + PAUSES[0];
        assert!(health.may_call(address(), after));
        assert!(!health.may_call(address(), after), "somebody is calling");
        assert!(health.may_call(address(), after + TRIAL), "whoever called never came back");
    }

    #[test]
    fn callers_who_waited_together_count_once() {
        let health = HostHealth::default();
        for _ in 0..20 {
            health.is_silent(address(), NOW);
        }
        assert!(health.may_call(address(), NOW + PAUSES[0]));
    }
}
