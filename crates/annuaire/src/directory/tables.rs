//! What a directory knows, as flat tables: texts once, rows of numbers that point at them.

use std::ops::Range;

use mssante::{Address, BalKind, Domain, PersonId};

use super::hidden::HiddenLine;
use super::texts::{NONE, Texts, at};
use super::vocabulary::Field;
use crate::fhir::Carrier;
use crate::{Activity, Coded, Entry, Paperless, Person, Structure};

/// A BAL: domain, then what its line says. As numbers only, so that a million of them are a single block of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Into `domains`.
    pub(super) domain: u32,
    /// See [`Flags`].
    pub(super) flags: u32,
    /// See [`PersonCode`].
    pub(super) person: PersonCode,
    /// Into `families`; `NONE` for BALs of no person, as are the next two.
    pub(super) family: u32,
    /// Into `givens`.
    pub(super) given: u32,
    /// Into `trades`.
    pub(super) trade: u32,
    /// Into `structures`, or `NONE`.
    pub(super) structure: u32,
    /// Into `services`.
    pub(super) service: u32,
    /// Into `texts`, or `NONE`: the resource that carries it.
    pub(super) carrier: u32,
}

impl Row {
    /// Whether it is no longer there.
    pub(super) fn is_gone(&self) -> bool {
        self.flags & Flags::GONE != 0
    }
}

/// Kind, paperless and whether it is gone, in bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags;

impl Flags {
    /// A row that is no longer there.
    pub(super) const GONE: u32 = 1 << 8;
    const PAPERLESS: [Paperless; 3] = [Paperless::NotSaid, Paperless::Accepted, Paperless::NotAccepted];

    pub(super) fn of(kind: BalKind, paperless: Paperless) -> u32 {
        let place = |found: Option<usize>| u32::try_from(found.unwrap_or(0)).unwrap_or(0);
        place(BalKind::ALL.iter().position(|known| *known == kind))
            | place(Self::PAPERLESS.iter().position(|known| *known == paperless)) << 4
    }

    pub(super) fn kind(flags: u32) -> BalKind {
        BalKind::ALL[at(flags & 3)]
    }

    fn paperless(flags: u32) -> Paperless {
        Self::PAPERLESS.get(at(flags >> 4 & 3)).copied().unwrap_or_default()
    }
}

/// A person's identifier in 8 octets: nothing, its digits behind a 1 (which keeps leading zeros), or, with the highest
/// bit set, the number of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct PersonCode(pub(super) u64);

impl PersonCode {
    const TEXT: u64 = 1 << 63;

    /// `text` keeps what is not made of digits.
    pub(super) fn of(id: &PersonId, text: impl FnOnce(&str) -> u32) -> Self {
        let written = id.to_string();
        let digits = (1..=17).contains(&written.len()) && written.bytes().all(|b| b.is_ascii_digit());
        match format!("1{written}").parse() {
            Ok(code) if digits => Self(code),
            _ => Self::of_text(text(&written)),
        }
    }

    /// The code of the text of this number.
    pub(super) fn of_text(number: u32) -> Self {
        Self(Self::TEXT | u64::from(number))
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// The number of the text, if it is one.
    pub(super) fn text(self) -> Option<u32> {
        (self.0 & Self::TEXT != 0).then(|| u32::try_from(self.0 & !Self::TEXT).unwrap_or(NONE))
    }

    pub(super) fn read(self, texts: &Texts) -> Option<PersonId> {
        match self.text() {
            _ if self.is_none() => None,
            Some(number) => texts.get(number).parse().ok(),
            None => self.0.to_string().get(1..)?.parse().ok(),
        }
    }
}

/// Civility; code and label of category, profession, speciality: into `texts`.
pub(super) type Trade = [u32; 7];
/// Town, postcode, department, country: into `texts`.
pub(super) type Place = [u32; 4];
/// Identifier, name, trade name, street (see [`STREET_LINE`]): into `texts`; place: into `places`.
pub(super) type Premises = [u32; 5];

/// Stands before each line of a street.
pub(super) const STREET_LINE: char = '\u{1f}';

/// What a second line of the same address says, perhaps of another person; as in [`Row`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Double {
    /// Into `rows`, by which they are sorted; those of one row are in the order of the file, or of their carriers' names.
    pub(super) row: u32,
    pub(super) flags: u32,
    pub(super) person: PersonCode,
    pub(super) family: u32,
    pub(super) given: u32,
    pub(super) trade: u32,
    pub(super) structure: u32,
    pub(super) service: u32,
    pub(super) carrier: u32,
}

impl Double {
    /// What a line says, as a second one of the address of `number`.
    pub(super) fn of(number: u32, line: &Row) -> Self {
        let Row { flags, person, family, given, trade, structure, service, carrier, .. } = *line;
        Self { row: number, flags, person, family, given, trade, structure, service, carrier }
    }

    /// The same as the only line of its address.
    pub(super) fn to_row(self, domain: u32) -> Row {
        let Self { flags, person, family, given, trade, structure, service, carrier, .. } = self;
        Row { domain, flags, person, family, given, trade, structure, service, carrier }
    }

    /// Whether it says something that the first line does not. Some only tell that another resource carries the address.
    pub(super) fn says_more_than(&self, row: &Row) -> bool {
        let Self { person, family, given, trade, structure, service, .. } = *self;
        (person, family, given, trade, service) != (row.person, row.family, row.given, row.trade, row.service)
            || structure != NONE && structure != row.structure
    }

    /// Whether it is of the person of the first line, or both are of none: what it says completes the first one then.
    pub(super) fn is_of_the_person_of(&self, row: &Row) -> bool {
        let same_name = (self.family, self.given) == (row.family, row.given);
        self.person == row.person && (same_name || !self.person.is_none())
    }
}

/// Where a person practises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Practice {
    /// By whom they are sorted; those of one person are in the order of the file.
    pub(super) person: PersonCode,
    /// Into `trades`.
    pub(super) trade: u32,
    /// Into `structures`.
    pub(super) structure: u32,
}

/// All tables. Rows are sorted by the domain and the folded local part of their address.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) texts: Texts,
    /// Sorted as people sort names, so that comparing numbers compares names.
    pub(super) families: Texts,
    pub(super) givens: Texts,
    pub(super) services: Texts,
    pub(super) trades: Vec<Trade>,
    pub(super) places: Vec<Place>,
    pub(super) structures: Vec<Premises>,
    pub(super) domains: Vec<Domain>,
    /// Local parts, one for each row.
    pub(super) locals: Texts,
    pub(super) rows: Vec<Row>,
    pub(super) doubles: Vec<Double>,
    pub(super) practices: Vec<Practice>,
    /// Addresses that are known and not shown, sorted.
    pub(super) hidden: Texts,
    /// Sorted by the address.
    pub(super) hidden_lines: Vec<HiddenLine>,
}

impl Tables {
    /// How many values a field has.
    pub(super) fn values_of(&self, field: Field) -> usize {
        match field {
            Field::Family => self.families.len(),
            Field::Given => self.givens.len(),
            Field::Service => self.services.len(),
            Field::Structure => self.structures.len(),
            Field::Place => self.places.len(),
            Field::Trade => self.trades.len(),
            Field::Domain => self.domains.len(),
            Field::Local => self.rows.len(),
        }
    }

    /// The address of a row.
    pub(super) fn address(&self, number: u32) -> Option<Address> {
        let row = self.rows.get(at(number))?;
        Address::from_parts(self.locals.get(number), self.domains.get(at(row.domain))?).ok()
    }

    /// What the source said of a row.
    pub(super) fn entry(&self, number: u32) -> Option<Entry> {
        let row = self.rows.get(at(number))?;
        Some(Entry {
            address: self.address(number)?,
            kind: Flags::kind(row.flags),
            person: self.person(row),
            structure: self.structure(row.structure),
            service: self.services.get(row.service).to_owned(),
            paperless: Flags::paperless(row.flags),
            others: Vec::new(),
            carrier: self.carrier(row.carrier),
        })
    }

    fn carrier(&self, text: u32) -> Option<Carrier> {
        (text != NONE).then(|| Carrier::named(self.texts.get(text)))
    }

    pub(super) fn person(&self, row: &Row) -> Option<Person> {
        if row.family == NONE {
            return None;
        }
        let [civility, ..] = self.trade(row.trade);
        Some(Person {
            id: row.person.read(&self.texts),
            civility: self.texts.get(civility).to_owned(),
            family_name: self.families.get(row.family).to_owned(),
            given_name: self.givens.get(row.given).to_owned(),
            category: self.coded(row.trade, 1),
            profession: self.profession(row.trade),
            speciality: self.speciality(row.trade),
        })
    }

    pub(super) fn profession(&self, trade: u32) -> Coded {
        self.coded(trade, 3)
    }

    pub(super) fn speciality(&self, trade: u32) -> Coded {
        self.coded(trade, 5)
    }

    pub(super) fn trade(&self, trade: u32) -> Trade {
        self.trades.get(at(trade)).copied().unwrap_or([NONE; 7])
    }

    fn coded(&self, trade: u32, place: usize) -> Coded {
        let row = self.trade(trade);
        Coded { code: self.texts.get(row[place]).to_owned(), label: self.texts.get(row[place + 1]).to_owned() }
    }

    pub(super) fn structure(&self, number: u32) -> Option<Structure> {
        let [id, name, trade_name, street, place] = *self.structures.get(at(number))?;
        let text = |number| self.texts.get(number).to_owned();
        let [town, postcode, department, country] = self.places.get(at(place)).copied().unwrap_or([NONE; 4]);
        Some(Structure {
            id: self.texts.get(id).parse().ok(),
            name: text(name),
            trade_name: text(trade_name),
            street: self.texts.get(street).split(STREET_LINE).skip(1).map(str::to_owned).collect(),
            town: text(town),
            postcode: text(postcode),
            department: text(department),
            country: text(country),
        })
    }

    pub(super) fn activity(&self, practice: &Practice) -> Option<Activity> {
        Some(Activity {
            person: practice.person.read(&self.texts)?,
            profession: self.profession(practice.trade),
            speciality: self.speciality(practice.trade),
            structure: self.structure(practice.structure)?,
        })
    }

    /// The second lines of a row's address: their places in `doubles`.
    pub(super) fn doubles_of(&self, row: u32) -> Range<usize> {
        let start = self.doubles.partition_point(|double| double.row < row);
        let length = self.doubles[start..].iter().take_while(|double| double.row == row).count();
        start..start + length
    }
}
