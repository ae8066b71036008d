//! A task as FHIR Patch. `[MSS1 ANN.PUBLISH]`

use mssante::{BalKind, Listing, StructureId};

use super::plan::{Card, Operation, Owner};
use crate::fhir::{
    CodeableConcept, Coding, ContactPoint, Extension, MAILBOX_EXTENSION, MESSAGING_EXTENSION, MESSAGING_KIND,
    MESSAGING_KINDS, Parameter, Parameters, Value, encoded,
};

/// In which of the forms of the drafts it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchStyle {
    /// How the kind is written.
    pub type_form: TypeForm,
    /// The terminology of the kind, when it is a concept.
    pub type_system: String,
    /// Identifier system of professionals; the number is the `IdNat` (`8` and RPPS).
    pub person_system: String,
    /// Identifier system of structures with a FINESS number.
    pub finess_system: String,
    /// Identifier system of structures with a SIRET only; the number is the `IdNat` (`3` and SIRET).
    pub structure_system: String,
}

impl Default for PatchStyle {
    fn default() -> Self {
        Self {
            type_form: TypeForm::Concept,
            type_system: "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL".to_owned(),
            person_system: "urn:oid:1.2.250.1.71.4.2.1".to_owned(),
            finess_system: "https://finess.esante.gouv.fr".to_owned(),
            structure_system: "urn:oid:1.2.250.1.71.4.2.2".to_owned(),
        }
    }
}

/// How the kind of a BAL is written: the profile of the extension has a concept, the examples of the guide a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeForm {
    /// `valueCodeableConcept`, with its terminology.
    Concept,
    /// `valueCode`.
    Code,
}

impl Owner {
    /// The resource type.
    pub fn resource(&self) -> &'static str {
        match self {
            Self::Practitioner(_) => "Practitioner",
            Self::Organization(_) => "Organization",
        }
    }

    /// The carrier by its national number: `Practitioner?identifier=…`.
    pub(super) fn query(&self, style: &PatchStyle) -> String {
        let (system, number) = self.identifier(style);
        format!("{}?identifier={}", self.resource(), encoded(&format!("{system}|{number}")))
    }

    /// Identifier system and number.
    pub fn identifier<'a>(&self, style: &'a PatchStyle) -> (&'a str, String) {
        match self {
            Self::Practitioner(rpps) => (&style.person_system, rpps.id_nat()),
            Self::Organization(StructureId::Finess(number)) => (&style.finess_system, number.to_string()),
            Self::Organization(other) => (&style.structure_system, other.to_string()),
        }
    }
}

/// The body that does these to the telecoms of the carrier, one after the other, all or none.
pub(super) fn body(card: &Card, operations: &[Operation], style: &PatchStyle) -> Vec<u8> {
    let parameter = operations.iter().map(|operation| self::operation(card, *operation, style)).collect();
    // Serialising into memory cannot fail: there is no map with keys of another type.
    serde_json::to_vec(&Parameters { parameter }).unwrap_or_default()
}

fn operation(card: &Card, operation: Operation, style: &PatchStyle) -> Parameter {
    let resource = card.owner.resource();
    let part = |name, value| Parameter { name, part: Vec::new(), value: Some(value) };
    let list = format!("{resource}.telecom");
    let this = format!("{list}.where(value = '{}')", escaped(&card.address.to_string()));
    let contact = || part("value", Value::Contact(Box::new(contact(card, style))));
    let mut parts = vec![part("type", Value::Code(operation.word().to_owned()))];
    match operation {
        Operation::Insert => {
            parts.extend([part("path", Value::Text(list)), part("index", Value::Integer(0)), contact()]);
        }
        Operation::Replace => parts.extend([part("path", Value::Text(this)), contact()]),
        Operation::Delete => parts.push(part("path", Value::Text(this))),
    }
    Parameter { name: "operation", part: parts, value: None }
}

/// A text within quotes of `FHIRPath`: addresses may contain an apostrophe.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn contact(card: &Card, style: &PatchStyle) -> ContactPoint {
    let text = |url: &str, text: &Option<String>| text.clone().map(|text| simple(url, Value::Text(text)));
    let mut parts = vec![
        simple("type", kind(card.kind, style)),
        simple("listeRouge", Value::Boolean(card.listing == Listing::Unlisted)),
    ];
    parts.extend(text("description", &card.description));
    parts.extend(text("service", &card.service));
    parts.extend(text("responsible", &card.responsible));
    let messaging =
        Coding { system: MESSAGING_KINDS.to_owned(), code: MESSAGING_KIND.to_owned(), display: String::new() };
    ContactPoint {
        extension: vec![
            simple(MESSAGING_EXTENSION, Value::Coding(messaging)),
            Extension { url: MAILBOX_EXTENSION.to_owned(), parts, value: None },
        ],
        system: "email".to_owned(),
        value: card.address.to_string(),
    }
}

fn kind(kind: BalKind, style: &PatchStyle) -> Value {
    let code = kind.code().to_owned();
    match style.type_form {
        TypeForm::Code => Value::Code(code),
        TypeForm::Concept => {
            let coding = Coding { system: style.type_system.clone(), code, display: String::new() };
            Value::Concept(CodeableConcept { coding: vec![coding] })
        }
    }
}

fn simple(url: &str, value: Value) -> Extension {
    Extension { url: url.to_owned(), parts: Vec::new(), value: Some(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::plan::tests::card;
    use super::*;

    fn json(card: &Card, operations: &[Operation], style: &PatchStyle) -> Json {
        serde_json::from_slice(&body(card, operations, style)).unwrap()
    }

    #[test]
    fn an_insertion_has_the_form_of_the_guide() {
        let body = json(&card(BalKind::Organisational), &[Operation::Insert], &PatchStyle::default());
        let system = "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL";
        assert_eq!(
            body,
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
                { "name": "type", "valueCode": "insert" },
                { "name": "path", "valueString": "Organization.telecom" },
                { "name": "index", "valueInteger": 0 },
                { "name": "value", "valueContactPoint": {
                    "system": "email",
                    "value": "secretariat@ch.mssante.fr",
                    "extension": [
                        { "url": MESSAGING_EXTENSION, "valueCoding": { "system": MESSAGING_KINDS, "code": "MSSANTE" } },
                        { "url": MAILBOX_EXTENSION, "extension": [
                            { "url": "type", "valueCodeableConcept": { "coding": [{ "system": system, "code": "ORG" }] } },
                            { "url": "listeRouge", "valueBoolean": false },
                            { "url": "description", "valueString": "Secrétariat" },
                            { "url": "service", "valueString": "Cardiologie" },
                            { "url": "responsible", "valueString": "Mme Martin, 0102030405" },
                        ] },
                    ],
                } },
            ] }] })
        );
    }

    #[test]
    fn the_kind_is_a_code_where_the_draft_wants_it_so() {
        let style = PatchStyle { type_form: TypeForm::Code, ..PatchStyle::default() };
        let body = json(&card(BalKind::Nominative), &[Operation::Replace], &style);
        let part = &body["parameter"][0]["part"];
        assert_eq!(part[1]["valueString"], "Practitioner.telecom.where(value = 'secretariat@ch.mssante.fr')");
        assert_eq!(part[2]["valueContactPoint"]["extension"][1]["extension"][0]["valueCode"], "PER");
    }

    #[test]
    fn an_apostrophe_does_not_end_the_path() {
        let card = Card { address: "o'neil@ch.mssante.fr".parse().unwrap(), ..card(BalKind::Nominative) };
        let body = json(&card, &[Operation::Delete], &PatchStyle::default());
        let path = &body["parameter"][0]["part"][1]["valueString"];
        assert_eq!(path, r"Practitioner.telecom.where(value = 'o\'neil@ch.mssante.fr')");
    }

    #[test]
    fn carriers_are_named_by_their_national_numbers() {
        let style = PatchStyle::default();
        for (owner, query) in [
            (
                Owner::Practitioner("10003461033".parse().unwrap()),
                "Practitioner?identifier=urn%3Aoid%3A1.2.250.1.71.4.2.1%7C810003461033",
            ),
            (
                Owner::Organization("10B0078671".parse().unwrap()),
                "Organization?identifier=https%3A%2F%2Ffiness.esante.gouv.fr%7C0B0078671",
            ),
            (
                Owner::Organization("318751275100020".parse().unwrap()),
                "Organization?identifier=urn%3Aoid%3A1.2.250.1.71.4.2.2%7C318751275100020",
            ),
        ] {
            assert_eq!(owner.query(&style), query);
        }
    }
}
