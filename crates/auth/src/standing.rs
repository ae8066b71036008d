//! Whether a log-in still stands: an administrator who suspends a BAL or a person, replaces a password or a
//! certificate, or takes a delegation away, ends what rests on it within seconds; so does the last moment of a delegation.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::claim::Claim;
use crate::{Authenticator, Ground, Identity};

/// Least time between two looks of a session that only waits: a change of any BAL wakes all.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest time for which the clock is not asked again.
const LONGEST: Duration = Duration::from_hours(24);

/// What was shown at log-in.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// The password of this hash (PHC string).
    Password {
        /// Who said to be whom, on which BAL.
        claim: Claim,
        /// The hash.
        phc: Option<String>,
    },
    /// A certificate.
    Certificate {
        /// The key of its DN.
        key: String,
        /// The BAL that was named.
        asked: Option<String>,
    },
}

/// A log-in: who has logged in, and what that rests on.
#[derive(Debug)]
pub struct Standing {
    identity: Identity,
    shown: Shown,
    changes: watch::Receiver<u64>,
    /// It does not stand any more, and will not again.
    ended: bool,
    /// The store could not be asked.
    overdue: bool,
    looked: Instant,
    /// When the store is asked again even if nobody changes anything.
    again: Option<Instant>,
}

impl Standing {
    /// `changes` was taken before anything was read; `until` is when what was read changes by itself.
    pub(crate) fn new(
        identity: Identity,
        shown: Shown,
        changes: watch::Receiver<u64>,
        (now, until): (OffsetDateTime, Option<OffsetDateTime>),
    ) -> Self {
        Self {
            identity,
            shown,
            changes,
            ended: false,
            overdue: false,
            looked: Instant::now(),
            again: again(now, until),
        }
    }

    /// Who it is, as was known when this was last looked at.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the log-in still stands: the same credential, the same BAL, the same rights. The store is asked only if
    /// something may have changed; what else is open to a holder is then read anew.
    pub async fn holds(&mut self, authenticator: &Authenticator) -> bool {
        let changed = self.changes.has_changed().unwrap_or(false);
        let due = self.again.is_some_and(|again| again <= Instant::now());
        if !self.ended && (changed || due || self.overdue) {
            self.changes.mark_unchanged();
            self.looked = Instant::now();
            self.ended = !self.look(authenticator).await;
        }
        !self.ended
    }

    async fn look(&mut self, authenticator: &Authenticator) -> bool {
        let now = authenticator.now();
        let found = authenticator.look_again(&self.shown).await;
        self.overdue = found.is_err();
        match found {
            Ok(found) => {
                self.again = again(now, found.until);
                let same = found.identity.and_then(|identity| identity.opened_by(self.identity.access()));
                same.map(|identity| self.identity = identity).is_some()
            }
            Err(error) => {
                tracing::warn!(%error, "cannot tell whether a BAL is still open");
                !self.has_ended(now)
            }
        }
    }

    /// Whether a delegation has ended for which nobody needs to be asked.
    fn has_ended(&self, now: OffsetDateTime) -> bool {
        matches!(self.identity.access().ground, Ground::Delegation { until: Some(until), .. } if until <= now)
    }

    /// Ends when it is time to ask [`Standing::holds`]: after a change, when a delegation begins or ends, or after
    /// `retry` if the store did not answer last time.
    pub fn questioned(&self, retry: Duration) -> impl Future<Output = ()> + 'static + use<> {
        let (mut changes, overdue, looked, again) = (self.changes.clone(), self.overdue, self.looked, self.again);
        let change = async move {
            // when the store closes it is the stop signal that ends the session
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep_until(looked + PAUSE).await;
        };
        async move {
            match (overdue, again) {
                (true, _) => sleep_until(Instant::now() + retry).await,
                (false, None) => change.await,
                (false, Some(again)) => tokio::select! {
                    () = change => {}
                    () = sleep_until(again) => {}
                },
            }
        }
    }

    /// A log-in that nobody made, for tests of sessions.
    #[cfg(feature = "fixture")]
    pub fn fixture(bal: store::BalRecord, changes: watch::Receiver<u64>) -> Self {
        let principal = crate::Principal::Person(bal.address.clone());
        let identity = Identity { principal, accesses: vec![crate::Access { bal, ground: Ground::Own }] };
        let shown = Shown::Certificate { key: String::new(), asked: None };
        Self::new(identity, shown, changes, (OffsetDateTime::UNIX_EPOCH, None))
    }
}

fn again(now: OffsetDateTime, until: Option<OffsetDateTime>) -> Option<Instant> {
    let left = Duration::try_from(until? - now).unwrap_or_default();
    Some(Instant::now() + left.min(LONGEST))
}
