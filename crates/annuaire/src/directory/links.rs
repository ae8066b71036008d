//! What follows from the tables and is worked out again whenever a directory is built or read: the order of names, and
//! which BALs a value has.
//!
//! Search tells BALs by their places in the order of names: of BALs that are found equally well, the ones with the least
//! places come first, and nobody has to look at a name for that.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use mssante::{Address, BalKind, Domain};

use super::hidden::HiddenLinks;
use super::local::{Folded, hash_local, is_same_local};
use super::tables::{Double, Flags, PersonCode, Row, Tables};
use super::texts::{NONE, at, number};
use super::vocabulary::Field;
use crate::Entry;

/// Lists of numbers, one for each number.
#[derive(Debug, Default)]
pub(super) struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Gathers pairs of a number below `count` and an item, which keep their order; others are passed over.
    pub(super) fn gather<I: Iterator<Item = (u32, u32)>>(count: usize, pairs: impl Fn() -> I) -> Self {
        let mut starts = vec![0_u32; count + 1];
        for (key, _) in pairs() {
            if let Some(size) = starts.get_mut(at(key).wrapping_add(1)).filter(|_| key != NONE) {
                *size += 1;
            }
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut items = vec![0; starts.last().map_or(0, |end| at(*end))];
        let mut next = starts.clone();
        for (key, item) in pairs().filter(|(key, _)| at(*key) < count) {
            items[at(next[at(key)])] = item;
            next[at(key)] += 1;
        }
        Self { starts, items }
    }

    pub(super) fn of(&self, key: u32) -> &[u32] {
        match (self.starts.get(at(key)), self.starts.get(at(key).saturating_add(1))) {
            (Some(start), Some(end)) => self.items.get(at(*start)..at(*end)).unwrap_or(&[]),
            _ => &[],
        }
    }
}

/// Another trade and structure of a row, from a second line or an activity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other {
    pub(super) trade: u32,
    pub(super) structure: u32,
    /// The second line, or `NONE`.
    double: u32,
}

impl Other {
    /// The second line.
    pub(super) fn double(self, tables: &Tables) -> Option<&Double> {
        tables.doubles.get(at(self.double))
    }
}

/// All that follows.
#[derive(Debug, Default)]
pub(super) struct Links {
    domains: HashMap<Domain, u32, FixedState>,
    addresses: HashTable<u32>,
    /// Where the rows of each domain begin, and where the last ones end.
    domain_starts: Vec<u32>,
    /// The row of each BAL, in the order of names.
    rows: Vec<u32>,
    /// The BAL of each row.
    bals: Vec<u32>,
    of_family: Lists,
    of_given: Lists,
    of_service: Lists,
    of_trade: Lists,
    of_structure: Lists,
    /// Structures, not rows.
    of_place: Lists,
    others: Others,
    pub(super) hidden: HiddenLinks,
    pub(super) kinds: [u64; 4],
}

/// Others of all rows that have any.
#[derive(Debug, Default)]
struct Others {
    starts: Vec<u32>,
    items: Vec<Other>,
}

impl Links {
    pub(super) fn of(tables: &Tables) -> Self {
        let by_name = rows_by_name(tables);
        let mut bals = vec![0_u32; by_name.len()];
        for (row, bal) in by_name.iter().zip(0_u32..) {
            bals[at(*row)] = bal;
        }
        // They are gone through ten times: in their order, and not from one end of the table to the other.
        let named: Vec<Row> = by_name.iter().filter_map(|row| tables.rows.get(at(*row)).copied()).collect();
        let rows = || named.iter().zip(by_name.iter().copied()).zip(0_u32..);
        let others = Others::gather(tables);
        let with_others = |own: fn(&Row) -> u32, other: fn(&Other) -> u32, count: usize| {
            Lists::gather(count, || {
                rows().flat_map(|((row, number), bal)| {
                    let mine = others.of(number).iter().map(other).filter(move |value| *value != own(row));
                    std::iter::once(own(row)).chain(mine).map(move |value| (value, bal))
                })
            })
        };
        let with_doubles = |own: fn(&Row) -> u32, double: fn(&Double) -> u32, count: usize| {
            let of_doubles = || {
                let with_rows = tables.doubles.iter().filter_map(|one| Some((one, tables.rows.get(at(one.row))?)));
                let others = with_rows.filter(move |(one, row)| double(one) != own(row));
                others.map(|(one, _)| (double(one), bals.get(at(one.row)).copied().unwrap_or(NONE)))
            };
            Lists::gather(count, || rows().map(|((row, _), bal)| (own(row), bal)).chain(of_doubles()))
        };
        Self {
            domains: tables.domains.iter().cloned().zip(0..).collect(),
            addresses: addresses(tables),
            domain_starts: domain_starts(tables),
            of_family: with_doubles(|row| row.family, |double| double.family, tables.families.len()),
            of_given: with_doubles(|row| row.given, |double| double.given, tables.givens.len()),
            of_service: with_doubles(|row| row.service, |double| double.service, tables.services.len()),
            of_trade: with_others(|row| row.trade, |other| other.trade, tables.trades.len()),
            of_structure: with_others(|row| row.structure, |other| other.structure, tables.structures.len()),
            of_place: Lists::gather(tables.places.len(), || {
                tables.structures.iter().zip(0_u32..).map(|(structure, number)| (structure[4], number))
            }),
            kinds: count_kinds(&tables.rows),
            hidden: HiddenLinks::of(tables),
            others,
            rows: by_name,
            bals,
        }
    }

    /// The row of a BAL.
    pub(super) fn row_of(&self, bal: u32) -> u32 {
        self.rows.get(at(bal)).copied().unwrap_or(NONE)
    }

    /// The BAL of a row.
    pub(super) fn bal_of(&self, row: u32) -> u32 {
        self.bals.get(at(row)).copied().unwrap_or(NONE)
    }

    /// The row of an address. Allocates nothing for ASCII.
    pub(super) fn find(&self, tables: &Tables, address: &Address) -> Option<u32> {
        let domain = *self.domains.get(address.domain())?;
        let local = Folded::new(address.local().as_str());
        let rows = self.rows_of_domain(domain);
        let same = |row: &u32| rows.contains(row) && is_same_local(tables.locals.get(*row), local.as_str());
        self.addresses.find(hash_local(domain, local.as_str()), same).copied()
    }

    pub(super) fn knows_domain(&self, domain: &Domain) -> bool {
        self.domains.contains_key(domain)
    }

    /// The number of a domain.
    pub(super) fn domain(&self, domain: &Domain) -> Option<u32> {
        self.domains.get(domain).copied()
    }

    /// The rows of a domain, which are neighbours.
    pub(super) fn rows_of_domain(&self, domain: u32) -> Range<u32> {
        let start = |domain: u32| self.domain_starts.get(at(domain)).copied().unwrap_or(NONE);
        start(domain)..start(domain.saturating_add(1))
    }

    /// Visits the BALs of a value.
    pub(super) fn each_bal_of(&self, field: Field, value: u32, mut visit: impl FnMut(u32)) {
        match field {
            Field::Place => {
                for structure in self.of_place.of(value) {
                    self.of_structure.of(*structure).iter().copied().for_each(&mut visit);
                }
            }
            Field::Domain => self.rows_of_domain(value).map(|row| self.bal_of(row)).for_each(visit),
            Field::Local => visit(self.bal_of(value)),
            _ => self.list(field, value).iter().copied().for_each(visit),
        }
    }

    /// How many BALs a value has.
    pub(super) fn bals_of(&self, field: Field, value: u32) -> usize {
        match field {
            Field::Place => {
                self.of_place.of(value).iter().map(|structure| self.of_structure.of(*structure).len()).sum()
            }
            Field::Domain => self.rows_of_domain(value).len(),
            Field::Local => 1,
            _ => self.list(field, value).len(),
        }
    }

    fn list(&self, field: Field, value: u32) -> &[u32] {
        match field {
            Field::Family => self.of_family.of(value),
            Field::Given => self.of_given.of(value),
            Field::Service => self.of_service.of(value),
            Field::Structure => self.of_structure.of(value),
            Field::Trade => self.of_trade.of(value),
            Field::Place | Field::Domain | Field::Local => &[],
        }
    }

    /// What second lines and activities say of a row.
    pub(super) fn others(&self, row: u32) -> &[Other] {
        self.others.of(row)
    }

    /// An entry with what its second lines of the same person and his activities add, and the persons of the other ones.
    pub(super) fn completed(&self, tables: &Tables, row: u32) -> Option<Entry> {
        let mut entry = tables.entry(row)?;
        let first = &tables.rows[at(row)];
        let completes = |other: &&Other| other.double(tables).is_none_or(|double| double.is_of_the_person_of(first));
        for other in self.others.of(row).iter().filter(completes) {
            if entry.structure.is_none() {
                entry.structure = tables.structure(other.structure);
            }
            if let Some(person) = entry.person.as_mut().filter(|person| person.speciality.label.is_empty()) {
                person.speciality = tables.speciality(other.trade);
            }
        }
        for double in &tables.doubles[tables.doubles_of(row)] {
            let other = tables.person(&double.to_row(first.domain)).filter(|_| !double.is_of_the_person_of(first));
            entry.others.extend(other.filter(|other| !entry.others.contains(other)));
        }
        Some(entry)
    }
}

/// All rows by family name, given name and address; those of nobody come last.
fn rows_by_name(tables: &Tables) -> Vec<u32> {
    let families = number(tables.families.len());
    let by_family = Lists::gather(tables.families.len() + 1, || {
        tables.rows.iter().zip(0_u32..).map(|(row, number)| (row.family.min(families), number))
    });
    let mut rows = by_family.items;
    let mut start = 0;
    for end in by_family.starts.into_iter().skip(1).take(tables.families.len()).map(at) {
        rows[start..end].sort_unstable_by_key(|row| (tables.rows[at(*row)].given, *row));
        start = end;
    }
    rows
}

fn domain_starts(tables: &Tables) -> Vec<u32> {
    let first = |domain: u32| number(tables.rows.partition_point(|row| row.domain < domain));
    (0..=number(tables.domains.len())).map(first).collect()
}

fn addresses(tables: &Tables) -> HashTable<u32> {
    let hash = |row: &u32| {
        let domain = tables.rows.get(at(*row)).map_or(NONE, |found| found.domain);
        hash_local(domain, Folded::new(tables.locals.get(*row)).as_str())
    };
    let mut addresses = HashTable::with_capacity(tables.rows.len());
    for row in 0..number(tables.rows.len()) {
        addresses.insert_unique(hash(&row), row, hash);
    }
    addresses
}

fn count_kinds(rows: &[Row]) -> [u64; 4] {
    BalKind::ALL.map(|kind| rows.iter().filter(|row| Flags::kind(row.flags) == kind).count() as u64)
}

impl Others {
    fn gather(tables: &Tables) -> Self {
        if tables.doubles.is_empty() && tables.practices.is_empty() {
            return Self::default();
        }
        let practices = first_practices(tables);
        let mut others = Self { starts: Vec::with_capacity(tables.rows.len() + 1), items: Vec::new() };
        for (row, number_of_row) in tables.rows.iter().zip(0..) {
            others.starts.push(number(others.items.len()));
            let doubles = tables.doubles_of(number_of_row);
            others.items.extend(doubles.map(|place| Other {
                trade: tables.doubles[place].trade,
                structure: tables.doubles[place].structure,
                double: number(place),
            }));
            if let Some(first) = practices.get(&row.person) {
                let own = tables.practices[*first..].iter().take_while(|practice| practice.person == row.person);
                others.items.extend(own.map(|practice| Other {
                    trade: practice.trade,
                    structure: practice.structure,
                    double: NONE,
                }));
            }
        }
        others.starts.push(number(others.items.len()));
        others.items.shrink_to_fit();
        others
    }

    fn of(&self, row: u32) -> &[Other] {
        match (self.starts.get(at(row)), self.starts.get(at(row).saturating_add(1))) {
            (Some(start), Some(end)) => self.items.get(at(*start)..at(*end)).unwrap_or(&[]),
            _ => &[],
        }
    }
}

/// Where the practices of each person begin.
fn first_practices(tables: &Tables) -> HashMap<PersonCode, usize, FixedState> {
    let mut first = HashMap::default();
    for (place, practice) in tables.practices.iter().enumerate() {
        first.entry(practice.person).or_insert(place);
    }
    first
}
