//! Lines of `PS_LibreAcces_Personne_activite`: an activity of a professional each.

use mssante::{KeyPolicy, PersonId, StructureId};

use super::line::{Doubts, Fields, Refused, person, refused, structure};
use crate::{Activity, Coded, RejectionReason, Structure};

// The places of the columns in the layout: the needed ones, then the welcome ones.
const PERSON_KIND: usize = 0;
const PERSON: usize = 1;
const PERSON_NATIONAL: usize = 2;
const PROFESSION: usize = 3;
const SPECIALITY: usize = 5;
const SIRET: usize = 7;
const FINESS: usize = 8;
const NAME: usize = 9;
const TRADE_NAME: usize = 10;
const NUMBER: usize = 11;
const WAY: usize = 12;
const POSTCODE: usize = 13;
const COMMUNE: usize = 14;
const SIREN: usize = 15;
const LEGAL_FINESS: usize = 16;
const ADDRESSEE: usize = 17;
const LOCATION: usize = 18;
const REPETITION: usize = 19;
const WAY_KIND: usize = 20;
const DISTRIBUTION: usize = 21;
const CEDEX: usize = 22;
const DEPARTMENT: usize = 23;
const DEPARTMENT_NAME: usize = 24;
const COUNTRY: usize = 25;

/// The activity of the line at hand.
#[derive(Default)]
pub(super) struct ActivityLine {
    activity: Option<Activity>,
}

impl ActivityLine {
    pub(super) fn read(&mut self, fields: &Fields<'_, '_>, keys: KeyPolicy) -> Result<(&Activity, Doubts), Refused> {
        let (person, person_doubts) =
            person(fields.get(PERSON_KIND), fields.get(PERSON), fields.get(PERSON_NATIONAL), keys)?;
        let person = person.ok_or_else(|| refused(RejectionReason::Person, "nobody is named", ""))?;
        let (structure_id, structure_doubts) = site(fields, keys);
        let activity = self.activity.get_or_insert_with(|| blank(person.clone()));
        activity.person = person;
        fields.write_coded(PROFESSION, PROFESSION + 1, &mut activity.profession);
        fields.write_coded(SPECIALITY, SPECIALITY + 1, &mut activity.speciality);
        activity.structure.id = structure_id;
        write_structure(fields, &mut activity.structure);
        Ok((activity, person_doubts.or(structure_doubts)))
    }
}

fn blank(person: PersonId) -> Activity {
    Activity { person, profession: Coded::default(), speciality: Coded::default(), structure: Structure::default() }
}

/// The site by its FINESS, else its SIRET, else the body that runs it.
fn site(fields: &Fields<'_, '_>, keys: KeyPolicy) -> (Option<StructureId>, Doubts) {
    let known = [("1", FINESS), ("3", SIRET), ("1", LEGAL_FINESS), ("2", SIREN)];
    let mut all_doubts = Doubts::None;
    for (kind, column) in known {
        let (id, doubts) = structure(kind, fields.get(column), keys);
        all_doubts = all_doubts.or(doubts);
        if id.is_some() {
            return (id, all_doubts);
        }
    }
    (None, all_doubts)
}

fn write_structure(fields: &Fields<'_, '_>, structure: &mut Structure) {
    fields.write(NAME, &mut structure.name);
    fields.write(TRADE_NAME, &mut structure.trade_name);
    let street: &[usize] = &[NUMBER, REPETITION, WAY_KIND, WAY];
    fields.write_lines(&[&[ADDRESSEE], &[LOCATION], street, &[DISTRIBUTION]], &mut structure.street);
    let town: &[usize] = if fields.get(CEDEX).is_empty() { &[POSTCODE, COMMUNE] } else { &[CEDEX] };
    fields.join(town, &mut structure.town);
    fields.write(POSTCODE, &mut structure.postcode);
    let department = if fields.get(DEPARTMENT).is_empty() { DEPARTMENT_NAME } else { DEPARTMENT };
    fields.write(department, &mut structure.department);
    fields.write_country(COUNTRY, structure);
}
