//! The few FHIR R4 resources that the directory is made of, with the fields that are used; others are passed over.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// A page of search results.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Bundle {
    resource_type: String,
    pub(crate) total: Option<u64>,
    pub(crate) link: Vec<Link>,
    pub(crate) entry: Vec<BundleEntry>,
}

impl Bundle {
    /// Reads a page; the words say what it is instead.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let bundle: Self =
            serde_json::from_slice(body).map_err(|error| format!("not the JSON of a Bundle: {error}"))?;
        match bundle.resource_type.as_str() {
            "Bundle" => Ok(bundle),
            "" => Err("JSON that is no FHIR resource".to_owned()),
            other => Err(format!("a resource {other:.40} instead of a Bundle")),
        }
    }

    /// Where the next page is.
    pub(crate) fn next(&self) -> Option<&str> {
        self.link.iter().find(|link| link.relation == "next").map(|link| link.url.as_str())
    }
}

/// A link of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Link {
    relation: String,
    url: String,
}

/// One result. Its resource is read by itself, so that one bad resource does not spoil the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BundleEntry {
    pub(crate) resource: Json,
    search: Option<SearchMode>,
}

impl BundleEntry {
    /// Whether it is there only because another one refers to it.
    pub(crate) fn is_included(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.mode == "include")
    }

    /// `Practitioner/003-1`, as far as it says so.
    pub(crate) fn name(&self) -> String {
        let text = |key: &str| self.resource.get(key).and_then(Json::as_str).unwrap_or("?").to_owned();
        format!("{:.40}/{:.64}", text("resourceType"), text("id"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SearchMode {
    mode: String,
}

/// A resource of a page.
#[derive(Debug, Deserialize)]
#[serde(tag = "resourceType")]
pub(crate) enum Resource {
    /// A professional.
    Practitioner(Practitioner),
    /// A professional in a structure.
    PractitionerRole(PractitionerRole),
    /// A structure.
    Organization(Organization),
    /// What a search had to say beside its results.
    OperationOutcome(OperationOutcome),
    /// Anything else.
    #[serde(other)]
    Other,
}

impl Resource {
    /// Reads a resource; the words say what is wrong with it.
    pub(crate) fn read(json: Json) -> Result<Self, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }
}

/// A professional.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Practitioner {
    pub(crate) id: String,
    pub(crate) active: Option<bool>,
    pub(crate) identifier: Vec<Identifier>,
    pub(crate) name: Vec<HumanName>,
    pub(crate) telecom: Vec<ContactPoint>,
    pub(crate) qualification: Vec<Qualification>,
}

/// What a professional is qualified for: diplomas, professions, specialities.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Qualification {
    pub(crate) code: CodeableConcept,
}

/// A professional in a structure.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct PractitionerRole {
    pub(crate) id: String,
    pub(crate) active: Option<bool>,
    pub(crate) practitioner: Option<Reference>,
    pub(crate) organization: Option<Reference>,
    pub(crate) code: Vec<CodeableConcept>,
    pub(crate) specialty: Vec<CodeableConcept>,
    pub(crate) telecom: Vec<ContactPoint>,
}

/// A structure.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) active: Option<bool>,
    pub(crate) identifier: Vec<Identifier>,
    pub(crate) name: String,
    pub(crate) alias: Vec<Option<String>>,
    pub(crate) telecom: Vec<ContactPoint>,
    pub(crate) address: Vec<Address>,
}

/// Another resource: `Practitioner/003-1`, or its whole URL.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    reference: String,
}

impl Reference {
    /// The number of the resource, if it is of this kind and has the form of one.
    pub(crate) fn id(&self, kind: &str) -> Option<&str> {
        let path = self.reference.split_once("/_history/").map_or(self.reference.as_str(), |(path, _)| path);
        let (before, id) = path.rsplit_once('/')?;
        (before == kind || before.ends_with(&format!("/{kind}"))).then_some(id).filter(|id| is_id(id))
    }
}

/// Whether a text has the form of a resource's number.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// A number in a register.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Identifier {
    pub(crate) system: String,
    pub(crate) value: String,
}

/// A name. The prefix is the civility, the suffix the one under which somebody practises.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct HumanName {
    pub(crate) family: String,
    pub(crate) given: Vec<Option<String>>,
    pub(crate) prefix: Vec<Option<String>>,
    pub(crate) suffix: Vec<Option<String>>,
}

/// A postal address.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Address {
    pub(crate) line: Vec<Option<String>>,
    pub(crate) city: String,
    pub(crate) postal_code: String,
    pub(crate) district: String,
    pub(crate) country: String,
}

/// Codes of national terminologies.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CodeableConcept {
    pub(crate) coding: Vec<Coding>,
}

/// One code.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Coding {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) system: String,
    pub(crate) code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) display: String,
}

/// A way to reach somebody: telephone, mail, or a BAL.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ContactPoint {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) extension: Vec<Extension>,
    pub(crate) system: String,
    pub(crate) value: String,
}

/// What the standard does not have.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extension {
    pub(crate) url: String,
    #[serde(rename = "extension", skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Extension>,
    #[serde(flatten, deserialize_with = "lenient")]
    pub(crate) value: Option<Value>,
}

/// The value of an extension or of a parameter: FHIR puts its type into its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// A text.
    #[serde(rename = "valueString")]
    Text(String),
    /// A code without its terminology.
    #[serde(rename = "valueCode")]
    Code(String),
    /// Yes or no.
    #[serde(rename = "valueBoolean")]
    Boolean(bool),
    /// A number.
    #[serde(rename = "valueInteger")]
    Integer(i64),
    /// A code.
    #[serde(rename = "valueCoding")]
    Coding(Coding),
    /// Codes.
    #[serde(rename = "valueCodeableConcept")]
    Concept(CodeableConcept),
    /// A way to reach somebody.
    #[serde(rename = "valueContactPoint")]
    Contact(Box<ContactPoint>),
}

/// Extensions with values of other types are not ours: they are passed over. One of ours with a wrong value counts as
/// one without.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let fields = serde_json::Map::deserialize(deserializer)?;
    let value = fields.into_iter().find(|(name, _)| name.starts_with("value"));
    Ok(value
        .and_then(|(name, value)| serde_json::from_value(Json::Object(std::iter::once((name, value)).collect())).ok()))
}

/// The body of a FHIR Patch.
#[derive(Debug, Serialize)]
#[serde(tag = "resourceType")]
pub(crate) struct Parameters {
    pub(crate) parameter: Vec<Parameter>,
}

/// One parameter of it, or a part of one.
#[derive(Debug, Serialize)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) part: Vec<Parameter>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Value>,
}

/// What a server says of a failure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OperationOutcome {
    pub(crate) issue: Vec<Issue>,
}

/// One thing that is wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Issue {
    pub(crate) code: String,
    pub(crate) diagnostics: String,
    pub(crate) details: Details,
}

/// The words of an issue, where they are not diagnostics.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    pub(crate) text: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_must_be_a_bundle() {
        let page = br#"{"resourceType":"Bundle","total":3,"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b"}]}"#;
        let page = Bundle::read(page).unwrap();
        assert_eq!((page.total, page.next()), (Some(3), Some("b")));
        for (body, why) in [
            (&b"{"[..], "not the JSON"),
            (b"[7]", "not the JSON"),
            (b"{}", "no FHIR resource"),
            (br#"{"resourceType":"Patient"}"#, "a resource Patient"),
            (br#"{"resourceType":"Bundle","entry":7}"#, "not the JSON"),
        ] {
            assert!(Bundle::read(body).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn values_of_other_types_are_passed_over() {
        let json = json!({ "url": "x", "valuePeriod": { "start": "2019" } });
        let extension: Extension = serde_json::from_value(json).unwrap();
        assert_eq!((extension.url.as_str(), extension.value), ("x", None));
        let json = json!({ "url": "x", "valueBoolean": "perhaps" });
        assert_eq!(serde_json::from_value::<Extension>(json).unwrap().value, None);
    }

    #[test]
    fn extensions_are_written_as_they_are_read() {
        let json = json!({ "url": "a", "extension": [{ "url": "listeRouge", "valueBoolean": true }] });
        let extension: Extension = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(extension.parts[0].value, Some(Value::Boolean(true)));
        assert_eq!(serde_json::to_value(&extension).unwrap(), json);
    }

    #[test]
    fn references_are_relative_or_whole() {
        for (text, id) in [
            ("Practitioner/003-1", Some("003-1")),
            ("https://example.fr/fhir/v2/Practitioner/003-1", Some("003-1")),
            ("Practitioner/003-1/_history/2", Some("003-1")),
            ("Organization/003-1", None),
            ("Practitioner/a,b", None),
            ("XPractitioner/1", None),
            ("#contained", None),
        ] {
            assert_eq!(Reference { reference: text.to_owned() }.id("Practitioner"), id, "{text}");
        }
    }

    #[test]
    fn unknown_resources_are_none_of_ours_and_wrong_ones_say_why() {
        assert!(matches!(Resource::read(json!({ "resourceType": "Device", "id": 7 })), Ok(Resource::Other)));
        let wrong = json!({ "resourceType": "Practitioner", "telecom": "0102030405" });
        assert!(Resource::read(wrong).unwrap_err().contains("expected a sequence"));
        assert!(Resource::read(Json::Null).is_err());
    }
}
