//! An entry of the directory, for people.

use annuaire::{Coded, Entry, Paperless, Person, Structure};
use serde_json::{Value, json};

/// Who holds it: a person or several, or the team's own name for it.
pub(super) fn name(entry: &Entry) -> String {
    let first = match &entry.person {
        Some(person) => person_name(person),
        None if entry.service.is_empty() => entry.structure.as_ref().map(structure_name).unwrap_or_default(),
        None => entry.service.clone(),
    };
    let names: Vec<String> = std::iter::once(first).chain(entry.others.iter().map(person_name)).collect();
    joined(", ", &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn person_name(person: &Person) -> String {
    joined(" ", &[&person.civility, &person.given_name, &person.family_name])
}

/// Profession and speciality.
pub(super) fn profession(entry: &Entry) -> String {
    entry
        .person
        .as_ref()
        .map(|person| joined(", ", &[label(&person.profession), label(&person.speciality)]))
        .unwrap_or_default()
}

/// Structure and town.
pub(super) fn place(entry: &Entry) -> String {
    entry
        .structure
        .as_ref()
        .map(|structure| joined(", ", &[&structure_name(structure), &town(structure)]))
        .unwrap_or_default()
}

/// All that is known, one fact a line.
pub(super) fn facts(entry: &Entry) -> Value {
    let person = entry.person.clone().unwrap_or_default();
    let structure = entry.structure.clone().unwrap_or_default();
    let Person { id, category, .. } = &person;
    let paperless = match entry.paperless {
        Paperless::NotSaid => None,
        Paperless::Accepted => Some("accepted"),
        Paperless::NotAccepted => Some("not accepted"),
    };
    let mut facts = json!({
        "address": entry.address.to_string(),
        "kind": entry.kind.code(),
        "name": name(entry),
        "identifier": id.as_ref().map(ToString::to_string),
        "category": label(category),
        "profession": label(&person.profession),
        "speciality": label(&person.speciality),
        "structure": structure_name(&structure),
        "structure_identifier": structure.id.as_ref().map(ToString::to_string),
        "service": entry.service,
        "street": structure.street.join(", "),
        "town": town(&structure),
        "department": structure.department,
        "country": structure.country,
        "paperless_documents": paperless,
    });
    if let Some(members) = facts.as_object_mut() {
        members.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    }
    facts
}

fn structure_name(structure: &Structure) -> String {
    if structure.trade_name.is_empty() { structure.name.clone() } else { structure.trade_name.clone() }
}

/// The line of delivery often begins with the postcode.
fn town(structure: &Structure) -> String {
    if structure.town.contains(&structure.postcode) {
        return structure.town.clone();
    }
    joined(" ", &[&structure.postcode, &structure.town])
}

fn label(coded: &Coded) -> &str {
    if coded.label.is_empty() { &coded.code } else { &coded.label }
}

fn joined(between: &str, parts: &[&str]) -> String {
    let said: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    said.join(between)
}

#[cfg(test)]
mod tests {
    use mssante::{Address, BalKind};

    use super::*;

    fn entry(person: Option<Person>, service: &str) -> Entry {
        Entry {
            address: Address::parse("a@b.mssante.fr").unwrap(),
            kind: BalKind::Nominative,
            person,
            structure: Some(Structure {
                name: "SELARL PERIN".into(),
                town: "93600 AULNAY SOUS BOIS".into(),
                postcode: "93600".into(),
                ..Structure::default()
            }),
            service: service.into(),
            paperless: Paperless::NotSaid,
            others: Vec::new(),
            carrier: None,
        }
    }

    #[test]
    fn a_person_is_named_by_his_name_and_a_team_by_its_own() {
        let coded = |label: &str| Coded { code: "10".into(), label: label.into() };
        let person = Person {
            civility: "DR".into(),
            family_name: "PERIN".into(),
            given_name: "Léa".into(),
            profession: coded("Médecin"),
            speciality: coded(""),
            ..Person::default()
        };
        let doctor = entry(Some(person), "");
        assert_eq!((name(&doctor).as_str(), profession(&doctor).as_str()), ("DR Léa PERIN", "Médecin, 10"));
        assert_eq!(place(&doctor), "SELARL PERIN, 93600 AULNAY SOUS BOIS");
        let other = Person { family_name: "DURAND".into(), ..Person::default() };
        let shared = Entry { others: vec![other], ..doctor };
        assert_eq!(name(&shared), "DR Léa PERIN, DURAND");
        assert_eq!(name(&entry(None, "Cardiologie")), "Cardiologie");
        assert_eq!(name(&entry(None, "")), "SELARL PERIN");
        let facts = facts(&entry(None, ""));
        assert!(facts.get("identifier").is_none() && facts["town"] == "93600 AULNAY SOUS BOIS", "{facts}");
    }
}
