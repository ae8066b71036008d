//! Addresses that are known, and of which nothing is ever shown: BALs of other operators that are on the liste rouge.
//! They are answered for like all others. `[MSS1 ANN.UNLISTED]`

use std::collections::{BTreeMap, HashSet};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use mssante::{Address, Domain};

use super::builder::DirectoryBuilder;
use super::local::Folded;
use super::tables::{Flags, Tables};
use super::texts::{Texts, at, hash_of, number};

/// What one resource says of a hidden address: the address, the resource or `NONE`, and what it says ([`UNLISTED`],
/// [`CARRIED`]).
pub(super) type HiddenLine = [u32; 3];

/// It is on the liste rouge.
pub(super) const UNLISTED: u32 = 1;
/// Nothing of the kind; what it does say is not kept, as long as another one says that it is unlisted.
pub(super) const CARRIED: u32 = 0;

/// Hidden addresses while they are collected: by address, then by resource, what it says.
pub(super) type HiddenSet = BTreeMap<String, BTreeMap<u32, u32>>;

/// The text under which an address is kept: its folded local part without quotes, and its domain.
pub(super) fn text_of(address: &Address) -> String {
    written(Folded::new(address.local().as_str()).as_str(), address.domain())
}

fn written(folded: &str, domain: &Domain) -> String {
    format!("{folded}@{}", domain.as_str())
}

/// Local part and domain of such a text.
pub(super) fn parts_of(text: &str) -> Option<(&str, Domain)> {
    let (local, domain) = text.rsplit_once('@')?;
    Some((local, Domain::parse(domain).ok()?))
}

impl DirectoryBuilder {
    /// Takes whatever is and will be said of the unlisted addresses out, and keeps only who carries them.
    pub(super) fn hide_unlisted(&mut self) {
        let rows: HashSet<u32> = self
            .hidden
            .iter()
            .filter(|(_, says)| says.values().any(|what| *what == UNLISTED))
            .filter_map(|(text, _)| self.row_of_text(text))
            .collect();
        let lines = rows.iter().map(|row| (*row, self.rows[at(*row)].carrier));
        let doubles = self.doubles.iter().filter(|double| rows.contains(&double.row));
        let carried: Vec<_> = lines.chain(doubles.map(|double| (double.row, double.carrier))).collect();
        for (row, carrier) in carried {
            let local = Folded::new(self.locals.get(row));
            let text = written(local.as_str(), &self.domains[at(self.rows[at(row)].domain)]);
            self.hidden.entry(text).or_default().entry(carrier).or_insert(CARRIED);
        }
        for row in &rows {
            self.rows[at(*row)].flags |= Flags::GONE;
        }
        self.doubles.retain(|double| !rows.contains(&double.row));
    }

    fn row_of_text(&self, text: &str) -> Option<u32> {
        let (local, domain) = parts_of(text)?;
        self.find_folded(local, *self.domain_numbers.get(&domain)?)
    }
}

/// As the tables keep them: the addresses in their order, and the lines of each.
pub(super) fn packed(set: HiddenSet) -> (Texts, Vec<HiddenLine>) {
    let (mut texts, mut lines) = (Texts::default(), Vec::new());
    for (text, says) in set {
        let address = texts.push(&text);
        lines.extend(says.into_iter().map(|(carrier, what)| [address, carrier, what]));
    }
    (texts, lines)
}

/// What is looked up of them.
#[derive(Debug, Default)]
pub(super) struct HiddenLinks {
    addresses: HashTable<u32>,
    domains: HashSet<Domain, FixedState>,
}

impl HiddenLinks {
    pub(super) fn of(tables: &Tables) -> Self {
        let hidden = &tables.hidden;
        let hash = |place: &u32| hash_of(hidden.get(*place));
        let mut addresses = HashTable::with_capacity(hidden.len());
        for place in 0..number(hidden.len()) {
            addresses.insert_unique(hash(&place), place, hash);
        }
        let domains = hidden.iter().filter_map(|text| Some(parts_of(text)?.1)).collect();
        Self { addresses, domains }
    }

    pub(super) fn contains(&self, tables: &Tables, address: &Address) -> bool {
        if self.addresses.is_empty() {
            return false;
        }
        let text = text_of(address);
        self.addresses.find(hash_of(text.as_str()), |place| tables.hidden.get(*place) == text).is_some()
    }

    pub(super) fn knows_domain(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }
}
