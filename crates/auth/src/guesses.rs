//! Who has guessed passwords lately, so that the next wrong answer is slow. Nobody is ever locked out: only failures
//! wait, the right password opens at once.
//!
//! This is the memory of one process: nodes that share a database do not tell each other.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use mssante::Address;
use time::OffsetDateTime;

/// How long after its last failure a key is remembered.
const MEMORY: time::Duration = time::Duration::minutes(10);
/// Keys that are remembered at most; the one that failed longest ago makes room. Some 20 MB at the worst.
const MOST: usize = 100_000;
/// The longest wait before the answer to a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures that cost nothing: of one login from one address, of one login from anywhere, and from one address, behind
/// which there may be a hospital full of people who mistype.
const FREE: [u32; 3] = [5, 20, 100];

/// An address (an IPv6 network of 64 bits, which is one customer) and the digest of a login; one of them may be missing.
type Key = (Option<IpAddr>, Option<[u8; 32]>);

/// The failures of the last minutes.
#[derive(Default)]
pub(crate) struct Guesses {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    failures: HashMap<Key, Failures>,
    /// The keys in the order of their last failure.
    order: BTreeMap<u64, Key>,
    next: u64,
}

struct Failures {
    count: u32,
    last: OffsetDateTime,
    turn: u64,
}

impl Guesses {
    /// Notes a failure; says how long its answer should wait.
    pub(crate) fn failed(&self, from: IpAddr, login: &str, now: OffsetDateTime) -> Duration {
        let mut memory = self.memory();
        memory.forget_ended(now);
        let (network, login) = (network(from), digest_of(login));
        let keys = [(Some(network), Some(login)), (None, Some(login)), (Some(network), None)];
        let delays = keys.into_iter().zip(FREE).map(|(key, free)| delay(memory.count(key, now), free));
        delays.max().unwrap_or_default()
    }

    /// Whoever logs in from there under this name knows the password: he had mistyped it.
    pub(crate) fn succeeded(&self, from: IpAddr, login: &str) {
        self.memory().forget(&(Some(network(from)), Some(digest_of(login))));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn count(&mut self, key: Key, now: OffsetDateTime) -> u32 {
        let count = self.forget(&key).map_or(0, |known| known.count).saturating_add(1);
        if self.failures.len() >= MOST {
            self.forget_oldest();
        }
        self.next += 1;
        self.order.insert(self.next, key);
        self.failures.insert(key, Failures { count, last: now, turn: self.next });
        count
    }

    fn forget(&mut self, key: &Key) -> Option<Failures> {
        let known = self.failures.remove(key)?;
        self.order.remove(&known.turn);
        Some(known)
    }

    fn forget_ended(&mut self, now: OffsetDateTime) {
        while self.order.first_key_value().is_some_and(|(_, key)| self.failures[key].last + MEMORY <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.failures.remove(&key);
        }
    }
}

/// Nothing for the first `free` failures, then 1, 2, 4… seconds.
fn delay(failures: u32, free: u32) -> Duration {
    match failures.saturating_sub(free) {
        0 => Duration::ZERO,
        over => Duration::from_secs(1 << (over - 1).min(6)).min(LONGEST),
    }
}

/// What one customer has of the internet.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Of whatever length a login is, it takes the same room.
fn digest_of(login: &str) -> [u8; 32] {
    let key = Address::parse(login).map_or_else(|_| login.to_lowercase(), |address| address.key());
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::START;

    const HERE: &str = "192.0.2.1";

    fn failed(guesses: &Guesses, from: &str, login: &str) -> u64 {
        guesses.failed(from.parse().unwrap(), login, START).as_secs()
    }

    fn fail(guesses: &Guesses, times: usize) {
        for _ in 0..times {
            failed(guesses, HERE, "a@b.fr");
        }
    }

    #[test]
    fn from_the_sixth_failure_on_the_answer_waits_longer_and_longer_up_to_thirty_seconds() {
        let guesses = Guesses::default();
        let delays: Vec<_> = (0..13).map(|_| failed(&guesses, HERE, "a@b.fr")).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(failed(&guesses, HERE, "A@B.fr"), 30, "the same login");
    }

    #[test]
    fn other_logins_behind_the_same_address_and_the_same_login_elsewhere_do_not_wait() {
        let guesses = Guesses::default();
        fail(&guesses, 15);
        assert_eq!(failed(&guesses, HERE, "c@b.fr"), 0);
        assert_eq!(failed(&guesses, "192.0.2.2", "a@b.fr"), 0);
    }

    #[test]
    fn who_spreads_his_guesses_over_logins_or_addresses_waits_too() {
        let guesses = Guesses::default();
        let over_logins: Vec<_> = (0..102).map(|n| failed(&guesses, HERE, &format!("{n}@b.fr"))).collect();
        assert_eq!(over_logins[98..], [0, 0, 1, 2]);
        let over_addresses: Vec<_> = (0..22).map(|n| failed(&guesses, &format!("198.51.100.{n}"), "a@b.fr")).collect();
        assert_eq!(over_addresses[18..], [0, 0, 1, 2]);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address_and_a_mapped_one_is_ipv4() {
        let guesses = Guesses::default();
        for n in 0..5 {
            failed(&guesses, &format!("2001:db8:1:2::{n}"), "a@b.fr");
        }
        assert_eq!(failed(&guesses, "2001:db8:1:2:ffff::1", "a@b.fr"), 1);
        assert_eq!(failed(&guesses, "2001:db8:1:3::1", "a@b.fr"), 0);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), HERE.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_log_in_clears_its_pair_and_ten_quiet_minutes_clear_everything() {
        let guesses = Guesses::default();
        fail(&guesses, 6);
        guesses.succeeded(HERE.parse().unwrap(), "a@b.fr");
        assert_eq!(failed(&guesses, HERE, "a@b.fr"), 0);
        fail(&guesses, 5);
        let later = |after| guesses.failed(HERE.parse().unwrap(), "a@b.fr", START + after).as_secs();
        assert_eq!(later(time::Duration::seconds(599)), 2);
        assert_eq!(later(time::Duration::seconds(599) + MEMORY), 0);
        assert_eq!(guesses.memory().failures.len(), 3);
    }

    #[test]
    fn the_memory_is_bounded_and_the_oldest_failure_makes_room() {
        let guesses = Guesses::default();
        let first = (Some(HERE.parse().unwrap()), Some(digest_of("0@b.fr")));
        for n in 0..MOST / 2 {
            failed(&guesses, HERE, &format!("{n}@b.fr"));
        }
        let memory = guesses.memory();
        assert_eq!((memory.failures.len(), memory.order.len()), (MOST, MOST));
        assert!(!memory.failures.contains_key(&first));
        assert_eq!(memory.failures[&(first.0, None)].count as usize, MOST / 2, "who goes on guessing is not forgotten");
    }
}
