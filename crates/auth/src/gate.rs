//! The password check without the store: same work and same answer whether the login exists.

use std::net::IpAddr;
use std::sync::Arc;

use mssante::{Clock, Random};

use crate::memory::HashingMemory;
use crate::password::hash;
use crate::proofs::ProofCache;
use crate::queue::Queue;
use crate::{AuthError, Secret};

/// Whose password it may be.
pub(crate) struct Candidate<T> {
    /// Tells his proofs from those of others.
    pub(crate) name: String,
    /// What the password is held against.
    pub(crate) phc: Option<String>,
    /// What opens, or the word for metrics and traces: the client never learns it.
    pub(crate) admitted: Result<T, &'static str>,
}

/// Checks passwords against what the store holds, a few at a time.
pub(crate) struct PasswordGate {
    clock: Arc<dyn Clock>,
    queue: Queue,
    memory: Arc<HashingMemory>,
    proofs: ProofCache,
    /// A hash that no password opens, so that an unknown login costs what a known one does.
    dummy: String,
}

impl PasswordGate {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: &dyn Random, jobs: usize) -> Self {
        let mut nobody = [0; 32];
        random.fill(&mut nobody);
        let dummy = hash(&nobody, random).expect("argon2 with its default parameters hashes 32 octets");
        Self { clock, queue: Queue::new(jobs), memory: Arc::default(), proofs: ProofCache::new(random), dummy }
    }

    /// Who is admitted if `password` is right. The candidate was read from the store for this very attempt.
    pub(crate) async fn open<T>(
        &self,
        candidate: Candidate<T>,
        password: Secret,
        from: IpAddr,
    ) -> Result<T, AuthError> {
        let Candidate { name, phc, admitted } = candidate;
        let wrong = if phc.is_none() { "no-password-set" } else { "wrong-password" };
        let phc = phc.unwrap_or_else(|| self.dummy.clone());
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(word) => {
                // without a look at recent proofs: a refusal takes as long for the right password as for a wrong one
                self.hashes(password, phc, from).await?;
                return Err(AuthError::Refused { word });
            }
        };
        if self.proves(&name, password, phc, from).await? {
            Ok(admitted)
        } else {
            Err(AuthError::Refused { word: wrong })
        }
    }

    async fn proves(&self, login: &str, password: Secret, phc: String, from: IpAddr) -> Result<bool, AuthError> {
        let proof = self.proofs.proof(login, &password, &phc);
        if self.proofs.holds(&proof, self.clock.now()) {
            return Ok(true);
        }
        let proven = self.hashes(password, phc, from).await?;
        if proven {
            self.proofs.keep(proof, self.clock.now());
        }
        Ok(proven)
    }

    async fn hashes(&self, password: Secret, phc: String, from: IpAddr) -> Result<bool, AuthError> {
        let job = self.queue.job(from).await?;
        let memory = Arc::clone(&self.memory);
        let work = move || {
            let _job = job;
            memory.verifies(&password, &phc)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| AuthError::Unavailable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Counting, FixedClock};
    use crate::hash_password;

    const PASSWORD: &str = "correct horse battery";

    fn gate() -> PasswordGate {
        PasswordGate::new(Arc::new(FixedClock), &Counting::default(), 1)
    }

    fn phc(password: &str) -> String {
        hash_password(&Secret::new(password.into()), &Counting::default()).unwrap()
    }

    async fn try_with(
        gate: &PasswordGate,
        phc: Option<String>,
        admitted: Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let candidate = Candidate { name: "a@b.fr".to_owned(), phc, admitted };
        match gate.open(candidate, Secret::new(PASSWORD.into()), IpAddr::from([127, 0, 0, 1])).await {
            Ok(()) => Ok(()),
            Err(AuthError::Refused { word }) => Err(word),
            Err(AuthError::Unavailable(why)) => panic!("{why}"),
        }
    }

    #[tokio::test]
    async fn the_right_password_opens() {
        assert_eq!(try_with(&gate(), Some(phc(PASSWORD)), Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn everything_else_is_refused_and_only_the_word_differs() {
        for (phc, admitted, word) in [
            (None, Ok(()), "no-password-set"),
            (Some(phc("another password")), Ok(()), "wrong-password"),
            (None, Err("unknown-login"), "unknown-login"),
            (Some(phc(PASSWORD)), Err("not-active"), "not-active"),
        ] {
            assert_eq!(try_with(&gate(), phc, admitted).await, Err(word));
        }
    }

    #[tokio::test]
    async fn a_recent_proof_ends_with_the_password_and_with_what_it_opens() {
        let gate = gate();
        let stored = Some(phc(PASSWORD));
        assert_eq!(try_with(&gate, stored.clone(), Ok(())).await, Ok(()));
        assert_eq!(try_with(&gate, Some(phc("another password")), Ok(())).await, Err("wrong-password"));
        assert_eq!(try_with(&gate, stored, Err("not-delegated")).await, Err("not-delegated"));
    }
}
