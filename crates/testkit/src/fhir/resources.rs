//! Resources in the form in which the directory gives them.

use serde_json::{Value as Json, json};

const MESSAGING: &str = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type";
const MAILBOX: &str = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata";

/// A BAL of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// Its address.
    pub address: String,
    /// PER, ORG, APP, CAB.
    pub kind: String,
    /// What is said of the liste rouge.
    pub unlisted: Option<bool>,
    /// What it is for.
    pub description: Option<String>,
    /// Service de rattachement.
    pub service: Option<String>,
    /// Who is responsible.
    pub responsible: Option<String>,
}

impl Mail {
    /// One of which nothing more is said.
    pub fn new(address: &str, kind: &str) -> Self {
        Self { address: address.to_owned(), kind: kind.to_owned(), ..Self::default() }
    }

    fn telecom(&self) -> Json {
        let system = "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL";
        let kind = json!({ "coding": [{ "system": system, "code": self.kind }] });
        let mut parts = vec![json!({ "url": "type", "valueCodeableConcept": kind })];
        parts.extend(self.unlisted.map(|unlisted| json!({ "url": "listeRouge", "valueBoolean": unlisted })));
        for (url, text) in
            [("description", &self.description), ("service", &self.service), ("responsible", &self.responsible)]
        {
            parts.extend(text.as_ref().map(|text| json!({ "url": url, "valueString": text })));
        }
        let messaging = json!({
            "system": "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie",
            "code": "MSSANTE",
        });
        json!({
            "system": "email",
            "value": self.address,
            "extension": [{ "url": MESSAGING, "valueCoding": messaging }, { "url": MAILBOX, "extension": parts }],
        })
    }

    /// The BAL of a contact point, if it is one.
    pub(super) fn of(telecom: &Json) -> Option<Self> {
        let named = |list: &Json, url: &str| {
            list.as_array().and_then(|list| list.iter().find(|one| one["url"] == url)).cloned()
        };
        let metadata = named(&telecom["extension"], MAILBOX)?;
        let part = |url: &str| named(&metadata["extension"], url);
        let text = |url: &str| part(url).and_then(|part| part["valueString"].as_str().map(str::to_owned));
        let kind = part("type").unwrap_or_default();
        let coding = &kind["valueCodeableConcept"]["coding"][0]["code"];
        Some(Self {
            address: telecom["value"].as_str()?.to_owned(),
            kind: coding.as_str().or(kind["valueCode"].as_str()).unwrap_or_default().to_owned(),
            unlisted: part("listeRouge").and_then(|part| part["valueBoolean"].as_bool()),
            description: text("description"),
            service: text("service"),
            responsible: text("responsible"),
        })
    }
}

/// The BALs of a resource.
pub(super) fn mails(resource: &Json) -> Vec<Mail> {
    resource["telecom"].as_array().into_iter().flatten().filter_map(Mail::of).collect()
}

fn telecom(mails: &[Mail]) -> Json {
    mails.iter().map(Mail::telecom).collect()
}

/// A physician with this RPPS number.
pub fn practitioner(id: &str, rpps: &str, family: &str, mails: &[Mail]) -> Json {
    let identifier = |code: &str, system: &str, value: String| {
        let kind = json!({ "coding": [{ "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": code }] });
        json!({ "use": "official", "type": kind, "system": system, "value": value })
    };
    let code = |terminology: &str, code: &str| {
        let folder = terminology.replacen('-', "_", 1);
        let system = format!("https://mos.esante.gouv.fr/NOS/{folder}/FHIR/{terminology}");
        json!({ "code": { "coding": [{ "system": system, "code": code }] } })
    };
    json!({
        "resourceType": "Practitioner",
        "id": id,
        "active": true,
        "language": "fr",
        "identifier": [
            identifier("IDNPS", "urn:oid:1.2.250.1.71.4.2.1", format!("8{rpps}")),
            identifier("RPPS", "https://rpps.esante.gouv.fr", rpps.to_owned()),
        ],
        "name": [{ "use": "usual", "family": family, "given": ["Arthur"], "prefix": ["M"], "suffix": ["DR"] }],
        "qualification": [
            code("TRE-R48-DiplomeEtatFrancais", "DE05"),
            code("TRE-G15-ProfessionSante", "10"),
            code("TRE-R38-SpecialiteOrdinale", "SM04"),
        ],
        "telecom": telecom(mails),
    })
}

/// A professional in a structure.
pub fn role(id: &str, practitioner: &str, organization: &str, mails: &[Mail]) -> Json {
    json!({
        "resourceType": "PractitionerRole",
        "id": id,
        "active": true,
        "practitioner": { "reference": format!("Practitioner/{practitioner}") },
        "organization": { "reference": format!("Organization/{organization}") },
        "code": [{ "coding": [{
            "system": "https://mos.esante.gouv.fr/NOS/TRE_R23-ModeExercice/FHIR/TRE-R23-ModeExercice", "code": "S",
        }] }],
        "telecom": telecom(mails),
    })
}

/// A hospital with this FINESS number, beside whose BALs there is plain mail.
pub fn organization(id: &str, finess: &str, name: &str, mails: &[Mail]) -> Json {
    let mut telecom = telecom(mails);
    if let Some(list) = telecom.as_array_mut() {
        list.push(json!({ "system": "phone", "value": "0102030405", "rank": 1 }));
        list.push(json!({ "system": "email", "value": "direction@hopital-exemple.fr" }));
    }
    json!({
        "resourceType": "Organization",
        "id": id,
        "active": true,
        "identifier": [
            { "use": "official", "system": "urn:oid:1.2.250.1.71.4.2.2", "value": format!("1{finess}") },
            { "system": "https://finess.esante.gouv.fr", "value": finess },
        ],
        "name": name,
        "address": [{ "line": ["1 R DE LA PAIX"], "city": "AULNAY SOUS BOIS", "postalCode": "93600", "district": "93" }],
        "telecom": telecom,
    })
}
