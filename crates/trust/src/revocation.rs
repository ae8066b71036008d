//! Whether a certificate was revoked: revocation lists first, OCSP where it is switched on.
//!
//! Answers come from memory. What is missing is asked for: [`Revocation::wanted`] names the
//! lists to download, whoever downloads them hands them in by [`Revocation::offer`].

//!
//! A certificate on a list is revoked; one that is on none is good while a list of its issuer
//! lasts that speaks of it. OCSP answers are kept until they end and count beside the lists: of two that
//! contradict each other the one that says revoked is right.

mod answers;
mod count;
mod crl;
mod der;
mod ocsp;
mod register;
mod responders;
mod signed;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use mssante::Clock;
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;

use self::answers::Answers;
use self::register::{Origin, Register};
use self::wanted::Wanted;
use crate::{Authorities, CertificateFault, Fetcher, VerifiedCertificate};

/// What to do about certificates of unknown standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnknown {
    /// A temporary refusal.
    #[default]
    Refuse,
    /// Accepted, with a warning in log and metric. For pre-production.
    Accept,
}

/// Whether OCSP responders are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ocsp {
    /// Never; stapled answers are not looked at either.
    Off,
    /// Stapled answers are taken, responders are not asked.
    #[default]
    Stapled,
    /// Stapled answers are taken; responders are asked when no revocation list decides.
    Ask,
}

/// How revocation is checked.
#[derive(Debug, Clone)]
pub struct RevocationRules {
    /// Whether it is checked at all. `false` is for pre-production and says so loudly.
    pub checked: bool,
    /// Lists to download, beside those that certificates name.
    pub crl_urls: Vec<String>,
    /// What to do in doubt.
    pub when_unknown: WhenUnknown,
    /// OCSP.
    pub ocsp: Ocsp,
    /// How long a handshake waits for a missing list or a responder.
    pub patience: Duration,
}

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not revoked, says the list or responder named here.
    Good {
        /// A URL, `stapled`, or why nobody was asked.
        source: String,
    },
    /// Revoked.
    Revoked {
        /// Since when.
        since: OffsetDateTime,
        /// A URL or `stapled`.
        source: String,
    },
    /// Nobody can say.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// Whether it is good only because nobody looks.
    pub fn is_unchecked(&self) -> bool {
        matches!(self, Self::Good { source } if source == NOT_CHECKED)
    }

    fn is_revoked(&self) -> bool {
        matches!(self, Self::Revoked { .. })
    }
}

/// The source of what is good because nobody looks.
const NOT_CHECKED: &str = "not checked";

/// Why a revocation list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrlError {
    /// Not a revocation list, or one of a kind that is not supported (delta, indirect).
    #[error("not a usable revocation list: {0}")]
    Format(String),
    /// None of our authorities has issued it, or its signature is wrong.
    #[error("the revocation list is not signed by an authority of ours")]
    Untrusted,
    /// An authority of ours has the issuer's name, but the algorithm of the signature is not believed.
    #[error("the revocation list is signed with a weak or unknown algorithm; SHA-256 or better is needed")]
    Weak,
    /// Its thisUpdate lies ahead.
    #[error("the revocation list begins at {} only; is our clock right?", crate::explain::moment(*.0))]
    NotYetValid(OffsetDateTime),
    /// Its nextUpdate has passed.
    #[error("the revocation list ended at {}", crate::explain::moment(*.0))]
    Expired(OffsetDateTime),
    /// It is older than the one that we hold.
    #[error("the revocation list is older than the one in use")]
    Older,
}

/// A revocation list in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFacts {
    /// Where it came from.
    pub url: String,
    /// Who issued it, as text.
    pub issuer: String,
    /// When it was made.
    pub this_update: OffsetDateTime,
    /// When the next one will be there at the latest.
    pub next_update: OffsetDateTime,
    /// How many certificates are on it.
    pub revoked: usize,
}

/// What questions to responders need while they are under way, and those who wait for them have gone.
#[derive(Clone)]
struct Shared {
    rules: Arc<RevocationRules>,
    clock: Arc<dyn Clock>,
    fetcher: Option<Fetcher>,
    register: Arc<ArcSwap<Register>>,
    answers: Arc<Answers>,
    /// Wakes those who wait for a list or an answer.
    news: watch::Sender<u64>,
}

/// What is known about revocation; shared by all listeners and hops of a process.
pub struct Revocation {
    shared: Shared,
    wanted: Mutex<Wanted>,
    wants: watch::Sender<u64>,
    /// One changes the register at a time.
    changing: Mutex<()>,
    /// Authorities that the log was warned of: nobody can say whether they were revoked.
    unchecked: Mutex<BTreeSet<String>>,
}

impl Revocation {
    /// Knows nothing yet. `authorities` are those whose lists are believed; `fetcher` asks OCSP responders.
    pub fn new(
        rules: RevocationRules,
        authorities: &Authorities,
        fetcher: Option<Fetcher>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Self::of(rules, Register::of(authorities), fetcher, clock)
    }

    /// Checks nothing: for tests, and for pre-production.
    pub fn unchecked(clock: Arc<dyn Clock>) -> Arc<Self> {
        let rules = RevocationRules {
            checked: false,
            crl_urls: Vec::new(),
            when_unknown: WhenUnknown::Accept,
            ocsp: Ocsp::Off,
            patience: Duration::ZERO,
        };
        Self::of(rules, Register::default(), None, clock)
    }

    fn of(rules: RevocationRules, register: Register, fetcher: Option<Fetcher>, clock: Arc<dyn Clock>) -> Arc<Self> {
        if !rules.checked {
            tracing::warn!("REVOCATION IS NOT CHECKED: revoked certificates are accepted; for pre-production only");
        }
        let mut wanted = Wanted::default();
        wanted.fix(rules.crl_urls.iter().chain(register.urls_of_authorities()));
        let shared = Shared {
            rules: Arc::new(rules),
            clock,
            fetcher,
            register: Arc::new(ArcSwap::from_pointee(register)),
            answers: Arc::default(),
            news: watch::Sender::new(0),
        };
        let wants = watch::Sender::new(0);
        Arc::new(Self {
            shared,
            wanted: Mutex::new(wanted),
            wants,
            changing: Mutex::default(),
            unchecked: Mutex::default(),
        })
    }

    /// From what is in memory; no I/O. Cheap: called for every message.
    pub fn standing(&self, certificate: &VerifiedCertificate) -> Standing {
        if !self.shared.rules.checked {
            return Standing::Good { source: NOT_CHECKED.to_owned() };
        }
        let now = self.shared.clock.now();
        let by_list = self.shared.register.load().standing(certificate, now);
        let by_answer = || self.shared.answers.standing(&certificate.facts().sha256, now);
        match by_list {
            Standing::Revoked { .. } => by_list,
            Standing::Unknown { .. } => by_answer().unwrap_or(by_list),
            Standing::Good { .. } => by_answer().filter(Standing::is_revoked).unwrap_or(by_list),
        }
    }

    /// The same after asking for what is missing, for at most the configured patience. `stapled` is
    /// the OCSP answer that came with the handshake.
    ///
    /// A list that is missing is wanted from now on ([`Self::wants`]) and waited for unless its source
    /// has failed before ([`Self::missed`]); a responder is asked at the same time where the rules
    /// say so. However many wait for the same, each is asked once.
    pub async fn ask(&self, certificate: &VerifiedCertificate, stapled: Option<&[u8]>) -> Standing {
        if let Some(stapled) = stapled.filter(|stapled| !stapled.is_empty()) {
            self.shared.take_stapled(certificate, stapled);
        }
        let mut standing = self.standing(certificate);
        if matches!(standing, Standing::Unknown { .. }) {
            let wait = self.find_out(certificate);
            // Whether it ran out of patience or not, what is known now counts.
            let _ = tokio::time::timeout(self.shared.rules.patience, wait).await;
            standing = self.with_causes(self.standing(certificate), certificate);
        }
        count::checked(&standing);
        standing
    }

    /// Ends when the standing is known, or when nothing more is to be expected.
    async fn find_out(&self, certificate: &VerifiedCertificate) {
        let mut news = self.shared.news.subscribe();
        self.expect(certificate);
        self.shared.ask_responders(certificate);
        while matches!(self.standing(certificate), Standing::Unknown { .. }) && self.has_hope(certificate) {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    fn has_hope(&self, certificate: &VerifiedCertificate) -> bool {
        let asking = self.shared.answers.is_asking(&certificate.facts().sha256);
        asking || self.wanted_now().awaits_any(self.sources_for(certificate))
    }

    /// Where a list of its issuer may come from.
    fn sources_for<'a>(&'a self, certificate: &'a VerifiedCertificate) -> impl Iterator<Item = &'a String> {
        certificate.crl_urls().iter().chain(&self.shared.rules.crl_urls)
    }

    /// Says of an unknown standing why nobody could help.
    fn with_causes(&self, standing: Standing, certificate: &VerifiedCertificate) -> Standing {
        let Standing::Unknown { mut why } = standing else { return standing };
        let of_list = self.wanted_now().why(self.sources_for(certificate));
        let of_responder = self.shared.answers.why(&certificate.facts().sha256, certificate.ocsp_urls());
        for cause in of_list.into_iter().chain(of_responder) {
            why = format!("{why}; {cause}");
        }
        Standing::Unknown { why }
    }

    /// The verdict that follows from a standing by the rules.
    pub fn verdict(&self, standing: &Standing) -> Result<(), CertificateFault> {
        match (standing, self.shared.rules.when_unknown) {
            (Standing::Good { .. }, _) => Ok(()),
            (Standing::Revoked { .. }, _) => Err(CertificateFault::Revoked),
            (Standing::Unknown { .. }, WhenUnknown::Refuse) => Err(CertificateFault::RevocationUnknown),
            (Standing::Unknown { why }, WhenUnknown::Accept) => {
                tracing::warn!(why, "a certificate is accepted although it may be revoked (revocation.when_unknown)");
                count::accepted_in_doubt();
                Ok(())
            }
        }
    }

    /// Certificates of the same issuer as this one will come: its lists are wanted from now on.
    pub(crate) fn expect(&self, certificate: &VerifiedCertificate) {
        if self.wanted_now().discover(certificate.crl_urls()) {
            self.wants.send_modify(|grown| *grown += 1);
        }
    }

    /// The lists to keep downloaded: configured ones, those on which our authorities would be, and
    /// those named by certificates that were seen. Bounded; http and https only for the latter two.
    pub fn wanted(&self) -> Vec<String> {
        self.wanted_now().urls()
    }

    /// Wakes when [`Self::wanted`] has grown.
    pub fn wants(&self) -> watch::Receiver<u64> {
        self.wants.subscribe()
    }

    /// Verifies a downloaded list (DER, or PEM) and puts it in use. The one in use before stays on error.
    ///
    /// The signature is verified and each entry read here, once: a list of 200,000 entries takes its
    /// time (seconds in a debug build). Call it by `spawn_blocking`.
    pub fn offer(&self, url: &str, der: &[u8]) -> Result<CrlFacts, CrlError> {
        self.take(url, der, Origin::Download)
    }

    /// The same for a list that was in use before a restart and has been kept since. It is taken even
    /// if it has ended: then whoever is on it is revoked, of everybody else nothing is known, and none
    /// that is older is taken in its place.
    pub async fn restore(self: &Arc<Self>, url: &str, der: Vec<u8>) -> Result<CrlFacts, CrlError> {
        let (revocation, url) = (Arc::clone(self), url.to_owned());
        tokio::task::spawn_blocking(move || revocation.take(&url, &der, Origin::OwnCopy))
            .await
            .unwrap_or_else(|error| Err(CrlError::Format(format!("it could not be read to its end: {error}"))))
    }

    fn take(&self, url: &str, der: &[u8], origin: Origin) -> Result<CrlFacts, CrlError> {
        let _changing = self.changing();
        let now = self.shared.clock.now();
        let offered = self.shared.register.load().with_list(url, der, origin, now);
        let register = offered.inspect_err(|error| self.missed(url, &error.to_string()))?;
        let facts = register.facts().find(|facts| facts.url == url).ok_or(CrlError::Untrusted)?;
        self.shared.register.store(Arc::new(register));
        // One that has ended is still waited for.
        if facts.next_update >= now {
            self.wanted_now().gave(url);
        }
        self.look_at_authorities();
        count::lists(&self.lists());
        self.shared.tell();
        Ok(facts)
    }

    /// A list could not be fetched: nobody waits for it any more until somebody offers it.
    pub fn missed(&self, url: &str, why: &str) {
        self.wanted_now().failed(url, why);
        self.look_at_authorities();
        self.shared.tell();
    }

    /// Warns once of each authority of which no list says whether it was revoked, unless one is awaited.
    fn look_at_authorities(&self) {
        if !self.shared.rules.checked {
            return;
        }
        let register = self.shared.register.load();
        let wanted = self.wanted_now();
        let unchecked: BTreeSet<String> = register
            .unchecked_authorities(self.shared.clock.now())
            .filter(|signer| !wanted.awaits_any(signer.crl_urls.iter()))
            .map(|signer| signer.authority.name().to_string())
            .collect();
        drop(wanted);
        count::unchecked_authorities(unchecked.len());
        let mut known = self.unchecked.lock().unwrap_or_else(PoisonError::into_inner);
        for authority in unchecked.difference(&known) {
            tracing::warn!(authority, "no revocation list in force says whether this authority was revoked");
        }
        *known = unchecked;
    }

    /// The lists in use, one for each source that has given one.
    pub fn lists(&self) -> Vec<CrlFacts> {
        self.shared.register.load().facts().collect()
    }

    /// Other authorities from now on (after a reload); lists of former ones are dropped.
    pub fn trust(&self, authorities: &Authorities) {
        let _changing = self.changing();
        let register = self.shared.register.load().with_authorities(authorities);
        let mut wanted = self.wanted_now();
        wanted.fix(self.shared.rules.crl_urls.iter().chain(register.urls_of_authorities()));
        wanted.forget_discovered(|url| register.has(url));
        drop(wanted);
        self.shared.register.store(Arc::new(register));
        self.shared.answers.clear();
        count::lists(&self.lists());
        self.wants.send_modify(|grown| *grown += 1);
        self.shared.tell();
    }

    fn wanted_now(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocation").field("rules", &self.shared.rules).finish_non_exhaustive()
    }
}
