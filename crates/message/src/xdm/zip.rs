//! The directory of a ZIP archive, read strictly, and its entries, inflated within bounds.
//!
//! Written for judging, not for unpacking: libraries that unpack take the one entry of two that have the same name, trust
//! either of the two places where a name stands, and allocate for as many entries as the archive claims to have.

use std::collections::HashSet;
use std::io::Read as _;
use std::ops::Range;

use flate2::read::DeflateDecoder;
use memchr::memmem;

use super::{XdmVerdict, XdmVerdicts};

/// More entries than any submission has.
pub(super) const MAX_ENTRIES: usize = 1_000;
/// Octets of all entries together, inflated. Also bounds the time: about half a second.
pub(super) const MAX_INFLATED: u64 = 128 * 1024 * 1024;
/// An entry above this size may not be a hundredfold and more of what it was packed to.
const LARGE: u64 = 16 * 1024 * 1024;
const MAX_RATIO: u64 = 200;
/// Octets that are inflated at once.
const PIECE: usize = 32 * 1024;

const END: &[u8] = b"PK\x05\x06";
const END_SIZE: usize = 22;
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_SIZE: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_SIZE: usize = 30;
/// Bits of the general purpose flag: encrypted, strongly encrypted.
const ENCRYPTED: u16 = 1 | 1 << 6;
const UNIX: u8 = 3;
const FILE_TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

/// How an entry is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Stored,
    Deflated,
}

/// One entry that may be read.
#[derive(Debug)]
pub(super) struct Entry {
    /// In lower case, folders separated by `/`.
    pub(super) name: String,
    /// Inflated, as the directory says.
    pub(super) size: u64,
    packing: Packing,
    packed: Range<usize>,
    checksum: u32,
}

/// An archive whose directory was read.
pub(super) struct Archive<'a> {
    octets: &'a [u8],
    entries: Vec<Entry>,
}

impl<'a> Archive<'a> {
    /// Reads the directory and notes what is wrong with it; `None` where the entries must not be read.
    pub(super) fn open(octets: &'a [u8], verdicts: &mut XdmVerdicts) -> Option<Self> {
        let mut reader = DirectoryReader { octets, verdicts, entries: Vec::new(), places: Vec::new() };
        let read = reader.read();
        let DirectoryReader { entries, places, .. } = reader;
        match read.and_then(|()| judge_sizes(&entries)).and_then(|()| judge_places(places)) {
            Ok(()) => {
                judge_names(&entries, verdicts);
                Some(Self { octets, entries })
            }
            Err(verdict) => {
                verdicts.add(verdict);
                None
            }
        }
    }

    /// The entries that are files.
    pub(super) fn files(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.name.ends_with('/'))
    }

    /// The file with this name, in lower case.
    pub(super) fn file(&self, name: &str) -> Option<&Entry> {
        self.files().find(|entry| entry.name == name)
    }

    /// Hands the entry's octets over piece by piece; the checksum is known at the end only.
    pub(super) fn read(&self, entry: &Entry, mut take: impl FnMut(&[u8])) -> Result<(), XdmVerdict> {
        let packed = &self.octets[entry.packed.clone()];
        let mut inflated: Box<dyn std::io::Read + '_> = match entry.packing {
            Packing::Stored => Box::new(packed),
            Packing::Deflated => Box::new(DeflateDecoder::new(packed)),
        };
        let mut piece = vec![0; PIECE];
        let (mut checksum, mut size) = (crc32fast::Hasher::new(), 0_u64);
        loop {
            let octets = inflated.read(&mut piece).map_err(|_| XdmVerdict::EntryDamaged)?;
            if octets == 0 {
                break;
            }
            size += octets as u64;
            // What is announced was found small enough; more than that is not read.
            if size > entry.size {
                return Err(XdmVerdict::EntryDamaged);
            }
            checksum.update(&piece[..octets]);
            take(&piece[..octets]);
        }
        let whole = size == entry.size && checksum.finalize() == entry.checksum;
        if whole { Ok(()) } else { Err(XdmVerdict::EntryDamaged) }
    }
}

/// Reads the records of the central directory and the local headers that they point at.
struct DirectoryReader<'a, 'v> {
    octets: &'a [u8],
    verdicts: &'v mut XdmVerdicts,
    entries: Vec<Entry>,
    /// What each entry takes up, header and all.
    places: Vec<Range<usize>>,
}

impl DirectoryReader<'_, '_> {
    fn read(&mut self) -> Result<(), XdmVerdict> {
        let end = find_end(self.octets).ok_or(XdmVerdict::ArchiveUnreadable)?;
        if end.entries > MAX_ENTRIES {
            return Err(XdmVerdict::TooManyEntries);
        }
        let mut at = end.directory.start;
        for _ in 0..end.entries {
            at = self.entry(at, &end).ok_or(XdmVerdict::ArchiveUnreadable)?;
        }
        if at == end.directory.end { Ok(()) } else { Err(XdmVerdict::ArchiveUnreadable) }
    }

    /// Reads the record at `at`; gives where the next one begins.
    fn entry(&mut self, at: usize, end: &End) -> Option<usize> {
        let record = Record(self.octets.get(at..end.directory.end)?);
        let (name_len, extra, comment) = (record.u16(28)?, record.u16(30)?, record.u16(32)?);
        let name = record.slice(CENTRAL_SIZE, name_len.into())?;
        if !record.0.starts_with(CENTRAL) {
            return None;
        }
        let start = end.base.checked_add(record.u32(42)?.try_into().ok()?)?;
        let packed = self.packed(start, name, record.u32(20)?, end.directory.start)?;
        self.places.push(start..packed.end);
        self.judge_record(&record, name);
        let packing = match record.u16(10)? {
            0 => Some(Packing::Stored),
            8 => Some(Packing::Deflated),
            _ => None,
        };
        match packing {
            _ if record.u16(8)? & ENCRYPTED != 0 => self.verdicts.add(XdmVerdict::EntryEncrypted),
            None => self.verdicts.add(XdmVerdict::CompressionUnknown),
            Some(packing) => {
                let name = plain_name(name);
                let (size, checksum) = (record.u32(24)?.into(), record.u32(16)?);
                self.entries.push(Entry { name, size, packing, packed, checksum });
            }
        }
        at.checked_add(CENTRAL_SIZE + usize::from(name_len) + usize::from(extra) + usize::from(comment))
    }

    /// Where the octets of an entry lie whose local header is at `start`: it must have the same name, because some
    /// readers go by the one and some by the other.
    fn packed(&self, start: usize, name: &[u8], size: u32, end: usize) -> Option<Range<usize>> {
        let local = Record(self.octets.get(start..end)?);
        if !local.0.starts_with(LOCAL) || local.slice(LOCAL_SIZE, local.u16(26)?.into())? != name {
            return None;
        }
        let from = start + LOCAL_SIZE + usize::from(local.u16(26)?) + usize::from(local.u16(28)?);
        let to = from.checked_add(size.try_into().ok()?)?;
        (to <= end).then_some(from..to)
    }

    fn judge_record(&mut self, record: &Record<'_>, name: &[u8]) {
        let attributes = record.u32(38).unwrap_or_default();
        let link = record.0.get(5) == Some(&UNIX) && (attributes >> 16) & FILE_TYPE == LINK;
        if link || leads_out(&plain_name(name)) {
            self.verdicts.add(XdmVerdict::UnsafePath);
        }
        if name.contains(&b'\\') {
            self.verdicts.add(XdmVerdict::BackslashPath);
        }
    }
}

/// The end of the central directory.
struct End {
    directory: Range<usize>,
    entries: usize,
    /// Where the archive begins: what stands before it is not part of it.
    base: usize,
}

/// The last end record whose comment fits. Archives above 4 GB have other records, and no letter is so large.
fn find_end(octets: &[u8]) -> Option<End> {
    let searched = octets.len().saturating_sub(END_SIZE + usize::from(u16::MAX));
    let at = searched + memmem::rfind(&octets[searched..], END)?;
    let record = Record(&octets[at..]);
    record.slice(END_SIZE, record.u16(20)?.into())?;
    let (size, offset): (usize, usize) = (record.u32(12)?.try_into().ok()?, record.u32(16)?.try_into().ok()?);
    let single_disk = record.u16(4)? == 0 && record.u16(6)? == 0 && record.u16(8)? == record.u16(10)?;
    let start = at.checked_sub(size)?;
    let base = start.checked_sub(offset)?;
    single_disk.then_some(End { directory: start..at, entries: record.u16(10)?.into(), base })
}

/// The whole must not inflate to more than a letter holds, whatever the packed octets say later.
fn judge_sizes(entries: &[Entry]) -> Result<(), XdmVerdict> {
    let all: u64 = entries.iter().map(|entry| entry.size).sum();
    let bomb = |entry: &Entry| entry.size > LARGE && entry.size / MAX_RATIO > entry.packed.len() as u64;
    if all > MAX_INFLATED || entries.iter().any(bomb) { Err(XdmVerdict::ArchiveBomb) } else { Ok(()) }
}

/// Entries that share octets are how small archives become large.
fn judge_places(mut places: Vec<Range<usize>>) -> Result<(), XdmVerdict> {
    places.sort_by_key(|place| place.start);
    let apart = places.is_sorted_by(|one, next| one.end <= next.start);
    if apart { Ok(()) } else { Err(XdmVerdict::ArchiveBomb) }
}

fn judge_names(entries: &[Entry], verdicts: &mut XdmVerdicts) {
    let mut seen = HashSet::new();
    if !entries.iter().all(|entry| seen.insert(&entry.name)) {
        verdicts.add(XdmVerdict::DuplicateEntry);
    }
}

/// A name of a file as it is compared: case does not count on the media that XDM was made for.
pub(super) fn plain_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\\', "/").to_lowercase()
}

/// Whether a name would be written outside of the folder that an archive is unpacked into.
pub(super) fn leads_out(name: &str) -> bool {
    name.is_empty()
        || name.starts_with('/')
        || name.contains(|c: char| c.is_control() || c == ':')
        || name.split('/').any(|folder| folder == "..")
}

/// Little-endian numbers at fixed places.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn slice(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.0.get(at..at.checked_add(len)?)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.slice(at, 2)?.try_into().ok()?))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.slice(at, 4)?.try_into().ok()?))
    }
}
