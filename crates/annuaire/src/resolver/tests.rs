use std::collections::BTreeSet;

use mssante::{BalKind, BalState, ForwardCopy};
use proptest::prelude::*;

use super::*;
use crate::{DirectoryBuilder, Entry, Paperless};

const OURS: &str = "ch.mssante.fr";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn rules(peer_recipients: PeerRecipients) -> ResolverRules {
    ResolverRules {
        our_domains: [domain(OURS), domain("hôpital.mssante.fr")].into(),
        patient_domains: [domain("patient.mssante.fr")].into(),
        peer_recipients,
    }
}

fn bal(id: i64, kind: BalKind, state: BalState) -> LocalBal {
    LocalBal { id: BalId(id), kind, state, replies: mssante::Replies::Accept }
}

fn team(id: i64) -> LocalBal {
    bal(id, BalKind::Organisational, BalState::Active)
}

/// One BAL, `jean.dupont`, number 7.
fn resolver(state: BalState) -> Resolver {
    let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
    resolver.put(&address("Jean.Dupont@ch.mssante.fr"), bal(7, BalKind::Nominative, state));
    resolver
}

fn route(resolver: &Resolver, recipient: &str, listed: Result<bool, Refusal>) -> Route {
    resolver.route(&address(recipient), |_| listed)
}

/// In which BALs mail for `team1` ends, with forwards (from, to, copy) among active teams `team1` … `team9`.
fn ends(forwards: &[(i64, i64, ForwardCopy)], gone: &[i64]) -> BTreeSet<i64> {
    let mut table = LocalTable::default();
    for id in 1..=9 {
        let state = if gone.contains(&id) { BalState::Suspended } else { BalState::Active };
        table.put(&address(&format!("team{id}@{OURS}")), bal(id, BalKind::Organisational, state));
    }
    for (from, target, copy) in forwards {
        table.forward(BalId(*from), Forward { target: BalId(*target), copy: *copy });
    }
    let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
    resolver.replace_all(table);
    match route(&resolver, &format!("team1@{OURS}"), Ok(false)) {
        Route::Local(delivery) => {
            let copies: BTreeSet<i64> = delivery.copies.iter().map(|id| id.0).collect();
            assert_eq!(copies.len(), delivery.copies.len(), "no BAL gets two copies");
            copies
        }
        other => panic!("{other:?}"),
    }
}

fn of_team(id: i64, state: BalState) -> LocalTable {
    let mut table = LocalTable::default();
    table.put(&address(&format!("team{id}@{OURS}")), bal(id, BalKind::Organisational, state));
    table
}

fn state_of(resolver: &Resolver, id: i64) -> Option<BalState> {
    resolver.local(&address(&format!("team{id}@{OURS}"))).map(|bal| bal.state)
}

#[test]
fn what_was_read_before_a_younger_change_does_not_undo_it() {
    let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
    let before = resolver.ticket();
    resolver.patch(&[BalId(1)], of_team(1, BalState::Closed));
    assert_eq!(resolver.learn(before, BalId(1), of_team(1, BalState::Active)), Learned::Overtaken);
    assert_eq!(state_of(&resolver, 1), Some(BalState::Closed));
    assert_eq!(resolver.learn(before, BalId(2), of_team(2, BalState::Active)), Learned::Taken, "that was another one");
    assert_eq!(resolver.learn(resolver.ticket(), BalId(1), of_team(1, BalState::Active)), Learned::Taken);
    assert_eq!(state_of(&resolver, 1), Some(BalState::Active));
    let before = resolver.ticket();
    resolver.replace_all(LocalTable::default());
    assert_eq!(
        resolver.learn(before, BalId(3), of_team(3, BalState::Active)),
        Learned::Overtaken,
        "all may be younger"
    );
}

#[test]
fn what_is_learned_while_all_are_read_is_read_again() {
    let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
    resolver.learn(resolver.ticket(), BalId(1), of_team(1, BalState::Active));
    resolver.expect_all();
    resolver.learn(resolver.ticket(), BalId(2), of_team(2, BalState::Active));
    assert_eq!(resolver.replace_all(of_team(1, BalState::Active)), [BalId(2)]);
    assert_eq!(resolver.replace_all(of_team(1, BalState::Active)), []);
}

#[test]
fn a_local_bal_is_found_in_any_case() {
    let route = route(&resolver(BalState::Active), "JEAN.dupont@CH.mssante.fr", Ok(false));
    assert!(matches!(route, Route::Local(delivery) if delivery.bal.id == BalId(7) && delivery.copies == [BalId(7)]));
}

#[test]
fn needless_quotes_and_unicode_domains_lead_to_the_same_bal() {
    let resolver = resolver(BalState::Active);
    resolver.put(&address("accueil@hôpital.mssante.fr"), team(8));
    for (text, id) in [
        ("\"jean.dupont\"@ch.mssante.fr", 7),
        ("\"JEAN\\.dupont\"@ch.mssante.fr", 7),
        ("accueil@xn--hpital-ixa.mssante.fr", 8),
        ("ACCUEIL@HÔPITAL.mssante.fr", 8),
    ] {
        let route = route(&resolver, text, Ok(false));
        assert!(matches!(route, Route::Local(delivery) if delivery.bal.id == BalId(id)), "{text}");
    }
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
    let peer = Route::Peer(domain("pharmacie.mssante.fr"), Standing::NotJudged);
    assert_eq!(route(&resolver, "a@pharmacie.mssante.fr", Ok(true)), peer);
    assert_eq!(route(&resolver, "a@pharmacie.mssante.fr", Ok(false)), Route::Refused(Refusal::DomainNotListed));
}

#[test]
fn doubt_about_the_list_is_passed_on_and_never_a_route() {
    let doubt = Err(Refusal::TrustListUnavailable);
    for recipient in ["a@pharmacie.mssante.fr", "279035121518989@patient.mssante.fr"] {
        let route = route(&resolver(BalState::Active), recipient, doubt);
        assert_eq!(route, Route::Refused(Refusal::TrustListUnavailable), "{recipient}");
    }
}

#[test]
fn a_patient_is_an_ins_with_its_key_at_a_listed_domain() {
    let resolver = resolver(BalState::Active);
    let patient = Route::Patient(domain("patient.mssante.fr"));
    for ins in ["279035121518989", "188102B17295264", "188102b17295264"] {
        let recipient = format!("{ins}@patient.mssante.fr");
        assert_eq!(route(&resolver, &recipient, Ok(true)), patient, "{ins}");
        assert_eq!(route(&resolver, &recipient, Ok(false)), Route::Refused(Refusal::DomainNotListed));
    }
    for wrong in ["279035121518988", "27903512151898", "jean.dupont", "188102C17295264"] {
        let recipient = format!("{wrong}@patient.mssante.fr");
        assert_eq!(route(&resolver, &recipient, Ok(true)), Route::Refused(Refusal::PatientAddressInvalid), "{wrong}");
    }
}

#[test]
fn an_alias_leads_to_its_bal() {
    let resolver = resolver(BalState::Active);
    let mut table = LocalTable::default();
    table.put(&address("cardiologie@ch.mssante.fr"), team(3));
    table.alias(&address("Cardio@ch.mssante.fr"), BalId(3));
    resolver.replace_all(table);
    assert_eq!(resolver.local(&address("cardio@ch.mssante.fr")).map(|bal| bal.id), Some(BalId(3)));
    assert!(
        matches!(route(&resolver, "cardio@ch.mssante.fr", Ok(true)), Route::Local(delivery) if delivery.bal.id == BalId(3))
    );
    assert_eq!(resolver.local(&address("jean.dupont@ch.mssante.fr")), None, "all was replaced");
}

#[test]
fn mail_is_handed_on_with_or_without_a_copy() {
    use ForwardCopy::{Keep, Move};
    assert_eq!(ends(&[], &[]), [1].into());
    assert_eq!(ends(&[(1, 2, Keep)], &[]), [1, 2].into());
    assert_eq!(ends(&[(1, 2, Move)], &[]), [2].into());
    assert_eq!(ends(&[(1, 2, Move), (1, 3, Keep), (2, 4, Move)], &[]), [3, 4].into());
}

#[test]
fn who_moves_all_he_gets_keeps_nothing_also_where_two_ways_meet() {
    use ForwardCopy::Move;
    for forwards in [[(1, 2, Move), (1, 3, Move), (2, 3, Move)], [(1, 3, Move), (1, 2, Move), (2, 3, Move)]] {
        assert_eq!(ends(&forwards, &[]), [3].into(), "{forwards:?}");
    }
}

#[test]
fn what_no_target_takes_stays() {
    use ForwardCopy::Move;
    assert_eq!(ends(&[(1, 2, Move)], &[2]), [1].into());
    assert_eq!(ends(&[(1, 2, Move), (2, 3, Move)], &[3]), [2].into());
    assert_eq!(ends(&[(1, 99, Move)], &[]), [1].into());
}

#[test]
fn hand_overs_are_followed_five_times() {
    let chain: Vec<_> = (1..9).map(|from| (from, from + 1, ForwardCopy::Move)).collect();
    assert_eq!(ends(&chain, &[]), [6].into());
}

proptest! {
    /// Circles included: the store refuses to make them, but two nodes may disagree for a moment.
    #[test]
    fn no_table_of_forwards_loses_a_message(
        forwards in prop::collection::vec((1_i64..10, 1_i64..10, prop_oneof![Just(ForwardCopy::Keep), Just(ForwardCopy::Move)]), 0..40),
        gone in prop::collection::vec(2_i64..10, 0..6),
    ) {
        let ends = ends(&forwards, &gone);
        prop_assert!(!ends.is_empty());
        prop_assert!(ends.iter().all(|id| !gone.contains(id)), "{ends:?}");
    }
}

fn directory() -> Arc<Directory> {
    let mut builder = DirectoryBuilder::new();
    builder.put(&Entry {
        address: address("pierre.perin@pharmacie.mssante.fr"),
        kind: BalKind::Nominative,
        person: None,
        structure: None,
        service: String::new(),
        paperless: Paperless::NotSaid,
        others: Vec::new(),
        carrier: None,
    });
    Arc::new(builder.finish())
}

#[test]
fn recipients_of_others_must_be_in_the_annuaire_only_where_that_is_wanted_and_can_be_judged() {
    let (known, unknown, elsewhere) =
        ("Pierre.PERIN@pharmacie.mssante.fr", "x@pharmacie.mssante.fr", "x@clinique.mssante.fr");
    let peer = |text: &str, standing| Route::Peer(address(text).domain().clone(), standing);
    for (rule, of_known, of_unknown) in [
        (PeerRecipients::Off, Standing::NotJudged, Ok(Standing::NotJudged)),
        (PeerRecipients::Warn, Standing::Known, Ok(Standing::Unknown)),
        (PeerRecipients::Enforce, Standing::Known, Err(Refusal::NotInAnnuaire)),
    ] {
        let resolver = Resolver::with_rules(rules(rule));
        assert_eq!(route(&resolver, unknown, Ok(true)), peer(unknown, Standing::NotJudged), "no directory");
        resolver.rely_on(Some(directory()));
        assert_eq!(route(&resolver, known, Ok(true)), peer(known, of_known), "{rule:?}");
        let expected = of_unknown.map_or_else(Route::Refused, |standing| peer(unknown, standing));
        assert_eq!(route(&resolver, unknown, Ok(true)), expected, "{rule:?}");
        assert_eq!(route(&resolver, elsewhere, Ok(true)), peer(elsewhere, Standing::NotJudged), "{rule:?}");
        resolver.rely_on(None);
        assert_eq!(route(&resolver, unknown, Ok(true)), peer(unknown, Standing::NotJudged), "too old");
    }
}

#[test]
fn each_reason_to_ask_or_not_to_ask_the_directory_is_a_step_of_its_own() {
    let asked = |rule, directory: Option<Arc<Directory>>, text: &str| {
        let resolver = Resolver::with_rules(rules(rule));
        resolver.rely_on(directory);
        let (steps, _) = resolver.explain(&address(text), |_| Ok(true));
        steps.into_iter().find_map(|step| if let Step::Directory(asked) = step { Some(asked) } else { None }).unwrap()
    };
    let (known, unknown) = ("pierre.perin@pharmacie.mssante.fr", "x@pharmacie.mssante.fr");
    assert_eq!(asked(PeerRecipients::Off, Some(directory()), known), Asked::NotAsked);
    assert_eq!(asked(PeerRecipients::Warn, None, known), Asked::NoDirectory);
    assert_eq!(asked(PeerRecipients::Warn, Some(directory()), "x@clinique.mssante.fr"), Asked::UnknownDomain);
    assert_eq!(asked(PeerRecipients::Warn, Some(directory()), known), Asked::Known);
    assert_eq!(asked(PeerRecipients::Enforce, Some(directory()), unknown), Asked::Unknown, "also where it is refused");
}

#[test]
fn each_reason_not_to_hand_on_is_told() {
    use ForwardCopy::Move;
    let skipped = |forwards: &[(i64, i64)], gone: i64| {
        let mut table = LocalTable::default();
        for id in 1..9 {
            let state = if id == gone { BalState::Closed } else { BalState::Active };
            table.put(&address(&format!("bal{id}@ch.mssante.fr")), bal(id, BalKind::Organisational, state));
        }
        for (from, to) in forwards {
            table.forward(BalId(*from), Forward { target: BalId(*to), copy: Move });
        }
        let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
        resolver.replace_all(table);
        let (steps, _) = resolver.explain(&address("bal1@ch.mssante.fr"), |_| Ok(true));
        steps.into_iter().find_map(|step| if let Step::ForwardSkipped { why, .. } = step { Some(why) } else { None })
    };
    assert_eq!(skipped(&[(1, 2)], 2), Some(Skipped::TakesNoMail));
    assert_eq!(skipped(&[(1, 2), (2, 1)], 0), Some(Skipped::Circle));
    let chain: Vec<(i64, i64)> = (1..8).map(|from| (from, from + 1)).collect();
    assert_eq!(skipped(&chain, 0), Some(Skipped::TooMany));
    assert_eq!(skipped(&[(1, 2)], 0), None);
}

#[test]
fn every_step_of_a_decision_is_told() {
    let mut table = LocalTable::default();
    table.put(&address("accueil@ch.mssante.fr"), team(1));
    table.put(&address("dpi@ch.mssante.fr"), bal(2, BalKind::Applicative, BalState::Active));
    table.forward(BalId(1), Forward { target: BalId(2), copy: ForwardCopy::Keep });
    let resolver = Resolver::with_rules(rules(PeerRecipients::Off));
    resolver.replace_all(table);
    let (steps, route) = resolver.explain(&address("Accueil@ch.mssante.fr"), |_| Ok(true));
    let said: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "compares as accueil@ch.mssante.fr",
            "the domain is ours",
            "leads to BAL 1, which is active",
            "BAL 1 hands on to BAL 2, a copy stays"
        ]
    );
    assert!(matches!(route, Route::Local(delivery) if delivery.copies == [BalId(2), BalId(1)]));
}

/// What is known of `team0` … `team3` and their aliases `a0` … `a3`: for each alias the BAL that it leads to, for each BAL
/// whether it is there, and to which BAL it hands on.
#[derive(Debug, Clone, Default)]
struct World {
    bals: [bool; 4],
    aliases: [Option<i64>; 4],
    forwards: [Option<i64>; 4],
}

impl World {
    fn table(&self, of: &[BalId]) -> LocalTable {
        let mut table = LocalTable::default();
        let there = |id: i64| self.bals[usize::try_from(id).unwrap()] && of.contains(&BalId(id));
        for (id, to) in (0..).zip(self.forwards).filter(|(id, _)| there(*id)) {
            table.put(&address(&format!("team{id}@{OURS}")), team(id));
            if let Some(to) = to {
                table.forward(BalId(id), Forward { target: BalId(to), copy: ForwardCopy::Keep });
            }
        }
        for (n, bal) in self.aliases.into_iter().enumerate() {
            if let Some(bal) = bal.filter(|bal| there(*bal)) {
                table.alias(&address(&format!("a{n}@{OURS}")), BalId(bal));
            }
        }
        table
    }

    /// All that is to be read anew when it changes.
    fn of(&self, id: BalId) -> (bool, Option<i64>, [bool; 4]) {
        let n = usize::try_from(id.0).unwrap();
        (self.bals[n], self.forwards[n], self.aliases.map(|bal| bal == Some(id.0)))
    }
}

fn routes(resolver: &Resolver) -> Vec<Route> {
    let names = (0..4).flat_map(|n| [format!("team{n}@{OURS}"), format!("A{n}@{OURS}")]);
    names.map(|name| route(resolver, &name, Ok(false))).collect()
}

fn worlds() -> impl Strategy<Value = World> {
    let links = || prop::array::uniform4(prop::option::of(0_i64..4));
    (any::<[bool; 4]>(), links(), links()).prop_map(|(bals, aliases, forwards)| World { bals, aliases, forwards })
}

proptest! {
    /// The BALs whose own row, aliases or forwards are different, told in whatever portions, are all that is to be read.
    #[test]
    fn patching_what_changed_is_as_good_as_reading_everything(before in worlds(), after in worlds(), at_once: bool) {
        let patched = Resolver::with_rules(rules(PeerRecipients::Off));
        let all: Vec<BalId> = (0..4).map(BalId).collect();
        patched.replace_all(before.table(&all));
        let changed: Vec<BalId> = all.iter().copied().filter(|id| before.of(*id) != after.of(*id)).collect();
        for portion in changed.chunks(if at_once { 4 } else { 1 }) {
            patched.patch(portion, after.table(portion));
        }
        let whole = Resolver::with_rules(rules(PeerRecipients::Off));
        whole.replace_all(after.table(&all));
        prop_assert_eq!(routes(&patched), routes(&whole));
        prop_assert_eq!(patched.known_bals(), whole.known_bals());
    }
}
