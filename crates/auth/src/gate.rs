//! The password check without the store: same work and same answer whether the login exists.

use std::net::IpAddr;
use std::sync::Arc;

use mssante::{BalState, Clock, Credential, Random, may_log_in_with};
use store::BalRecord;

use crate::memory::HashingMemory;
use crate::password::hash;
use crate::proofs::ProofCache;
use crate::queue::Queue;
use crate::{AuthError, Secret};

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

    /// The BAL that `password` opens. `found` was read from the store for this very attempt.
    pub(crate) async fn open(
        &self,
        found: Option<(BalRecord, Option<String>)>,
        password: Secret,
        from: IpAddr,
    ) -> Result<BalRecord, AuthError> {
        let (bal, phc) = found.map_or((None, None), |(bal, phc)| (Some(bal), phc));
        let may = bal.as_ref().is_some_and(|bal| may_log_in_with(bal.kind, bal.state, Credential::Password).is_ok());
        let word = refusal_word(bal.as_ref(), phc.is_some(), may);
        let login = bal.as_ref().map_or_else(String::new, |bal| bal.address.key());
        let proven = self.proves(&login, password, phc.unwrap_or_else(|| self.dummy.clone()), from).await?;
        bal.filter(|_| may && proven).ok_or(AuthError::Refused { word })
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

/// What metrics and traces say if it fails; the client never learns it.
fn refusal_word(bal: Option<&BalRecord>, has_password: bool, may: bool) -> &'static str {
    match bal {
        None => "unknown-login",
        Some(bal) if bal.state != BalState::Active => "not-active",
        Some(_) if !may => "wrong-credential-kind",
        Some(_) if !has_password => "no-password-set",
        Some(_) => "wrong-password",
    }
}

#[cfg(test)]
mod tests {
    use mssante::BalKind;

    use super::*;
    use crate::fixture::{Counting, FixedClock, bal};
    use crate::hash_password;

    const PASSWORD: &str = "correct horse battery";

    fn gate() -> PasswordGate {
        PasswordGate::new(Arc::new(FixedClock), &Counting::default(), 1)
    }

    fn phc(password: &str) -> String {
        hash_password(&Secret::new(password.into()), &Counting::default()).unwrap()
    }

    async fn try_with(gate: &PasswordGate, found: Option<(BalRecord, Option<String>)>) -> Result<(), &'static str> {
        match gate.open(found, Secret::new(PASSWORD.into()), IpAddr::from([127, 0, 0, 1])).await {
            Ok(_) => Ok(()),
            Err(AuthError::Refused { word }) => Err(word),
            Err(AuthError::Unavailable(why)) => panic!("{why}"),
        }
    }

    #[tokio::test]
    async fn the_right_password_opens_an_active_bal() {
        let found = Some((bal("a@b.fr", BalKind::Nominative, BalState::Active), Some(phc(PASSWORD))));
        assert_eq!(try_with(&gate(), found).await, Ok(()));
    }

    #[tokio::test]
    async fn everything_else_is_refused_and_only_the_word_differs() {
        let active = |kind| bal("a@b.fr", kind, BalState::Active);
        let suspended = bal("a@b.fr", BalKind::Nominative, BalState::Suspended);
        for (found, word) in [
            (None, "unknown-login"),
            (Some((active(BalKind::Nominative), None)), "no-password-set"),
            (Some((active(BalKind::Nominative), Some(phc("another password")))), "wrong-password"),
            (Some((active(BalKind::Applicative), Some(phc(PASSWORD)))), "wrong-credential-kind"),
            (Some((suspended, Some(phc(PASSWORD)))), "not-active"),
        ] {
            assert_eq!(try_with(&gate(), found).await, Err(word));
        }
    }

    #[tokio::test]
    async fn a_recent_proof_ends_with_the_password_the_state_and_the_kind() {
        let gate = gate();
        let stored = Some(phc(PASSWORD));
        let active = || bal("a@b.fr", BalKind::Nominative, BalState::Active);
        assert_eq!(try_with(&gate, Some((active(), stored.clone()))).await, Ok(()));
        assert_eq!(try_with(&gate, Some((active(), Some(phc("another password"))))).await, Err("wrong-password"));
        let closed = bal("a@b.fr", BalKind::Nominative, BalState::Closed);
        assert_eq!(try_with(&gate, Some((closed, stored.clone()))).await, Err("not-active"));
        let software = bal("a@b.fr", BalKind::Applicative, BalState::Active);
        assert_eq!(try_with(&gate, Some((software, stored))).await, Err("wrong-credential-kind"));
    }
}
