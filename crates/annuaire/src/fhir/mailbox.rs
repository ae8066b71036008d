//! A BAL as a contact point with extensions says it.

use mssante::{BalKind, Listing};

use super::resource::{ContactPoint, Extension, Value};
use super::systems::MESSAGING_KIND;
use crate::Paperless;

/// Ends of the URLs of the two extensions: the part before has changed once, and may again.
const MESSAGING: &str = "/fr-core-contact-point-email-type";
const MAILBOX: &str = "/as-ext-mailbox-mss-metadata";

/// What a contact point says of a BAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox<'a> {
    /// Its address, as written.
    pub(super) address: &'a str,
    /// Its kind; `None` if it does not say, the word if it is none.
    pub(super) kind: Result<Option<BalKind>, String>,
    /// Whether it is on the liste rouge, or it cannot be told.
    pub(super) listing: Listing,
    pub(super) description: &'a str,
    pub(super) service: &'a str,
    pub(super) paperless: Paperless,
}

impl<'a> Mailbox<'a> {
    /// The BAL of a contact point; `None` if it is a telephone number, or mail of another kind.
    pub(super) fn of(point: &'a ContactPoint) -> Option<Self> {
        let metadata = || point.extension.iter().filter(|extension| extension.url.ends_with(MAILBOX));
        let parts = || metadata().flat_map(|metadata| &metadata.parts);
        let is_mss = point.extension.iter().any(says_mssante);
        if point.system != "email" || !(is_mss || metadata().next().is_some()) {
            return None;
        }
        let part = |name: &str| parts().find(|part| part.url == name);
        let text = |name: &str| part(name).and_then(text_of).unwrap_or("").trim();
        Some(Self {
            address: point.value.trim(),
            kind: part("type").and_then(code_of).map(|code| code.parse().map_err(|_| code.to_owned())).transpose(),
            listing: listing(point.extension.iter().chain(parts())),
            description: text("description"),
            service: text("service"),
            paperless: paperless(part("digitization")),
        })
    }
}

/// Mail of another kind may carry the extension with another code.
fn says_mssante(extension: &Extension) -> bool {
    extension.url.ends_with(MESSAGING) && code_of(extension) == Some(MESSAGING_KIND)
}

/// The drafts disagree on whether it is a code, a code with its terminology, or a concept: all are read.
fn code_of(extension: &Extension) -> Option<&str> {
    match extension.value.as_ref()? {
        Value::Code(code) | Value::Text(code) => Some(code),
        Value::Coding(coding) => Some(&coding.code),
        Value::Concept(concept) => concept.coding.first().map(|coding| coding.code.as_str()),
        _ => None,
    }
}

fn text_of(extension: &Extension) -> Option<&str> {
    match extension.value.as_ref()? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Unlisted unless it is said plainly that it is not: somebody who wants not to be found must not be found because
/// of a value that we do not understand, or of a mark in another place or with a longer URL. `[MSS1 ANN.UNLISTED]`
fn listing<'a>(mut parts: impl Iterator<Item = &'a Extension>) -> Listing {
    let unlisted = parts.any(|part| is_mark(&part.url) && part.value != Some(Value::Boolean(false)));
    if unlisted { Listing::Unlisted } else { Listing::Listed }
}

fn is_mark(url: &str) -> bool {
    url.trim_end_matches('/').to_ascii_lowercase().ends_with("listerouge")
}

fn paperless(part: Option<&Extension>) -> Paperless {
    match part.and_then(|part| part.value.as_ref()) {
        Some(Value::Boolean(true)) => Paperless::Accepted,
        Some(Value::Boolean(false)) => Paperless::NotAccepted,
        _ => Paperless::NotSaid,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::fhir::{MAILBOX_EXTENSION, MESSAGING_EXTENSION};

    fn point(extensions: &Json) -> ContactPoint {
        let json = json!({ "system": "email", "value": " a@ch.mssante.fr ", "extension": extensions });
        serde_json::from_value(json).unwrap()
    }

    fn metadata(parts: &Json) -> ContactPoint {
        point(&json!([{ "url": MAILBOX_EXTENSION, "extension": parts }]))
    }

    #[test]
    fn mail_that_is_no_bal_is_none() {
        let other = json!([{ "url": MESSAGING_EXTENSION, "valueCoding": { "code": "APICRYPT" } }]);
        for point in [point(&json!([])), point(&other), ContactPoint { system: "phone".into(), ..metadata(&json!([])) }]
        {
            assert_eq!(Mailbox::of(&point), None);
        }
        let mss = point(&json!([{ "url": MESSAGING_EXTENSION, "valueCoding": { "code": "MSSANTE" } }]));
        assert_eq!(Mailbox::of(&mss).unwrap().kind, Ok(None));
    }

    #[test]
    fn the_kind_is_read_in_every_form_of_the_drafts() {
        for kind in [
            json!({ "url": "type", "valueCode": "ORG" }),
            json!({ "url": "type", "valueCoding": { "system": "R256", "code": "ORG" } }),
            json!({ "url": "type", "valueCodeableConcept": { "coding": [{ "system": "R257", "code": "ORG" }] } }),
        ] {
            let point = metadata(&json!([kind]));
            assert_eq!(Mailbox::of(&point).unwrap().kind, Ok(Some(BalKind::Organisational)));
        }
        let point = metadata(&json!([{ "url": "type", "valueCode": "XYZ" }]));
        assert_eq!(Mailbox::of(&point).unwrap().kind, Err("XYZ".to_owned()));
    }

    #[test]
    fn what_is_not_plainly_listed_is_unlisted() {
        for (parts, listing) in [
            (json!([]), Listing::Listed),
            (json!([{ "url": "listeRouge", "valueBoolean": false }]), Listing::Listed),
            (json!([{ "url": "listeRouge", "valueBoolean": true }]), Listing::Unlisted),
            (json!([{ "url": "listeRouge", "valueString": "oui" }]), Listing::Unlisted),
            (json!([{ "url": "listeRouge" }]), Listing::Unlisted),
            (
                json!([{ "url": "https://a.fr/StructureDefinition/as-ext-listerouge", "valueBoolean": true }]),
                Listing::Unlisted,
            ),
        ] {
            assert_eq!(Mailbox::of(&metadata(&parts)).unwrap().listing, listing, "{parts}");
        }
    }

    #[test]
    fn texts_and_paperless_documents_are_read() {
        let parts = json!([
            { "url": "description", "valueString": " Secrétariat " },
            { "url": "service", "valueString": "Cardiologie" },
            { "url": "digitization", "valueBoolean": true },
        ]);
        let point = metadata(&parts);
        let mailbox = Mailbox::of(&point).unwrap();
        assert_eq!(
            (mailbox.address, mailbox.description, mailbox.service),
            ("a@ch.mssante.fr", "Secrétariat", "Cardiologie")
        );
        assert_eq!(mailbox.paperless, Paperless::Accepted);
    }
}
