//! The tables as search sees them: fields with values, and the BALs of each value.

use super::super::frequent::Frequent;
use super::super::links::Links;
use super::super::tables::{Row, Tables};
use super::super::texts::at;
use super::super::vocabulary::{Field, Vocabulary};
use crate::Entry;

/// What search reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index<'a> {
    pub(super) tables: &'a Tables,
    pub(super) links: &'a Links,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) frequent: &'a Frequent,
}

impl<'a> Index<'a> {
    /// Visits the BALs of a value.
    pub(super) fn each_bal_of(&self, field: Field, value: u32, visit: impl FnMut(u32)) {
        self.links.each_bal_of(field, value, visit);
    }

    /// About how many BALs a value has: the mean for structures, of which a word may have ten thousand.
    pub(super) fn bals_of(&self, field: Field, value: u32) -> usize {
        match field {
            Field::Structure => self.tables.rows.len() / self.tables.structures.len().max(1) + 1,
            _ => self.links.bals_of(field, value),
        }
    }

    /// The line of a BAL.
    pub(super) fn row(&self, bal: u32) -> Option<&Row> {
        self.tables.rows.get(at(self.links.row_of(bal)))
    }

    /// Visits the values that a BAL has, those of its second lines and activities included.
    pub(super) fn each_value_of(&self, bal: u32, mut visit: impl FnMut(Field, u32)) {
        let number = self.links.row_of(bal);
        let Some(row) = self.tables.rows.get(at(number)) else { return };
        visit(Field::Family, row.family);
        visit(Field::Given, row.given);
        visit(Field::Service, row.service);
        visit(Field::Domain, row.domain);
        visit(Field::Local, number);
        let others = self.links.others(number);
        for double in others.iter().filter_map(|other| other.double(self.tables)) {
            visit(Field::Family, double.family);
            visit(Field::Given, double.given);
            visit(Field::Service, double.service);
        }
        let others = others.iter().map(|other| (other.trade, other.structure));
        for (trade, structure) in std::iter::once((row.trade, row.structure)).chain(others) {
            visit(Field::Trade, trade);
            visit(Field::Structure, structure);
            if let Some([.., place]) = self.tables.structures.get(at(structure)) {
                visit(Field::Place, *place);
            }
        }
    }

    /// The texts of a value.
    pub(super) fn texts_of(&self, field: Field, value: u32) -> impl Iterator<Item = &'a str> + use<'a> {
        let Tables { texts, families, givens, services, trades, places, structures, .. } = self.tables;
        let (own, numbers): (&str, &[u32]) = match field {
            Field::Family => (families.get(value), &[]),
            Field::Given => (givens.get(value), &[]),
            Field::Service => (services.get(value), &[]),
            Field::Structure => ("", structures.get(at(value)).map_or(&[], |premises| &premises[1..3])),
            Field::Place => ("", places.get(at(value)).map_or(&[], |place| &place[..1])),
            Field::Trade => ("", trades.get(at(value)).map_or(&[], |trade| &trade[..])),
            Field::Domain | Field::Local => ("", &[]),
        };
        std::iter::once(own).chain(numbers.iter().map(|number| texts.get(*number)))
    }

    /// An entry as it is shown.
    pub(super) fn completed(&self, bal: u32) -> Option<Entry> {
        self.links.completed(self.tables, self.links.row_of(bal))
    }
}
