//! Lines of `Extraction_Correspondance_MSSante`: a BAL each.

use mssante::{Address, BalKind, KeyPolicy};

use super::line::{Doubts, Fields, Refused, person, refused, structure};
use crate::{Coded, Entry, Paperless, Person, RejectionReason, Structure};

// The places of the columns in the layout.
const KIND: usize = 0;
const ADDRESS: usize = 1;
const PERSON_KIND: usize = 2;
const PERSON: usize = 3;
const PERSON_NATIONAL: usize = 4;
const STRUCTURE_KIND: usize = 5;
const STRUCTURE: usize = 6;
const SERVICE: usize = 7;
const CIVILITY: usize = 8;
const FAMILY_NAME: usize = 9;
const GIVEN_NAME: usize = 10;
const CATEGORY: usize = 11;
const PROFESSION: usize = 13;
const SPECIALITY: usize = 15;
const PAPERLESS: usize = 17;
const NAME: usize = 18;
const TRADE_NAME: usize = 19;
const LOCATION: usize = 20;
const DISTRIBUTION: usize = 21;
const STREET: &[usize] = &[22, 23, 24, 25];
const PLACE: usize = 26;
const TOWN: usize = 27;
const POSTCODE: usize = 28;
const DEPARTMENT: usize = 29;
const COUNTRY: usize = 30;

/// The entry of the line at hand.
#[derive(Default)]
pub(super) struct EntryLine {
    entry: Option<Entry>,
}

impl EntryLine {
    pub(super) fn read(&mut self, fields: &Fields<'_, '_>, keys: KeyPolicy) -> Result<(&Entry, Doubts), Refused> {
        let address = address(fields.get(ADDRESS))?;
        let kind = kind(fields.get(KIND))?;
        let (person_id, person_doubts) =
            person(fields.get(PERSON_KIND), fields.get(PERSON), fields.get(PERSON_NATIONAL), keys)?;
        let (structure_id, structure_doubts) = structure(fields.get(STRUCTURE_KIND), fields.get(STRUCTURE), keys);
        let entry = self.entry.get_or_insert_with(|| blank(address.clone(), kind));
        entry.address = address;
        entry.kind = kind;
        entry.person = if person_id.is_some() || fields.any(&[FAMILY_NAME, GIVEN_NAME]) {
            Some(taken(&mut entry.person))
        } else {
            None
        };
        if let Some(person) = &mut entry.person {
            person.id = person_id;
            write_person(fields, person);
        }
        entry.structure = if structure_id.is_some() || fields.any(&[NAME, TRADE_NAME, TOWN, POSTCODE, STREET[3]]) {
            Some(taken(&mut entry.structure))
        } else {
            None
        };
        if let Some(structure) = &mut entry.structure {
            structure.id = structure_id;
            write_structure(fields, structure);
        }
        fields.write(SERVICE, &mut entry.service);
        entry.paperless = paperless(fields.get(PAPERLESS));
        Ok((entry, person_doubts.or(structure_doubts)))
    }
}

/// What the line before left, to be written over in the same memory.
fn taken<T: Default>(before: &mut Option<T>) -> T {
    before.take().unwrap_or_default()
}

fn blank(address: Address, kind: BalKind) -> Entry {
    Entry {
        address,
        kind,
        person: None,
        structure: None,
        service: String::new(),
        paperless: Paperless::NotSaid,
        others: Vec::new(),
        carrier: None,
    }
}

fn address(text: &str) -> Result<Address, Refused> {
    Address::parse(text).map_err(|error| refused(RejectionReason::Address, &error.to_string(), text))
}

fn kind(text: &str) -> Result<BalKind, Refused> {
    text.parse().map_err(|_| refused(RejectionReason::Kind, "none of PER, ORG, APP, CAB", text))
}

fn paperless(text: &str) -> Paperless {
    match text {
        "O" | "o" => Paperless::Accepted,
        "N" | "n" => Paperless::NotAccepted,
        _ => Paperless::NotSaid,
    }
}

fn write_person(fields: &Fields<'_, '_>, person: &mut Person) {
    let coded = |code: usize, to: &mut Coded| fields.write_coded(code, code + 1, to);
    fields.write(CIVILITY, &mut person.civility);
    fields.write(FAMILY_NAME, &mut person.family_name);
    fields.write(GIVEN_NAME, &mut person.given_name);
    coded(CATEGORY, &mut person.category);
    coded(PROFESSION, &mut person.profession);
    coded(SPECIALITY, &mut person.speciality);
}

fn write_structure(fields: &Fields<'_, '_>, structure: &mut Structure) {
    fields.write(NAME, &mut structure.name);
    fields.write(TRADE_NAME, &mut structure.trade_name);
    fields.write_lines(&[&[LOCATION], &[DISTRIBUTION], STREET, &[PLACE]], &mut structure.street);
    fields.write(TOWN, &mut structure.town);
    fields.write(POSTCODE, &mut structure.postcode);
    fields.write(DEPARTMENT, &mut structure.department);
    fields.write_country(COUNTRY, structure);
}
