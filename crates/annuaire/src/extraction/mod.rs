//! Reading the free-access extractions of the national directory: a ZIP or a text, line by line. `[MSS1 ANN.EXTRACTION]`
//!
//! Nothing is kept in memory but the line at hand: what comes out of it is lent to whoever reads.

mod activities;
mod columns;
mod correspondence;
mod line;
mod lines;
mod source;
mod stamp;
#[cfg(test)]
mod tests;

use std::io::{Read, Seek};

use mssante::KeyPolicy;
use thiserror::Error;
use time::OffsetDateTime;

use self::columns::Columns;
use self::line::{Doubts, Reader};
use self::lines::{Ending, Lines};
use self::source::Source;
pub use self::stamp::generated_at_by_name;
use crate::{Activity, Entry, Rejection};

/// What must hold of a file. What is made of its lines is in memory: the defaults are a few times what all of France has.
#[derive(Debug, Clone, Copy)]
pub struct ReadingLimits {
    /// Most octets of the text, unpacked.
    pub octets: u64,
    /// Most lines.
    pub lines: u64,
    /// Most lines that may be rejected, in percent, before the whole file is taken for something else.
    pub rejected_percent: u8,
    /// What becomes of a line whose person has a doubtful key. `[MSS1 ID.KEYS]`
    pub keys: KeyPolicy,
}

impl Default for ReadingLimits {
    fn default() -> Self {
        Self { octets: 1 << 30, lines: 4_000_000, rejected_percent: 10, keys: KeyPolicy::Warn }
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
    #[error(
        "it ends in the middle of line {line}; get it again, or, if the line is whole and only its end is missing, add a \
         newline"
    )]
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

/// What comes out of a file, one at a time; the next one takes its place.
#[derive(Debug)]
pub enum Item<'a> {
    /// A BAL.
    Entry(&'a Entry),
    /// An activity.
    Activity(&'a Activity),
    /// A line that was passed over.
    Rejected(Rejection),
}

/// A file that is being read.
pub struct Extraction {
    source: Source,
    columns: Columns,
    generated_at: Option<OffsetDateTime>,
    limits: ReadingLimits,
}

impl Extraction {
    /// Opens a ZIP or a text, told apart by their first octets, and reads the header. `name` is the name
    /// of the file, which says when it was made (`…_AAAAMMJJhhmm.txt`); that inside the ZIP counts more.
    pub fn open(
        file: impl Read + Seek + Send + 'static,
        name: &str,
        limits: ReadingLimits,
    ) -> Result<Self, ExtractionError> {
        let mut source = Source::open(Box::new(file))?;
        let columns = source.with_text(&limits, |text| Columns::read(&mut Lines::new(text)))?;
        let generated_at = source.name().and_then(generated_at_by_name).or_else(|| generated_at_by_name(name));
        Ok(Self { source, columns, generated_at, limits })
    }

    /// What it is.
    pub fn kind(&self) -> ExtractionKind {
        self.columns.kind()
    }

    /// When it was generated, by its name; in UTC (the name gives the time of Paris).
    pub fn generated_at(&self) -> Option<OffsetDateTime> {
        self.generated_at
    }

    /// Reads to the end. `progress` hears now and then how many octets of how many (packed) were read.
    pub fn read(
        mut self,
        take: &mut dyn FnMut(Item<'_>),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Summary, ExtractionError> {
        let (columns, limits, meter) = (&self.columns, &self.limits, self.source.meter());
        let is_packed = self.source.name().is_some();
        self.source.with_text(limits, |text| {
            let mut lines = Lines::new(text);
            lines.next()?;
            let mut tally = Tally::new(limits);
            let mut reader = Reader::new(columns, limits.keys);
            while let Some(line) = lines.next()? {
                // Blank lines count here: a bomb may have nothing else.
                if line.number > limits.lines.saturating_add(1) {
                    return Err(ExtractionError::TooLong(format!("{} lines", limits.lines)));
                }
                if line.is_blank() {
                    continue;
                }
                // A text that was cut in its last field looks whole; of a packed one, the sum says that it is.
                if line.ending == Ending::File && !is_packed {
                    return Err(ExtractionError::Torn { line: line.number });
                }
                tally.lines += 1;
                match reader.read(&line, take)? {
                    Ok(doubts) => tally.take(doubts, reader.was_shortened()),
                    Err((reason, detail)) => {
                        let judged = tally.reject(&detail);
                        take(Item::Rejected(Rejection { line: line.number, reason, detail }));
                        judged?;
                    }
                }
                if tally.lines.is_multiple_of(LINES_BETWEEN_PROGRESS) {
                    progress(meter.progress(tally.lines));
                }
            }
            progress(meter.progress(tally.lines));
            tally.finish()
        })
    }
}

const LINES_BETWEEN_PROGRESS: u64 = 8192;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines without the header and without blank ones.
    pub lines: u64,
    /// Items that were good.
    pub taken: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Lines of which an identifier is doubtful: taken, with a warning. A person's whose key does not fit is kept;
    /// a structure's that is none is left out. `[MSS1 ID.KEYS]`
    pub doubtful: u64,
    /// Lines of which a text was cut, because it was longer than any name: taken.
    pub shortened: u64,
}

/// Counts lines and says when it is enough.
struct Tally<'a> {
    limits: &'a ReadingLimits,
    lines: u64,
    summary: Summary,
    first: Option<String>,
}

/// From here on a file is given up as soon as too many of its lines are of no use: before, they may be few.
const LINES_TO_JUDGE: u64 = 100_000;

impl<'a> Tally<'a> {
    fn new(limits: &'a ReadingLimits) -> Self {
        Self { limits, lines: 0, summary: Summary::default(), first: None }
    }

    fn take(&mut self, doubts: Doubts, was_shortened: bool) {
        self.summary.taken += 1;
        self.summary.shortened += u64::from(was_shortened);
        self.summary.doubtful += u64::from(doubts == Doubts::Some);
    }

    fn reject(&mut self, detail: &str) -> Result<(), ExtractionError> {
        self.summary.rejected += 1;
        self.first.get_or_insert_with(|| detail.to_owned());
        if self.lines >= LINES_TO_JUDGE { self.judge() } else { Ok(()) }
    }

    fn judge(&self) -> Result<(), ExtractionError> {
        let rejected = self.summary.rejected;
        if u128::from(rejected) * 100 <= u128::from(self.lines) * u128::from(self.limits.rejected_percent) {
            return Ok(());
        }
        Err(ExtractionError::Rejected { lines: self.lines, rejected, first: self.first.clone().unwrap_or_default() })
    }

    fn finish(self) -> Result<Summary, ExtractionError> {
        if self.lines == 0 {
            return Err(ExtractionError::Empty);
        }
        self.judge()?;
        Ok(Summary { lines: self.lines, ..self.summary })
    }
}
