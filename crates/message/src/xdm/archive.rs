//! The look inside: the archive against its own metadata.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::cda::{self, CdaHead};
use super::letter::{Contents, XdmLetter};
use super::metadata::{self, Document, Metadata, PatientId, PatientIdKind};
use super::zip::{self, Archive, Entry};
use super::{XdmVerdict, XdmVerdicts};

const INDEX: &str = "index.htm";
const README: &str = "readme.txt";
/// The folder that holds the submission sets.
const ROOT: &str = "ihe_xdm";
const METADATA: &str = "metadata.xml";
/// Submission sets in one archive; a letter has one.
const MAX_SETS: usize = 16;

/// Judges the octets of an archive, and the letter by them. `[MSS2 ECO.2.1.1]`
pub fn look_inside(octets: &[u8], letter: &XdmLetter<'_>) -> XdmVerdicts {
    let mut verdicts = XdmVerdicts::default();
    let Some(archive) = Archive::open(octets, &mut verdicts) else { return verdicts };
    let mut look =
        Look { archive: &archive, verdicts: &mut verdicts, contents: Contents::default(), described: Vec::new() };
    look.layout();
    look.submission_sets();
    look.documents();
    let contents = look.contents;
    judge_patients(&contents, &mut verdicts);
    letter.judge(&contents, &mut verdicts);
    verdicts
}

struct Look<'a> {
    archive: &'a Archive<'a>,
    verdicts: &'a mut XdmVerdicts,
    contents: Contents,
    /// The documents that the metadata describe, by the names of their entries.
    described: Vec<(String, Document)>,
}

impl Look<'_> {
    /// Something cannot be read for this reason: what follows from its absence is not told as well.
    fn miss(&mut self, verdict: XdmVerdict) {
        self.contents.unread = true;
        self.verdicts.add(verdict);
    }

    /// `[MSS2 XDM.LAYOUT]`
    fn layout(&mut self) {
        if self.archive.file(INDEX).is_none() {
            self.verdicts.add(XdmVerdict::IndexMissing);
        }
        if self.archive.file(README).is_none() {
            self.verdicts.add(XdmVerdict::ReadmeMissing);
        }
    }

    /// Reads the metadata of every submission set: as a rule there is one.
    fn submission_sets(&mut self) {
        let sets: Vec<&Entry> = self.archive.files().filter(|entry| folder_of_set(&entry.name).is_some()).collect();
        if sets.is_empty() {
            self.miss(XdmVerdict::MetadataMissing);
        }
        if sets.len() > MAX_SETS {
            self.miss(XdmVerdict::MetadataTooComplex);
        }
        for entry in sets.into_iter().take(MAX_SETS) {
            match self.metadata(entry) {
                Ok(metadata) => self.take(folder_of_set(&entry.name).unwrap_or_default(), metadata),
                Err(verdict) => self.miss(verdict),
            }
        }
    }

    fn metadata(&self, entry: &Entry) -> Result<Metadata, XdmVerdict> {
        if entry.size > metadata::MAX_SIZE {
            return Err(XdmVerdict::MetadataTooComplex);
        }
        let mut octets = Vec::new();
        self.archive.read(entry, |piece| octets.extend_from_slice(piece))?;
        metadata::read(&octets)
    }

    fn take(&mut self, folder: &str, metadata: Metadata) {
        if metadata.documents.is_empty() {
            self.miss(XdmVerdict::NoDocument);
        }
        if self.described.len() + metadata.documents.len() > metadata::MAX_DOCUMENTS {
            return self.miss(XdmVerdict::MetadataTooComplex);
        }
        for patient in metadata.patients.iter().map(|patient| PatientId::read(patient)) {
            if !self.contents.patients.contains(&patient) {
                self.contents.patients.push(patient);
            }
        }
        self.contents.traits.add(metadata.traits);
        for document in metadata.documents {
            match document.uri.as_deref().map(|uri| entry_name(folder, uri)) {
                Some(Some(name)) => self.described.push((name, document)),
                Some(None) => self.miss(XdmVerdict::UnsafePath),
                None => self.miss(XdmVerdict::UriMissing),
            }
        }
    }

    /// Reads every entry once: those that are described against their description, all against their checksums.
    fn documents(&mut self) {
        let archive = self.archive;
        let missing = self.described.iter().any(|(name, _)| archive.file(name).is_none());
        if missing {
            self.miss(XdmVerdict::DocumentMissing);
        }
        for entry in archive.files() {
            match Reading::of(archive, entry) {
                Ok(reading) => self.judge(entry, &reading),
                Err(verdict) => self.miss(verdict),
            }
        }
    }

    fn judge(&mut self, entry: &Entry, reading: &Reading) {
        let mut is_described = false;
        for (_, document) in self.described.iter().filter(|(name, _)| *name == entry.name) {
            is_described = true;
            judge_document(document, entry, &reading.sha1, self.verdicts);
        }
        if is_described {
            match cda::read(&reading.head, entry.size > reading.head.len() as u64) {
                Ok(Some(head)) => self.contents.documents.push(head),
                Ok(None) => {}
                Err(_) => self.miss(XdmVerdict::CdaMalformed),
            }
        }
    }
}

/// What is kept of an entry that was read.
struct Reading {
    sha1: String,
    head: Vec<u8>,
}

impl Reading {
    fn of(archive: &Archive<'_>, entry: &Entry) -> Result<Self, XdmVerdict> {
        let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        let mut head = Vec::new();
        archive.read(entry, |piece| {
            sha1.update(piece);
            let room = cda::MAX_HEAD.saturating_sub(head.len());
            head.extend_from_slice(&piece[..piece.len().min(room)]);
        })?;
        Ok(Self { sha1: mssante::hex(sha1.finish().as_ref()), head })
    }
}

/// The metadata write SHA-1 in hexadecimal digits. `[MSS2 XDM.METADATA]`
fn judge_document(document: &Document, entry: &Entry, sha1: &str, verdicts: &mut XdmVerdicts) {
    match &document.hash {
        None => verdicts.add(XdmVerdict::HashMissing),
        Some(hash) if !hash.eq_ignore_ascii_case(sha1) => verdicts.add(XdmVerdict::HashMismatch),
        Some(_) => {}
    }
    match &document.size {
        None => verdicts.add(XdmVerdict::SizeMissing),
        Some(size) if size.parse() != Ok(entry.size) => verdicts.add(XdmVerdict::SizeMismatch),
        Some(_) => {}
    }
}

/// One patient, under his INS, in the metadata and in the documents. `[MSS2 ECO.2.1.2]`
fn judge_patients(contents: &Contents, verdicts: &mut XdmVerdicts) {
    let [patient] = contents.patients.as_slice() else {
        if !contents.patients.is_empty() {
            verdicts.add(XdmVerdict::SeveralPatients);
        } else if !contents.unread {
            verdicts.add(XdmVerdict::PatientMissing);
        }
        return;
    };
    match patient.kind {
        PatientIdKind::InvalidIns => verdicts.add(XdmVerdict::InsInvalid),
        PatientIdKind::Other => verdicts.add(XdmVerdict::InsAbsent),
        PatientIdKind::Ins(ins) => {
            if contents.documents.iter().any(|document: &CdaHead| document.is_of_another(ins)) {
                verdicts.add(XdmVerdict::CdaPatientMismatch);
            }
        }
    }
}

/// The folder of a submission set whose metadata have this name.
fn folder_of_set(name: &str) -> Option<&str> {
    let (folder, file) = name.rsplit_once('/')?;
    let (root, set) = folder.split_once('/')?;
    (root == ROOT && file == METADATA && !set.is_empty() && !set.contains('/')).then_some(folder)
}

/// The name of the entry that a URI points at from its folder; `None` if it points out of the archive.
fn entry_name(folder: &str, uri: &str) -> Option<String> {
    let name = zip::plain_name(uri.as_bytes());
    let name = name.strip_prefix("./").unwrap_or(&name);
    (!zip::leads_out(name)).then(|| format!("{folder}/{name}"))
}
