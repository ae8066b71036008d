//! From an address to its [`Route`], without a database round trip.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

use mssante::{Address, BalId, BalKind, BalState, Domain, Refusal, may_receive};

/// What the resolver says of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A BAL of this operator that takes mail.
    Local(LocalBal),
    /// A domain of the trust space that another operator serves.
    Peer(Domain),
    /// Nowhere, and why.
    Refused(Refusal),
}

/// The part of a BAL that routing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalBal {
    /// Its number in the store.
    pub id: BalId,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
}

/// The local BALs and domains, in memory. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Resolver {
    our_domains: HashSet<Domain>,
    bals: RwLock<HashMap<String, LocalBal>>,
}

impl Resolver {
    /// A resolver that knows our domains and no BAL yet.
    pub fn new(our_domains: impl IntoIterator<Item = Domain>) -> Self {
        Self { our_domains: our_domains.into_iter().collect(), bals: RwLock::default() }
    }

    /// Whether this operator serves the domain.
    pub fn is_ours(&self, domain: &Domain) -> bool {
        self.our_domains.contains(domain)
    }

    /// The domains that this operator serves.
    pub fn our_domains(&self) -> impl Iterator<Item = &Domain> {
        self.our_domains.iter()
    }

    /// Puts a BAL in, or replaces what was known of it.
    pub fn put(&self, address: &Address, bal: LocalBal) {
        self.bals.write().unwrap_or_else(PoisonError::into_inner).insert(address.key(), bal);
    }

    /// Replaces all that is known, in one step.
    pub fn replace_all(&self, bals: impl IntoIterator<Item = (Address, LocalBal)>) {
        let fresh = bals.into_iter().map(|(address, bal)| (address.key(), bal)).collect();
        *self.bals.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// What is known of a local address.
    pub fn local(&self, address: &Address) -> Option<LocalBal> {
        self.bals.read().unwrap_or_else(PoisonError::into_inner).get(&address.key()).copied()
    }

    /// Where mail for this address goes; `listed` asks the trust list for a domain, and answers
    /// with a refusal when the list cannot be relied on. `[MSS1 RCPT.ROUTE]`
    pub fn route(&self, recipient: &Address, listed: impl FnOnce(&Domain) -> Result<bool, Refusal>) -> Route {
        if self.is_ours(recipient.domain()) {
            return match self.local(recipient) {
                Some(bal) => may_receive(bal.state).map_or_else(Route::Refused, |()| Route::Local(bal)),
                None => Route::Refused(Refusal::UnknownRecipient),
            };
        }
        match listed(recipient.domain()) {
            Ok(true) => Route::Peer(recipient.domain().clone()),
            Ok(false) => Route::Refused(Refusal::DomainNotListed),
            Err(doubt) => Route::Refused(doubt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(state: BalState) -> Resolver {
        let resolver = Resolver::new([Domain::parse("ch.mssante.fr").unwrap()]);
        let bal = LocalBal { id: BalId(7), kind: BalKind::Nominative, state };
        resolver.put(&Address::parse("Jean.Dupont@ch.mssante.fr").unwrap(), bal);
        resolver
    }

    fn route(resolver: &Resolver, recipient: &str, listed: Result<bool, Refusal>) -> Route {
        resolver.route(&Address::parse(recipient).unwrap(), |_| listed)
    }

    #[test]
    fn a_local_bal_is_found_in_any_case() {
        let route = route(&resolver(BalState::Active), "JEAN.dupont@CH.mssante.fr", Ok(false));
        assert!(matches!(route, Route::Local(bal) if bal.id == BalId(7)));
    }

    #[test]
    fn an_unknown_local_address_is_refused_even_if_our_domain_is_listed() {
        let route = route(&resolver(BalState::Active), "x@ch.mssante.fr", Ok(true));
        assert_eq!(route, Route::Refused(Refusal::UnknownRecipient));
    }

    #[test]
    fn suspended_is_temporary_and_closed_is_final() {
        let address = "jean.dupont@ch.mssante.fr";
        let suspended = route(&resolver(BalState::Suspended), address, Ok(true));
        assert_eq!(suspended, Route::Refused(Refusal::RecipientSuspended));
        let closed = route(&resolver(BalState::Closed), address, Ok(true));
        assert_eq!(closed, Route::Refused(Refusal::RecipientClosed));
    }

    #[test]
    fn another_domain_goes_to_its_operator_only_if_it_is_listed() {
        let resolver = resolver(BalState::Active);
        let peer = Domain::parse("pharmacie.mssante.fr").unwrap();
        assert_eq!(route(&resolver, "a@pharmacie.mssante.fr", Ok(true)), Route::Peer(peer));
        assert_eq!(route(&resolver, "a@pharmacie.mssante.fr", Ok(false)), Route::Refused(Refusal::DomainNotListed));
    }

    #[test]
    fn doubt_about_the_list_is_passed_on_and_never_a_route() {
        let doubt = Err(Refusal::TrustListUnavailable);
        assert_eq!(
            route(&resolver(BalState::Active), "a@pharmacie.mssante.fr", doubt),
            Route::Refused(Refusal::TrustListUnavailable)
        );
    }
}
