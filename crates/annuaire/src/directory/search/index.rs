//! The tables as search sees them: fields with values, and the BALs of each value.

use std::ops::{ControlFlow, Range};

use super::super::links::Links;
use super::super::tables::Tables;
use super::super::texts::{at, number};
use super::super::vocabulary::{Field, Vocabulary};

/// What search reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index<'a> {
    pub(super) tables: &'a Tables,
    pub(super) links: &'a Links,
    pub(super) vocabulary: &'a Vocabulary,
}

impl Index<'_> {
    /// About how many BALs a value has.
    pub(super) fn bals_of(&self, field: Field, value: u32) -> usize {
        match field {
            Field::Place => {
                self.links.of_place.of(value).iter().map(|one| self.links.of_structure.of(*one).len()).sum()
            }
            Field::Domain => self.rows_of_domain(value).len(),
            Field::Local => 1,
            _ => self.list(field, value).len(),
        }
    }

    /// Visits the BALs of a value.
    pub(super) fn each_bal_of(
        &self,
        field: Field,
        value: u32,
        visit: &mut dyn FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match field {
            Field::Place => {
                let structures = self.links.of_place.of(value).iter();
                structures.flat_map(|one| self.links.of_structure.of(*one)).try_for_each(|bal| visit(*bal))
            }
            Field::Domain => self.rows_of_domain(value).try_for_each(visit),
            Field::Local => visit(value),
            _ => self.list(field, value).iter().try_for_each(|bal| visit(*bal)),
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

    fn rows_of_domain(&self, domain: u32) -> Range<u32> {
        let rows = &self.tables.rows;
        let first = rows.partition_point(|row| row.domain < domain);
        let end = rows.partition_point(|row| row.domain <= domain);
        number(first)..number(end)
    }

    /// The place of a structure.
    pub(super) fn place_of(&self, structure: u32) -> Option<u32> {
        self.tables.structures.get(at(structure)).map(|row| row[4])
    }
}
