//! Archives that are wrong in one way each.

use std::io::{Cursor, Write as _};

use time::OffsetDateTime;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Patient;
use super::xdm::{self, DOCUMENT, Entries, METADATA};

/// First octets of a record of the central directory.
const CENTRAL: &[u8] = b"PK\x01\x02";
/// First octets of the header of an entry.
const LOCAL: &[u8] = b"PK\x03\x04";

/// What is wrong with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Octets that are no archive.
    NoZip,
    /// The end is missing.
    Truncated,
    /// The directory names an entry otherwise than the entry itself.
    TwoNames,
    /// The directory says that an entry is encrypted.
    Encrypted,
    /// The directory names a compression that nobody need know.
    UnknownCompression,
    /// A checksum is wrong.
    WrongChecksum,
    /// An entry inflates to more than the directory says.
    LyingSize,
    /// 20 MiB of nothing in 20 kB.
    Bomb,
    /// An entry lies inside another one.
    Overlap,
    /// 1001 entries more.
    ManyEntries,
    /// An entry named `../evil.txt`.
    Traversal,
    /// An entry named `/etc/evil.txt`.
    AbsoluteName,
    /// An entry that is a symbolic link.
    Link,
    /// Two entries whose names differ in case only.
    Duplicate,
    /// Folders as Windows separates them.
    Backslashes,
    /// No INDEX.HTM.
    NoIndex,
    /// No README.TXT.
    NoReadme,
    /// No METADATA.XML.
    NoMetadata,
    /// METADATA.XML ends in the middle.
    MetadataCut,
    /// METADATA.XML declares a document type with an entity.
    MetadataDoctype,
    /// 1000 elements in one another.
    MetadataDeep,
    /// Larger than any.
    MetadataLarge,
    /// Two submission sets of the same patient: allowed, and no flaw.
    TwoSets,
    /// Twenty submission sets.
    ManySets,
    /// Describes no document.
    NoDocument,
    /// A document without URI.
    NoUri,
    /// A URI that leads out of the archive.
    UriOutside,
    /// A URI of an entry that is not there.
    DocumentAbsent,
    /// The hash of something else.
    WrongHash,
    /// No hash.
    NoHash,
    /// Another size.
    WrongSize,
    /// No size.
    NoSize,
    /// No patient.
    NoPatient,
    /// Another patient for the submission set than for the document.
    TwoPatients,
    /// The key of the INS is wrong.
    WrongKey,
    /// The patient is known to the sender only.
    LocalPatient,
    /// No sex.
    NoTraits,
    /// The head of the CDA is not well-formed.
    BrokenCda,
    /// The CDA is another patient's.
    CdaOfAnother,
    /// The document is no CDA.
    NoCda,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 40] = [
        Self::NoZip,
        Self::Truncated,
        Self::TwoNames,
        Self::Encrypted,
        Self::UnknownCompression,
        Self::WrongChecksum,
        Self::LyingSize,
        Self::Bomb,
        Self::Overlap,
        Self::ManyEntries,
        Self::Traversal,
        Self::AbsoluteName,
        Self::Link,
        Self::Duplicate,
        Self::Backslashes,
        Self::NoIndex,
        Self::NoReadme,
        Self::NoMetadata,
        Self::MetadataCut,
        Self::MetadataDoctype,
        Self::MetadataDeep,
        Self::MetadataLarge,
        Self::TwoSets,
        Self::ManySets,
        Self::NoDocument,
        Self::NoUri,
        Self::UriOutside,
        Self::DocumentAbsent,
        Self::WrongHash,
        Self::NoHash,
        Self::WrongSize,
        Self::NoSize,
        Self::NoPatient,
        Self::TwoPatients,
        Self::WrongKey,
        Self::LocalPatient,
        Self::NoTraits,
        Self::BrokenCda,
        Self::CdaOfAnother,
        Self::NoCda,
    ];
}

/// The archive of a discharge letter with one flaw.
pub fn flawed_archive(patient: &Patient, date: OffsetDateTime, flaw: Flaw) -> Vec<u8> {
    let mut entries = xdm::entries(patient, date);
    entries.spoil_document(flaw);
    entries.spoil_metadata(flaw, patient);
    entries.spoil_names(flaw);
    let mut octets = packed(&entries, flaw).expect("writing a few entries into memory does not fail");
    spoil_octets(&mut octets, flaw);
    octets
}

impl Entries {
    /// Before the metadata are written, so that hash and size are right.
    fn spoil_document(&mut self, flaw: Flaw) {
        match flaw {
            Flaw::BrokenCda => {
                self.edit(DOCUMENT, "</realmCode>", "").edit(DOCUMENT, "<realmCode code=\"FR\"/>", "<realm>")
            }
            Flaw::CdaOfAnother => self.edit(DOCUMENT, "extension=\"2", "extension=\"1"),
            Flaw::NoCda => self.set(DOCUMENT, "%PDF-1.4\nno CDA".to_owned()),
            _ => return,
        };
        self.describe();
    }

    fn spoil_metadata(&mut self, flaw: Flaw, patient: &Patient) {
        let deep = format!("{}{}</lcm", "<a>".repeat(1000), "</a>".repeat(1000));
        let large = format!("<!-- {} --></lcm", "x".repeat(5 << 20));
        let key = &patient.ins[13..];
        let other_key = format!("{:02}", key.parse::<u8>().unwrap_or(0) % 97 + 1);
        let (right, wrong) = (format!("\"{}^", patient.ins), format!("\"{}{other_key}^", &patient.ins[..13]));
        let (from, to): (&str, &str) = match flaw {
            Flaw::MetadataCut => ("</lcm:SubmitObjectsRequest>", ""),
            Flaw::MetadataDoctype => ("<lcm:Submit", "<!DOCTYPE a [<!ENTITY b \"c\">]><lcm:Submit"),
            Flaw::MetadataDeep => ("</lcm", &deep),
            Flaw::MetadataLarge => ("</lcm", &large),
            Flaw::NoDocument => ("ExtrinsicObject", "RegistryObject"),
            Flaw::NoUri => ("\"URI\"", "\"URL\""),
            Flaw::UriOutside => (">DOC0001.XML<", ">../../../DOC0001.XML<"),
            Flaw::DocumentAbsent => (">DOC0001.XML<", ">DOC0009.XML<"),
            Flaw::WrongHash => ("\"hash\"><ValueList><Value>", "\"hash\"><ValueList><Value>0"),
            Flaw::NoHash => ("\"hash\"", "\"digest\""),
            Flaw::WrongSize => ("\"size\"><ValueList><Value>", "\"size\"><ValueList><Value>1"),
            Flaw::NoSize => ("\"size\"", "\"octets\""),
            Flaw::NoPatient => ("ExternalIdentifier", "Identifier"),
            Flaw::TwoPatients => return self.another_patient(),
            Flaw::WrongKey => (&right, &wrong),
            Flaw::LocalPatient => ("&amp;1.2.250.1.213.1.4.10&amp;", "&amp;1.2.250.1.999.1&amp;"),
            Flaw::NoTraits => ("<Value>PID-8|F</Value>", ""),
            _ => return,
        };
        self.edit(METADATA, from, to);
    }

    /// The first of the two names of the patient.
    fn another_patient(&mut self) {
        let text = self.get(METADATA).replacen("value=\"2", "value=\"1", 1);
        self.set(METADATA, text);
    }

    fn spoil_names(&mut self, flaw: Flaw) {
        match flaw {
            Flaw::Traversal => self.push("../evil.txt"),
            Flaw::AbsoluteName => self.push("/etc/evil.txt"),
            Flaw::Duplicate => self.push("readme.txt"),
            Flaw::TwoSets => self.more_sets(1),
            Flaw::ManySets => self.more_sets(19),
            Flaw::NoIndex => self.remove("INDEX.HTM"),
            Flaw::NoReadme => self.remove("README.TXT"),
            Flaw::NoMetadata => self.remove(METADATA),
            Flaw::ManyEntries => (0..1001).for_each(|n| self.push(&format!("IHE_XDM/SUBSET01/X{n}.TXT"))),
            Flaw::Backslashes => self.rename(|name| name.replace('/', "\\")),
            _ => {}
        }
    }
}

fn packed(entries: &Entries, flaw: Flaw) -> zip::result::ZipResult<Vec<u8>> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    if flaw == Flaw::Overlap {
        let mut inner = ZipWriter::new(Cursor::new(Vec::new()));
        inner.start_file("B.TXT", stored)?;
        inner.write_all(b"inside and outside")?;
        archive.start_file("A.TXT", stored)?;
        archive.write_all(inner.finish()?.get_ref())?;
        archive.start_file("B.TXT", stored)?;
        archive.write_all(b"inside and outside")?;
    }
    for (name, content) in entries.iter() {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(content.as_bytes())?;
    }
    match flaw {
        Flaw::Link => archive.add_symlink("LINK.TXT", "/etc/passwd", stored)?,
        Flaw::Bomb => {
            archive.start_file("NOTHING.BIN", SimpleFileOptions::default())?;
            archive.write_all(&vec![0; 20 << 20])?;
        }
        _ => {}
    }
    Ok(archive.finish()?.into_inner())
}

/// Flaws that no writer makes.
fn spoil_octets(octets: &mut Vec<u8>, flaw: Flaw) {
    let record = places(octets, CENTRAL).first().copied().unwrap_or(0);
    match flaw {
        Flaw::NoZip => *octets = b"%PDF-1.4 in fact".to_vec(),
        Flaw::Truncated => octets.truncate(octets.len() - 60),
        Flaw::TwoNames => octets[record + 46] = b'X',
        Flaw::Encrypted => octets[record + 8] |= 1,
        Flaw::UnknownCompression => octets[record + 10] = 12,
        Flaw::WrongChecksum => octets[record + 16] ^= 1,
        Flaw::LyingSize => octets[record + 24] -= 1,
        Flaw::Overlap => {
            let inside = u32::try_from(places(octets, LOCAL)[1]).unwrap_or(0).to_le_bytes();
            // Behind the record of the archive inside come those of A.TXT and of B.TXT.
            let record = places(octets, CENTRAL)[2];
            octets[record + 42..record + 46].copy_from_slice(&inside);
        }
        _ => {}
    }
}

fn places(octets: &[u8], mark: &[u8]) -> Vec<usize> {
    let at = octets.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
    at.map(|(at, _)| at).collect()
}
