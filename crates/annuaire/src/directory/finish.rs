//! From what was collected to tables in their order.

use super::builder::DirectoryBuilder;
use super::fold::fold_into;
use super::hidden::packed;
use super::local::{beginning, compare_locals};
use super::tables::{Double, Practice, Row, Tables};
use super::texts::{NONE, TextSet, Texts, at, number};
use mssante::Domain;

/// Most second lines that are kept of an address. What more resources carry it is known again with the next full
/// synchronisation.
const MOST_DOUBLES: usize = 32;

/// Most practices that are kept of a person.
const MOST_PRACTICES: usize = 32;

impl DirectoryBuilder {
    /// Puts everything in its order. What is no longer needed is let go as soon as it is.
    pub(super) fn into_tables(mut self) -> Tables {
        self.hide_unlisted();
        let (hidden, hidden_lines) = packed(std::mem::take(&mut self.hidden));
        self.addresses = hashbrown::HashTable::new();
        self.domain_numbers = std::collections::HashMap::new();
        self.persons = None;
        self.sort_domains();
        let mut tables = Tables {
            texts: self.texts.into_texts(),
            services: self.services.into_texts(),
            trades: self.trades.into_rows(),
            places: self.places.into_rows(),
            structures: self.structures.into_rows(),
            domains: self.domains,
            locals: self.locals,
            rows: self.rows,
            doubles: self.doubles,
            practices: self.practices,
            hidden,
            hidden_lines,
            ..Tables::default()
        };
        sort_names(&mut tables, self.families, self.givens);
        sort_rows(&mut tables);
        sort_doubles(&mut tables);
        sort_practices(&mut tables.practices);
        tables
    }

    /// Sorts the domains and leaves those out that no row has.
    fn sort_domains(&mut self) {
        let mut used = vec![false; self.domains.len()];
        for row in self.rows.iter().filter(|row| !row.is_gone()) {
            used[at(row.domain)] = true;
        }
        let mut domains: Vec<(Domain, usize)> = std::mem::take(&mut self.domains)
            .into_iter()
            .enumerate()
            .filter(|(place, _)| used[*place])
            .map(|(place, domain)| (domain, place))
            .collect();
        domains.sort_unstable();
        let mut new = vec![NONE; used.len()];
        for (place, (_, old)) in domains.iter().enumerate() {
            new[*old] = number(place);
        }
        for row in &mut self.rows {
            row.domain = new[at(row.domain)];
        }
        self.domains = domains.into_iter().map(|(domain, _)| domain).collect();
    }
}

fn sort_names(tables: &mut Tables, families: TextSet, givens: TextSet) {
    let (families, new_families) = sort_texts(&families.into_texts());
    let (givens, new_givens) = sort_texts(&givens.into_texts());
    let renumber = |old: u32, new: &[u32]| new.get(at(old)).copied().unwrap_or(NONE);
    let of_rows = tables.rows.iter_mut().map(|row| (&mut row.family, &mut row.given));
    let of_doubles = tables.doubles.iter_mut().map(|double| (&mut double.family, &mut double.given));
    for (family, given) in of_rows.chain(of_doubles) {
        *family = renumber(*family, &new_families);
        *given = renumber(*given, &new_givens);
    }
    (tables.families, tables.givens) = (families, givens);
}

/// The texts in the order of their folded forms, and the new number of each.
fn sort_texts(texts: &Texts) -> (Texts, Vec<u32>) {
    let mut folded = Texts::default();
    let mut buffer = String::new();
    for text in texts.iter() {
        fold_into(text, &mut buffer);
        folded.push(&buffer);
    }
    let mut order: Vec<u32> = (0..number(texts.len())).collect();
    let key = |number: u32| (folded.get(number), texts.get(number));
    order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)));
    (texts.reordered(&order), inverse(&order, texts.len()))
}

fn inverse(order: &[u32], length: usize) -> Vec<u32> {
    let mut new = vec![NONE; length];
    for (place, old) in order.iter().enumerate() {
        new[at(*old)] = number(place);
    }
    new
}

/// Sorts by domain and folded local part, and leaves out what is gone.
fn sort_rows(tables: &mut Tables) {
    let Tables { rows, locals, doubles, .. } = tables;
    let mut keys: Vec<(u32, u32, u64)> = rows
        .iter()
        .zip(0_u32..)
        .filter(|(row, _)| !row.is_gone())
        .map(|(row, number)| (row.domain, number, beginning(locals.get(number))))
        .collect();
    keys.sort_unstable_by(|a, b| {
        (a.0, a.2).cmp(&(b.0, b.2)).then_with(|| compare_locals(locals.get(a.1), locals.get(b.1)))
    });
    let order: Vec<u32> = keys.into_iter().map(|(_, number, _)| number).collect();
    *rows = order.iter().map(|number| rows[at(*number)]).collect();
    if !doubles.is_empty() {
        let new = inverse(&order, locals.len());
        for double in doubles {
            double.row = new[at(double.row)];
        }
    }
    *locals = locals.reordered(&order);
    locals.shrink();
}

fn sort_doubles(tables: &mut Tables) {
    let Tables { texts, rows, doubles, .. } = tables;
    doubles.sort_by_key(|double| double.row);
    for of_one in doubles.chunk_by_mut(|a, b| a.row == b.row) {
        sort_carriers(texts, rows, of_one);
    }
    // What one resource says twice.
    doubles.retain(|double| {
        rows.get(at(double.row)).is_some_and(|row| double.carrier != row.carrier || double.says_more_than(row))
    });
    keep_some_of_each(doubles, MOST_DOUBLES, |double| u64::from(double.row));
    doubles.shrink_to_fit();
}

/// Of resources that carry the same address the one with the first name says what its row says: a directory that was
/// updated is the same as one that was read anew, in whatever order they came.
fn sort_carriers(texts: &Texts, rows: &mut [Row], doubles: &mut [Double]) {
    let Some(row) = doubles.first().and_then(|double| rows.get_mut(at(double.row))) else { return };
    if row.carrier == NONE || doubles.iter().any(|double| double.carrier == NONE) {
        return;
    }
    let name = |carrier: u32| texts.get(carrier);
    doubles.sort_by(|a, b| name(a.carrier).cmp(name(b.carrier)));
    if name(doubles[0].carrier) < name(row.carrier) {
        let first = doubles[0];
        doubles[0] = Double::of(first.row, row);
        *row = first.to_row(row.domain);
        doubles.sort_by(|a, b| name(a.carrier).cmp(name(b.carrier)));
    }
}

fn sort_practices(practices: &mut Vec<Practice>) {
    practices.sort_by_key(|practice| practice.person);
    keep_some_of_each(practices, MOST_PRACTICES, |practice| practice.person.0);
    practices.shrink_to_fit();
}

/// Leaves at most `most` neighbours of one key, each of them once, in their order.
fn keep_some_of_each<T: Copy + PartialEq>(sorted: &mut Vec<T>, most: usize, key: impl Fn(&T) -> u64) {
    let (mut first, mut kept) = (0, 0);
    for place in 0..sorted.len() {
        let item = sorted[place];
        if key(&item) != key(&sorted[first]) {
            first = kept;
        }
        if kept - first < most && !sorted[first..kept].contains(&item) {
            sorted[kept] = item;
            kept += 1;
        }
    }
    sorted.truncate(kept);
}
