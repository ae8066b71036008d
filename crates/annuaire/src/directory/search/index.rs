//! The tables as search sees them: fields with values, and the BALs of each value.

use super::super::links::Links;
use super::super::tables::Tables;
use super::super::texts::at;
use super::super::vocabulary::{Field, Vocabulary};
use crate::Entry;

/// What search reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index<'a> {
    pub(super) tables: &'a Tables,
    pub(super) links: &'a Links,
    pub(super) vocabulary: &'a Vocabulary,
}

impl Index<'_> {
    /// Visits the BALs of a value.
    pub(super) fn each_bal_of(&self, field: Field, value: u32, mut visit: impl FnMut(u32)) {
        match field {
            Field::Place => {
                for structure in self.links.of_place.of(value) {
                    self.links.of_structure.of(*structure).iter().copied().for_each(&mut visit);
                }
            }
            Field::Domain => self.links.rows_of_domain(value).for_each(visit),
            Field::Local => visit(value),
            _ => self.list(field, value).iter().copied().for_each(visit),
        }
    }

    /// About how many BALs a value has: the mean for structures, of which a common word has a hundred thousand.
    pub(super) fn bals_of(&self, field: Field, value: u32) -> usize {
        match field {
            Field::Place => {
                self.links.of_place.of(value).iter().map(|structure| self.links.of_structure.of(*structure).len()).sum()
            }
            Field::Structure => self.tables.rows.len() / self.tables.structures.len().max(1) + 1,
            Field::Domain => self.links.rows_of_domain(value).len(),
            Field::Local => 1,
            Field::Family | Field::Given | Field::Service | Field::Trade => self.list(field, value).len(),
        }
    }

    /// Visits the values that a BAL has, those of its second lines and activities included.
    pub(super) fn each_value_of(&self, bal: u32, mut visit: impl FnMut(Field, u32)) {
        let Some(row) = self.tables.rows.get(at(bal)) else { return };
        visit(Field::Family, row.family);
        visit(Field::Given, row.given);
        visit(Field::Service, row.service);
        visit(Field::Domain, row.domain);
        visit(Field::Local, bal);
        let others = self.links.others(bal);
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

    fn list(&self, field: Field, value: u32) -> &[u32] {
        match field {
            Field::Family => self.links.of_family.of(value),
            Field::Given => self.links.of_given.of(value),
            Field::Service => self.links.of_service.of(value),
            Field::Structure => self.links.of_structure.of(value),
            Field::Trade => self.links.of_trade.of(value),
            Field::Place | Field::Domain | Field::Local => &[],
        }
    }

    /// An entry as it is shown.
    pub(super) fn completed(&self, bal: u32) -> Option<Entry> {
        self.links.completed(self.tables, bal)
    }
}
