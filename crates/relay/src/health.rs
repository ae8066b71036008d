//! Addresses that did not answer a moment ago. One operator serves thousands of domains: when his
//! host is silent, the first attempt finds out and the others need not wait for it too.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// How long a silent address is left alone.
const PAUSE: Duration = Duration::seconds(10);
/// Addresses remembered at most; beyond that the ones whose pause is over are forgotten.
const MOST: usize = 10_000;

/// Which addresses are left alone until when.
#[derive(Debug, Default)]
pub(crate) struct HostHealth(Mutex<HashMap<SocketAddr, OffsetDateTime>>);

impl HostHealth {
    /// Whether the address may be called now.
    pub(crate) fn may_call(&self, address: SocketAddr, now: OffsetDateTime) -> bool {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(&address).is_none_or(|until| *until <= now)
    }

    /// Nobody answered there.
    pub(crate) fn is_silent(&self, address: SocketAddr, now: OffsetDateTime) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.len() >= MOST {
            silent.retain(|_, until| *until > now);
        }
        silent.insert(address, now + PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_address_is_left_alone_for_a_while() {
        let health = HostHealth::default();
        let address = SocketAddr::from(([192, 0, 2, 1], 25));
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(health.may_call(address, now));
        health.is_silent(address, now);
        assert!(!health.may_call(address, now + Duration::seconds(9)));
        assert!(health.may_call(address, now + PAUSE));
        assert!(health.may_call(SocketAddr::from(([192, 0, 2, 1], 26)), now));
    }
}
