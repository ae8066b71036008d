//! From resources to entries of the directory.

use std::collections::HashMap;

use mssante::{Address, BalKind, Listing, PersonId, StructureId};

use super::mailbox::Mailbox;
use super::resource::{CodeableConcept, Coding, ContactPoint, Organization, Practitioner, PractitionerRole};
use super::systems::{CATEGORIES, FINESS, PERSONS, PROFESSION_LABELS, PROFESSIONS, RPPS, SPECIALITIES, STRUCTURES};
use super::{Carrier, resource};
use crate::clean::clean;
use crate::{Coded, Entry, Person, RejectionReason, Structure};

/// What a resource that carries BALs comes to.
#[derive(Debug)]
pub(super) struct Mapped {
    /// Which carrier it is, if what it carries now is known; otherwise what it carried before stays.
    pub(super) carrier: Option<Carrier>,
    /// Its BALs that may be shown.
    pub(super) entries: Vec<Entry>,
    /// Those on the liste rouge: they are not shown, whoever else carries them.
    pub(super) unlisted: Unlisted,
    /// What cannot be used, and why.
    pub(super) rejected: Vec<(RejectionReason, String)>,
    /// Whether its professional has a number that is none.
    pub(super) number: Number,
    /// Whether a text was cut that was longer than any name.
    pub(super) shortened: bool,
}

/// Addresses on the liste rouge, and the resource that says so.
#[derive(Debug, Default)]
pub(super) struct Unlisted {
    pub(super) carrier: Option<Carrier>,
    pub(super) addresses: Vec<Address>,
}

/// What the number of a professional is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// It has the form of one, or there is none to be had.
    Good,
    /// It is empty or has no form that is known: the professional counts as one without.
    Doubtful,
}

/// Kinds that persons carry.
const OF_PERSONS: [BalKind; 2] = [BalKind::Nominative, BalKind::Cabinet];
/// Kinds that structures carry.
const OF_STRUCTURES: [BalKind; 2] = [BalKind::Organisational, BalKind::Applicative];

/// The BALs of a professional. `[MSS1 ANN.FHIR]`
pub(super) fn practitioner(practitioner: &Practitioner) -> Mapped {
    let (id, number) = person_id(practitioner);
    let person = person(practitioner, id);
    let source = Source {
        carrier: Carrier::of("Practitioner", &practitioner.id),
        telecom: &practitioner.telecom,
        active: practitioner.active,
    };
    Mapped { number, ..Mapped::of(Some(&person), None, source, OF_PERSONS) }
}

/// The BALs of a professional in a structure. Who and where are other resources: a role that has BALs and refers to one
/// that cannot be had is incomplete, and nothing is said of it.
pub(super) fn role(
    role: &PractitionerRole,
    practitioners: &HashMap<String, Practitioner>,
    organizations: &HashMap<String, Organization>,
) -> Mapped {
    let who = role.practitioner.as_ref().map(|who| who.id("Practitioner").and_then(|id| practitioners.get(id)));
    let place = role.organization.as_ref().map(|place| place.id("Organization").and_then(|id| organizations.get(id)));
    let source =
        Source { carrier: Carrier::of("PractitionerRole", &role.id), telecom: &role.telecom, active: role.active };
    if source.carried().iter().any(|point| Mailbox::of(point).is_some()) {
        let why = match (who, place) {
            (None, _) => Some((RejectionReason::Person, "it refers to no professional")),
            (Some(None), _) => Some((RejectionReason::Incomplete, "the professional that it refers to cannot be had")),
            (_, Some(None)) => Some((RejectionReason::Incomplete, "the structure that it refers to cannot be had")),
            (Some(Some(_)), None | Some(Some(_))) => None,
        };
        if let Some((reason, why)) = why {
            return Mapped::incomplete(&source, reason, why);
        }
    }
    let person = who.flatten().map(|who| in_role(person(who, person_id(who).0), role));
    Mapped::of(person.as_ref(), place.flatten().map(structure).as_ref(), source, OF_PERSONS)
}

/// The BALs of a structure.
pub(super) fn organization(organization: &Organization) -> Mapped {
    let source = Source {
        carrier: Carrier::of("Organization", &organization.id),
        telecom: &organization.telecom,
        active: organization.active,
    };
    Mapped::of(None, Some(&structure(organization)), source, OF_STRUCTURES)
}

/// The addresses on the liste rouge of a resource, whether it is over or not. `[MSS1 ANN.UNLISTED]`
pub(super) fn unlisted(carrier: Option<Carrier>, telecom: &[ContactPoint]) -> Unlisted {
    let unlisted = telecom.iter().filter_map(Mailbox::of).filter(|mailbox| mailbox.listing == Listing::Unlisted);
    Unlisted { carrier, addresses: unlisted.filter_map(|mailbox| Address::parse(mailbox.address).ok()).collect() }
}

/// Where BALs come from.
struct Source<'a> {
    carrier: Option<Carrier>,
    telecom: &'a [ContactPoint],
    active: Option<bool>,
}

impl<'a> Source<'a> {
    /// What has ended carries nothing any more.
    fn carried(&self) -> &'a [ContactPoint] {
        if self.active == Some(false) { &[] } else { self.telecom }
    }
}

impl Mapped {
    fn of(person: Option<&Person>, structure: Option<&Structure>, source: Source<'_>, kinds: [BalKind; 2]) -> Self {
        let mut mapped = Self::nothing(&source);
        for mailbox in source.carried().iter().filter_map(Mailbox::of) {
            if mailbox.listing == Listing::Unlisted {
                continue;
            }
            match entry(&mailbox, person, structure, kinds) {
                Ok(mut entry) => {
                    mapped.shortened |= clean(&mut entry);
                    mapped.entries.push(Entry { carrier: source.carrier.clone(), ..entry });
                }
                Err(why) => mapped.rejected.push(why),
            }
        }
        mapped.carrier = source.carrier;
        mapped
    }

    fn incomplete(source: &Source<'_>, reason: RejectionReason, why: &str) -> Self {
        Self { rejected: vec![(reason, why.to_owned())], ..Self::nothing(source) }
    }

    fn nothing(source: &Source<'_>) -> Self {
        let unlisted = unlisted(source.carrier.clone(), source.telecom);
        let (number, shortened) = (Number::Good, false);
        Self { carrier: None, entries: Vec::new(), unlisted, rejected: Vec::new(), number, shortened }
    }
}

fn entry(
    mailbox: &Mailbox<'_>,
    person: Option<&Person>,
    structure: Option<&Structure>,
    kinds: [BalKind; 2],
) -> Result<Entry, (RejectionReason, String)> {
    let address = Address::parse(mailbox.address).map_err(|why| (RejectionReason::Address, why.to_string()))?;
    let kind = match &mailbox.kind {
        // Nothing said: the first of those that the resource carries.
        Ok(kind) => kind.unwrap_or(kinds[0]),
        Err(word) => return Err((RejectionReason::Kind, format!("'{word:.20}' is not a kind of BAL"))),
    };
    if !kinds.contains(&kind) {
        let why = format!("a BAL of kind {kind} is not carried by a resource of this type");
        return Err((RejectionReason::Kind, why));
    }
    let service = if mailbox.service.is_empty() { mailbox.description } else { mailbox.service };
    Ok(Entry {
        address,
        kind,
        person: person.cloned(),
        structure: structure.cloned(),
        service: service.to_owned(),
        paperless: mailbox.paperless,
        others: Vec::new(),
        carrier: None,
    })
}

fn person(practitioner: &Practitioner, id: Option<PersonId>) -> Person {
    let name = practitioner.name.first().cloned().unwrap_or_default();
    let concepts = || practitioner.qualification.iter().map(|qualification| &qualification.code);
    let civility = first(&name.suffix).or_else(|| first(&name.prefix)).unwrap_or_default();
    Person {
        id,
        civility,
        family_name: name.family.trim().to_owned(),
        given_name: first(&name.given).unwrap_or_default(),
        category: coded(&concepts(), &CATEGORIES),
        profession: profession(&concepts()),
        speciality: coded(&concepts(), &SPECIALITIES),
    }
}

/// A role may say what somebody does there, where his own resource says nothing.
fn in_role(mut person: Person, role: &PractitionerRole) -> Person {
    let concepts = || role.code.iter().chain(&role.specialty);
    let or = |known: Coded, other: Coded| if known.code.is_empty() { other } else { known };
    person.category = or(person.category, coded(&concepts(), &CATEGORIES));
    person.profession = or(person.profession, profession(&concepts()));
    person.speciality = or(person.speciality, coded(&concepts(), &SPECIALITIES));
    person
}

/// A number that is none must not become one: all who have it would be the same person.
fn person_id(practitioner: &Practitioner) -> (Option<PersonId>, Number) {
    let value = |system: &str| value_of(&practitioner.identifier, system);
    let national = value(PERSONS).and_then(|number| match number.parse() {
        // `8` announces an RPPS number, `0` an ADELI number.
        Ok(PersonId::Other(_)) if number.len() < 2 || number.starts_with(['8', '0']) => None,
        read => read.ok(),
    });
    let rpps = || value(RPPS).and_then(|number| number.parse().ok()).map(PersonId::Rpps);
    let id = national.or_else(rpps);
    let has_one = value(PERSONS).is_some() || value(RPPS).is_some();
    let number = if has_one && id.is_none() { Number::Doubtful } else { Number::Good };
    (id, number)
}

fn structure(organization: &Organization) -> Structure {
    let address = organization.address.first().cloned().unwrap_or_default();
    let town = format!("{} {}", address.postal_code.trim(), address.city.trim());
    Structure {
        id: structure_id(organization),
        name: organization.name.trim().to_owned(),
        trade_name: first(&organization.alias).unwrap_or_default(),
        street: address
            .line
            .iter()
            .flatten()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect(),
        town: town.trim().to_owned(),
        postcode: address.postal_code.trim().to_owned(),
        department: address.district.trim().to_owned(),
        country: abroad(address.country.trim()),
    }
}

/// The country, if it is not France.
fn abroad(country: &str) -> String {
    let france = ["", "FR", "FRA", "FRANCE", "99000"].iter().any(|name| name.eq_ignore_ascii_case(country));
    if france { String::new() } else { country.to_owned() }
}

fn structure_id(organization: &Organization) -> Option<StructureId> {
    let value = |system: &str| value_of(&organization.identifier, system);
    value(STRUCTURES).and_then(|number| number.parse().ok()).or_else(|| {
        value(FINESS).filter(|number| !number.is_empty()).and_then(|number| format!("1{number}").parse().ok())
    })
}

fn value_of<'a>(identifiers: &'a [resource::Identifier], system: &str) -> Option<&'a str> {
    let values = || identifiers.iter().filter(|it| it.system == system).map(|it| it.value.trim());
    // An empty one only if there is no other: it is to be seen that there is one.
    values().find(|value| !value.is_empty()).or_else(|| values().next())
}

fn profession<'a>(concepts: &(impl Iterator<Item = &'a CodeableConcept> + Clone)) -> Coded {
    let mut profession = coded(concepts, &PROFESSIONS);
    if profession.label.is_empty() {
        let known = PROFESSION_LABELS.iter().find(|(code, _)| *code == profession.code);
        profession.label = known.map(|(_, label)| (*label).to_owned()).unwrap_or_default();
    }
    profession
}

/// The first code of the first of these terminologies that has one.
fn coded<'a>(concepts: &(impl Iterator<Item = &'a CodeableConcept> + Clone), terminologies: &[&str]) -> Coded {
    let of = |terminology: &&str| -> Option<&'a Coding> {
        let mut codings = concepts.clone().flat_map(|concept| &concept.coding);
        codings.find(|coding| coding.system.rsplit('/').next() == Some(*terminology))
    };
    let found = terminologies.iter().find_map(of);
    found.map_or_else(Coded::default, |coding| Coded {
        code: coding.code.trim().to_owned(),
        label: coding.display.trim().to_owned(),
    })
}

fn first(texts: &[Option<String>]) -> Option<String> {
    texts.iter().flatten().map(|text| text.trim()).find(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::fhir::{MAILBOX_EXTENSION, MESSAGING_EXTENSION, MESSAGING_KIND, MESSAGING_KINDS};

    fn telecom(address: &str, parts: &Json) -> Json {
        json!({
            "system": "email",
            "value": address,
            "extension": [
                { "url": MESSAGING_EXTENSION, "valueCoding": { "system": MESSAGING_KINDS, "code": MESSAGING_KIND } },
                { "url": MAILBOX_EXTENSION, "extension": parts },
            ],
        })
    }

    fn doctor(telecom: &Json) -> Json {
        let coding = |terminology: &str, code: &str| {
            json!({ "code": { "coding": [{
                "system": format!("https://mos.esante.gouv.fr/NOS/x/FHIR/{terminology}"), "code": code,
            }] } })
        };
        json!({
            "id": "003-1",
            "identifier": [
                { "system": PERSONS, "value": "810003461033" },
                { "system": RPPS, "value": "10003461033" },
            ],
            "name": [{ "family": "Saucier", "given": ["Arthur"], "prefix": ["M"], "suffix": ["DR"] }],
            "qualification": [
                coding("TRE-R48-DiplomeEtatFrancais", "DE05"),
                coding("TRE-G15-ProfessionSante", "10"),
                coding("TRE-R38-SpecialiteOrdinale", "SM04"),
                coding("TRE-R09-CategorieProfessionnelle", "C"),
            ],
            "telecom": telecom,
        })
    }

    fn hospital(telecom: &Json) -> Json {
        json!({
            "id": "001-1",
            "identifier": [
                { "system": STRUCTURES, "value": "1930100045" },
                { "system": FINESS, "value": "930100045" },
            ],
            "name": "CH AULNAY",
            "alias": ["HOPITAL BALLANGER"],
            "address": [{ "line": ["BD BALLANGER", null], "city": "AULNAY SOUS BOIS", "postalCode": "93600", "district": "93" }],
            "telecom": telecom,
        })
    }

    fn read<T: serde::de::DeserializeOwned>(json: Json) -> T {
        serde_json::from_value(json).unwrap()
    }

    fn kind(kind: &str) -> Json {
        json!({ "url": "type", "valueCodeableConcept": { "coding": [{ "code": kind }] } })
    }

    #[test]
    fn a_professionals_bal_says_who_and_what_he_is() {
        let mapped =
            practitioner(&read(doctor(&json!([telecom("a.saucier@medecin.mssante.fr", &json!([kind("PER")]))]))));
        let [entry] = &mapped.entries[..] else { panic!("{mapped:?}") };
        let person = entry.person.as_ref().unwrap();
        assert_eq!(person.id, Some("810003461033".parse().unwrap()));
        assert_eq!(
            (person.civility.as_str(), person.family_name.as_str(), person.given_name.as_str()),
            ("DR", "Saucier", "Arthur")
        );
        assert_eq!((person.profession.code.as_str(), person.profession.label.as_str()), ("10", "Médecin"));
        assert_eq!((person.speciality.code.as_str(), person.category.code.as_str()), ("SM04", "C"));
        assert_eq!((entry.kind, &entry.structure), (BalKind::Nominative, &None));
        assert_eq!(mapped.carrier, Some(Carrier::named("Practitioner/003-1")));
        assert_eq!(mapped.carrier, entry.carrier);
    }

    #[test]
    fn a_role_brings_person_and_place_together() {
        let json = json!({
            "id": "005-1",
            "practitioner": { "reference": "Practitioner/003-1" },
            "organization": { "reference": "https://a.fr/fhir/v2/Organization/001-1" },
            "telecom": [telecom("a.saucier@ch.mssante.fr", &json!([kind("PER")]))],
        });
        let practitioners = HashMap::from([("003-1".to_owned(), read(doctor(&json!([]))))]);
        let organizations = HashMap::from([("001-1".to_owned(), read(hospital(&json!([]))))]);
        let mapped = role(&read(json.clone()), &practitioners, &organizations);
        let [entry] = &mapped.entries[..] else { panic!("{mapped:?}") };
        assert_eq!(entry.person.as_ref().unwrap().family_name, "Saucier");
        let place = entry.structure.as_ref().unwrap();
        assert_eq!((place.name.as_str(), place.trade_name.as_str()), ("CH AULNAY", "HOPITAL BALLANGER"));
        assert_eq!((place.town.as_str(), place.street.len()), ("93600 AULNAY SOUS BOIS", 1));

        assert_eq!(mapped.carrier, Some(Carrier::named("PractitionerRole/005-1")));
        for incomplete in [
            role(&read(json.clone()), &practitioners, &HashMap::new()),
            role(&read(json.clone()), &HashMap::new(), &organizations),
        ] {
            assert_eq!((incomplete.entries.len(), &incomplete.carrier), (0, &None));
            assert_eq!(incomplete.rejected[0].0, RejectionReason::Incomplete);
        }
    }

    #[test]
    fn a_role_without_bal_is_never_taken_for_its_structure_or_its_professional() {
        let json = json!({
            "id": "005-1",
            "practitioner": { "reference": "Practitioner/003-9" },
            "organization": { "reference": "Organization/001-9" },
        });
        let mapped = role(&read(json), &HashMap::new(), &HashMap::new());
        assert_eq!(mapped.carrier, Some(Carrier::named("PractitionerRole/005-1")));
        assert!(mapped.rejected.is_empty());
    }

    #[test]
    fn an_unlisted_bal_of_an_incomplete_role_is_still_known_to_be_unlisted() {
        let parts = json!([kind("PER"), { "url": "listeRouge", "valueBoolean": true }]);
        let json = json!({
            "id": "005-1",
            "practitioner": { "reference": "Practitioner/003-9" },
            "telecom": [telecom("a@ch.mssante.fr", &parts)],
        });
        let mapped = role(&read(json), &HashMap::new(), &HashMap::new());
        assert_eq!(mapped.unlisted.addresses, ["a@ch.mssante.fr".parse().unwrap()]);
        assert_eq!(mapped.unlisted.carrier, Some(Carrier::named("PractitionerRole/005-1")));
        assert_eq!((mapped.carrier, mapped.rejected.len()), (None, 1));
    }

    #[test]
    fn a_number_that_is_none_makes_nobody_the_same_person_as_others() {
        for (identifier, id, number) in [
            (json!([]), None, Number::Good),
            (json!([{ "system": RPPS }]), None, Number::Doubtful),
            (json!([{ "system": PERSONS, "value": "8" }]), None, Number::Doubtful),
            (json!([{ "system": PERSONS, "value": "81000" }]), None, Number::Doubtful),
            (json!([{ "system": RPPS, "value": "1000346103X" }]), None, Number::Doubtful),
            (
                json!([{ "system": PERSONS, "value": "" }, { "system": RPPS, "value": " 10003461033 " }]),
                Some("810003461033"),
                Number::Good,
            ),
        ] {
            let mut json = doctor(&json!([telecom("a@medecin.mssante.fr", &json!([kind("PER")]))]));
            json["identifier"] = identifier;
            let mapped = practitioner(&read(json));
            assert_eq!(mapped.number, number);
            assert_eq!(mapped.entries[0].person.as_ref().unwrap().id, id.map(|id: &str| id.parse().unwrap()));
        }
    }

    #[test]
    fn structures_carry_teams_and_software_beside_plain_mail() {
        let plain = json!({ "system": "email", "value": "direction@hopital.fr" });
        let team = telecom(
            "secretariat@ch.mssante.fr",
            &json!([kind("ORG"), { "url": "description", "valueString": "Secrétariat" }]),
        );
        let software = telecom("labo-noreply@ch.mssante.fr", &json!([kind("APP")]));
        let mapped = organization(&read(hospital(&json!([plain, team, software]))));
        let kinds: Vec<_> = mapped.entries.iter().map(|entry| (entry.kind, entry.service.as_str())).collect();
        assert_eq!(kinds, [(BalKind::Organisational, "Secrétariat"), (BalKind::Applicative, "")]);
        assert!(mapped.rejected.is_empty());
    }

    #[test]
    fn an_unlisted_bal_is_never_an_entry_whatever_else_it_says() {
        for parts in [
            json!([kind("PER"), { "url": "listeRouge", "valueBoolean": true }]),
            json!([kind("XYZ"), { "url": "listeRouge", "valueBoolean": true }]),
        ] {
            let mapped = practitioner(&read(doctor(&json!([telecom("a@medecin.mssante.fr", &parts)]))));
            assert_eq!((mapped.entries.len(), mapped.unlisted.addresses.len(), mapped.rejected.len()), (0, 1, 0));
        }
    }

    #[test]
    fn texts_that_are_longer_than_any_are_cut_and_counted() {
        let mut json = doctor(&json!([telecom("a@medecin.mssante.fr", &json!([kind("PER")]))]));
        json["name"][0]["family"] = json!(format!("SAU\u{1b}[31mCIER{}", "R".repeat(1_000_000)));
        let mapped = practitioner(&read(json));
        let name = &mapped.entries[0].person.as_ref().unwrap().family_name;
        assert!(name.starts_with("SAU [31mCIERR") && name.len() == 512, "{name}");
        assert!(mapped.shortened);
    }

    #[test]
    fn what_has_ended_carries_nothing_and_is_still_named() {
        let mut json = doctor(&json!([telecom("a@medecin.mssante.fr", &json!([kind("PER")]))]));
        json["active"] = json!(false);
        let mapped = practitioner(&read(json));
        assert!(mapped.entries.is_empty() && mapped.carrier.is_some());
    }

    #[test]
    fn wrong_addresses_and_kinds_are_rejected_one_by_one() {
        let telecom = json!([
            telecom("no address", &json!([kind("PER")])),
            telecom("a@medecin.mssante.fr", &json!([kind("ORG")])),
            telecom("b@medecin.mssante.fr", &json!([kind("XYZ")])),
            telecom("c@medecin.mssante.fr", &json!([])),
        ]);
        let mapped = practitioner(&read(doctor(&telecom)));
        let reasons: Vec<_> = mapped.rejected.iter().map(|(reason, _)| *reason).collect();
        assert_eq!(reasons, [RejectionReason::Address, RejectionReason::Kind, RejectionReason::Kind]);
        assert_eq!(mapped.entries[0].address.to_string(), "c@medecin.mssante.fr");
    }
}
