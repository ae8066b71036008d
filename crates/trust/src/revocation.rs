//! Whether a certificate was revoked: revocation lists first, OCSP where it is switched on.
//!
//! Answers come from memory. What is missing is asked for: [`Revocation::wanted`] names the
//! lists to download, whoever downloads them hands them in by [`Revocation::offer`].

use std::sync::Arc;
use std::time::Duration;

use mssante::Clock;
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;

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

/// Why a revocation list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrlError {
    /// Not a revocation list, or one of a kind that is not supported (delta, indirect).
    #[error("not a usable revocation list: {0}")]
    Format(String),
    /// None of our authorities has issued it, or its signature is wrong.
    #[error("the revocation list is not signed by an authority of ours")]
    Untrusted,
    /// Its nextUpdate has passed.
    #[error("the revocation list ended on {0}")]
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

/// What is known about revocation; shared by all listeners and hops of a process.
pub struct Revocation {
    rules: RevocationRules,
    clock: Arc<dyn Clock>,
}

impl Revocation {
    /// Knows nothing yet. `authorities` are those whose lists are believed; `fetcher` asks OCSP responders.
    pub fn new(
        rules: RevocationRules,
        authorities: &Authorities,
        fetcher: Option<Fetcher>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let _ = (authorities, fetcher);
        Arc::new(Self { rules, clock })
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
        Arc::new(Self { rules, clock })
    }

    /// From what is in memory; no I/O. Cheap: called for every message.
    pub fn standing(&self, certificate: &VerifiedCertificate) -> Standing {
        let _ = (certificate, &self.rules, &self.clock);
        Standing::Good { source: "not checked".to_owned() }
    }

    /// The same after asking for what is missing, for at most the configured patience. `stapled` is
    /// the OCSP answer that came with the handshake.
    pub async fn ask(&self, certificate: &VerifiedCertificate, stapled: Option<&[u8]>) -> Standing {
        let _ = stapled;
        self.standing(certificate)
    }

    /// The verdict that follows from a standing by the rules.
    pub fn verdict(&self, standing: &Standing) -> Result<(), CertificateFault> {
        match standing {
            Standing::Good { .. } => Ok(()),
            Standing::Revoked { .. } => Err(CertificateFault::Revoked),
            Standing::Unknown { .. } => Err(CertificateFault::RevocationUnknown),
        }
    }

    /// The lists to keep downloaded: configured ones, and those named by certificates that were seen.
    pub fn wanted(&self) -> Vec<String> {
        todo!("revocation")
    }

    /// Wakes when [`Self::wanted`] has grown.
    pub fn wants(&self) -> watch::Receiver<u64> {
        todo!("revocation")
    }

    /// Verifies a downloaded list and puts it in use. The one in use before stays on error.
    pub fn offer(&self, url: &str, der: &[u8]) -> Result<CrlFacts, CrlError> {
        let _ = (url, der);
        todo!("revocation")
    }

    /// The lists in use.
    pub fn lists(&self) -> Vec<CrlFacts> {
        todo!("revocation")
    }

    /// Other authorities from now on (after a reload); lists of former ones are dropped.
    pub fn trust(&self, authorities: &Authorities) {
        let _ = authorities;
        todo!("revocation")
    }
}

impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocation").field("rules", &self.rules).finish_non_exhaustive()
    }
}
