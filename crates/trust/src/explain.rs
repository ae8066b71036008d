//! Why a certificate would be accepted or refused for a domain, check by check.
//!
//! The verdict is that of the real judgement ([`Judge`] and [`TrustSpace`]); the checks call what
//! these call, in the same order, so that the first that fails is the reason. A test holds the two together.

mod certificate;
mod listed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mssante::{Clock, Domain, Refusal};
use rustls_pki_types::CertificateDer;
use time::{OffsetDateTime, UtcOffset};

use crate::chain::Usage;
use crate::tls::judge::{Distrust, Judge};
use crate::{Authorities, DistinguishedName, DnMatch, TrustSpace, VerifiedCertificate, VerifiedPeer};

/// Who would show the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A peer that hands us mail whose sender is in the domain.
    In,
    /// A server to which we would hand mail for the domain.
    Out,
}

impl Direction {
    fn usage(self) -> Usage {
        match self {
            Self::In => Usage::HopClient,
            Self::Out => Usage::Server,
        }
    }
}

/// What the name of a host counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostRule {
    /// Nothing: the DN decides.
    #[default]
    Ignored,
    /// The certificate of a server must carry it.
    Required,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the peer shows, DER, its own certificate first.
    pub chain: &'a [Vec<u8>],
    /// The sender's domain, or the recipient's.
    pub domain: &'a Domain,
    /// Who shows it.
    pub direction: Direction,
    /// The domains that we serve ourselves.
    pub our_domains: &'a [Domain],
    /// The host that shows it, if that is to be looked at; of servers only.
    pub host: Option<(&'a str, HostRule)>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// Well.
    Held,
    /// Badly.
    Failed,
    /// Nobody knows, or it should be better.
    Doubtful,
    /// It was not looked at.
    NotChecked,
}

impl CheckOutcome {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Doubtful => "doubtful",
            Self::NotChecked => "not-checked",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A stable word.
    pub name: &'static str,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was found, for people; may have several lines.
    pub detail: String,
    /// What a session would answer for this.
    pub refusal: Option<Refusal>,
    /// Where it is configured.
    pub setting: &'static str,
}

impl Check {
    fn new(name: &'static str, setting: &'static str, outcome: CheckOutcome, detail: impl Into<String>) -> Self {
        Self { name, outcome, detail: detail.into(), refusal: None, setting }
    }

    fn held(name: &'static str, setting: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, setting, CheckOutcome::Held, detail)
    }

    fn not_checked(name: &'static str, setting: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, setting, CheckOutcome::NotChecked, detail)
    }

    fn failed(name: &'static str, setting: &'static str, refusal: Refusal, detail: impl Into<String>) -> Self {
        Self { refusal: Some(refusal), ..Self::new(name, setting, CheckOutcome::Failed, detail) }
    }
}

/// All checks, and the verdict that follows from them.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The checks in the order in which the judgement makes them.
    pub checks: Vec<Check>,
    /// The judgement: which way of comparing names matched, or the refusal.
    pub verdict: Result<DnMatch, Refusal>,
}

/// Explains the judgement on a certificate. Asks for missing revocation lists as a handshake would.
pub async fn explain(
    asked: &Asked<'_>,
    authorities: &Arc<Authorities>,
    space: &TrustSpace,
    clock: &Arc<dyn Clock>,
) -> Explanation {
    let chain: Vec<_> = asked.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let judge = Judge {
        authorities: Arc::clone(authorities),
        revocation: Arc::clone(space.revocation()),
        usage: asked.direction.usage(),
        clock: Arc::clone(clock),
    };
    let judged = judge.judge(Some(&chain), None).await.map_err(Distrust::refusal);
    let verdict = judged.and_then(|peer| verdict(asked, space, &peer));
    let Some((leaf, others)) = chain.split_first() else {
        let why = "there is no certificate in the chain";
        let check = Check::failed("readable", "tls", Refusal::CertificateMissing, why);
        return Explanation { checks: vec![check], verdict };
    };
    let scene = certificate::Scene { leaf, others, authorities, usage: asked.direction.usage(), now: clock.now() };
    let mut checks = scene.checks(verdict);
    let verified = scene.verified();
    checks.push(certificate::revocation(verified.as_ref(), space, clock.now()).await);
    // What the first reader turns away (too large, for one) is not given to the second.
    let readable = checks.len() > 1;
    let name = readable.then(|| DistinguishedName::of_certificate(leaf).ok()).flatten();
    checks.extend(listed::checks(asked, space, name.as_ref()));
    checks.push(host(asked, leaf));
    Explanation { checks, verdict }
}

/// What follows for a peer that was found good.
fn verdict(asked: &Asked<'_>, space: &TrustSpace, peer: &VerifiedPeer) -> Result<DnMatch, Refusal> {
    match asked.direction {
        Direction::In if asked.our_domains.contains(asked.domain) => Err(Refusal::SenderIsOurs),
        Direction::In => space.judge_sender_domain(asked.domain, peer),
        Direction::Out => {
            let how = space.judge_recipient(asked.domain, peer)?;
            match asked.host {
                Some((host, HostRule::Required)) if !peer.carries_name(host) => Err(Refusal::HostNameMismatch),
                _ => Ok(how),
            }
        }
    }
}

fn host(asked: &Asked<'_>, leaf: &CertificateDer<'_>) -> Check {
    const NAME: &str = "host-name";
    const SETTING: &str = "relay.host_name_check";
    let Some((host, rule)) = asked.host else { return Check::not_checked(NAME, SETTING, "no host was named") };
    if asked.direction == Direction::In {
        return Check::not_checked(NAME, SETTING, "the hosts of senders are not compared");
    }
    match (crate::certificate::names_host(leaf, host), rule) {
        (true, _) => Check::held(NAME, SETTING, format!("{host} is among its alternative names")),
        (false, HostRule::Required) => {
            let why = format!("{host} is not among its alternative names");
            Check::failed(NAME, SETTING, Refusal::HostNameMismatch, why)
        }
        (false, HostRule::Ignored) => {
            Check::not_checked(NAME, SETTING, format!("{host} is not among its alternative names; not asked for"))
        }
    }
}

/// A moment as RFC 3339 writes it, in UTC, to the second.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!("{}T{:02}:{:02}:{:02}Z", at.date(), at.hour(), at.minute(), at.second())
}

/// A certificate that passed all checks of its own.
type Verified = Option<VerifiedCertificate>;
