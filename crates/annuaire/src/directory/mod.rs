//! The directory in memory: about a million BALs, looked up by address and searched by words.
//!
//! It is built once, never changes, and is shared behind an `Arc`; a refresh builds another one and swaps them.

use std::io::{Read, Write};

use mssante::{Address, BalKind, Domain};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Activity, Changes, Entry};

/// What has been collected for a directory so far.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    _private: (),
}

impl DirectoryBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        todo!("index")
    }

    /// Adds an entry. A second one of the same address is a duplicate: the first stays, unless the second says more
    /// (a structure, a speciality), which is then found by search as well.
    pub fn put(&mut self, _entry: &Entry) -> Put {
        todo!("index")
    }

    /// Where professionals practise; of those without a BAL nothing is kept.
    pub fn complete(&mut self, _activity: &Activity) {
        todo!("index")
    }

    /// Sorts, indexes and packs. Takes seconds: not on a thread that serves connections.
    pub fn finish(self) -> Directory {
        todo!("index")
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in.
    New,
    /// Its address was there already.
    Duplicate,
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

/// A directory.
#[derive(Debug, Default)]
pub struct Directory {
    _private: (),
}

/// Why an image is of no use.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It cannot be read or written.
    #[error("the image of the directory cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Another version of pli wrote it.
    #[error("the image of the directory has format {found}, this pli reads {known}; import the directory again")]
    Format {
        /// What it has.
        found: u32,
        /// What we read.
        known: u32,
    },
    /// It is damaged.
    #[error("the image of the directory is damaged ({0}); import the directory again")]
    Damaged(&'static str),
}

impl Directory {
    /// The format of images that this pli writes.
    pub const FORMAT: u32 = 1;

    /// Whether it has this address; under 2 µs, from memory. `[MSS1 RCPT.ROUTE]`
    pub fn contains(&self, _address: &Address) -> bool {
        todo!("index")
    }

    /// Whether it has any address of this domain.
    pub fn knows_domain(&self, _domain: &Domain) -> bool {
        todo!("index")
    }

    /// What it says of an address.
    pub fn get(&self, _address: &Address) -> Option<Entry> {
        todo!("index")
    }

    /// All entries, in the order of their addresses.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        std::iter::empty()
    }

    /// All activities, to build the next directory with.
    pub fn activities(&self) -> impl Iterator<Item = Activity> {
        std::iter::empty()
    }

    /// How many BALs.
    pub fn len(&self) -> usize {
        todo!("index")
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of what.
    pub fn counts(&self) -> DirectoryCounts {
        todo!("index")
    }

    /// Searches, best first. `hidden` leaves entries out before they count (local BALs win, unlisted ones never show).
    pub fn search(&self, _query: &Query, _hidden: &dyn Fn(&str) -> bool) -> Vec<Hit> {
        todo!("index")
    }

    /// What changed since `older`.
    pub fn changes_since(&self, _older: &Directory) -> Changes {
        todo!("index")
    }

    /// Writes the image, which any node reads without building it again.
    pub fn write_image(&self, _to: &mut dyn Write) -> Result<(), ImageError> {
        todo!("index")
    }

    /// Reads an image and looks at it before it is believed.
    pub fn read_image(_from: &mut dyn Read) -> Result<Self, ImageError> {
        todo!("index")
    }
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
    /// The BAL.
    pub entry: Entry,
    /// How well it fits; only good for comparing within one search.
    pub score: f32,
    /// How the words were found.
    pub found: Found,
}

/// The weakest way in which a word of the query was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Every word as it is.
    Exact,
    /// A word as the beginning of another.
    Prefix,
    /// A word with a typing mistake or two.
    Typo,
}
