//! Reading the free-access extractions of the national directory: a ZIP or a text, line by line.

use std::io::{Read, Seek};

use mssante::PersonId;
use thiserror::Error;
use time::OffsetDateTime;

use crate::{Activity, Entry, Rejection};

/// What must hold of a file.
#[derive(Debug, Clone, Copy)]
pub struct ReadingLimits {
    /// Most octets of the text, unpacked.
    pub octets: u64,
    /// Most lines.
    pub lines: u64,
    /// Most lines that may be rejected, in percent, before the whole file is taken for something else.
    pub rejected_percent: u8,
}

impl Default for ReadingLimits {
    fn default() -> Self {
        Self { octets: 4 << 30, lines: 20_000_000, rejected_percent: 10 }
    }
}

/// What a file turned out to be, by its header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtractionKind {
    /// `Extraction_Correspondance_MSSante`: BALs.
    Correspondence,
    /// `PS_LibreAcces_Personne_activite`: activities of professionals.
    Activities,
}

/// Why a file is of no use; what is in force stays.
#[derive(Debug, Error)]
pub enum ExtractionError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not the ZIP that it seems to be, or one that unpacks to more than allowed.
    #[error("{0}")]
    Zip(String),
    /// Its first line is not that of a known extraction.
    #[error("{0}")]
    Header(String),
    /// It ends in the middle of a line.
    #[error("it ends in the middle of line {line}; get it again")]
    Torn {
        /// The last line.
        line: u64,
    },
    /// Too many lines are of no use.
    #[error("{rejected} of its {lines} lines are of no use, so it is something else; the first: {first}")]
    Rejected {
        /// Lines that were read, without the header.
        lines: u64,
        /// Lines that were rejected.
        rejected: u64,
        /// What was wrong with the first.
        first: String,
    },
    /// Longer than allowed.
    #[error("it has more than {0}")]
    TooLong(String),
    /// It has no line.
    #[error("it has no line but the header")]
    Empty,
}

/// What comes out of a file, one at a time.
#[derive(Debug)]
pub enum Item {
    /// A BAL.
    Entry(Box<Entry>),
    /// An activity.
    Activity(Box<Activity>),
    /// A line that was passed over.
    Rejected(Rejection),
}

/// A file that is being read.
pub struct Extraction {
    _private: (),
}

impl Extraction {
    /// Opens a ZIP or a text, told apart by their first octets, and reads the header. `name` is the name
    /// of the file, which says when it was made (`…_AAAAMMJJhhmm.txt`); that inside the ZIP counts more.
    pub fn open(
        _file: impl Read + Seek + Send + 'static,
        _name: &str,
        _limits: ReadingLimits,
    ) -> Result<Self, ExtractionError> {
        todo!("reader")
    }

    /// What it is.
    pub fn kind(&self) -> ExtractionKind {
        todo!("reader")
    }

    /// When it was generated, by its name; in UTC (the name gives the time of Paris).
    pub fn generated_at(&self) -> Option<OffsetDateTime> {
        todo!("reader")
    }

    /// Reads to the end. `progress` hears now and then how many octets of how many (packed) were read.
    pub fn read(
        self,
        _take: &mut dyn FnMut(Item),
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Summary, ExtractionError> {
        todo!("reader")
    }
}

/// How far a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Lines so far.
    pub lines: u64,
    /// Octets of the file so far.
    pub octets: u64,
    /// Octets of the file.
    pub of: u64,
}

/// What a reading came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Lines without the header.
    pub lines: u64,
    /// Items that were good.
    pub taken: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Lines whose key is doubtful: taken, with a warning. `[MSS1 ID.KEYS]`
    pub doubtful: u64,
}

/// Which persons an activity file is read for: those whose BAL is in the directory.
pub type Wanted<'a> = &'a dyn Fn(&PersonId) -> bool;
