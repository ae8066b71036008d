//! Collecting a directory.

use std::collections::HashSet;

use hashbrown::HashTable;
use mssante::{Address, Domain};

use super::hidden::{HiddenSet, UNLISTED, text_of};
use super::local::{Folded, hash_local, is_same_local};
use super::tables::{Double, Flags, PersonCode, Practice, Row, STREET_LINE};
use super::texts::{NONE, RowSet, TextSet, Texts, at, number};
use crate::fhir::Carrier;
use crate::{Activity, Coded, Entry, Person, Structure};

/// What has been collected for a directory so far.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    pub(super) texts: TextSet,
    pub(super) families: TextSet,
    pub(super) givens: TextSet,
    pub(super) services: TextSet,
    pub(super) trades: RowSet<7>,
    pub(super) places: RowSet<4>,
    pub(super) structures: RowSet<5>,
    pub(super) domains: Vec<Domain>,
    pub(super) domain_numbers: std::collections::HashMap<Domain, u32>,
    pub(super) locals: Texts,
    pub(super) rows: Vec<Row>,
    pub(super) addresses: HashTable<u32>,
    pub(super) doubles: Vec<Double>,
    pub(super) practices: Vec<Practice>,
    pub(super) hidden: HiddenSet,
    pub(super) persons: Option<HashSet<PersonCode, foldhash::fast::FixedState>>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    New,
    /// Its address was there already.
    Duplicate,
}

impl DirectoryBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. A second one of the same address is a duplicate: the first stays; what the second says
    /// besides is found by search as well, and completes the first if both are of the same person. Of entries that
    /// resources carry, the first one is the one whose carrier has the first name, whichever came first.
    pub fn put(&mut self, entry: &Entry) -> Put {
        let row = self.row(entry);
        if let Some(known) = self.find(&entry.address, row.domain) {
            self.put_double(known, &row);
            return Put::Duplicate;
        }
        self.push(entry.address.local().as_str(), row);
        Put::New
    }

    /// An address is on the liste rouge, says this resource: whatever was and will be put of it is not shown, but it stays
    /// known. `[MSS1 ANN.UNLISTED]`
    pub fn hide(&mut self, address: &Address, carrier: Option<&Carrier>) {
        let carrier = carrier.map_or(NONE, |carrier| self.texts.put(carrier.name()));
        self.hidden.entry(text_of(address)).or_default().insert(carrier, UNLISTED);
    }

    /// Takes out what these resources carried, and what they said of the liste rouge. An address that another one carries as well stays, with what that one says.
    pub fn forget<'a>(&mut self, carriers: impl IntoIterator<Item = &'a Carrier>) {
        let names: HashSet<u32> = carriers.into_iter().map(|carrier| self.texts.put(carrier.name())).collect();
        let Self { rows, doubles, hidden, .. } = self;
        hidden.retain(|_, says| {
            says.retain(|carrier, _| !names.contains(carrier));
            !says.is_empty()
        });
        doubles.retain(|double| !names.contains(&double.carrier));
        for row in rows.iter_mut().filter(|row| names.contains(&row.carrier)) {
            row.flags |= Flags::GONE;
        }
        doubles.retain(|double| {
            let row = &mut rows[at(double.row)];
            let first_is_gone = row.is_gone();
            if first_is_gone {
                *row = double.to_row(row.domain);
            }
            !first_is_gone
        });
    }

    /// Where a professional practises. Entries come first: of those without a BAL so far nothing is kept.
    pub fn complete(&mut self, activity: &Activity) {
        let person = PersonCode::of(&activity.person, |text| self.texts.put(text));
        if !self.knows(person) {
            return;
        }
        let [code, label] = self.coded(&activity.profession);
        let [skill, skill_label] = self.coded(&activity.speciality);
        let nothing = self.texts.put("");
        let trade = self.trades.put([nothing, nothing, nothing, code, label, skill, skill_label]);
        let structure = self.structure(&activity.structure);
        self.practices.push(Practice { person, trade, structure });
    }

    pub(super) fn knows(&mut self, person: PersonCode) -> bool {
        let rows = &self.rows;
        let known = self.persons.get_or_insert_with(|| rows.iter().map(|row| row.person).collect());
        !person.is_none() && known.contains(&person)
    }

    /// The row of an address; what is gone is not found any more.
    fn find(&self, address: &Address, domain: u32) -> Option<u32> {
        self.find_folded(Folded::new(address.local().as_str()).as_str(), domain)
    }

    pub(super) fn find_folded(&self, local: &str, domain: u32) -> Option<u32> {
        let same = |number: &u32| {
            let row = &self.rows[at(*number)];
            row.domain == domain && !row.is_gone() && is_same_local(self.locals.get(*number), local)
        };
        self.addresses.find(hash_local(domain, local), same).copied()
    }

    /// Adds a row whose address is known to be new, or to be gone.
    pub(super) fn push(&mut self, local: &str, row: Row) {
        let Self { addresses, locals, rows, .. } = self;
        let new = locals.push(local);
        rows.push(row);
        let hash = |row: &u32| hash_local(rows[at(*row)].domain, Folded::new(locals.get(*row)).as_str());
        addresses.insert_unique(hash(&new), new, hash);
    }

    fn put_double(&mut self, known: u32, again: &Row) {
        let first = &self.rows[at(known)];
        let double = Double::of(known, again);
        let by_another = double.carrier != NONE && double.carrier != first.carrier;
        if by_another || double.says_more_than(first) {
            self.doubles.push(double);
        }
    }

    fn row(&mut self, entry: &Entry) -> Row {
        let (person, family, given, trade) = match &entry.person {
            Some(person) => self.person(person),
            None => (PersonCode::default(), NONE, NONE, NONE),
        };
        if let Some(known) = &mut self.persons {
            known.insert(person);
        }
        Row {
            domain: self.domain(entry.address.domain()),
            flags: Flags::of(entry.kind, entry.paperless),
            person,
            family,
            given,
            trade,
            structure: entry.structure.as_ref().map_or(NONE, |structure| self.structure(structure)),
            service: self.services.put(&entry.service),
            carrier: entry.carrier.as_ref().map_or(NONE, |carrier| self.texts.put(carrier.name())),
        }
    }

    pub(super) fn domain(&mut self, domain: &Domain) -> u32 {
        if let Some(known) = self.domain_numbers.get(domain) {
            return *known;
        }
        self.domains.push(domain.clone());
        let new = number(self.domains.len() - 1);
        self.domain_numbers.insert(domain.clone(), new);
        new
    }

    fn person(&mut self, person: &Person) -> (PersonCode, u32, u32, u32) {
        let id = person.id.as_ref().map(|id| PersonCode::of(id, |text| self.texts.put(text)));
        let civility = self.texts.put(&person.civility);
        let [category, category_label] = self.coded(&person.category);
        let [code, label] = self.coded(&person.profession);
        let [skill, skill_label] = self.coded(&person.speciality);
        let trade = self.trades.put([civility, category, category_label, code, label, skill, skill_label]);
        let family = self.families.put(&person.family_name);
        (id.unwrap_or_default(), family, self.givens.put(&person.given_name), trade)
    }

    fn coded(&mut self, coded: &Coded) -> [u32; 2] {
        [self.texts.put(&coded.code), self.texts.put(&coded.label)]
    }

    fn structure(&mut self, structure: &Structure) -> u32 {
        let id = structure.id.as_ref().map(ToString::to_string).unwrap_or_default();
        let street: String = structure
            .street
            .iter()
            .flat_map(|line| std::iter::once(STREET_LINE).chain(line.chars().filter(|c| *c != STREET_LINE)))
            .collect();
        let mut text = |text: &str| self.texts.put(text);
        let place =
            [&structure.town, &structure.postcode, &structure.department, &structure.country].map(|part| text(part));
        let [id, name, trade_name, street] =
            [&id, &structure.name, &structure.trade_name, &street].map(|part| text(part));
        let place = self.places.put(place);
        self.structures.put([id, name, trade_name, street, place])
    }
}
