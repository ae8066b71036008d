//! Passwords that were proven a moment ago: mail clients reconnect in storms, and argon2 is
//! slow on purpose.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use mssante::Random;
use time::{Duration, OffsetDateTime};

use crate::Secret;

const LIFETIME: Duration = Duration::minutes(10);
const MOST: usize = 10_000;

type Proof = [u8; 32];

/// Keyed digests of login, password and stored hash, in memory only. A proof is found only
/// together with the hash that the store holds now, so a changed password ends it at once.
pub(crate) struct ProofCache {
    key: hmac::Key,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    known: HashSet<Proof>,
    /// In the order in which they end.
    ends: VecDeque<(OffsetDateTime, Proof)>,
}

impl ProofCache {
    /// An empty cache under a key that dies with the process.
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), recent: Mutex::default() }
    }

    /// Under which name the proof of these three is kept.
    pub(crate) fn proof(&self, login: &str, password: &Secret, phc: &str) -> Proof {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [login, password.expose(), phc] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut proof = Proof::default();
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }

    /// Whether it was proven within the last ten minutes.
    pub(crate) fn holds(&self, proof: &Proof, now: OffsetDateTime) -> bool {
        let mut recent = self.recent();
        recent.forget_ended(now);
        recent.known.contains(proof)
    }

    /// Keeps a proof; the oldest one makes room.
    pub(crate) fn keep(&self, proof: Proof, now: OffsetDateTime) {
        let mut recent = self.recent();
        recent.forget_ended(now);
        if recent.known.len() >= MOST {
            recent.forget_oldest();
        }
        if recent.known.insert(proof) {
            recent.ends.push_back((now + LIFETIME, proof));
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn forget_ended(&mut self, now: OffsetDateTime) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, proof)) = self.ends.pop_front() {
            self.known.remove(&proof);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Counting, START};

    fn cache() -> ProofCache {
        ProofCache::new(&Counting::default())
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[test]
    fn a_proof_holds_for_ten_minutes() {
        let cache = cache();
        let proof = cache.proof("a@b.fr", &secret("p"), "$hash");
        assert!(!cache.holds(&proof, START));
        cache.keep(proof, START);
        assert!(cache.holds(&proof, START + Duration::seconds(599)));
        assert!(!cache.holds(&proof, START + Duration::minutes(10)));
    }

    #[test]
    fn another_login_password_or_stored_hash_is_another_proof() {
        let cache = cache();
        let proof = cache.proof("ab", &secret("c"), "d");
        for other in [("a", "bc", "d"), ("ab", "cd", ""), ("ab", "x", "d"), ("ab", "c", "e")] {
            assert_ne!(proof, cache.proof(other.0, &secret(other.1), other.2), "{other:?}");
        }
    }

    #[test]
    fn the_cache_is_bounded_and_the_oldest_makes_room() {
        let cache = cache();
        let proof = |n: usize| cache.proof(&n.to_string(), &secret("p"), "$hash");
        for n in 0..=MOST {
            cache.keep(proof(n), START);
        }
        assert_eq!(cache.recent().known.len(), MOST);
        assert!(!cache.holds(&proof(0), START));
        assert!(cache.holds(&proof(MOST), START));
    }
}
