//! The trust space as the sessions see it: a list that can be exchanged while they run.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use mssante::{Domain, Refusal, ReversePath};

use crate::{DnMatch, TrustList, VerifiedPeer};

/// The list in force. Cheap to clone; all clones see the same list.
#[derive(Debug, Clone)]
pub struct TrustSpace {
    how: DnMatch,
    current: Arc<ArcSwapOption<TrustList>>,
}

impl TrustSpace {
    /// A trust space without a list: everything that needs one is refused temporarily.
    pub fn new(how: DnMatch) -> Self {
        Self { how, current: Arc::default() }
    }

    /// Puts a list in force.
    pub fn install(&self, list: TrustList) {
        self.current.store(Some(Arc::new(list)));
    }

    /// The list in force.
    pub fn list(&self) -> Option<Arc<TrustList>> {
        self.current.load_full()
    }

    /// Whether the domain is listed; temporary refusal without a list.
    pub fn lists(&self, domain: &Domain) -> Result<bool, Refusal> {
        Ok(self.needed()?.lists(domain))
    }

    /// Whether this peer may hand over mail from this sender: the sender's domain is listed
    /// with the peer's name, or there is no sender and any domain is. `[MSS1 HOP.IN]`
    pub fn judge_sender(&self, sender: &ReversePath, peer: &VerifiedPeer) -> Result<(), Refusal> {
        let list = self.needed()?;
        match sender.address() {
            Some(address) => self.judge(&list, address.domain(), peer, Refusal::SenderDomainNotListed),
            None if list.knows(peer.name(), self.how) => Ok(()),
            None => Err(Refusal::CertificateNotListed),
        }
    }

    /// Whether this peer may be given mail for this domain: the domain is listed with the
    /// peer's name. `[MSS1 HOP.OUT]`
    pub fn judge_recipient(&self, domain: &Domain, peer: &VerifiedPeer) -> Result<(), Refusal> {
        let list = self.needed()?;
        self.judge(&list, domain, peer, Refusal::DomainNotListed)
    }

    fn judge(&self, list: &TrustList, domain: &Domain, peer: &VerifiedPeer, unlisted: Refusal) -> Result<(), Refusal> {
        if !list.lists(domain) {
            return Err(unlisted);
        }
        if !list.binds(domain, peer.name(), self.how) {
            tracing::debug!(%domain, shown = %peer.name(), "certificate not listed for this domain");
            return Err(Refusal::CertificateNotListed);
        }
        if self.how == DnMatch::Normalised && !list.binds(domain, peer.name(), DnMatch::Strict) {
            tracing::debug!(%domain, shown = %peer.name(), "the certificate's name is listed in another spelling");
        }
        Ok(())
    }

    fn needed(&self) -> Result<Arc<TrustList>, Refusal> {
        self.list().ok_or(Refusal::TrustListUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use mssante::Address;
    use time::OffsetDateTime;

    use super::*;
    use crate::{CertificateFacts, DistinguishedName};

    fn peer(dn: &str) -> VerifiedPeer {
        VerifiedPeer::new(CertificateFacts {
            name: DistinguishedName::parse(dn).unwrap(),
            sha256: [0; 32],
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH,
        })
    }

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn from(text: &str) -> ReversePath {
        ReversePath::Address(Address::parse(text).unwrap())
    }

    fn space(how: DnMatch) -> TrustSpace {
        let space = TrustSpace::new(how);
        let entry = |name: &str, dn: &str| (domain(name), DistinguishedName::parse(dn).unwrap());
        space.install(TrustList::of_entries(
            OffsetDateTime::UNIX_EPOCH,
            [
                entry("a.mssante.fr", "CN=host1,OU=11,O=A,ST=Gard (30),C=FR"),
                entry("a.mssante.fr", "CN=host2,OU=11,O=A,ST=Gard (30),C=FR"),
                entry("b.mssante.fr", "CN=host3,OU=22,O=B,ST=Nord (59),C=FR"),
            ],
        ));
        space
    }

    #[test]
    fn each_name_of_a_domain_may_send_for_it_and_receive_for_it() {
        let space = space(DnMatch::Normalised);
        for dn in ["CN=host1,OU=11,O=A,C=FR", "CN=HOST2,OU=11,O=a,L=ailleurs,C=FR"] {
            assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &peer(dn)), Ok(()));
            assert_eq!(space.judge_recipient(&domain("A.mssante.fr"), &peer(dn)), Ok(()));
        }
    }

    #[test]
    fn the_name_of_another_domain_is_refused() {
        let space = space(DnMatch::Normalised);
        let other = peer("CN=host3,OU=22,O=B,C=FR");
        assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &other), Err(Refusal::CertificateNotListed));
        assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &other), Err(Refusal::CertificateNotListed));
    }

    #[test]
    fn unlisted_domains_are_refused_whoever_the_peer_is() {
        let space = space(DnMatch::Normalised);
        let known = peer("CN=host1,OU=11,O=A,C=FR");
        assert_eq!(space.judge_sender(&from("x@sub.a.mssante.fr"), &known), Err(Refusal::SenderDomainNotListed));
        assert_eq!(space.judge_recipient(&domain("c.mssante.fr"), &known), Err(Refusal::DomainNotListed));
    }

    #[test]
    fn reports_come_from_any_listed_name() {
        let space = space(DnMatch::Normalised);
        assert_eq!(space.judge_sender(&ReversePath::Null, &peer("CN=host3,OU=22,O=B,C=FR")), Ok(()));
        let stranger = peer("CN=host3,OU=23,O=B,C=FR");
        assert_eq!(space.judge_sender(&ReversePath::Null, &stranger), Err(Refusal::CertificateNotListed));
    }

    #[test]
    fn strict_comparison_takes_the_department_too() {
        let space = space(DnMatch::Strict);
        let exact = peer("CN=host1,OU=11,O=A,ST=Gard (30),C=FR");
        let nearly = peer("CN=host1,OU=11,O=A,ST=Gard(30),C=FR");
        assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &exact), Ok(()));
        assert_eq!(space.judge_sender(&ReversePath::Null, &exact), Ok(()));
        assert_eq!(space.judge_sender(&from("x@a.mssante.fr"), &nearly), Err(Refusal::CertificateNotListed));
        assert_eq!(space.judge_sender(&ReversePath::Null, &nearly), Err(Refusal::CertificateNotListed));
    }

    #[test]
    fn without_a_list_every_refusal_is_temporary() {
        let space = TrustSpace::new(DnMatch::Normalised);
        let anyone = peer("CN=host1,OU=11,O=A,C=FR");
        assert_eq!(space.lists(&domain("a.mssante.fr")), Err(Refusal::TrustListUnavailable));
        assert_eq!(space.judge_sender(&ReversePath::Null, &anyone), Err(Refusal::TrustListUnavailable));
        assert_eq!(space.judge_recipient(&domain("a.mssante.fr"), &anyone), Err(Refusal::TrustListUnavailable));
    }

    #[test]
    fn clones_see_the_list_that_was_installed_later() {
        let space = TrustSpace::new(DnMatch::Normalised);
        let clone = space.clone();
        space.install(TrustList::of_entries(
            OffsetDateTime::UNIX_EPOCH,
            [(domain("a.mssante.fr"), DistinguishedName::parse("CN=x").unwrap())],
        ));
        assert_eq!(clone.lists(&domain("a.mssante.fr")), Ok(true));
    }
}
