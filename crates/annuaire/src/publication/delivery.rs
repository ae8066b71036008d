//! A task on its way to the directory: which calls it takes, and what their answers mean.

use std::time::Duration;

use mssante::Listing;

use super::patch::{self, PatchStyle};
use super::plan::{Card, Known, Operation, Owner, Task};
use crate::fhir::{Bundle, BundleEntry, Heard, Resource, explained};

/// A call to make, with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// GET or PATCH.
    pub method: Method,
    /// Below the base of the interface.
    pub path_and_query: String,
    /// The body of a PATCH, of type [`Call::CONTENT_TYPE`].
    pub body: Option<Vec<u8>>,
}

impl Call {
    /// The media type of bodies in both directions.
    pub const CONTENT_TYPE: &'static str = "application/fhir+json";
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Change.
    Patch,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The directory says of the BAL what was to be said.
    Published(Box<Card>),
    /// The directory does not know the BAL any more.
    Withdrawn {
        /// What there is to say of it.
        report: String,
    },
    /// It will not do it, however often it is asked.
    Refused {
        /// Why, with what can be done.
        why: String,
    },
    /// Not now.
    Later {
        /// Why.
        why: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The interface takes no changes at all: no task will be done until somebody has looked after it.
    Closed {
        /// What to look after.
        why: String,
    },
    /// Our key is not accepted: no task will be done until somebody has looked after it.
    Key {
        /// What to look after.
        why: String,
    },
}

/// What the directory had of the BAL before the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, as far as is known.
    Nothing,
    /// Something, or that is not known.
    Perhaps,
}

/// What is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// The operations that have the same result however often they are done.
    First,
    /// For an interface that does not take these: it knows (or does not know) the BAL already.
    Second,
    /// Whether there was anything to delete.
    Look,
}

/// A task on its way. Doing it twice is harmless: an insertion takes away first what is there of the same address (FHIR
/// Patch deletes "if found"), all in one request that is applied as a whole.
#[derive(Debug)]
pub struct Delivery {
    task: Task,
    style: PatchStyle,
    before: Before,
    attempt: Attempt,
    /// What was said to the first attempt.
    objection: Option<String>,
}

impl Delivery {
    /// One that has not begun, of a BAL of which the directory had this before.
    pub fn new(task: Task, known: &Known, style: PatchStyle) -> Self {
        let before = if *known == Known::Nothing { Before::Nothing } else { Before::Perhaps };
        Self { task, style, before, attempt: Attempt::First, objection: None }
    }

    /// The call to make now.
    pub fn call(&self) -> Call {
        let path_and_query = self.task.card.owner.query(&self.style);
        match self.operations() {
            None => Call { method: Method::Get, path_and_query, body: None },
            Some(operations) => {
                let body = patch::body(&self.task.card, operations, &self.style);
                Call { method: Method::Patch, path_and_query, body: Some(body) }
            }
        }
    }

    fn operations(&self) -> Option<&'static [Operation]> {
        use Operation::{Delete, Insert, Replace};
        match (self.task.operation, self.attempt) {
            (_, Attempt::Look) => None,
            (Insert, Attempt::First) | (Replace, Attempt::Second) => Some(&[Delete, Insert]),
            (Insert, Attempt::Second) => Some(&[Insert]),
            (Replace, Attempt::First) => Some(&[Replace]),
            (Delete, _) => Some(&[Delete]),
        }
    }

    /// What came of it; `None` means that [`Delivery::call`] has another one.
    pub fn hear(&mut self, heard: Heard) -> Option<Outcome> {
        let answer = match heard {
            Heard::Answer(answer) => answer,
            Heard::Nothing(why) => return Some(Outcome::Later { why, retry_after: None }),
        };
        let words = explained(&answer.body);
        let said = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        match answer.status {
            200 if self.attempt == Attempt::Look && is_fhir(&answer.body) => Some(self.looked(&answer.body)),
            200 | 201 if self.attempt != Attempt::Look && is_fhir(&answer.body) => Some(self.done(String::new())),
            204 if self.attempt != Attempt::Look => Some(self.done(String::new())),
            // A proxy, a portal, a page of errors: nobody there knows what a BAL is.
            200..=299 => Some(strange(answer.status)),
            401 | 403 => Some(Outcome::Key { why: key(answer.status, &said) }),
            404 if !is_outcome(&answer.body) => Some(strange(answer.status)),
            404 if self.task.operation == Operation::Delete => {
                Some(self.done("its carrier is not there any more".into()))
            }
            404 => Some(Outcome::Refused { why: no_carrier(&self.task.card.owner) + &said }),
            412 => Some(Outcome::Refused { why: several_carriers(&self.task.card.owner) + &said }),
            405 | 501 => Some(Outcome::Closed { why: closed(answer.status, &said) }),
            400 | 422 => self.objected(words.unwrap_or_else(|| format!("status {}", answer.status))),
            // 409: somebody else changes the carrier at the same moment.
            408 | 409 | 425 | 429 | 500..=599 => {
                Some(Outcome::Later { why: format!("status {}{said}", answer.status), retry_after: answer.retry_after })
            }
            status => Some(Outcome::Refused { why: format!("the directory answered with status {status}{said}") }),
        }
    }

    fn done(&self, report: String) -> Outcome {
        match self.task.operation {
            Operation::Delete => Outcome::Withdrawn { report },
            Operation::Insert | Operation::Replace => Outcome::Published(Box::new(self.task.card.clone())),
        }
    }

    /// Perhaps the directory knows more, or less, of the BAL than we thought.
    fn objected(&mut self, words: String) -> Option<Outcome> {
        let next = match (self.attempt, self.task.operation) {
            (Attempt::First, Operation::Delete) => Attempt::Look,
            (Attempt::First, Operation::Replace) => Attempt::Second,
            // A BAL that may be there would be there twice.
            (Attempt::First, Operation::Insert) if self.before == Before::Nothing => Attempt::Second,
            _ => return Some(self.refused(&words)),
        };
        self.attempt = next;
        self.objection = Some(words);
        None
    }

    fn refused(&self, words: &str) -> Outcome {
        let first = self.objection.as_deref().filter(|first| *first != words);
        let why = first.map_or_else(|| words.to_owned(), |first| format!("{first}; and then: {words}"));
        Outcome::Refused { why: format!("the directory refused it: {why}") }
    }

    /// A deletion was refused: it is done if the BAL is not there. A BAL on the liste rouge does not show, so of one
    /// nothing can be said.
    fn looked(&self, body: &[u8]) -> Outcome {
        let refused = || self.refused(self.objection.as_deref().unwrap_or_default());
        let Ok(bundle) = Bundle::read(body) else { return refused() };
        let address = &self.task.card.address;
        let carriers: Vec<_> = bundle.entry.into_iter().filter(|entry| !entry.is_included()).collect();
        let telecom = |entry: BundleEntry| match (Resource::read(entry.resource), &self.task.card.owner) {
            (Ok(Resource::Practitioner(it)), Owner::Practitioner(_)) => Some(it.telecom),
            (Ok(Resource::Organization(it)), Owner::Organization(_)) => Some(it.telecom),
            _ => None,
        };
        // Only the one carrier can say that it does not carry the BAL.
        let Ok([carrier]) = <[BundleEntry; 1]>::try_from(carriers) else { return refused() };
        let Some(telecom) = telecom(carrier) else { return refused() };
        let is_there =
            telecom.iter().any(|point| point.value.trim().parse().is_ok_and(|it: mssante::Address| it == *address));
        if is_there || self.task.card.listing == Listing::Unlisted {
            refused()
        } else {
            self.done("it was not there any more".into())
        }
    }
}

/// Whether a body is a resource: only those come from the directory itself.
fn is_fhir(body: &[u8]) -> bool {
    kind_of(body).is_some()
}

fn is_outcome(body: &[u8]) -> bool {
    kind_of(body).as_deref() == Some("OperationOutcome")
}

fn kind_of(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    json.get("resourceType")?.as_str().filter(|kind| !kind.is_empty()).map(str::to_owned)
}

/// What was done, if anything, is not known.
fn strange(status: u16) -> Outcome {
    let why = format!(
        "status {status} with a body that is not FHIR: this is not the interface of the directory; check publication.url"
    );
    Outcome::Later { why, retry_after: None }
}

fn closed(status: u16, said: &str) -> String {
    format!(
        "the interface takes no FHIR Patch (status {status}{said}); check publication.url, or set \
         publication.transport = \"file\" until the service is open"
    )
}

fn key(status: u16, said: &str) -> String {
    format!("the directory does not accept our key (status {status}{said}); check publication.key_file")
}

fn no_carrier(owner: &Owner) -> String {
    match owner {
        Owner::Practitioner(rpps) => {
            format!("the directory has no professional with the RPPS number {rpps}; check the number")
        }
        Owner::Organization(id) => format!("the directory has no structure with the number {id}; check the number"),
    }
}

fn several_carriers(owner: &Owner) -> String {
    let what = match owner {
        Owner::Practitioner(rpps) => format!("professional with the RPPS number {rpps}"),
        Owner::Organization(id) => format!("structure with the number {id}"),
    };
    format!("the directory has more than one {what}; tell the ANS")
}

#[cfg(test)]
mod tests {
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
    fn a_bal_that_may_be_there_is_not_inserted_a_second_time() {
        let known = Known::Perhaps(Box::new(card(BalKind::Organisational)));
        let mut delivery = delivery_of(Operation::Insert, &known);
        assert!(matches!(delivery.hear(answer(400, &outcome("no"))), Some(Outcome::Refused { .. })));
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
            Some(Outcome::Key { why }) => format!("key: {why}"),
            Some(Outcome::Closed { why }) => format!("closed: {why}"),
            None => "again".to_owned(),
        };
        assert_eq!(word(Delete, 200), "withdrawn");
        assert_eq!(word(Delete, 404), "withdrawn");
        assert!(word(Insert, 404).starts_with("refused: the directory has no structure with the number 3187"));
        assert!(word(Insert, 412).contains("more than one structure"));
        assert!(word(Insert, 401).starts_with("key: ") && word(Insert, 403).contains("publication.key_file"));
        for status in [409, 429, 500, 503] {
            assert_eq!(word(Insert, status), "later: Some(9s)");
        }
        assert!(word(Insert, 302).starts_with("refused: "));
        let nothing = delivery(Insert).hear(Heard::Nothing("time-out".to_owned()));
        assert_eq!(nothing, Some(Outcome::Later { why: "time-out".to_owned(), retry_after: None }));
    }
}
