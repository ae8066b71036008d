//! Whether the numbers of an image point somewhere, before anybody follows them.

use super::super::hidden::{CARRIED, UNLISTED, parts_of};
use super::super::tables::{Double, PersonCode, Tables};
use super::super::texts::{NONE, at};
use super::super::vocabulary::{Field, Occurrence, Vocabulary};
use super::ImageError;

pub(super) fn check(tables: &Tables, vocabulary: &Vocabulary) -> Result<(), ImageError> {
    let holds = |good: bool, what| if good { Ok(()) } else { Err(ImageError::Damaged(what)) };
    holds(tables.locals.len() == tables.rows.len(), "it has not one local part for each row")?;
    holds(rows_point_somewhere(tables), "a row points nowhere")?;
    holds(values_point_somewhere(tables), "a trade, a place or a structure points nowhere")?;
    holds(others_point_somewhere(tables), "an activity points nowhere")?;
    holds(hidden_point_somewhere(tables), "a hidden address points nowhere")?;
    holds(words_point_somewhere(tables, vocabulary), "a word points nowhere")
}

/// Whether `number` is that of a row of a table, or of nothing.
fn is_in(number: u32, length: usize) -> bool {
    number == NONE || at(number) < length
}

fn is_person(code: PersonCode, tables: &Tables) -> bool {
    code.text().is_none_or(|text| is_in(text, tables.texts.len()))
}

fn rows_point_somewhere(tables: &Tables) -> bool {
    let mut domain = 0;
    tables.rows.iter().all(|row| {
        let sorted = row.domain >= domain;
        domain = row.domain;
        sorted
            && at(row.domain) < tables.domains.len()
            && is_person(row.person, tables)
            && is_in(row.family, tables.families.len())
            && is_in(row.given, tables.givens.len())
            && is_in(row.trade, tables.trades.len())
            && is_in(row.structure, tables.structures.len())
            && is_in(row.service, tables.services.len())
            && is_in(row.carrier, tables.texts.len())
    })
}

fn values_point_somewhere(tables: &Tables) -> bool {
    let text = |number: &u32| is_in(*number, tables.texts.len());
    let structure = |[texts @ .., place]: &[u32; 5]| texts.iter().all(text) && is_in(*place, tables.places.len());
    tables.trades.iter().flatten().all(text)
        && tables.places.iter().flatten().all(text)
        && tables.structures.iter().all(structure)
}

fn others_point_somewhere(tables: &Tables) -> bool {
    let values =
        |trade: u32, structure: u32| is_in(trade, tables.trades.len()) && is_in(structure, tables.structures.len());
    let double = |double: &Double| {
        at(double.row) < tables.rows.len()
            && is_person(double.person, tables)
            && is_in(double.family, tables.families.len())
            && is_in(double.given, tables.givens.len())
            && is_in(double.service, tables.services.len())
            && is_in(double.carrier, tables.texts.len())
            && values(double.trade, double.structure)
    };
    tables.doubles.is_sorted_by_key(|double| double.row)
        && tables.practices.is_sorted_by_key(|practice| practice.person)
        && tables.doubles.iter().all(double)
        && tables
            .practices
            .iter()
            .all(|practice| is_person(practice.person, tables) && values(practice.trade, practice.structure))
}

fn hidden_point_somewhere(tables: &Tables) -> bool {
    let line = |[address, carrier, what]: &[u32; 3]| {
        at(*address) < tables.hidden.len() && is_in(*carrier, tables.texts.len()) && [CARRIED, UNLISTED].contains(what)
    };
    tables.hidden_lines.iter().all(line) && tables.hidden.iter().all(|text| parts_of(text).is_some())
}

fn words_point_somewhere(tables: &Tables, vocabulary: &Vocabulary) -> bool {
    let (_, _, occurrences) = vocabulary.parts();
    let sizes = Field::ALL.map(|field| tables.values_of(field));
    occurrences
        .iter()
        .map(|packed| Occurrence(*packed))
        .all(|occurrence| occurrence.field().is_some_and(|field| at(occurrence.value()) < sizes[field as usize]))
}
