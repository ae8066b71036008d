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
    /// The carrier of this BAL is not for us to change, or, if it is the same with all others, our key is of no use.
    Forbidden {
        /// Why, with what can be done.
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
    /// What is there is taken away, and the BAL is put in: it has the same result however often it is done.
    Renew,
    /// What is there is changed.
    Replace,
    /// The BAL is put in where it is not.
    Insert,
    /// It is taken away.
    Delete,
    /// Whether it is there, for an interface that takes the other ones only if it is, or is not.
    Look,
}

/// What a look at the carrier of a BAL came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It carries the BAL.
    There,
    /// It does not.
    Absent,
    /// It cannot be told.
    Unclear,
}

/// A task on its way. Doing it twice is harmless: an insertion takes away first what is there of the same address (FHIR
/// Patch deletes "if found"), all in one request that is applied as a whole.
#[derive(Debug)]
pub struct Delivery {
    task: Task,
    style: PatchStyle,
    before: Before,
    /// Whether the BAL, as it is to be or as it was, is on the liste rouge: looking for it shows nothing then.
    hidden: bool,
    attempt: Attempt,
    /// What was said to the first attempt.
    objection: Option<String>,
}

impl Delivery {
    /// One that has not begun, of a BAL of which the directory had this before.
    pub fn new(task: Task, known: &Known, style: PatchStyle) -> Self {
        let before = if *known == Known::Nothing { Before::Nothing } else { Before::Perhaps };
        let attempt = match task.operation {
            Operation::Insert => Attempt::Renew,
            Operation::Replace => Attempt::Replace,
            Operation::Delete => Attempt::Delete,
        };
        let hidden = std::iter::once(&task.card).chain(known.card()).any(|card| card.listing == Listing::Unlisted);
        Self { task, style, before, hidden, attempt, objection: None }
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
        match self.attempt {
            Attempt::Look => None,
            Attempt::Renew => Some(&[Delete, Insert]),
            Attempt::Insert => Some(&[Insert]),
            Attempt::Replace => Some(&[Replace]),
            Attempt::Delete => Some(&[Delete]),
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
            200 if self.attempt == Attempt::Look && is_fhir(&answer.body) => self.looked(&answer.body),
            200 | 201 if self.attempt != Attempt::Look && is_fhir(&answer.body) => Some(self.done(String::new())),
            204 if self.attempt != Attempt::Look => Some(self.done(String::new())),
            // A proxy, a portal, a page of errors: nobody there knows what a BAL is.
            200..=299 => Some(strange(answer.status)),
            401 => Some(Outcome::Key { why: key(answer.status, &said) }),
            403 => Some(Outcome::Forbidden { why: forbidden(&self.task.card.owner, &said) }),
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
        let next = match (self.task.operation, self.attempt) {
            (Operation::Delete, Attempt::Delete) => Attempt::Look,
            (Operation::Insert, Attempt::Renew) if self.before == Before::Nothing => Attempt::Insert,
            (Operation::Replace, Attempt::Replace) => Attempt::Renew,
            // A BAL that may be there would be there twice: it is looked for, and one that does not show is put in only
            // after it could be neither taken away nor changed.
            (Operation::Insert | Operation::Replace, Attempt::Renew) if !self.hidden => Attempt::Look,
            (Operation::Insert, Attempt::Renew) => Attempt::Replace,
            (Operation::Insert, Attempt::Replace) | (Operation::Replace, Attempt::Renew) if self.hidden => {
                Attempt::Insert
            }
            _ => return Some(self.refused(&words)),
        };
        self.attempt = next;
        self.objection.get_or_insert(words);
        None
    }

    fn refused(&self, words: &str) -> Outcome {
        let first = self.objection.as_deref().filter(|first| *first != words);
        let why = first.map_or_else(|| words.to_owned(), |first| format!("{first}; and then: {words}"));
        Outcome::Refused { why: format!("the directory refused it: {why}") }
    }

    /// What was refused may be done already, or be done in another way.
    fn looked(&mut self, body: &[u8]) -> Option<Outcome> {
        let next = match (self.seen(body), self.task.operation) {
            (Seen::Absent, Operation::Delete) => return Some(self.done("it was not there any more".into())),
            (Seen::Absent, Operation::Insert | Operation::Replace) => Attempt::Insert,
            (Seen::There, Operation::Insert) => Attempt::Replace,
            _ => return Some(self.refused(self.objection.as_deref().unwrap_or_default())),
        };
        self.attempt = next;
        None
    }

    /// Only the one carrier can say that it does not carry the BAL, and only of one that is not on the liste rouge.
    fn seen(&self, body: &[u8]) -> Seen {
        let Ok(bundle) = Bundle::read(body) else { return Seen::Unclear };
        let address = &self.task.card.address;
        let carriers: Vec<_> = bundle.entry.into_iter().filter(|entry| !entry.is_included()).collect();
        let telecom = |entry: BundleEntry| match (Resource::read(entry.resource), &self.task.card.owner) {
            (Ok(Resource::Practitioner(it)), Owner::Practitioner(_)) => Some(it.telecom),
            (Ok(Resource::Organization(it)), Owner::Organization(_)) => Some(it.telecom),
            _ => None,
        };
        let Ok([carrier]) = <[BundleEntry; 1]>::try_from(carriers) else { return Seen::Unclear };
        let Some(telecom) = telecom(carrier) else { return Seen::Unclear };
        let is_there =
            telecom.iter().any(|point| point.value.trim().parse().is_ok_and(|it: mssante::Address| it == *address));
        match (is_there, self.hidden) {
            (true, _) => Seen::There,
            (false, false) => Seen::Absent,
            (false, true) => Seen::Unclear,
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

fn forbidden(owner: &Owner, said: &str) -> String {
    let carrier = match owner {
        Owner::Practitioner(rpps) => format!("the professional with the RPPS number {rpps}"),
        Owner::Organization(id) => format!("the structure with the number {id}"),
    };
    format!(
        "the directory does not let us change {carrier} (status 403{said}); check the number, and ask the ANS who may \
         change it"
    )
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
mod tests;
