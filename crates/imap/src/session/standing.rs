//! Whether a BAL is still open to whoever logged in to it: an administrator who suspends or closes
//! a BAL, or replaces its password or certificate, ends its sessions too.

use std::time::Duration;

use mssante::{Address, Credential, may_log_in_with};
use store::{BalRecord, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Least time between two looks of a session that only waits: a change of any BAL wakes all.
const PAUSE: Duration = Duration::from_secs(1);

/// What was shown at log-in.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// The password of this hash (PHC string).
    Password(Option<String>),
    /// A certificate, by the key of its DN.
    Certificate(String),
}

/// A log-in and what it rests on.
pub(super) struct Standing {
    address: Address,
    proof: Proof,
    changes: watch::Receiver<u64>,
    /// The store could not be asked.
    overdue: bool,
    looked: Instant,
}

impl Standing {
    /// `changes` was taken before the proof was checked.
    pub(super) fn new(address: Address, proof: Proof, changes: watch::Receiver<u64>) -> Self {
        Self { address, proof, changes, overdue: false, looked: Instant::now() }
    }

    /// Whether the BAL is still open; the store is asked only if some BAL has changed.
    pub(super) async fn holds(&mut self, store: &Store) -> bool {
        let changed = self.changes.has_changed().unwrap_or(false);
        if !changed && !self.overdue {
            return true;
        }
        self.changes.mark_unchanged();
        self.looked = Instant::now();
        let found = store.credential(&self.address).await;
        self.overdue = found.is_err();
        self.judge(found)
    }

    fn judge(&self, found: Result<Option<(BalRecord, Option<String>)>, StoreError>) -> bool {
        match found {
            Ok(Some((bal, hash))) => is_open(&self.proof, &bal, hash),
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "cannot tell whether a BAL is still open");
                true
            }
        }
    }

    /// Ends when it is time to ask [`Standing::holds`]: after a change, or after `retry` if the
    /// store did not answer last time.
    pub(super) fn questioned(&self, retry: Duration) -> impl Future<Output = ()> + 'static + use<> {
        let (mut changes, overdue, next) = (self.changes.clone(), self.overdue, self.looked + PAUSE);
        async move {
            if overdue {
                return sleep(retry).await;
            }
            // when the store closes it is the stop signal that ends the session
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep_until(next).await;
        }
    }
}

fn is_open(proof: &Proof, bal: &BalRecord, hash: Option<String>) -> bool {
    let (credential, present) = match proof {
        Proof::Password(_) => (Credential::Password, Proof::Password(hash)),
        Proof::Certificate(_) => {
            (Credential::Certificate, Proof::Certificate(bal.certificate_dn.clone().unwrap_or_default()))
        }
    };
    *proof == present && may_log_in_with(bal.kind, bal.state, credential).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mssante::{BalId, BalKind, BalState};
    use time::OffsetDateTime;

    fn bal(kind: BalKind, state: BalState, certificate_dn: Option<&str>) -> BalRecord {
        BalRecord {
            id: BalId(1),
            address: Address::parse("a@b.fr").unwrap(),
            kind,
            state,
            state_reason: None,
            display_name: None,
            holder: None,
            structure: None,
            responsible: None,
            certificate_dn: certificate_dn.map(str::to_owned),
            listing: mssante::Listing::Listed,
            service: None,
            description: None,
            patient_mail: mssante::PatientMail::Answers,
            has_password: true,
            revision: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_password_opens_as_long_as_it_is_the_password_of_an_active_bal() {
        let proof = Proof::Password(Some("hash".into()));
        let open = |state, hash: &str| is_open(&proof, &bal(BalKind::Nominative, state, None), Some(hash.to_owned()));
        assert!(open(BalState::Active, "hash"));
        assert!(!open(BalState::Active, "another"));
        assert!(!open(BalState::Suspended, "hash") && !open(BalState::Closed, "hash"));
    }

    #[test]
    fn a_certificate_opens_as_long_as_it_is_registered_for_an_active_bal() {
        let proof = Proof::Certificate("CN=labo".into());
        let open = |state, dn: Option<&str>| is_open(&proof, &bal(BalKind::Applicative, state, dn), None);
        assert!(open(BalState::Active, Some("CN=labo")));
        assert!(!open(BalState::Active, Some("CN=other")) && !open(BalState::Active, None));
        assert!(!open(BalState::Suspended, Some("CN=labo")));
    }
}
