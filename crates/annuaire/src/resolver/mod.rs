//! From an address to its [`Route`], without a database round trip.

mod known;
mod local;
mod step;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwapOption;
use mssante::{Address, BalId, Domain, Ins, Refusal, may_receive};
use serde::{Deserialize, Serialize};

use known::Known;
pub use known::{Learned, Ticket};
pub use local::{Forward, LocalBal, LocalTable};
pub use step::{Asked, PatientAddress, Skipped, Standing, Step};

use crate::Directory;

/// What the resolver says of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// BALs of this operator.
    Local(Delivery),
    /// A domain of the trust space that another operator serves, and what the directory says of the address.
    Peer(Domain, Standing),
    /// A patient, whom the citizens' operator serves at this domain of the trust space.
    Patient(Domain),
    /// Nowhere, and why.
    Refused(Refusal),
}

/// Where mail for one of our addresses ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The BAL that the address leads to.
    pub bal: LocalBal,
    /// The BALs that get a copy: itself, those that it is handed on to, or both. At least one.
    pub copies: Vec<BalId>,
}

/// Whether a recipient of another operator must be in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerRecipients {
    /// It is not looked at.
    #[default]
    Off,
    /// It is said in the log and counted.
    Warn,
    /// He is refused.
    Enforce,
}

/// What the resolver goes by.
#[derive(Debug, Clone, Default)]
pub struct ResolverRules {
    /// The domains that this operator serves.
    pub our_domains: HashSet<Domain>,
    /// The domains of patients.
    pub patient_domains: HashSet<Domain>,
    /// Whether recipients of others must be in the directory.
    pub peer_recipients: PeerRecipients,
}

/// The local BALs and domains, and the directory, in memory. Cheap to share behind an `Arc`.
#[derive(Debug, Default)]
pub struct Resolver {
    rules: ResolverRules,
    local: RwLock<Known>,
    directory: ArcSwapOption<Directory>,
}

impl Resolver {
    /// A resolver that knows our domains and no BAL yet, for an operator without patients.
    pub fn new(our_domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::with_rules(ResolverRules { our_domains: our_domains.into_iter().collect(), ..ResolverRules::default() })
    }

    /// A resolver that goes by these rules and knows no BAL yet.
    pub fn with_rules(rules: ResolverRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Whether this operator serves the domain.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.rules.our_domains.contains(domain)
    }

    /// Whether the domain is one of patients.
    pub fn is_of_patients(&self, domain: &Domain) -> bool {
        self.rules.patient_domains.contains(domain)
    }

    /// The domains that this operator serves.
    pub fn our_domains(&self) -> impl Iterator<Item = &Domain> {
        self.rules.our_domains.iter()
    }

    /// Puts a BAL in, or replaces what was known of it; the address is its own or an alias.
    pub fn put(&self, address: &Address, bal: LocalBal) {
        self.known().table.put(address, bal);
    }

    /// To be taken before something is read that is to be learned.
    pub fn ticket(&self) -> Ticket {
        self.read().ticket()
    }

    /// The same as [`Resolver::patch`] for one BAL that was read after the ticket was taken, unless something else was put
    /// in meanwhile that may be younger.
    pub fn learn(&self, read_at: Ticket, bal: BalId, fresh: LocalTable) -> Learned {
        self.known().learn(read_at, bal, fresh)
    }

    /// All our BALs are about to be read for [`Resolver::replace_all`].
    pub fn expect_all(&self) {
        self.known().expect_all();
    }

    /// Replaces all that is known of our BALs, in one step. What comes back was learned since [`Resolver::expect_all`]: it
    /// is to be read again, since it may be younger than what is known now.
    pub fn replace_all(&self, fresh: LocalTable) -> Vec<BalId> {
        // The old table is large; it is taken apart after the lock is free again.
        let (_old, learned) = self.known().replace(fresh);
        learned
    }

    /// Replaces what is known of `bals` by what `fresh` has of them, in one step; one that it does not have is gone.
    pub fn patch(&self, bals: &[BalId], fresh: LocalTable) {
        self.known().patch(bals, fresh);
    }

    /// How many BALs of ours are known.
    pub fn known_bals(&self) -> usize {
        self.read().table.len()
    }

    /// Takes another directory, or none that can be relied on. Look-ups that are under way end with the old one.
    pub fn rely_on(&self, directory: Option<Arc<Directory>>) {
        self.directory.store(directory);
    }

    /// What is known of a local address.
    pub fn local(&self, address: &Address) -> Option<LocalBal> {
        self.read().table.find(address)
    }

    /// Where mail for this address goes; `listed` asks the trust list for a domain, and answers
    /// with a refusal when the list cannot be relied on. `[MSS1 RCPT.ROUTE]`
    pub fn route(&self, recipient: &Address, listed: impl FnOnce(&Domain) -> Result<bool, Refusal>) -> Route {
        self.decide(recipient, listed, &mut |_| {})
    }

    /// The same, with every step of the decision.
    pub fn explain(
        &self,
        recipient: &Address,
        listed: impl FnOnce(&Domain) -> Result<bool, Refusal>,
    ) -> (Vec<Step>, Route) {
        let mut steps = vec![Step::Compared(recipient.key())];
        let route = self.decide(recipient, listed, &mut |step| steps.push(step));
        (steps, route)
    }

    fn decide(
        &self,
        recipient: &Address,
        listed: impl FnOnce(&Domain) -> Result<bool, Refusal>,
        tell: &mut impl FnMut(Step),
    ) -> Route {
        if self.is_ours(recipient.domain()) {
            tell(Step::OurDomain);
            return self.decide_local(recipient, tell).map_or_else(Route::Refused, Route::Local);
        }
        self.decide_remote(recipient, listed, tell).unwrap_or_else(Route::Refused)
    }

    /// Whether a BAL is on the liste rouge is not known here: listed and unlisted ones cannot but be answered alike.
    fn decide_local(&self, recipient: &Address, tell: &mut impl FnMut(Step)) -> Result<Delivery, Refusal> {
        let known = self.read();
        let table = &known.table;
        let Some(bal) = table.find(recipient) else {
            tell(Step::NotFound);
            return Err(Refusal::UnknownRecipient);
        };
        tell(Step::Found { bal: bal.id, state: bal.state });
        may_receive(bal.state)?;
        Ok(Delivery { bal, copies: table.delivery(bal, tell) })
    }

    fn decide_remote(
        &self,
        recipient: &Address,
        listed: impl FnOnce(&Domain) -> Result<bool, Refusal>,
        tell: &mut impl FnMut(Step),
    ) -> Result<Route, Refusal> {
        let domain = recipient.domain();
        tell(Step::OtherDomain(domain.clone()));
        let listed = listed(domain);
        tell(Step::Listed(listed));
        if !listed? {
            return Err(Refusal::DomainNotListed);
        }
        if self.rules.patient_domains.contains(domain) {
            return judge_patient(recipient, tell).map(|()| Route::Patient(domain.clone()));
        }
        let asked = self.ask(recipient);
        tell(Step::Directory(asked));
        let standing = asked.standing();
        match (standing, self.rules.peer_recipients) {
            (Standing::Unknown, PeerRecipients::Enforce) => Err(Refusal::NotInAnnuaire),
            _ => Ok(Route::Peer(domain.clone(), standing)),
        }
    }

    /// A directory that does not have the domain at all says nothing of its addresses: operators
    /// publish late, or not at all.
    fn ask(&self, recipient: &Address) -> Asked {
        if self.rules.peer_recipients == PeerRecipients::Off {
            return Asked::NotAsked;
        }
        let directory = self.directory.load();
        match directory.as_ref() {
            None => Asked::NoDirectory,
            Some(directory) if directory.contains(recipient) => Asked::Known,
            Some(directory) if directory.knows_domain(recipient.domain()) => Asked::Unknown,
            Some(_) => Asked::UnknownDomain,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.local.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockWriteGuard<'_, Known> {
        self.local.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The local part of a patient's address is his INS. `[MSS1 PATIENT.ADDRESS]`
fn judge_patient(recipient: &Address, tell: &mut impl FnMut(Step)) -> Result<(), Refusal> {
    let valid = recipient.local().as_str().parse::<Ins>().is_ok();
    tell(Step::Patient(if valid { PatientAddress::Valid } else { PatientAddress::Invalid }));
    if valid { Ok(()) } else { Err(Refusal::PatientAddressInvalid) }
}
