//! The directory in memory: about a million BALs, looked up by address and searched by words.
//!
//! It is built once, never changes, and is shared behind an `Arc`; a refresh builds another one and swaps them.
//! `tables` is what it knows, `vocabulary` the words of it, `links` what follows from the tables; the first two are
//! what the image holds.

mod builder;
mod changes;
mod copy;
mod finish;
mod fold;
mod frequent;
mod hidden;
mod image;
mod links;
mod local;
mod search;
mod tables;
#[cfg(test)]
mod tests;
mod texts;
mod typo;
mod vocabulary;
mod words;

use mssante::{Address, BalKind, Domain};
use serde::{Deserialize, Serialize};

pub use self::builder::{DirectoryBuilder, Put};
pub use self::changes::{Compared, Comparison};
use self::frequent::{FREQUENT, Frequent};
pub use self::image::ImageError;
use self::links::Links;
use self::tables::Tables;
use self::texts::number;
use self::vocabulary::Vocabulary;
use crate::{Activity, Entry};

/// A directory.
#[derive(Debug, Default)]
pub struct Directory {
    tables: Tables,
    vocabulary: Vocabulary,
    links: Links,
    frequent: Frequent,
}

/// BALs by kind and more, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DirectoryCounts {
    /// Nominative.
    pub nominative: u64,
    /// Organisational.
    pub organisational: u64,
    /// Applicative.
    pub applicative: u64,
    /// Practices'.
    pub cabinet: u64,
    /// Domains.
    pub domains: u64,
    /// Structures.
    pub structures: u64,
    /// Activities that complete BALs.
    pub activities: u64,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Words in any order: parts of names, profession, speciality, town, postcode, structure, address.
    pub words: String,
    /// BALs of this kind only.
    pub kind: Option<BalKind>,
    /// Most answers.
    pub limit: usize,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The BAL, completed as by [`Directory::get`].
    pub entry: Entry,
    /// How well it fits; only good for comparing within one search.
    pub score: f32,
    /// How the words were found.
    pub found: Found,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The answers, best first.
    pub hits: Vec<Hit>,
    /// Whether these are all.
    pub extent: Extent,
}

/// Whether answers are all that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// All of them.
    Whole,
    /// The best of more than were asked for.
    Limited,
    /// At least these: the words are found in so much that not all of it was looked at, and better ones may be missing.
    Partial,
}

/// The weakest way in which a word of the query was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Every word as it is.
    Exact,
    /// A word as the beginning of another, or in another form.
    Prefix,
    /// A word with a typing mistake or two.
    Typo,
}

impl Found {
    /// Whether the answer is only near to what was asked for.
    pub fn is_approximate(self) -> bool {
        self == Self::Typo
    }
}

impl DirectoryBuilder {
    /// Sorts, indexes and packs. Takes seconds: not on a thread that serves connections.
    pub fn finish(self) -> Directory {
        let tables = self.into_tables();
        let vocabulary = Vocabulary::of(&tables);
        Directory::of(tables, vocabulary)
    }
}

impl Directory {
    fn of(tables: Tables, vocabulary: Vocabulary) -> Self {
        Self::with_frequent(tables, vocabulary, FREQUENT)
    }

    fn with_frequent(tables: Tables, vocabulary: Vocabulary, frequent: usize) -> Self {
        let links = Links::of(&tables);
        Self { frequent: Frequent::of(&tables, &links, &vocabulary, frequent), links, tables, vocabulary }
    }

    /// Whether it has this address, be it one that is not shown; under 2 µs, from memory. `[MSS1 RCPT.ROUTE]`
    pub fn contains(&self, address: &Address) -> bool {
        self.links.find(&self.tables, address).is_some() || self.links.hidden.contains(&self.tables, address)
    }

    /// Whether it has any address of this domain, be it one that is not shown.
    pub fn knows_domain(&self, domain: &Domain) -> bool {
        self.links.knows_domain(domain) || self.links.hidden.knows_domain(domain)
    }

    /// What it says of an address. Activities complete what the entry of a professional leaves open: structure and speciality.
    pub fn get(&self, address: &Address) -> Option<Entry> {
        self.links.completed(&self.tables, self.links.find(&self.tables, address)?)
    }

    /// All entries as their source gave them, in the order of their domains and folded local parts; one for each address.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..number(self.len())).filter_map(|row| self.tables.entry(row))
    }

    /// All activities, by person. To build the next directory with, [`DirectoryBuilder::complete_from`] is quicker.
    pub fn activities(&self) -> impl Iterator<Item = Activity> {
        self.tables.practices.iter().filter_map(|practice| self.tables.activity(practice))
    }

    /// How many BALs.
    pub fn len(&self) -> usize {
        self.tables.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of what.
    pub fn counts(&self) -> DirectoryCounts {
        let [nominative, organisational, applicative, cabinet] = self.links.kinds;
        DirectoryCounts {
            nominative,
            organisational,
            applicative,
            cabinet,
            domains: self.tables.domains.len() as u64,
            structures: self.tables.structures.len() as u64,
            activities: self.tables.practices.len() as u64,
        }
    }
}
