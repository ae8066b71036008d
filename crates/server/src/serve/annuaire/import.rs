//! From a file to a directory: seconds of work on a thread of its own.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use annuaire::{
    Changes, Compared, Comparison, Directory, DirectoryBuilder, Extraction, ExtractionError, ExtractionKind, Item,
    Progress, Put, ReadingLimits, Rejection, generated_at_by_name,
};
use mssante::{Clock as _, Domain, KeyPolicy};

use super::weigh::refuse_by_date;
use super::{Part, Reason, Report};
use crate::ambient::SystemClock;

/// Hears how far an import is.
pub(crate) type Watcher = Arc<dyn Fn(Step) + Send + Sync>;

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// The file comes.
    Downloading,
    /// The interface is asked, page by page.
    Asking {
        /// How often so far.
        calls: u64,
        /// BALs so far.
        entries: u64,
    },
    /// It is read.
    Reading(Progress),
    /// The directory is built.
    Building,
    /// Its image is written.
    Writing,
}

/// A file that somebody brings.
#[derive(Debug)]
pub(super) struct Brought {
    /// Its octets.
    pub(super) file: File,
    /// Its name.
    pub(super) name: String,
    /// URL or path.
    pub(super) source: String,
    /// SHA-256 of its octets, hexadecimal.
    pub(super) sha256: String,
}

/// A directory that nothing was decided about yet.
pub(super) struct Imported {
    pub(super) kind: ExtractionKind,
    pub(super) directory: Arc<Directory>,
    pub(super) report: Report,
    pub(super) rejections: Vec<Rejection>,
}

/// Why a file is not taken.
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) why: String,
    /// The lines that were passed over until it was given up.
    pub(super) rejections: Vec<Rejection>,
}

impl From<(Reason, String)> for Refusal {
    fn from((reason, why): (Reason, String)) -> Self {
        Self { reason, why, rejections: Vec::new() }
    }
}

/// What is in force, for what is imported on top of it.
#[derive(Default)]
pub(super) struct Base {
    /// Its report.
    pub(super) report: Option<Report>,
    /// Itself, unless it cannot be used here.
    pub(super) directory: Option<Arc<Directory>>,
    /// Whether one is in force of which nobody can say what was in it.
    pub(super) unknown: bool,
    /// Our domains, whose BALs no report names: some of them may be on the liste rouge.
    pub(super) our_domains: HashSet<Domain>,
}

/// Examples of each kind of change in a report.
const EXAMPLES: u64 = 10;

impl Base {
    /// What one of this kind changes.
    pub(super) fn changes(&self, directory: &Directory, kind: ExtractionKind) -> Changes {
        self.first_changes(directory, kind, EXAMPLES)
    }

    /// The same with so many examples of each.
    pub(super) fn first_changes(&self, directory: &Directory, kind: ExtractionKind, examples: u64) -> Changes {
        let compared = match kind {
            ExtractionKind::Correspondence => Compared::Entries,
            ExtractionKind::Activities => Compared::Activities,
        };
        let comparison = Comparison { compared, examples, unnamed: &self.our_domains };
        match &self.directory {
            Some(before) => directory.compare(before, comparison),
            None => directory.compare(&Directory::default(), comparison),
        }
    }

    /// The file that one of this kind replaces.
    pub(super) fn part(&self, kind: ExtractionKind) -> Option<&Part> {
        let report = self.report.as_ref()?;
        match kind {
            ExtractionKind::Correspondence => report.entries.as_ref(),
            ExtractionKind::Activities => report.activities.as_ref(),
        }
    }
}

/// Reads a file and builds the directory that is in force if it is taken. Nobody waits for it any more once `stop` is set.
pub(super) fn import(
    brought: &Brought,
    base: &Base,
    keys: KeyPolicy,
    watcher: &Watcher,
    stop: &Arc<AtomicBool>,
) -> Result<Imported, Refusal> {
    let begun = Instant::now();
    let file = Stoppable::rewound(&brought.file, stop).map_err(|error| unusable(&error.into()))?;
    let limits = ReadingLimits { keys, ..ReadingLimits::default() };
    let extraction = Extraction::open(file, &brought.name, limits).map_err(|error| unusable(&error))?;
    let (kind, generated_at) = (extraction.kind(), extraction.generated_at());
    refuse_by_date(generated_at, base.part(kind), SystemClock.now())?;
    let mut work = Work::begin(kind, base)?;
    let read = extraction.read(&mut |item| work.take(item), &mut |progress| watcher(Step::Reading(progress)));
    let summary = match read {
        Ok(summary) => summary,
        Err(error) => return Err(Refusal { rejections: work.rejections, ..unusable(&error).into() }),
    };
    watcher(Step::Building);
    work.report.lines = summary.lines;
    work.report.doubtful = summary.doubtful;
    work.report.shortened = summary.shortened;
    let named_at = generated_at_by_name(&brought.name);
    let part = Part { source: brought.source.clone(), generated_at, named_at, sha256: brought.sha256.clone() };
    let mut imported = work.end(base, part);
    imported.report.seconds = begun.elapsed().as_secs_f64();
    Ok(imported)
}

fn unusable(error: &ExtractionError) -> (Reason, String) {
    (Reason::from(error), error.to_string())
}

/// An import under way.
struct Work {
    kind: ExtractionKind,
    builder: DirectoryBuilder,
    report: Report,
    rejections: Vec<Rejection>,
}

impl Work {
    /// Activities complete the entries that are there; entries replace all entries.
    fn begin(kind: ExtractionKind, base: &Base) -> Result<Self, (Reason, String)> {
        let builder = match kind {
            ExtractionKind::Correspondence => DirectoryBuilder::new(),
            ExtractionKind::Activities => {
                let before = base.directory.as_ref().filter(|before| !before.is_empty());
                DirectoryBuilder::from_entries_of(before.ok_or_else(nothing_to_complete)?)
            }
        };
        Ok(Self { kind, builder, report: Report::default(), rejections: Vec::new() })
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Entry(entry) => {
                if self.builder.put(entry) == Put::Duplicate {
                    self.report.duplicates += 1;
                }
            }
            Item::Activity(activity) => self.builder.complete(activity),
            Item::Rejected(rejection) => {
                // All of them: a file of which more than a tenth is of no use is given up.
                self.report.reject(&rejection);
                self.rejections.push(rejection);
            }
        }
    }

    fn end(self, base: &Base, part: Part) -> Imported {
        let Self { kind, mut builder, mut report, rejections } = self;
        let before = base.report.as_ref();
        match kind {
            ExtractionKind::Correspondence => {
                if let Some(before) = &base.directory {
                    builder.complete_from(before);
                }
                // Without the directory before, its activities are lost until they come again.
                let kept = base.directory.as_ref().and(before);
                report.activities = kept.and_then(|before| before.activities.clone());
                report.entries = Some(part);
            }
            ExtractionKind::Activities => {
                report.entries = before.and_then(|before| before.entries.clone());
                // The entries are as they were: the next updates go on from there.
                report.synchronised = before.and_then(|before| before.synchronised.clone());
                report.activities = Some(part);
            }
        }
        let directory = builder.finish();
        report.counts = directory.counts();
        report.changed(base.changes(&directory, kind));
        Imported { kind, directory: Arc::new(directory), report, rejections }
    }
}

fn nothing_to_complete() -> (Reason, String) {
    let why = "activities complete a directory, and none is in force here; import the extraction of BALs first";
    (Reason::NothingToComplete, why.to_owned())
}

/// A file whose reading ends when nobody waits for it any more: a server that stops need not wait for an import.
struct Stoppable {
    file: File,
    stop: Arc<AtomicBool>,
}

impl Stoppable {
    fn rewound(file: &File, stop: &Arc<AtomicBool>) -> io::Result<Self> {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, stop: Arc::clone(stop) })
    }
}

impl Read for Stoppable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.file.read(into)
    }
}

impl Seek for Stoppable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Sets `stop` when it is dropped.
pub(super) struct StopOnDrop(pub(super) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use annuaire::RejectionReason;

    use super::*;

    #[test]
    fn every_rejected_line_is_kept() {
        const MANY: u64 = 60_000;
        let base = Base::default();
        let mut work = Work::begin(ExtractionKind::Correspondence, &base).map_err(|(_, why)| why).unwrap();
        for line in 2..MANY + 2 {
            let detail = "it has 3 fields, the header 31".to_owned();
            work.take(Item::Rejected(Rejection { line, reason: RejectionReason::Fields, detail }));
        }
        assert_eq!((work.report.rejected, work.rejections.len() as u64), (MANY, MANY));
        assert_eq!(work.rejections.last().map(|rejection| rejection.line), Some(MANY + 1));
    }
}
