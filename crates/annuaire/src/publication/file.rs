//! A task as a line of a file, for those who carry it to the directory by other means.

use mssante::Listing;
use serde::Serialize;
use time::OffsetDateTime;

use super::patch::PatchStyle;
use super::plan::Task;

/// A line, in the order in which it is written. Documented in `docs/annuaire-national.md`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    operation: &'static str,
    adresse: String,
    #[serde(rename = "typeBAL")]
    kind: &'static str,
    ressource: &'static str,
    identifiant_systeme: &'a str,
    identifiant: String,
    liste_rouge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responsable: Option<&'a str>,
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
}

/// The line of a task, with the line feed. The same line again means the same: whoever reads it takes the last one
/// of an address.
pub fn line(task: &Task, style: &PatchStyle, now: OffsetDateTime) -> String {
    let card = &task.card;
    let (system, number) = card.owner.identifier(style);
    let line = Line {
        operation: task.operation.word(),
        adresse: card.address.to_string(),
        kind: card.kind.code(),
        ressource: card.owner.resource(),
        identifiant_systeme: system,
        identifiant: number,
        liste_rouge: card.listing == Listing::Unlisted,
        description: card.description.as_deref(),
        service: card.service.as_deref(),
        responsable: card.responsible.as_deref(),
        date: now,
    };
    // Serialising into memory cannot fail: there is no map with keys of another type.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use mssante::BalKind;
    use time::macros::datetime;

    use super::super::plan::Operation;
    use super::super::plan::tests::card;
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let task = Task { operation: Operation::Insert, card: card(BalKind::Cabinet) };
        let line = line(&task, &PatchStyle::default(), datetime!(2026-11-22 6:00 UTC));
        let expected = concat!(
            r#"{"operation":"insert","adresse":"secretariat@ch.mssante.fr","typeBAL":"CAB","ressource":"Practitioner","#,
            r#""identifiantSysteme":"urn:oid:1.2.250.1.71.4.2.1","identifiant":"810003461033","listeRouge":false,"#,
            r#""description":"Secrétariat","date":"2026-11-22T06:00:00Z"}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }
}
