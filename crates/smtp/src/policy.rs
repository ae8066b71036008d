//! Who may send what to whom: the questions of a session, answered from the trust list, the
//! resolver and, in doubt, the store.

use annuaire::{Forward, LocalBal, Resolver, Route, Standing};
use auth::{Identity, Principal, SendRight};
use message::ReplyTo;
use mssante::{Address, Enforcement, Refusal, ReversePath, judge_replies, judge_reply_to, may_send};
use store::{Rooms, Store, StoreError};
use trust::{DnMatch, TrustSpace, VerifiedPeer};

use crate::Role;
use crate::incoming::unavailable;
use crate::path::ForwardPath;
use crate::session::{Destination, Recipient};

/// Whether a peer operator may hand over mail from this sender, its certificate first. Tells which
/// way of comparing names matched. `[MSS1 HOP.IN]`
pub(crate) fn judge_peer_sender(
    sender: &ReversePath,
    peer: Result<&VerifiedPeer, Refusal>,
    resolver: &Resolver,
    trust: &TrustSpace,
) -> Result<DnMatch, Refusal> {
    let peer = peer?;
    if sender.address().is_some_and(|address| resolver.is_ours(address.domain())) {
        return Err(Refusal::SenderIsOurs);
    }
    trust.judge_sender(sender, peer)
}

/// How a principal may send as this sender, if at all. `<>` is for servers. Software is there by its
/// certificate (`peer`), which must still be good. `[RFC6409 6.1]`
pub(crate) fn judge_own_sender(
    sender: &ReversePath,
    identity: Option<&Identity>,
    peer: Result<&VerifiedPeer, Refusal>,
    resolver: &Resolver,
    trust: &TrustSpace,
) -> Result<SendRight, Refusal> {
    let identity = identity.ok_or(Refusal::AuthenticationRequired)?;
    if let Principal::Software(_) = identity.principal() {
        trust.judge_certificate(peer?)?;
    }
    let address = sender.address().ok_or(Refusal::SenderNotAllowed)?;
    let right = identity.may_send_as(address).ok_or(Refusal::SenderNotAllowed)?;
    // The BAL may have been suspended since the log-in.
    resolver.local(address).map_or(Ok(()), |bal| may_send(bal.state))?;
    Ok(right)
}

/// The address that a forward path stands for; `<postmaster>` is that of the one of our
/// domains which has such a BAL. `[RFC5321 4.5.1]`
pub(crate) fn recipient_address(path: ForwardPath, resolver: &Resolver) -> Option<Address> {
    match path {
        ForwardPath::Address(address) => Some(address),
        ForwardPath::Postmaster => resolver
            .our_domains()
            .filter_map(|domain| Address::parse(&format!("postmaster@{domain}")).ok())
            .find(|address| resolver.local(address).is_some()),
    }
}

/// Where a recipient's copy goes, or why nowhere. `[MSS1 RCPT.ROUTE]`
pub(crate) async fn judge_recipient(
    recipient: &Address,
    sender: &ReversePath,
    role: Role,
    resolver: &Resolver,
    trust: &TrustSpace,
    store: &Store,
) -> Result<Destination, Refusal> {
    let mut route = resolver.route(recipient, |domain| trust.lists(domain));
    if route == Route::Refused(Refusal::UnknownRecipient) && learn(recipient, resolver, store).await? {
        route = resolver.route(recipient, |domain| trust.lists(domain));
    }
    if let (Route::Peer(_, Standing::Unknown), Role::Submission) = (&route, role) {
        metrics::counter!("pli_recipients_not_in_annuaire_total").increment(1);
        tracing::warn!(recipient = recipient.masked(), "a recipient of another operator is not in the annuaire");
    }
    destination(route, role, sender)
}

/// On a hop, what another operator would serve is nobody's business: we relay for no third party. A box without replies
/// takes reports only. `[MSS1 APP.NOREPLY]`
pub(crate) fn destination(route: Route, role: Role, sender: &ReversePath) -> Result<Destination, Refusal> {
    use Refusal::{DomainNotListed, NotInAnnuaire, PatientAddressInvalid, TrustListStale};
    match (route, role) {
        (Route::Local(delivery), _) => {
            judge_replies(delivery.bal.replies, sender).map(|()| Destination::Local(delivery.copies))
        }
        (Route::Peer(..) | Route::Patient(_), Role::Submission) => Ok(Destination::Peer),
        // Listed or not: it is not ours, and that is certain whatever the list's age.
        (
            Route::Peer(..)
            | Route::Patient(_)
            | Route::Refused(DomainNotListed | TrustListStale | PatientAddressInvalid | NotInAnnuaire),
            Role::Hop,
        ) => Err(Refusal::RelayDenied),
        (Route::Refused(refusal), _) => Err(refusal),
    }
}

/// Whether replies to a piece of software come to somebody of ours who takes them: the author or whom `Reply-To` names. A
/// box that only sends need not be written to, so a message without `Reply-To` is none to judge. `[MSS1 APP.REPLYTO]`
pub(crate) async fn judge_replies_of_software(
    reply_to: &ReplyTo,
    rule: Enforcement,
    resolver: &Resolver,
    store: &Store,
) -> Result<(), Refusal> {
    let addresses = match reply_to {
        _ if rule == Enforcement::Off => return Ok(()),
        ReplyTo::Author => return Ok(()),
        ReplyTo::Addresses(addresses) => addresses.as_slice(),
        ReplyTo::Unreadable => &[],
    };
    let mut verdict = if addresses.is_empty() { Err(Refusal::ReplyToNotOurs) } else { Ok(()) };
    for address in addresses {
        let known = resolver.local(address).is_some() || learn(address, resolver, store).await?;
        let ours = resolver.local(address).filter(|_| known).map(|bal| (bal.state, bal.replies));
        verdict = verdict.and_then(|()| judge_reply_to(ours));
    }
    match (verdict, rule) {
        (Err(refusal), Enforcement::Warn) => {
            metrics::counter!("pli_reply_to_warnings_total").increment(1);
            tracing::warn!(reason = refusal.word(), "an applicative BAL has replies sent elsewhere");
            Ok(())
        }
        (verdict, _) => verdict,
    }
}

/// Whether a message of this size still fits: it is refused only if no recipient has room, as all the others would have
/// to wait as well. `[MSS1 BAL.QUOTA]`
pub(crate) async fn judge_room(rooms: &Rooms, recipients: &[Recipient], size: u64) -> Result<(), Refusal> {
    let mut verdict = Ok(());
    for recipient in recipients {
        let Destination::Local(bals) = &recipient.destination else { return Ok(()) };
        verdict = rooms.judge(bals, size).await.map_err(|error| unavailable(&error))?;
        if verdict.is_ok() {
            return Ok(());
        }
    }
    verdict
}

/// Asks the store for an address that the resolver does not know, so that a BAL created a
/// moment ago is never refused for good; says whether it exists.
async fn learn(recipient: &Address, resolver: &Resolver, store: &Store) -> Result<bool, Refusal> {
    let unavailable = |error: StoreError| {
        tracing::error!(%error, "the store cannot confirm that a recipient is unknown");
        Refusal::StoreUnavailable
    };
    let Some(bal) = store.bal_behind(recipient).await.map_err(unavailable)? else { return Ok(false) };
    let forwards = store.forwards(Some(bal.id)).await.map_err(unavailable)?;
    let own = forwards.into_iter().filter(|forward| forward.from == bal.id);
    let own = own.map(|forward| Forward { target: forward.to, copy: forward.copy }).collect();
    resolver.learn(recipient, LocalBal { id: bal.id, kind: bal.kind, state: bal.state, replies: bal.replies }, own);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annuaire::Delivery;
    use mssante::{BalId, BalKind, BalState, Clock, Domain, Replies};
    use time::OffsetDateTime;
    use trust::{Revocation, TrustRules};

    use super::*;

    struct Never;

    impl Clock for Never {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::UNIX_EPOCH
        }
    }

    fn no_list() -> TrustSpace {
        TrustSpace::new(TrustRules::default(), Revocation::unchecked(Arc::new(Never)), Arc::new(Never))
    }

    fn resolver(domain: &str) -> Resolver {
        Resolver::new([Domain::parse(domain).unwrap()])
    }

    const LOCAL: LocalBal =
        LocalBal { id: BalId(1), kind: BalKind::Nominative, state: BalState::Active, replies: Replies::Accept };

    #[test]
    fn a_hop_takes_mail_for_our_bals_only_and_submission_for_peers_too() {
        let to = |route, role| destination(route, role, &ReversePath::Null);
        let peer = || Route::Peer(Domain::parse("peer.mssante.fr").unwrap(), Standing::NotJudged);
        let patient = || Route::Patient(Domain::parse("patient.mssante.fr").unwrap());
        let ours = Route::Local(Delivery { bal: LOCAL, copies: vec![BalId(1), BalId(2)] });
        assert_eq!(to(ours, Role::Hop), Ok(Destination::Local(vec![BalId(1), BalId(2)])));
        assert_eq!(to(patient(), Role::Hop), Err(Refusal::RelayDenied));
        assert_eq!(to(patient(), Role::Submission), Ok(Destination::Peer));
        let no_patient = || Route::Refused(Refusal::PatientAddressInvalid);
        assert_eq!(to(no_patient(), Role::Hop), Err(Refusal::RelayDenied));
        assert_eq!(to(no_patient(), Role::Submission), Err(Refusal::PatientAddressInvalid));
        assert_eq!(to(peer(), Role::Hop), Err(Refusal::RelayDenied));
        assert_eq!(to(peer(), Role::Submission), Ok(Destination::Peer));
        let outside = || Route::Refused(Refusal::DomainNotListed);
        assert_eq!(to(outside(), Role::Hop), Err(Refusal::RelayDenied));
        assert_eq!(to(outside(), Role::Submission), Err(Refusal::DomainNotListed));
        let unsure = || Route::Refused(Refusal::TrustListStale);
        assert_eq!(to(unsure(), Role::Hop), Err(Refusal::RelayDenied));
        assert_eq!(to(unsure(), Role::Submission), Err(Refusal::TrustListStale));
        let doubt = Route::Refused(Refusal::TrustListUnavailable);
        assert_eq!(to(doubt, Role::Hop), Err(Refusal::TrustListUnavailable));
    }

    #[test]
    fn rule_app_noreply_refuses_people_and_takes_reports() {
        let noreply = LocalBal { replies: Replies::Refuse, ..LOCAL };
        let route = || Route::Local(Delivery { bal: noreply, copies: vec![BalId(1)] });
        let person = ReversePath::Address(Address::parse("dr@peer.mssante.fr").unwrap());
        for role in [Role::Hop, Role::Submission] {
            assert_eq!(destination(route(), role, &person), Err(Refusal::NoReplies));
            assert_eq!(destination(route(), role, &ReversePath::Null), Ok(Destination::Local(vec![BalId(1)])));
        }
    }

    #[test]
    fn the_postmaster_is_known_only_if_there_is_such_a_bal() {
        let resolver = resolver("ch.mssante.fr");
        assert_eq!(recipient_address(ForwardPath::Postmaster, &resolver), None);
        let postmaster = Address::parse("postmaster@ch.mssante.fr").unwrap();
        resolver.put(&postmaster, LOCAL);
        assert_eq!(recipient_address(ForwardPath::Postmaster, &resolver), Some(postmaster));
    }

    #[test]
    fn nobody_submits_without_a_log_in() {
        let resolver = Resolver::default();
        let refusal = judge_own_sender(&ReversePath::Null, None, Err(Refusal::TlsRequired), &resolver, &no_list());
        assert_eq!(refusal, Err(Refusal::AuthenticationRequired));
    }

    #[test]
    fn a_hop_without_a_certificate_or_in_our_name_is_refused() {
        let resolver = resolver("ch.mssante.fr");
        let trust = no_list();
        let missing = judge_peer_sender(&ReversePath::Null, Err(Refusal::CertificateMissing), &resolver, &trust);
        assert_eq!(missing, Err(Refusal::CertificateMissing));
    }
}
