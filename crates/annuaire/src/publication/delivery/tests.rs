//! What the answers of an interface mean.

use mssante::BalKind;
use serde_json::{Value as Json, json};

use super::super::plan::tests::card;
use super::*;
use crate::fhir::Answer;

fn delivery(operation: Operation) -> Delivery {
    delivery_of(operation, &Known::Nothing)
}

fn delivery_of(operation: Operation, known: &Known) -> Delivery {
    Delivery::new(Task { operation, card: card(BalKind::Organisational) }, known, PatchStyle::default())
}

fn answer(status: u16, body: &Json) -> Heard {
    Heard::Answer(Answer { status, retry_after: Some(Duration::from_secs(9)), body: body.to_string().into_bytes() })
}

fn outcome(words: &str) -> Json {
    json!({ "resourceType": "OperationOutcome", "issue": [{ "diagnostics": words }] })
}

fn types(call: &Call) -> Vec<String> {
    let body: Json = serde_json::from_slice(call.body.as_ref().unwrap()).unwrap();
    let operations = body["parameter"].as_array().unwrap();
    operations.iter().map(|operation| operation["part"][0]["valueCode"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_insertion_can_be_repeated() {
    let mut delivery = delivery(Operation::Insert);
    assert_eq!(types(&delivery.call()), ["delete", "insert"]);
    let published = delivery.hear(answer(200, &json!({ "resourceType": "Organization" })));
    assert_eq!(published, Some(Outcome::Published(Box::new(card(BalKind::Organisational)))));
}

#[test]
fn an_interface_that_deletes_nothing_that_is_not_there_gets_a_plain_insertion() {
    let mut delivery = delivery(Operation::Insert);
    assert_eq!(delivery.hear(answer(400, &outcome("no element"))), None);
    assert_eq!(types(&delivery.call()), ["insert"]);
    let refused = delivery.hear(answer(400, &outcome("address taken")));
    let Some(Outcome::Refused { why }) = refused else { panic!("{refused:?}") };
    assert!(why.contains("no element") && why.contains("address taken"), "{why}");
}

#[test]
fn a_replacement_of_what_is_not_there_becomes_an_insertion() {
    let mut delivery = delivery(Operation::Replace);
    assert_eq!(types(&delivery.call()), ["replace"]);
    assert_eq!(delivery.hear(answer(400, &outcome("no element"))), None);
    assert_eq!(types(&delivery.call()), ["delete", "insert"]);
}

#[test]
fn a_deletion_that_is_refused_is_done_if_there_is_nothing_to_delete() {
    for (telecom, withdrawn) in
        [(json!([]), true), (json!([{ "system": "email", "value": "SECRETARIAT@ch.mssante.fr" }]), false)]
    {
        let mut delivery = delivery(Operation::Delete);
        assert_eq!(delivery.hear(answer(400, &outcome("no element"))), None);
        assert_eq!((delivery.call().method, delivery.call().body), (Method::Get, None));
        let bundle = json!({ "resourceType": "Bundle", "entry": [
            { "resource": { "resourceType": "Organization", "id": "1", "telecom": telecom } },
        ] });
        let outcome = delivery.hear(answer(200, &bundle)).unwrap();
        assert_eq!(matches!(outcome, Outcome::Withdrawn { .. }), withdrawn, "{outcome:?}");
    }
}

#[test]
fn only_the_one_carrier_can_say_that_a_bal_is_not_there() {
    let carrier = |kind: &str| json!({ "resource": { "resourceType": kind, "id": "1" } });
    for (carriers, withdrawn) in [
        (vec![carrier("Organization")], true),
        (vec![], false),
        (vec![carrier("Practitioner")], false),
        (vec![carrier("Organization"), carrier("Organization")], false),
    ] {
        let mut delivery = delivery(Operation::Delete);
        assert_eq!(delivery.hear(answer(400, &outcome("no element"))), None);
        let bundle = json!({ "resourceType": "Bundle", "entry": carriers });
        let outcome = delivery.hear(answer(200, &bundle)).unwrap();
        assert_eq!(matches!(outcome, Outcome::Withdrawn { .. }), withdrawn, "{outcome:?}");
    }
}

#[test]
fn what_does_not_come_from_the_directory_settles_nothing() {
    for operation in [Operation::Insert, Operation::Replace, Operation::Delete] {
        for (status, body) in [
            (404, "<html>not found</html>"),
            (404, ""),
            (404, "{}"),
            (200, "<html>hello</html>"),
            (200, ""),
            (202, "{}"),
        ] {
            let heard = Heard::Answer(Answer { status, retry_after: None, body: body.as_bytes().to_vec() });
            let outcome = delivery(operation).hear(heard);
            let Some(Outcome::Later { why, .. }) = outcome else { panic!("{status} {body}: {outcome:?}") };
            assert!(why.contains("publication.url"), "{why}");
        }
        let heard = Heard::Answer(Answer { status: 204, retry_after: None, body: Vec::new() });
        let outcome = delivery(operation).hear(heard);
        assert!(matches!(outcome, Some(Outcome::Published(_) | Outcome::Withdrawn { .. })), "{outcome:?}");
    }
}

#[test]
fn a_bal_that_may_be_there_is_looked_for_and_inserted_only_if_it_is_not() {
    let known = Known::Perhaps(Box::new(card(BalKind::Organisational)));
    let carrier = |telecom: Json| {
        let organization = json!({ "resourceType": "Organization", "id": "1", "telecom": telecom });
        json!({ "resourceType": "Bundle", "entry": [{ "resource": organization }] })
    };
    let there = carrier(json!([{ "system": "email", "value": "secretariat@ch.mssante.fr" }]));
    for operation in [Operation::Insert, Operation::Replace] {
        for (seen, next) in [
            (carrier(json!([])), Some("insert")),
            (there.clone(), (operation == Operation::Insert).then_some("replace")),
            (json!({ "resourceType": "Bundle" }), None),
        ] {
            let mut delivery = delivery_of(operation, &known);
            if operation == Operation::Replace {
                assert_eq!(delivery.hear(answer(400, &outcome("nothing to replace"))), None);
            }
            assert_eq!(types(&delivery.call()), ["delete", "insert"]);
            assert_eq!(delivery.hear(answer(400, &outcome("nothing to delete"))), None);
            assert_eq!(delivery.call().method, Method::Get);
            let heard = delivery.hear(answer(200, &seen));
            match next {
                Some(next) => {
                    assert_eq!((heard, types(&delivery.call())), (None, vec![next.to_owned()]));
                    let refused = delivery.hear(answer(400, &outcome("no")));
                    assert!(matches!(refused, Some(Outcome::Refused { .. })), "{refused:?}");
                }
                None => assert!(matches!(heard, Some(Outcome::Refused { .. })), "{heard:?}"),
            }
        }
    }
}

#[test]
fn a_bal_that_cannot_be_seen_is_inserted_once_it_can_neither_be_taken_away_nor_changed() {
    let unlisted = Card { listing: Listing::Unlisted, ..card(BalKind::Organisational) };
    let listed = card(BalKind::Organisational);
    for (new, old) in [(&unlisted, &listed), (&listed, &unlisted), (&unlisted, &unlisted)] {
        let expected = [
            (Operation::Insert, [vec!["delete", "insert"], vec!["replace"], vec!["insert"]]),
            (Operation::Replace, [vec!["replace"], vec!["delete", "insert"], vec!["insert"]]),
        ];
        for (operation, attempts) in expected {
            let task = Task { operation, card: new.clone() };
            let known = Known::Perhaps(Box::new(old.clone()));
            let mut delivery = Delivery::new(task, &known, PatchStyle::default());
            for attempt in &attempts[..2] {
                assert_eq!(types(&delivery.call()), *attempt);
                assert_eq!(delivery.hear(answer(400, &outcome("nothing there"))), None);
            }
            assert_eq!(types(&delivery.call()), attempts[2]);
            let done = delivery.hear(answer(200, &json!({ "resourceType": "Organization" })));
            assert_eq!(done, Some(Outcome::Published(Box::new(new.clone()))));
        }
    }
}

#[test]
fn an_interface_that_takes_no_changes_is_nothing_that_a_bal_can_wait_out() {
    for status in [405, 501] {
        let outcome = delivery(Operation::Insert).hear(answer(status, &outcome("no")));
        assert!(matches!(outcome, Some(Outcome::Closed { why }) if why.contains("publication.url")), "{status}");
    }
}

#[test]
fn every_answer_has_its_meaning() {
    use Operation::{Delete, Insert};
    let word = |operation, status| match delivery(operation).hear(answer(status, &outcome("words"))) {
        Some(Outcome::Published(_)) => "published".to_owned(),
        Some(Outcome::Withdrawn { .. }) => "withdrawn".to_owned(),
        Some(Outcome::Refused { why }) => format!("refused: {why}"),
        Some(Outcome::Later { retry_after, .. }) => format!("later: {retry_after:?}"),
        Some(Outcome::Forbidden { why }) => format!("forbidden: {why}"),
        Some(Outcome::Key { why }) => format!("key: {why}"),
        Some(Outcome::Closed { why }) => format!("closed: {why}"),
        None => "again".to_owned(),
    };
    assert_eq!(word(Delete, 200), "withdrawn");
    assert_eq!(word(Delete, 404), "withdrawn");
    assert!(word(Insert, 404).starts_with("refused: the directory has no structure with the number 3187"));
    assert!(word(Insert, 412).contains("more than one structure"));
    assert!(word(Insert, 401).starts_with("key: ") && word(Insert, 401).contains("publication.key_file"));
    assert!(word(Insert, 403).starts_with("forbidden: the directory does not let us change the structure"));
    for status in [409, 429, 500, 503] {
        assert_eq!(word(Insert, status), "later: Some(9s)");
    }
    assert!(word(Insert, 302).starts_with("refused: "));
    let nothing = delivery(Insert).hear(Heard::Nothing("time-out".to_owned()));
    assert_eq!(nothing, Some(Outcome::Later { why: "time-out".to_owned(), retry_after: None }));
}
