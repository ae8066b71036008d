//! Hosts that did not answer a moment ago. One operator serves thousands of domains: when his
//! host is silent, the first attempt finds out and the others need not wait for it too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::Host;

/// How long a silent host is left alone.
const PAUSE: Duration = Duration::seconds(10);
/// Hosts remembered at most; beyond that the ones whose pause is over are forgotten.
const MOST: usize = 10_000;

/// Which hosts are left alone until when.
#[derive(Debug, Default)]
pub(crate) struct HostHealth(Mutex<HashMap<(String, u16), OffsetDateTime>>);

impl HostHealth {
    /// Whether the host may be called now.
    pub(crate) fn may_call(&self, host: &Host, now: OffsetDateTime) -> bool {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(&key(host)).is_none_or(|until| *until <= now)
    }

    /// The host did not answer.
    pub(crate) fn is_silent(&self, host: &Host, now: OffsetDateTime) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.len() >= MOST {
            silent.retain(|_, until| *until > now);
        }
        silent.insert(key(host), now + PAUSE);
    }
}

fn key(host: &Host) -> (String, u16) {
    (host.name.clone(), host.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_host_is_left_alone_for_a_while() {
        let health = HostHealth::default();
        let host = Host { name: "mx.peer.fr".to_owned(), port: 25 };
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(health.may_call(&host, now));
        health.is_silent(&host, now);
        assert!(!health.may_call(&host, now + Duration::seconds(9)));
        assert!(health.may_call(&host, now + PAUSE));
        assert!(health.may_call(&Host { port: 26, ..host }, now));
    }
}
