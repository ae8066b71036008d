//! FHIR Patch on the telecoms of a carrier, by the draft of July 2026: `insert`, `replace` and `delete`, one after the
//! other, all or none; 400 for what cannot be done, 404 and 412 for no carrier and for several.

use serde_json::Value as Json;

use super::search::is_identified;
use super::{State, fhir, outcome, query, resources::Mail};
use crate::http::{Answer, Request};

pub(super) fn answer(state: &mut State, path: &str, request: &Request) -> Answer {
    let (kind, query) = query::split(path);
    if request.header("content-type") != Some("application/fhir+json") {
        return outcome(415, "a FHIR Patch is application/fhir+json");
    }
    let Some(identifier) = query.get("identifier").and_then(|all| all.first()).cloned() else {
        return outcome(400, "no identifier");
    };
    let mut carriers = state.of_type(&kind, |resource| is_identified(resource, &identifier));
    let mut carrier = match (carriers.pop(), carriers.len()) {
        (None, _) => return outcome(404, "no resource matches the condition"),
        (Some(_), 1..) => return outcome(412, "several resources match the condition"),
        (Some(carrier), 0) => carrier,
    };
    match apply(&mut carrier, &kind, &request.body) {
        Ok(()) => {
            state.put(carrier.clone());
            fhir(200, &carrier)
        }
        Err(why) => outcome(400, &why),
    }
}

fn apply(carrier: &mut Json, kind: &str, body: &[u8]) -> Result<(), String> {
    let body: Json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if body["resourceType"] != "Parameters" {
        return Err("a FHIR Patch is a resource Parameters".to_owned());
    }
    for operation in body["parameter"].as_array().ok_or("no operation")? {
        if operation["name"] != "operation" {
            return Err(format!("unknown parameter {}", operation["name"]));
        }
        Operation::read(operation)?.apply(carrier, kind)?;
    }
    Ok(())
}

struct Operation {
    kind: String,
    path: String,
    index: Option<u64>,
    value: Json,
}

impl Operation {
    fn read(operation: &Json) -> Result<Self, String> {
        let parts = operation["part"].as_array().ok_or("an operation has parts")?;
        let part = |name: &str| parts.iter().find(|part| part["name"] == name);
        let text = |name: &str, value: &str| {
            let text = part(name).and_then(|part| part[value].as_str());
            text.map(str::to_owned).ok_or_else(|| format!("an operation has a {name} as {value}"))
        };
        Ok(Self {
            kind: text("type", "valueCode")?,
            path: text("path", "valueString")?,
            index: part("index").and_then(|part| part["valueInteger"].as_u64()),
            value: part("value").map_or(Json::Null, |part| part["valueContactPoint"].clone()),
        })
    }

    fn apply(self, carrier: &mut Json, kind: &str) -> Result<(), String> {
        let list = format!("{kind}.telecom");
        let place = match self.path.strip_prefix(&format!("{list}.where(value = '")) {
            Some(rest) => Some(unquoted(rest.strip_suffix("')").ok_or("where( has no end")?)?),
            None if self.path == list => None,
            None => return Err(format!("path {} is not understood", self.path)),
        };
        if carrier["telecom"].is_null() {
            carrier["telecom"] = Json::Array(Vec::new());
        }
        let telecom = carrier["telecom"].as_array_mut().ok_or("telecom is no list")?;
        let found = place.as_ref().map(|address| telecom.iter().position(|point| point["value"] == *address));
        match (self.kind.as_str(), found) {
            ("insert", None) => self.insert(telecom),
            ("replace", Some(Some(place))) => self.replace(&mut telecom[place]),
            ("delete", Some(found)) => {
                // "if found"
                found.map(|place| telecom.remove(place));
                Ok(())
            }
            ("replace", Some(None)) => Err("the path leads to nothing".to_owned()),
            (kind, _) => Err(format!("operation {kind} does not go with path {}", self.path)),
        }
    }

    fn insert(self, telecom: &mut Vec<Json>) -> Result<(), String> {
        let index = self.index.and_then(|index| usize::try_from(index).ok()).ok_or("insert has no index")?;
        let mail = checked(&self.value)?;
        if telecom.iter().any(|point| point["value"] == *mail.address) {
            return Err(format!("the address {} is there already", mail.address));
        }
        if index > telecom.len() {
            return Err("index is behind the end".to_owned());
        }
        telecom.insert(index, self.value);
        Ok(())
    }

    fn replace(self, point: &mut Json) -> Result<(), String> {
        let (old, new) = (Mail::of(point).ok_or("this is no BAL")?, checked(&self.value)?);
        if old.address != new.address || old.kind != new.kind {
            return Err("address and type of a BAL cannot be changed".to_owned());
        }
        *point = self.value;
        Ok(())
    }
}

fn checked(value: &Json) -> Result<Mail, String> {
    let mail = Mail::of(value).ok_or("the value is no BAL")?;
    if !["PER", "ORG", "APP", "CAB"].contains(&mail.kind.as_str()) {
        return Err(format!("'{}' is not a type of BAL", mail.kind));
    }
    Ok(mail)
}

/// A text of `FHIRPath` between its quotes.
fn unquoted(text: &str) -> Result<String, String> {
    let (mut plain, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().ok_or("a backslash at the end")?),
            '\'' => return Err("a quote within the text".to_owned()),
            c => plain.push(c),
        }
    }
    Ok(plain)
}
