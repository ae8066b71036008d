//! A synchronisation with an interface that is a function.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use time::macros::datetime;

use super::*;
use crate::RejectionReason;
use crate::fhir::MAILBOX_EXTENSION;

const BEGIN: OffsetDateTime = datetime!(2026-11-22 6:00 UTC);
const BASE: &str = "https://annuaire.test/fhir/v2";

fn rules() -> SyncRules {
    SyncRules::new(Base::parse(BASE).unwrap())
}

/// What came of a run.
struct Run {
    asked: Vec<String>,
    found: Vec<Found>,
    waited: Duration,
    end: Result<SyncReport, SyncFault>,
}

impl Run {
    fn addresses(&self) -> Vec<String> {
        let entry = |found: &Found| match found {
            Found::Entry(entry) => Some(entry.address.to_string()),
            _ => None,
        };
        self.found.iter().filter_map(entry).collect()
    }

    fn rejected(&self) -> Vec<RejectionReason> {
        let reason = |found: &Found| match found {
            Found::Rejected(rejection) => Some(rejection.reason),
            _ => None,
        };
        self.found.iter().filter_map(reason).collect()
    }
}

fn run(rules: SyncRules, scope: Scope, mut answer: impl FnMut(&str) -> Heard) -> Run {
    let (mut now, pace) = (BEGIN, Arc::new(Pace::per_second(15)));
    let mut sync = Sync::new(rules, scope, pace, now);
    let (mut asked, mut found, mut waited) = (Vec::new(), Vec::new(), Duration::ZERO);
    loop {
        match sync.next(now) {
            Step::Ask(ask) => {
                let path = ask.url.strip_prefix(BASE).unwrap().to_owned();
                sync.hear(now, answer(&path), &mut |one| found.push(one));
                asked.push(path);
            }
            Step::Wait(wait) => {
                assert!(!wait.is_zero());
                waited += wait;
                now += wait;
            }
            Step::Done(report) => return Run { asked, found, waited, end: Ok(report) },
            Step::Failed(fault) => return Run { asked, found, waited, end: Err(fault) },
        }
    }
}

fn answer(status: u16, json: &Json) -> Heard {
    Heard::Answer(Answer { status, retry_after: None, body: json.to_string().into_bytes() })
}

fn page(resources: &[Json], next: Option<&str>) -> Heard {
    let entry: Vec<_> = resources.iter().map(|resource| json!({ "resource": resource })).collect();
    let link: Vec<_> =
        next.map(|next| json!({ "relation": "next", "url": format!("{BASE}{next}") })).into_iter().collect();
    answer(200, &json!({ "resourceType": "Bundle", "entry": entry, "link": link }))
}

fn mailbox(address: &str, kind: &str) -> Json {
    let kind = json!({ "url": "type", "valueCode": kind });
    json!({ "system": "email", "value": address, "extension": [{ "url": MAILBOX_EXTENSION, "extension": [kind] }] })
}

fn doctor(id: &str, address: &str) -> Json {
    json!({
        "resourceType": "Practitioner", "id": id,
        "identifier": [{ "system": "https://rpps.esante.gouv.fr", "value": format!("100034610{id:0>2}") }],
        "name": [{ "family": "Saucier" }], "telecom": [mailbox(address, "PER")],
    })
}

fn hospital(id: &str, address: &str) -> Json {
    json!({ "resourceType": "Organization", "id": id, "name": "CH", "telecom": [mailbox(address, "ORG")] })
}

fn role(id: &str, practitioner: &str, organization: &str, address: &str) -> Json {
    json!({
        "resourceType": "PractitionerRole", "id": id,
        "practitioner": { "reference": format!("Practitioner/{practitioner}") },
        "organization": { "reference": format!("Organization/{organization}") },
        "telecom": [mailbox(address, "PER")],
    })
}

/// An interface that has one of each, the professionals on two pages.
fn small(path: &str) -> Heard {
    match path {
        "/_page?id=2" => page(&[doctor("2", "b@a.fr")], None),
        _ if path.starts_with("/Practitioner?") => page(&[doctor("1", "a@a.fr")], Some("/_page?id=2")),
        _ if path.starts_with("/PractitionerRole?") => {
            page(&[role("1", "1", "1", "c@a.fr"), doctor("1", "a@a.fr"), hospital("1", "d@a.fr")], None)
        }
        _ => page(&[hospital("1", "d@a.fr")], None),
    }
}

#[test]
fn a_full_synchronisation_reads_every_page_of_the_three_searches() {
    let run = run(rules(), Scope::Full, small);
    assert_eq!(run.addresses(), ["a@a.fr", "b@a.fr", "c@a.fr", "d@a.fr"]);
    assert_eq!(run.asked[0], "/Practitioner?mailbox-mss:contains=%40&_count=50");
    assert_eq!(run.asked.len(), 4);
    let report = run.end.unwrap();
    assert_eq!((report.calls, report.pages, report.resources, report.entries), (4, 4, 4, 4));
    assert_eq!((report.begun_at, report.since, report.retries), (BEGIN, None, 0));
}

#[test]
fn an_incremental_one_asks_for_all_that_was_updated_a_little_earlier_and_tells_what_was_touched() {
    let run = run(rules(), Scope::Since(datetime!(2026-11-22 5:00:00.5 UTC)), small);
    assert_eq!(run.asked[0], "/Practitioner?_lastUpdated=ge2026-11-22T04%3A30%3A00Z&_count=50");
    let touched = run.found.iter().filter(|found| matches!(found, Found::Touched(_))).count();
    assert_eq!(touched, 4);
    assert!(matches!(run.found[0], Found::Touched(_)));
}

#[test]
fn what_did_not_come_along_is_looked_up_with_few_calls() {
    let run = run(rules(), Scope::Full, |path| match path {
        "/Practitioner?_id=1%2C2&_count=50" => page(&[doctor("1", "x@a.fr"), doctor("2", "y@a.fr")], None),
        "/Organization?_id=7&_count=50" => page(&[], Some("/_page?id=7")),
        "/_page?id=7" => page(&[hospital("7", "z@a.fr")], None),
        _ if path.starts_with("/PractitionerRole?") => {
            page(&[role("1", "1", "7", "a@a.fr"), role("2", "2", "7", "b@a.fr"), role("3", "1", "7", "c@a.fr")], None)
        }
        _ => page(&[], None),
    });
    assert_eq!(run.addresses(), ["a@a.fr", "b@a.fr", "c@a.fr"]);
    assert_eq!(run.asked.len(), 6, "{:?}", run.asked);
}

#[test]
fn a_role_that_refers_to_what_cannot_be_had_is_rejected_and_the_rest_goes_on() {
    let run = run(rules(), Scope::Full, |path| match path {
        _ if path.contains("_id=") => page(&[], None),
        _ if path.starts_with("/PractitionerRole?") => page(&[role("1", "1", "7", "a@a.fr")], None),
        _ if path.starts_with("/Organization?") => page(&[hospital("1", "d@a.fr")], None),
        _ => page(&[], None),
    });
    assert_eq!((run.addresses(), run.rejected()), (vec!["d@a.fr".to_owned()], vec![RejectionReason::Incomplete]));
}

#[test]
fn who_is_unlisted_in_a_resource_that_comes_along_is_told() {
    let mut unlisted = doctor("1", "a@a.fr");
    unlisted["telecom"][0]["extension"][0]["extension"] = json!([{ "url": "listeRouge", "valueBoolean": true }]);
    let run = run(rules(), Scope::Since(BEGIN), |path| match path {
        _ if path.starts_with("/PractitionerRole?") => {
            page(&[role("1", "1", "1", "a@a.fr"), unlisted.clone(), hospital("1", "d@a.fr")], None)
        }
        _ => page(&[], None),
    });
    let says_so = Some(Carrier::named("Practitioner/1"));
    let is_hidden = |found: &&Found| matches!(found, Found::Unlisted { address, carrier } if address.to_string() == "a@a.fr" && *carrier == says_so);
    assert_eq!(run.found.iter().filter(is_hidden).count(), 1);
}

#[test]
fn resources_of_another_shape_are_rejected_one_by_one() {
    let odd = json!({ "resourceType": "Practitioner", "id": "9", "telecom": "0102030405" });
    let run = run(rules(), Scope::Full, |path| match path {
        _ if path.starts_with("/Practitioner?") => page(&[odd.clone(), Json::Null, doctor("1", "a@a.fr")], None),
        _ => page(&[], None),
    });
    assert_eq!((run.addresses(), run.rejected()), (vec!["a@a.fr".to_owned()], vec![RejectionReason::Shape; 2]));
    assert_eq!(run.end.unwrap().rejected, BTreeMap::from([(RejectionReason::Shape, 2)]));
}

#[test]
fn a_key_that_is_not_accepted_ends_it_at_once() {
    for status in [401, 403] {
        let run = run(rules(), Scope::Full, |_| answer(status, &json!({})));
        let fault = run.end.unwrap_err();
        assert!(fault.to_string().contains("annuaire.fhir.key_file"), "{fault}");
        assert!(run.asked.len() == 1 && matches!(fault, SyncFault::Key { .. }), "{fault}");
    }
}

#[test]
fn passing_trouble_is_waited_out() {
    let trouble = || {
        [
            Heard::Nothing("no answer within 30 s".to_owned()),
            answer(500, &json!({})),
            Heard::Answer(Answer { status: 429, retry_after: Some(Duration::from_mins(1)), body: Vec::new() }),
            Heard::Answer(Answer { status: 200, retry_after: None, body: b"<html>".to_vec() }),
        ]
    };
    let mut trouble = trouble().into_iter();
    let run = run(rules(), Scope::Full, |path| trouble.next().unwrap_or_else(|| small(path)));
    assert_eq!(run.addresses().len(), 4);
    assert_eq!(run.asked[0], run.asked[4]);
    // 2 + 4 + 60 + 16 s, and the pace.
    assert_eq!(run.waited.as_secs(), 82);
    let report = run.end.unwrap();
    assert_eq!((report.retries, report.refusals, report.calls), (4, 2, 8));
}

#[test]
fn trouble_that_lasts_ends_it_with_what_was_said() {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [{ "diagnostics": "overloaded" }] });
    let run = run(rules(), Scope::Full, |_| answer(503, &outcome));
    let fault = run.end.unwrap_err();
    let turned_away = Some(TurnedAway { status: 503, retry_after: None });
    assert_eq!(fault, SyncFault::Unavailable { why: "status 503: overloaded".to_owned(), turned_away });
    assert_eq!((run.asked.len(), run.waited.as_secs()), (6, 62));
}

#[test]
fn whoever_asks_for_more_time_than_there_is_is_asked_another_day() {
    let run = run(rules(), Scope::Full, |_| {
        Heard::Answer(Answer { status: 429, retry_after: Some(Duration::from_hours(1)), body: Vec::new() })
    });
    let turned_away = Some(TurnedAway { status: 429, retry_after: Some(Duration::from_hours(1)) });
    assert_eq!(run.end.unwrap_err(), SyncFault::Unavailable { why: "status 429".to_owned(), turned_away });
    assert_eq!(run.asked.len(), 1);
}

#[test]
fn a_search_that_is_refused_ends_it_with_the_words_of_the_refusal() {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [{ "diagnostics": "unknown parameter" }] });
    let run = run(rules(), Scope::Full, |_| answer(400, &outcome));
    assert_eq!(run.end.unwrap_err(), SyncFault::Refused("status 400: unknown parameter".to_owned()));
}

#[test]
fn when_nearly_all_was_updated_everything_is_asked_for() {
    let many = |path: &str| match path {
        _ if path.starts_with("/PractitionerRole?") => {
            answer(200, &json!({ "resourceType": "Bundle", "total": 200_001 }))
        }
        _ => page(&[], None),
    };
    let updates = run(rules(), Scope::Since(BEGIN), many);
    assert_eq!(updates.end.unwrap_err(), SyncFault::ManyUpdates { resource: "PractitionerRole", most: 200_000 });
    assert_eq!(updates.asked.len(), 2, "before any of them is read");
    assert!(matches!(run(rules(), Scope::Full, many).end, Err(SyncFault::Short(_))), "of everything that is no wonder");

    let mut n = 0;
    let unannounced = run(SyncRules { most_updates: 10, ..rules() }, Scope::Since(BEGIN), |_| {
        n += 1;
        page(&[doctor(&n.to_string(), "a@a.fr")], Some(&format!("/_page?id={n}")))
    });
    assert!(matches!(unannounced.end, Err(SyncFault::ManyUpdates { .. })));
    assert_eq!(unannounced.asked.len(), 11);
}

#[test]
fn endless_paging_ends() {
    let circle = run(rules(), Scope::Full, |_| page(&[doctor("1", "a@a.fr")], Some("/_page?id=1")));
    assert!(matches!(circle.end, Err(SyncFault::Endless(_))), "the same link twice");

    let mut n = 0;
    let nothing = run(rules(), Scope::Full, |_| {
        n += 1;
        page(&[], Some(&format!("/_page?id={n}")))
    });
    assert!(matches!(nothing.end, Err(SyncFault::Endless(_))) && n < 50, "pages without results");

    let mut n = 0;
    let many = run(SyncRules { max_calls: 100, ..rules() }, Scope::Full, |_| {
        n += 1;
        page(&[doctor(&n.to_string(), "a@a.fr")], Some(&format!("/_page?id={n}")))
    });
    assert!(matches!(many.end, Err(SyncFault::Endless(_))), "more calls than any directory takes");
    assert_eq!(many.asked.len(), 100);

    let mut n = 0;
    let again = run(rules(), Scope::Full, |_| {
        n += 1;
        let same: Vec<_> = (0..50).map(|id: u32| doctor(&id.to_string(), "a@a.fr")).collect();
        page(&same, Some(&format!("/_page?id={n}")))
    });
    assert!(matches!(again.end, Err(SyncFault::Endless(_))) && n < 50, "the same results again and again");

    let mut n = 0;
    let more = run(rules(), Scope::Full, |_| {
        n += 1;
        let entry: Vec<_> = (0..50).map(|_| json!({ "resource": doctor("1", "a@a.fr") })).collect();
        let link = json!([{ "relation": "next", "url": format!("{BASE}/_page?id={n}") }]);
        answer(200, &json!({ "resourceType": "Bundle", "total": 60, "entry": entry, "link": link }))
    });
    assert!(matches!(more.end, Err(SyncFault::Endless(_))) && n < 30, "more results than announced");
}

#[test]
fn a_search_that_ends_before_what_it_announced_is_not_complete() {
    for (total, came, complete) in [(50, 50, true), (50, 45, true), (50, 20, false), (5000, 50, false)] {
        let run = run(rules(), Scope::Full, |path| {
            if !path.starts_with("/Practitioner?") {
                return page(&[], None);
            }
            let entry: Vec<_> =
                (0..came).map(|id| json!({ "resource": doctor(&id.to_string(), &format!("a{id}@a.fr")) })).collect();
            answer(200, &json!({ "resourceType": "Bundle", "total": total, "entry": entry }))
        });
        match run.end {
            Ok(_) => assert!(complete, "{came} of {total}"),
            Err(fault) => assert!(matches!(fault, SyncFault::Short(_)) && !complete, "{fault}"),
        }
    }
}

#[test]
fn a_link_that_leads_elsewhere_is_not_followed() {
    let run = run(rules(), Scope::Full, |_| {
        let link = json!([{ "relation": "next", "url": "https://evil.test/fhir/v2/_page?id=1" }]);
        answer(200, &json!({ "resourceType": "Bundle", "link": link }))
    });
    assert_eq!(run.end.unwrap_err(), SyncFault::Elsewhere("https://evil.test/fhir/v2/_page?id=1".to_owned()));
    assert_eq!(run.asked.len(), 1);
}

#[test]
fn calls_are_no_more_frequent_than_allowed() {
    let mut n = 0;
    let run = run(rules(), Scope::Full, |_| {
        n += 1;
        page(&[doctor("1", "a@a.fr")], (n < 150).then(|| format!("/_page?id={n}")).as_deref())
    });
    assert_eq!(run.asked.len(), 152);
    assert_eq!(run.waited.as_secs(), 10);
}

#[test]
fn incremental_ones_are_for_those_who_are_nearly_up_to_date() {
    let now = BEGIN;
    let ago = |hours: u64| Some(now - Duration::from_hours(hours));
    let week = Duration::from_hours(7 * 24);
    for (last, full, expected) in [
        (None, None, Scope::Full),
        (ago(1), None, Scope::Full),
        (ago(1), ago(24), Scope::Since(ago(1).unwrap())),
        (ago(1), ago(8 * 24), Scope::Full),
        (Some(now + Duration::from_hours(1)), ago(24), Scope::Full),
    ] {
        assert_eq!(Scope::next(now, last, full, week), expected);
    }
    assert_eq!(Scope::next(now, ago(30 * 24), ago(1), week), Scope::Full);
}

/// JSON of any shape, with the words that mean something sprinkled over it.
fn any_json() -> impl Strategy<Value = Json> {
    let words = prop::sample::select(vec![
        "Bundle",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "next",
        "email",
        "include",
        "PER",
        MAILBOX_EXTENSION,
        "https://annuaire.test/fhir/v2/_page?id=1",
        "a@a.fr",
        "Practitioner/1",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        words.prop_map(Json::from)
    ];
    let keys = prop::sample::select(vec![
        "resourceType",
        "entry",
        "resource",
        "link",
        "relation",
        "url",
        "total",
        "telecom",
        "extension",
        "system",
        "value",
        "valueCode",
        "valueBoolean",
        "valueCodeableConcept",
        "coding",
        "code",
        "identifier",
        "name",
        "given",
        "practitioner",
        "organization",
        "reference",
        "search",
        "mode",
        "id",
        "active",
        "qualification",
        "address",
        "line",
    ]);
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map(keys.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_is_too_odd_and_every_synchronisation_ends(odd in any_json(), octets in any::<Vec<u8>>(), bare in any::<bool>()) {
        let rules = SyncRules { max_calls: 40, ..rules() };
        let page = json!({ "resourceType": "Bundle", "entry": [{ "resource": odd }, odd], "link": odd });
        let run = run(rules, Scope::Full, |path| match path.len() % 3 {
            0 => Heard::Answer(Answer { status: 200, retry_after: None, body: octets.clone() }),
            _ if bare => answer(200, &odd),
            _ => answer(200, &page),
        });
        prop_assert!(run.asked.len() <= 40);
    }
}
