//! The queue for hashing: argon2 is slow on purpose, so a few run at once, a few wait, and the rest come again later.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::AuthError;
use crate::guesses::network;

/// Who may wait for a job.
const WAITERS: usize = 64;

/// Jobs, and places to wait for one. No address has more than half of the places, so that a flood from one of them
/// leaves room for everybody else.
pub(crate) struct Queue {
    jobs: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
    places: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A job; dropped when the work is done.
pub(crate) struct Job {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in the queue; dropped when its holder goes away or is done.
struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Queue {
    pub(crate) fn new(jobs: usize) -> Self {
        let jobs = jobs.max(1);
        Self { jobs: Arc::new(Semaphore::new(jobs)), taken: Arc::default(), places: jobs + WAITERS }
    }

    /// Waits for a job, unless too many wait already.
    pub(crate) async fn job(&self, from: IpAddr) -> Result<Job, AuthError> {
        let place = self.place(network(from)).ok_or_else(|| AuthError::Unavailable("too many log-ins wait".into()))?;
        let closed = |error: tokio::sync::AcquireError| AuthError::Unavailable(error.to_string());
        let permit = Arc::clone(&self.jobs).acquire_owned().await.map_err(closed)?;
        Ok(Job { _permit: permit, _place: place })
    }

    fn place(&self, address: IpAddr) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let own = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= self.places || own >= self.places.div_ceil(2) {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, own + 1);
        Some(Place { taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: usize) -> IpAddr {
        format!("192.0.2.{last}").parse().unwrap()
    }

    #[test]
    fn one_address_gets_half_of_the_places_and_all_addresses_together_all_of_them() {
        let queue = Queue::new(2);
        let first: Vec<_> = (0..100).map_while(|_| queue.place(address(1))).collect();
        assert_eq!(first.len(), 33);
        let others: Vec<_> = (2..100).map_while(|n| queue.place(address(n))).collect();
        assert_eq!(others.len(), 33);
        drop(others);
        assert!(queue.place(address(1)).is_none());
        drop(first);
        assert!(queue.place(address(1)).is_some());
        assert!(lock(&queue.taken).by_address.is_empty(), "nothing is kept of who is gone");
    }

    #[tokio::test]
    async fn who_finds_no_place_is_told_at_once() {
        let queue = Queue::new(1);
        let _all: Vec<_> = (0..100).map_while(|n| queue.place(address(n))).collect();
        assert!(matches!(queue.job(address(200)).await, Err(AuthError::Unavailable(_))));
    }
}
