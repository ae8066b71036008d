//! Where the text comes from: a file as it is, or the one entry of a ZIP that matters.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{ExtractionError, Progress, ReadingLimits};

/// What files are.
pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// Most entries of a ZIP; `PS_LibreAcces` has three.
const MAX_ENTRIES: usize = 16;
/// How much more than its packed size a text may have. Real ones have four to ten times as much, a bomb a thousand.
const MAX_RATIO: u64 = 100;
/// Below this no ratio is looked at.
const SMALL: u64 = 1 << 20;

pub(super) struct Source {
    content: Content,
    meter: Meter,
}

enum Content {
    Text(Metered),
    Zip { archive: Box<ZipArchive<Metered>>, index: usize, name: String },
}

impl Source {
    pub(super) fn open(mut file: Box<dyn ReadSeek>) -> Result<Self, ExtractionError> {
        let meter = Meter { at: Arc::default(), of: file.seek(SeekFrom::End(0))? };
        let entries = directory_entries(&mut file, meter.of)?;
        file.rewind()?;
        let mut magic = Vec::new();
        file.by_ref().take(2).read_to_end(&mut magic)?;
        file.rewind()?;
        let file = Metered { file, at: Arc::clone(&meter.at) };
        let content = if magic == b"PK" { Content::zip(file, entries)? } else { Content::Text(file) };
        Ok(Self { content, meter })
    }

    /// The name inside the ZIP.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.content {
            Content::Text(_) => None,
            Content::Zip { name, .. } => Some(name),
        }
    }

    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Hands the text to `read`, from its beginning.
    pub(super) fn with_text<T>(
        &mut self,
        limits: &ReadingLimits,
        read: impl FnOnce(Bounded<'_>) -> Result<T, ExtractionError>,
    ) -> Result<T, ExtractionError> {
        let of = self.meter.of;
        match &mut self.content {
            Content::Text(file) => {
                file.rewind()?;
                read(Bounded::new(file, Packing::None, limits.octets))
            }
            Content::Zip { archive, index, .. } => {
                let entry = archive.by_index(*index).map_err(zip_error)?;
                // The packed size is only what the ZIP claims.
                let packed = entry.compressed_size().min(of);
                let most = packed.saturating_mul(MAX_RATIO).max(SMALL);
                let packing = if most < limits.octets { Packing::Ratio } else { Packing::Zip };
                read(Bounded::new(entry, packing, most.min(limits.octets)))
            }
        }
    }
}

impl Content {
    fn zip(file: Metered, entries: Option<usize>) -> Result<Self, ExtractionError> {
        if entries.is_none() {
            return Err(ExtractionError::Zip("the end of the ZIP is missing; get it again".to_owned()));
        }
        if entries.is_some_and(|count| count > MAX_ENTRIES) {
            return Err(ExtractionError::Zip(format!("the ZIP has more than {MAX_ENTRIES} entries")));
        }
        let mut archive = Box::new(ZipArchive::new(file).map_err(zip_error)?);
        let (index, name) = the_text(&mut archive)?;
        Ok(Self::Zip { archive, index, name })
    }
}

/// How many entries the end of a ZIP announces, before anything is set up for each of them; `None` if it has no end.
fn directory_entries(file: &mut dyn ReadSeek, size: u64) -> io::Result<Option<usize>> {
    const END: &[u8] = b"PK\x05\x06";
    const END_OCTETS: u64 = 22;
    const MAX_COMMENT: u64 = u16::MAX as u64;
    file.seek(SeekFrom::Start(size.saturating_sub(END_OCTETS + MAX_COMMENT)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let end = memchr::memmem::rfind(&tail, END).map(|at| &tail[at..]);
    let count = |end: &[u8]| end.get(10..12).map(|count| usize::from(u16::from_le_bytes([count[0], count[1]])));
    Ok(end.and_then(count))
}

/// The one entry that is an extraction: by its name, or because there is no other text.
fn the_text(archive: &mut ZipArchive<Metered>) -> Result<(usize, String), ExtractionError> {
    if archive.len() > MAX_ENTRIES {
        return Err(ExtractionError::Zip(format!("the ZIP has more than {MAX_ENTRIES} entries")));
    }
    let names: Vec<(usize, String)> =
        archive.file_names().map(str::to_owned).enumerate().filter(|(_, name)| is_text(name)).collect();
    let known = names.iter().find(|(_, name)| is_known(name));
    let only = if let [only] = &names[..] { Some(only) } else { None };
    let (_, name) = known.or(only).ok_or_else(|| {
        ExtractionError::Zip(format!(
            "the ZIP has no Extraction_Correspondance_MSSante or PS_LibreAcces_Personne_activite, but {} texts",
            names.len()
        ))
    })?;
    let index = archive.index_for_name(name).ok_or_else(|| zip_error(ZipError::FileNotFound))?;
    Ok((index, name.clone()))
}

fn is_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".txt", ".csv"].iter().any(|ending| name.ends_with(ending))
}

fn is_known(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["extraction_correspondance_mssante", "ps_libreacces_personne_activite"].iter().any(|known| name.contains(known))
}

fn zip_error(error: ZipError) -> ExtractionError {
    match error {
        ZipError::Io(error) if !is_damage(&error) => ExtractionError::Io(error),
        error => ExtractionError::Zip(format!("the ZIP is damaged or of an unknown kind ({error}); get it again")),
    }
}

/// Whether the octets are at fault, and not the disk.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other) && error.raw_os_error().is_none()
}

/// How a text comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Zip,
    /// In a ZIP so small that its ratio is what bounds it.
    Ratio,
}

/// A text that ends in an error when more comes out of it than allowed, whatever a ZIP says of its size.
pub(super) struct Bounded<'a> {
    text: Box<dyn Read + 'a>,
    packing: Packing,
    left: u64,
    most: u64,
}

impl<'a> Bounded<'a> {
    fn new(text: impl Read + 'a, packing: Packing, most: u64) -> Self {
        Self { text: Box::new(text), packing, left: most, most }
    }

    /// What an error of [`Read::read`] in this line means.
    pub(super) fn explain(&self, error: io::Error, line: u64) -> ExtractionError {
        let is_ours = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exceeded>);
        match self.packing {
            Packing::Ratio if is_ours => {
                ExtractionError::Zip(format!("the ZIP unpacks to more than {MAX_RATIO} times its size"))
            }
            _ if is_ours => ExtractionError::TooLong(format!("{} octets", self.most)),
            Packing::None => ExtractionError::Io(error),
            _ if error.kind() == io::ErrorKind::UnexpectedEof => ExtractionError::Torn { line },
            _ => zip_error(ZipError::Io(error)),
        }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(Exceeded))?;
        Ok(count)
    }
}

/// More comes out than allowed.
#[derive(Debug, thiserror::Error)]
#[error("too much")]
struct Exceeded;

/// A file that tells how far it was read.
struct Metered {
    file: Box<dyn ReadSeek>,
    at: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.at.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.file.seek(to)?;
        self.at.store(at, Ordering::Relaxed);
        Ok(at)
    }
}

/// How far a file was read.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    at: Arc<AtomicU64>,
    of: u64,
}

impl Meter {
    pub(super) fn progress(&self, lines: u64) -> Progress {
        Progress { lines, octets: self.at.load(Ordering::Relaxed), of: self.of }
    }
}
