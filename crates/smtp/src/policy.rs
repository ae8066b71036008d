//! Who may send what to whom: the questions of a session, answered from the trust list, the
//! resolver and, in doubt, the store.

use annuaire::{Learned, LocalBal, LocalTable, Resolver, Route, Standing};
use auth::{Identity, Principal, SendRight};
use message::ReplyTo;
use mssante::{
    Address, BalId, Enforcement, Permanence, Refusal, ReversePath, judge_authors as judge_names, judge_replies,
    judge_reply_to, may_send,
};
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

/// Whether a peer operator may hand over a letter of these authors, as far as they are patients. A sender binds them to
/// the peer already; of a letter without one nothing else does. `[MSS1 HOP.AUTHOR]`
pub(crate) fn judge_patients_operator(
    named: &[Address],
    peer: Result<&VerifiedPeer, Refusal>,
    resolver: &Resolver,
    trust: &TrustSpace,
) -> Result<(), Refusal> {
    for author in named.iter().filter(|author| resolver.is_of_patients(author.domain())) {
        judge_peer_sender(&ReversePath::Address(author.clone()), peer, resolver, trust)?;
    }
    Ok(())
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
    let route = || resolver.route(recipient, |domain| trust.lists(domain));
    let mut decided = route();
    let verdict = destination(decided.clone(), role, sender);
    if !is_to_be_confirmed(&verdict, recipient, resolver) {
        tell_unknown(&decided, role, recipient);
        return verdict;
    }
    if learn(recipient, resolver, store).await? {
        decided = route();
    }
    destination(decided, role, sender)
}

fn tell_unknown(route: &Route, role: Role, recipient: &Address) {
    if let (Route::Peer(_, Standing::Unknown), Role::Submission) = (route, role) {
        metrics::counter!("pli_recipients_not_in_annuaire_total").increment(1);
        tracing::warn!(recipient = recipient.masked(), "a recipient of another operator is not in the annuaire");
    }
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

/// Whether another operator hands over a letter in the name of one of our BALs, if that is let through. A redirection
/// does so in good faith, a forger as well. `[MSS1 HOP.AUTHOR]`
pub(crate) fn judge_authors(named: &[Address], rule: Enforcement, resolver: &Resolver) -> Result<bool, Refusal> {
    match (rule, judge_names(named, |domain| resolver.is_ours(domain))) {
        (Enforcement::Off, _) | (_, Ok(())) => Ok(false),
        (Enforcement::Enforce, Err(refusal)) => Err(refusal),
        (Enforcement::Warn, Err(refusal)) => {
            metrics::counter!("pli_hop_letters_in_our_name_total").increment(1);
            tracing::warn!(
                reason = refusal.word(),
                "another operator hands over a letter in the name of one of our BALs"
            );
            Ok(true)
        }
    }
}

/// The BAL of ours behind an address, asked of the store if need be; nobody learns more of it than routing needs.
pub(crate) async fn known(address: &Address, resolver: &Resolver, store: &Store) -> Result<Option<LocalBal>, Refusal> {
    match resolver.local(address) {
        Some(bal) => Ok(Some(bal)),
        None if !resolver.is_ours(address.domain()) => Ok(None),
        None => learn(address, resolver, store).await.map(|_| resolver.local(address)),
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

/// Nobody is refused for good from memory: a BAL that was created, opened again or given another address a moment ago is
/// known to the store, and not yet here.
fn is_to_be_confirmed(verdict: &Result<Destination, Refusal>, recipient: &Address, resolver: &Resolver) -> bool {
    let is_final = |refusal: &Refusal| refusal.permanence() == Permanence::Permanent;
    resolver.is_ours(recipient.domain()) && verdict.as_ref().is_err_and(is_final)
}

/// So often what was read is read again because somebody else was faster.
const READINGS: usize = 3;

/// Asks the store what it knows of an address; says whether it exists.
async fn learn(recipient: &Address, resolver: &Resolver, store: &Store) -> Result<bool, Refusal> {
    let unavailable = |error: StoreError| {
        tracing::error!(%error, "the store cannot confirm that a recipient is refused");
        Refusal::StoreUnavailable
    };
    for _ in 0..READINGS {
        let ticket = resolver.ticket();
        let Some(bal) = store.bal_behind(recipient).await.map_err(unavailable)? else { return Ok(false) };
        let ways = store.ways_of([bal.id]).await.map_err(unavailable)?;
        if resolver.learn(ticket, bal.id, LocalTable::from(&ways)) == Learned::Taken {
            return Ok(true);
        }
    }
    // What is known by now was read after all that.
    Ok(true)
}

/// Learns what these BALs are by now.
pub(crate) async fn learn_all(bals: &[BalId], resolver: &Resolver, store: &Store) -> Result<(), Refusal> {
    for bal in bals {
        let ticket = resolver.ticket();
        let ways = store.ways_of([*bal]).await.map_err(|error| unavailable(&error))?;
        resolver.learn(ticket, *bal, LocalTable::from(&ways));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annuaire::{Delivery, LocalBal};
    use mssante::{BalKind, BalState, Clock, Domain, Replies};
    use store::NewBal;
    use testkit::postgres::TestDatabase;
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

    #[tokio::test]
    async fn nobody_is_refused_for_good_by_what_another_node_has_changed_meanwhile() {
        let database = TestDatabase::new().await;
        let (store, elsewhere) = (database.store().await, database.store().await);
        let (resolver, trust) = (resolver("ch.mssante.fr"), no_list());
        let address = |name: &str| Address::parse(&format!("{name}@ch.mssante.fr")).unwrap();
        let mut bals = Vec::new();
        for name in ["old", "new"] {
            bals.push(elsewhere.create_bal(NewBal::new(address(name), BalKind::Cabinet)).await.unwrap().id);
        }
        elsewhere.add_alias(bals[0], &address("alias")).await.unwrap();
        elsewhere.set_bal_state(bals[0], BalState::Closed, "essai").await.unwrap();
        resolver.patch(&bals, LocalTable::from(&store.ways().await.unwrap()));
        let judged = async |name: &str| {
            judge_recipient(&address(name), &ReversePath::Null, Role::Hop, &resolver, &trust, &store).await
        };
        for name in ["old", "alias"] {
            assert_eq!(judged(name).await, Err(Refusal::RecipientClosed), "{name}");
        }
        elsewhere.remove_alias(&address("alias")).await.unwrap();
        elsewhere.add_alias(bals[1], &address("alias")).await.unwrap();
        assert_eq!(judged("alias").await, Ok(Destination::Local(vec![bals[1]])));
        elsewhere.set_bal_state(bals[0], BalState::Active, "essai").await.unwrap();
        assert_eq!(judged("old").await, Ok(Destination::Local(vec![bals[0]])));
        assert_eq!(judged("nobody").await, Err(Refusal::UnknownRecipient));
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
