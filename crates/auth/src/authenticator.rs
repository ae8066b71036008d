//! From credentials to an [`Identity`].

use std::net::IpAddr;
use std::sync::Arc;

use mssante::{Address, Clock, Credential, Permanence, Random, Refusal, Right, may_log_in_with};
use store::{BalRecord, Store, StoreError};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;
use trust::VerifiedPeer;

use crate::claim::Claim;
use crate::gate::{Candidate, PasswordGate};
use crate::guesses::Guesses;
use crate::log_ins::{self, Door, LogIn, LogIns};
use crate::sasl::Credentials;
use crate::standing::Shown;
use crate::{Access, Ground, Identity, Principal, Secret, Standing};

/// Why nobody is logged in.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Wrong, unknown, suspended, of a kind that may not: nobody is told which. `word` is for
    /// traces and metrics only.
    #[error("authentication failed")]
    Refused {
        /// The real reason.
        word: &'static str,
    },
    /// The store does not answer, or too many wait for their turn; trying again later can help.
    #[error("authentication is not possible at the moment: {0}")]
    Unavailable(String),
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Which log-ins are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogInsDue {
    /// Those whose minute is over, and the first of each kind.
    Now,
    /// All: nobody comes any more.
    All,
}

/// What is known of a log-in, whoever it was.
#[derive(Clone, Copy)]
struct LogInFacts<'a> {
    door: Door,
    kind: &'static str,
    from: IpAddr,
    typed: Option<&'a str>,
}

/// Checks credentials; shared by all sessions.
pub struct Authenticator {
    store: Store,
    clock: Arc<dyn Clock>,
    gate: PasswordGate,
    guesses: Guesses,
    log_ins: LogIns,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

impl Authenticator {
    /// At most `hashing_jobs` password checks run at once.
    #[allow(clippy::needless_pass_by_value, reason = "whoever makes one hands out its parts for good")]
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, hashing_jobs: usize) -> Self {
        let gate = PasswordGate::new(Arc::clone(&clock), random.as_ref(), hashing_jobs);
        Self { store, clock, gate, guesses: Guesses::default(), log_ins: LogIns::default() }
    }

    /// Checks what a SASL exchange ended with; `peer` is the connection's certificate, or why there is none, `from` its
    /// other end.
    /// BALs, people, delegations and hashes are read from the store each time, so what an administrator changes holds
    /// at once.
    ///
    /// Whoever has guessed wrong often lately gets his refusal late, on every connection and protocol of this process.
    pub async fn check(
        &self,
        credentials: Credentials,
        peer: Result<&VerifiedPeer, Refusal>,
        from: IpAddr,
        door: Door,
    ) -> Result<Standing, AuthError> {
        // before anything is read: a change while this runs, or after it, is noticed
        let changes = self.store.bal_changes();
        let typed = credentials.typed().map(str::to_owned);
        let (kind, result) = match credentials {
            Credentials::Password { login, bal, password } => {
                let claim = Claim::new(&login, bal.as_deref());
                ("password", self.by_password(claim, password, from, changes).await)
            }
            Credentials::Certificate { bal } => ("certificate", self.by_certificate(bal, peer, changes).await),
        };
        let result = result.and_then(|standing| may_enter(standing, door));
        count(kind, &result);
        self.note(&result, LogInFacts { door, kind, from, typed: typed.as_deref() });
        if let Ok(standing) = &result {
            self.note_use(standing.identity()).await;
        }
        result
    }

    /// For the audit trail.
    fn note(&self, result: &Result<Standing, AuthError>, facts: LogInFacts<'_>) {
        let LogInFacts { door, kind, from, typed } = facts;
        let log_in = match result {
            Ok(standing) => {
                let identity = standing.identity();
                let rights = match identity.access().ground {
                    Ground::Own => None,
                    Ground::Delegation { rights, .. } => Some(rights),
                };
                LogIn {
                    door,
                    mechanism: kind,
                    from: Some(from.to_canonical()),
                    refused: None,
                    actor: identity.principal().actor(),
                    bal: Some(identity.bal().id),
                    rights,
                    login: None,
                }
            }
            Err(AuthError::Refused { word }) => LogIn::refused(door, kind, from, word, typed),
            // Nobody was judged.
            Err(AuthError::Unavailable(_)) => return,
        };
        self.log_ins.note(log_in, self.clock.now());
    }

    /// Writes the log-ins that are due into the audit trail; with [`LogInsDue::All`], those of this minute as well. To be
    /// called about once a second, and at the end.
    pub async fn write_log_ins(&self, due: LogInsDue) {
        let lines = self.log_ins.due(self.clock.now(), due == LogInsDue::All);
        if let Err(error) = self.store.record(&lines).await {
            tracing::warn!(%error, lines = lines.len(), "log-ins are not in the audit trail");
            log_ins::untraced("database", lines.len() as u64);
        }
    }

    /// A certificate opens all its BALs at once; a password that which was logged in to, by whomever. `[MSS1 BAL.LIFE]`
    async fn note_use(&self, identity: &Identity) {
        let opened = match identity.principal() {
            Principal::Software(_) => identity.accesses(),
            Principal::Person(_) | Principal::Delegate(_) => std::slice::from_ref(identity.access()),
        };
        for Access { bal, .. } in opened {
            // Whoever has proven who he is comes in, whether or not it can be written down.
            let actor = identity.principal().actor();
            if let Err(error) = self.store.note_login(bal, actor, self.clock.now()).await {
                tracing::warn!(%error, bal = bal.address.masked(), "a log-in is not written down");
            }
        }
    }

    async fn by_password(
        &self,
        claim: Claim,
        password: Secret,
        from: IpAddr,
        changes: watch::Receiver<u64>,
    ) -> Result<Standing, AuthError> {
        let who = claim.who().to_owned();
        let result = self.prove(claim, password, from, changes).await;
        match &result {
            Ok(_) => self.guesses.succeeded(from, &who),
            Err(AuthError::Refused { .. }) => self.slow_down(from, &who).await,
            Err(AuthError::Unavailable(_)) => {}
        }
        result
    }

    async fn slow_down(&self, from: IpAddr, login: &str) {
        let delay = self.guesses.failed(from, login, self.clock.now());
        if !delay.is_zero() {
            metrics::counter!("pli_auth_delayed_total").increment(1);
            tokio::time::sleep(delay).await;
        }
    }

    async fn prove(
        &self,
        claim: Claim,
        password: Secret,
        from: IpAddr,
        changes: watch::Receiver<u64>,
    ) -> Result<Standing, AuthError> {
        let now = self.clock.now();
        let found = claim.look(&self.store, now).await?;
        let phc = found.phc.clone();
        let candidate = Candidate { name: found.name, phc: found.phc, admitted: found.admitted };
        let identity = self.gate.open(candidate, password, from).await?;
        Ok(Standing::new(identity, Shown::Password { claim, phc }, changes, (now, found.until)))
    }

    async fn by_certificate(
        &self,
        asked: Option<String>,
        peer: Result<&VerifiedPeer, Refusal>,
        changes: watch::Receiver<u64>,
    ) -> Result<Standing, AuthError> {
        let key = peer.map_err(no_certificate)?.name().key().to_owned();
        let identity = self.of_software(&key, asked.as_deref()).await?.map_err(|word| AuthError::Refused { word })?;
        Ok(Standing::new(identity, Shown::Certificate { key, asked }, changes, (self.clock.now(), None)))
    }

    async fn of_software(&self, key: &str, asked: Option<&str>) -> Result<Result<Identity, &'static str>, StoreError> {
        let registered = self.store.bals_of_certificate(key).await?;
        Ok(opened_by_certificate(registered, asked).map(|bals| {
            let accesses = bals.into_iter().map(|bal| Access { bal, ground: Ground::Own }).collect();
            Identity { principal: Principal::Software(key.to_owned()), accesses }
        }))
    }

    /// What was shown at a log-in, read anew; nobody if it opens nothing any more.
    pub(crate) async fn look_again(&self, shown: &Shown) -> Result<Again, StoreError> {
        match shown {
            Shown::Password { claim, phc } => {
                let found = claim.look(&self.store, self.clock.now()).await?;
                let identity = found.admitted.ok().filter(|_| found.phc == *phc);
                Ok(Again { identity, until: found.until })
            }
            Shown::Certificate { key, asked } => {
                Ok(Again { identity: self.of_software(key, asked.as_deref()).await?.ok(), until: None })
            }
        }
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

/// Who a log-in still stands for, and when that changes by itself.
pub(crate) struct Again {
    pub(crate) identity: Option<Identity>,
    pub(crate) until: Option<OffsetDateTime>,
}

/// Of doubt nobody concludes that there is no certificate.
fn no_certificate(refusal: Refusal) -> AuthError {
    match refusal.permanence() {
        Permanence::Temporary => AuthError::Unavailable(format!("the client's certificate: {}", refusal.word())),
        Permanence::Permanent => AuthError::Refused { word: "no-certificate" },
    }
}

/// The BALs that open for a certificate: the one asked for, or all that it is registered for.
/// `[MSS1 APP.CERTIFICATE]`
fn opened_by_certificate(registered: Vec<BalRecord>, asked: Option<&str>) -> Result<Vec<BalRecord>, &'static str> {
    if registered.is_empty() {
        return Err("unknown-certificate");
    }
    let asked = asked.map(Address::parse).transpose().map_err(|_| "not-this-bal")?;
    let mut bals = registered;
    bals.retain(|bal| asked.as_ref().is_none_or(|address| *address == bal.address));
    if bals.is_empty() {
        return Err("not-this-bal");
    }
    bals.retain(|bal| may_log_in_with(bal.kind, bal.state, Credential::Certificate).is_ok());
    if bals.is_empty() { Err("not-active") } else { Ok(bals) }
}

/// Who may not read has nothing to look for behind that door.
fn may_enter(standing: Standing, door: Door) -> Result<Standing, AuthError> {
    let reads = standing.identity().access().rights().has(Right::Read);
    if door == Door::Imap && !reads { Err(AuthError::Refused { word: "may-not-read" }) } else { Ok(standing) }
}

fn count(kind: &'static str, result: &Result<Standing, AuthError>) {
    let outcome = match result {
        Ok(_) => "ok",
        Err(AuthError::Refused { word }) => word,
        Err(AuthError::Unavailable(_)) => "unavailable",
    };
    metrics::counter!("pli_auth_total", "mechanism" => kind, "outcome" => outcome).increment(1);
    tracing::debug!(mechanism = kind, outcome, "log-in");
}

#[cfg(test)]
mod tests {
    use mssante::{BalKind, BalState};

    use super::*;
    use crate::fixture::bal;

    fn software(address: &str, state: BalState) -> BalRecord {
        bal(address, BalKind::Applicative, state)
    }

    fn opened(registered: &[BalRecord], asked: Option<&str>) -> Result<Vec<String>, &'static str> {
        opened_by_certificate(registered.to_vec(), asked)
            .map(|bals| bals.iter().map(|bal| bal.address.to_string()).collect())
    }

    #[test]
    fn a_certificate_opens_all_its_active_bals_or_the_one_asked_for() {
        let registered = [
            software("a@b.fr", BalState::Suspended),
            software("b@b.fr", BalState::Active),
            software("c@b.fr", BalState::Active),
        ];
        assert_eq!(opened(&registered, None), Ok(vec!["b@b.fr".into(), "c@b.fr".into()]));
        assert_eq!(opened(&registered, Some("C@B.fr")), Ok(vec!["c@b.fr".into()]));
        assert_eq!(opened(&registered, Some("a@b.fr")), Err("not-active"));
    }

    #[test]
    fn a_certificate_opens_no_bal_that_it_is_not_registered_for() {
        let registered = [software("a@b.fr", BalState::Active)];
        assert_eq!(opened(&registered, Some("x@b.fr")), Err("not-this-bal"));
        assert_eq!(opened(&registered, Some("nonsense")), Err("not-this-bal"));
        assert_eq!(opened(&[], None), Err("unknown-certificate"));
    }

    #[test]
    fn doubt_about_a_certificate_passes_and_is_no_wrong_credential() {
        for doubt in [Refusal::RevocationUnknown, Refusal::CertificateNotYetValid] {
            assert!(matches!(no_certificate(doubt), AuthError::Unavailable(_)), "{doubt:?}");
        }
        for refusal in [Refusal::CertificateMissing, Refusal::CertificateRevoked, Refusal::CertificateExpired] {
            assert!(matches!(no_certificate(refusal), AuthError::Refused { word: "no-certificate" }), "{refusal:?}");
        }
    }

    #[test]
    fn a_certificate_opens_no_persons_bal() {
        let registered = [bal("a@b.fr", BalKind::Nominative, BalState::Active)];
        assert_eq!(opened(&registered, None), Err("not-active"));
    }
}
