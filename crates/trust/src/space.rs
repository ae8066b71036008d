//! The trust space as the sessions see it: a list that can be exchanged while they run, with an
//! age, and the judgement of peers against it.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mssante::{Clock, Domain, Refusal, ReversePath};
use time::OffsetDateTime;

use crate::{CertificateFault, DnMatch, Revocation, TrustList, VerifiedPeer};

/// How far a confirmation may lie ahead of the clock: clocks of nodes and sources differ a little.
const AHEAD: time::Duration = time::Duration::minutes(10);

/// From when on an unconfirmed list is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAges {
    /// Warnings from this age on.
    pub stale_after: Duration,
    /// Temporary refusals from this age on.
    pub expired_after: Duration,
}

impl Default for ListAges {
    /// A day and a week.
    fn default() -> Self {
        Self { stale_after: Duration::from_hours(24), expired_after: Duration::from_hours(7 * 24) }
    }
}

/// How the list is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrustRules {
    /// How names are compared.
    pub how: DnMatch,
    /// Ages.
    pub ages: ListAges,
}

/// Where the list in force is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStanding {
    /// There is none: everything that needs it is refused temporarily.
    Missing,
    /// Confirmed not long ago.
    Fresh,
    /// To be worried about: a yes is believed, a no is a temporary refusal.
    Stale,
    /// Not believed any more: hops are refused temporarily, outgoing mail waits.
    Expired,
}

impl ListStanding {
    /// The word for logs, metrics and the CLI.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }

    /// What becomes of a refusal because the list lacks something: what the list in doubt lacks may have come since.
    #[must_use]
    pub fn doubting(self, refusal: Refusal) -> Refusal {
        match self {
            Self::Missing => Refusal::TrustListUnavailable,
            Self::Fresh => refusal,
            Self::Stale => Refusal::TrustListStale,
            Self::Expired => Refusal::TrustListExpired,
        }
    }
}

/// A list with the moment up to which it is known to be the current one.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The list.
    pub list: Arc<TrustList>,
    /// When its source last said that it is current.
    pub confirmed_at: OffsetDateTime,
    /// When the confirmation was first seen to lie ahead: our clock was or is wrong, and the age counts from here.
    ahead_since: OnceLock<OffsetDateTime>,
}

/// The list in force. Cheap to clone; all clones see the same list.
#[derive(Clone)]
pub struct TrustSpace {
    rules: TrustRules,
    revocation: Arc<Revocation>,
    clock: Arc<dyn Clock>,
    current: Arc<ArcSwapOption<InForce>>,
}

impl TrustSpace {
    /// A trust space without a list: everything that needs one is refused temporarily.
    pub fn new(rules: TrustRules, revocation: Arc<Revocation>, clock: Arc<dyn Clock>) -> Self {
        Self { rules, revocation, clock, current: Arc::default() }
    }

    /// Puts a list in force that was current at `confirmed_at`.
    pub fn install(&self, list: impl Into<Arc<TrustList>>, confirmed_at: OffsetDateTime) {
        let list = list.into();
        self.current.rcu(|before| Some(Arc::new(self.confirmed(Arc::clone(&list), confirmed_at, before.as_deref()))));
    }

    /// The list in force was still current at this moment.
    pub fn confirm(&self, confirmed_at: OffsetDateTime) {
        self.current.rcu(|current| {
            let current = current.as_deref()?;
            Some(Arc::new(self.confirmed(Arc::clone(&current.list), confirmed_at, Some(current))))
        });
    }

    /// A confirmation that lies ahead does not end the doubt of one before it that did.
    fn confirmed(&self, list: Arc<TrustList>, confirmed_at: OffsetDateTime, before: Option<&InForce>) -> InForce {
        let ahead_since = match before {
            Some(before) if is_ahead(confirmed_at, self.clock.now()) => before.ahead_since.clone(),
            _ => OnceLock::new(),
        };
        InForce { list, confirmed_at, ahead_since }
    }

    /// The list in force with its confirmation.
    pub fn in_force(&self) -> Option<Arc<InForce>> {
        self.current.load_full()
    }

    /// The list in force.
    pub fn list(&self) -> Option<Arc<TrustList>> {
        self.in_force().map(|current| Arc::clone(&current.list))
    }

    /// How names are compared, and from when on the list is doubted.
    pub fn rules(&self) -> &TrustRules {
        &self.rules
    }

    /// What is known about revocation.
    pub fn revocation(&self) -> &Arc<Revocation> {
        &self.revocation
    }

    /// Where the list in force is in its life. A confirmation that lies ahead of the clock makes it stale at
    /// once, and its age counts from the moment at which that was noticed.
    pub fn standing(&self) -> ListStanding {
        match &*self.current.load() {
            None => ListStanding::Missing,
            Some(current) => self.standing_of(current),
        }
    }

    fn standing_of(&self, current: &InForce) -> ListStanding {
        let now = self.clock.now();
        let ahead = is_ahead(current.confirmed_at, now);
        if ahead {
            current.ahead_since.get_or_init(|| now);
        }
        let from = current.ahead_since.get().unwrap_or(&current.confirmed_at);
        let age = Duration::try_from(now - *from).unwrap_or_default();
        match age {
            _ if age >= self.rules.ages.expired_after => ListStanding::Expired,
            _ if ahead || age >= self.rules.ages.stale_after => ListStanding::Stale,
            _ => ListStanding::Fresh,
        }
    }

    /// Whether the domain is listed; temporary refusal without a list. Of a list in doubt only a
    /// yes is believed: mail for a domain that it has may wait in the queue, what it lacks may
    /// have come since.
    pub fn lists(&self, domain: &Domain) -> Result<bool, Refusal> {
        let current = self.current.load();
        let current = current.as_deref().ok_or(Refusal::TrustListUnavailable)?;
        if current.list.lists(domain) {
            return Ok(true);
        }
        match self.standing_of(current) {
            ListStanding::Fresh => Ok(false),
            doubt => Err(doubt.doubting(Refusal::DomainNotListed)),
        }
    }

    /// Whether this peer may hand over mail from this sender: its certificate is still good, and the
    /// sender's domain is listed with the peer's name, or there is no sender and any domain is.
    /// Tells which way of comparing matched. `[MSS1 HOP.IN]`
    pub fn judge_sender(&self, sender: &ReversePath, peer: &VerifiedPeer) -> Result<DnMatch, Refusal> {
        if let Some(address) = sender.address() {
            return self.judge_sender_domain(address.domain(), peer);
        }
        let (list, standing) = self.believed()?;
        self.judge_certificate(peer)?;
        self.how(|how| list.knows(peer.name(), how)).map_err(|refusal| standing.doubting(refusal))
    }

    /// The same for a sender of this domain.
    pub(crate) fn judge_sender_domain(&self, domain: &Domain, peer: &VerifiedPeer) -> Result<DnMatch, Refusal> {
        self.judge(domain, peer, Refusal::SenderDomainNotListed)
    }

    /// Whether this peer may be given mail for this domain: its certificate is still good, and the
    /// domain is listed with the peer's name. Tells which way of comparing matched. `[MSS1 HOP.OUT]`
    pub fn judge_recipient(&self, domain: &Domain, peer: &VerifiedPeer) -> Result<DnMatch, Refusal> {
        self.judge(domain, peer, Refusal::DomainNotListed)
    }

    /// Whether a certificate is still what it was at the handshake: a connection may outlive it. Time and
    /// revocation are looked at again for each message.
    pub fn judge_certificate(&self, peer: &VerifiedPeer) -> Result<(), Refusal> {
        let (now, facts) = (self.clock.now(), peer.certificate().facts());
        if now > facts.not_after {
            return Err(CertificateFault::Expired.refusal());
        }
        if now < facts.not_before {
            return Err(CertificateFault::NotYetValid.refusal());
        }
        let standing = self.revocation.standing(peer.certificate());
        self.revocation.verdict(&standing).map_err(CertificateFault::refusal)
    }

    fn judge(&self, domain: &Domain, peer: &VerifiedPeer, unlisted: Refusal) -> Result<DnMatch, Refusal> {
        let (list, standing) = self.believed()?;
        self.judge_certificate(peer)?;
        let is_listed = list.lists(domain).then_some(()).ok_or(unlisted);
        let matched = is_listed.and_then(|()| self.how(|how| list.binds(domain, peer.name(), how)));
        matched.map_err(|refusal| standing.doubting(refusal))
    }

    /// The strictest way of comparing by which `matches` holds, if the rules allow it. `[MSS1 DN.MATCH]`
    pub(crate) fn how(&self, matches: impl Fn(DnMatch) -> bool) -> Result<DnMatch, Refusal> {
        let normalised_will_do = self.rules.how == DnMatch::Normalised;
        match () {
            () if matches(DnMatch::Strict) => Ok(DnMatch::Strict),
            () if normalised_will_do && matches(DnMatch::Normalised) => Ok(DnMatch::Normalised),
            () => Err(Refusal::CertificateNotListed),
        }
    }

    /// The list with its standing, unless it has expired.
    fn believed(&self) -> Result<(Arc<TrustList>, ListStanding), Refusal> {
        let current = self.in_force().ok_or(Refusal::TrustListUnavailable)?;
        match self.standing_of(&current) {
            ListStanding::Expired => Err(Refusal::TrustListExpired),
            standing => Ok((Arc::clone(&current.list), standing)),
        }
    }
}

fn is_ahead(confirmed_at: OffsetDateTime, now: OffsetDateTime) -> bool {
    confirmed_at > now.saturating_add(AHEAD)
}

impl std::fmt::Debug for TrustSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustSpace").field("rules", &self.rules).finish_non_exhaustive()
    }
}
