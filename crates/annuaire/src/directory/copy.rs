//! From one directory to the next: its entries or its activities, without making each of them a value of its own.

use std::collections::HashMap;

use super::Directory;
use super::builder::DirectoryBuilder;
use super::hidden::HiddenLine;
use super::tables::{Double, PersonCode, Practice, Row, Tables};
use super::texts::{NONE, TextSet, Texts, at};

impl DirectoryBuilder {
    /// A builder that has all entries of a directory, second lines and hidden addresses included, but not its activities.
    pub fn from_entries_of(directory: &Directory) -> Self {
        let mut builder = Self::new();
        let mut copy = Copy::new(&directory.tables, &mut builder);
        for (row, place) in directory.tables.rows.iter().zip(0..) {
            copy.row(place, row);
        }
        for double in &directory.tables.doubles {
            copy.double(double);
        }
        for line in &directory.tables.hidden_lines {
            copy.hidden(*line);
        }
        builder
    }

    /// Takes the activities of a directory over, of those who have a BAL among the entries that were put so far.
    pub fn complete_from(&mut self, directory: &Directory) {
        let mut copy = Copy::new(&directory.tables, self);
        for practice in &directory.tables.practices {
            copy.practice(practice);
        }
    }
}

/// Old numbers to new ones; each text and each row is looked up once.
struct Copy<'a> {
    from: &'a Tables,
    to: &'a mut DirectoryBuilder,
    texts: Vec<u32>,
    families: Vec<u32>,
    givens: Vec<u32>,
    services: Vec<u32>,
    domains: HashMap<u32, u32>,
    trades: Vec<u32>,
    places: Vec<u32>,
    structures: Vec<u32>,
}

impl<'a> Copy<'a> {
    fn new(from: &'a Tables, to: &'a mut DirectoryBuilder) -> Self {
        let nothing = |length: usize| vec![NONE; length];
        Self {
            texts: nothing(from.texts.len()),
            families: nothing(from.families.len()),
            givens: nothing(from.givens.len()),
            services: nothing(from.services.len()),
            domains: HashMap::new(),
            trades: nothing(from.trades.len()),
            places: nothing(from.places.len()),
            structures: nothing(from.structures.len()),
            from,
            to,
        }
    }

    fn row(&mut self, place: u32, row: &Row) {
        let Some(domain) = self.domain(row.domain) else { return };
        let row = Row {
            domain,
            person: self.person(row.person),
            family: self.family(row.family),
            given: self.given(row.given),
            trade: self.trade(row.trade),
            structure: self.structure(row.structure),
            service: self.service(row.service),
            flags: row.flags,
            carrier: self.text(row.carrier),
        };
        self.to.push(self.from.locals.get(place), row);
    }

    fn double(&mut self, double: &Double) {
        let double = Double {
            row: double.row,
            flags: double.flags,
            person: self.person(double.person),
            family: self.family(double.family),
            given: self.given(double.given),
            trade: self.trade(double.trade),
            structure: self.structure(double.structure),
            service: self.service(double.service),
            carrier: self.text(double.carrier),
        };
        self.to.doubles.push(double);
    }

    fn hidden(&mut self, [address, carrier, what]: HiddenLine) {
        let carrier = self.text(carrier);
        let text = self.from.hidden.get(address).to_owned();
        self.to.hidden.entry(text).or_default().insert(carrier, what);
    }

    fn practice(&mut self, practice: &Practice) {
        let person = self.person(practice.person);
        if self.to.knows(person) {
            let practice =
                Practice { person, trade: self.trade(practice.trade), structure: self.structure(practice.structure) };
            self.to.practices.push(practice);
        }
    }

    fn domain(&mut self, old: u32) -> Option<u32> {
        let domain = self.from.domains.get(at(old))?;
        Some(*self.domains.entry(old).or_insert_with(|| self.to.domain(domain)))
    }

    fn person(&mut self, code: PersonCode) -> PersonCode {
        match code.text() {
            Some(text) => PersonCode::of_text(self.text(text)),
            None => code,
        }
    }

    fn text(&mut self, old: u32) -> u32 {
        copy_text(old, &self.from.texts, &mut self.texts, &mut self.to.texts)
    }

    fn family(&mut self, old: u32) -> u32 {
        copy_text(old, &self.from.families, &mut self.families, &mut self.to.families)
    }

    fn given(&mut self, old: u32) -> u32 {
        copy_text(old, &self.from.givens, &mut self.givens, &mut self.to.givens)
    }

    fn service(&mut self, old: u32) -> u32 {
        copy_text(old, &self.from.services, &mut self.services, &mut self.to.services)
    }

    fn trade(&mut self, old: u32) -> u32 {
        match self.trades.get(at(old)) {
            None => NONE,
            Some(&NONE) => {
                let row = self.from.trades[at(old)].map(|text| self.text(text));
                self.trades[at(old)] = self.to.trades.put(row);
                self.trades[at(old)]
            }
            Some(known) => *known,
        }
    }

    fn structure(&mut self, old: u32) -> u32 {
        match self.structures.get(at(old)) {
            None => NONE,
            Some(&NONE) => {
                let [id, name, trade_name, street, place] = self.from.structures[at(old)];
                let [id, name, trade_name, street] = [id, name, trade_name, street].map(|text| self.text(text));
                let place = self.place(place);
                self.structures[at(old)] = self.to.structures.put([id, name, trade_name, street, place]);
                self.structures[at(old)]
            }
            Some(known) => *known,
        }
    }

    fn place(&mut self, old: u32) -> u32 {
        match self.places.get(at(old)) {
            None => NONE,
            Some(&NONE) => {
                let row = self.from.places[at(old)].map(|text| self.text(text));
                self.places[at(old)] = self.to.places.put(row);
                self.places[at(old)]
            }
            Some(known) => *known,
        }
    }
}

fn copy_text(old: u32, from: &Texts, known: &mut [u32], to: &mut TextSet) -> u32 {
    let Some(new) = known.get_mut(at(old)) else { return NONE };
    if *new == NONE {
        *new = to.put(from.get(old));
    }
    *new
}
