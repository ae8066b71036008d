//! `IHE_XDM.ZIP`: a submission set with one CDA document.

use std::io::{Cursor, Write as _};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use time::OffsetDateTime;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{DISCHARGE_LETTER, Patient};

const CDA: &str = include_str!("cda.xml");
const METADATA_TEMPLATE: &str = include_str!("metadata.xml");
const INDEX: &str = include_str!("index.htm");
const README: &str = "Archive IHE_XDM produite par la démonstration de pli. Patient fictif.\r\n";

pub(super) const METADATA: &str = "IHE_XDM/SUBSET01/METADATA.XML";
pub(super) const DOCUMENT: &str = "IHE_XDM/SUBSET01/DOC0001.XML";

/// The archive, laid out as IHE XDM and ANS have it. `[MSS2 ECO.2.1.1]` `[MSS2 ECO.2.1.2]`
pub fn archive(patient: &Patient, date: OffsetDateTime) -> Vec<u8> {
    zipped(&entries(patient, date)).expect("writing a few entries into memory does not fail")
}

/// The same with a scan of so many octets beside the document.
pub fn large_archive(patient: &Patient, date: OffsetDateTime, octets: usize) -> Vec<u8> {
    let noise: Vec<u8> = super::pdf::noise().take(octets).collect();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let write = || -> zip::result::ZipResult<Vec<u8>> {
        let mut archive = ZipWriter::new_append(Cursor::new(archive(patient, date)))?;
        archive.start_file("IHE_XDM/SUBSET01/SCAN0001.BIN", stored)?;
        archive.write_all(&noise)?;
        Ok(archive.finish()?.into_inner())
    };
    write().expect("writing one entry more into memory does not fail")
}

pub(super) fn entries(patient: &Patient, date: OffsetDateTime) -> Entries {
    let mut entries = Entries {
        metadata: filled(METADATA_TEMPLATE, patient, date),
        files: vec![
            ("INDEX.HTM".to_owned(), filled(INDEX, patient, date)),
            ("README.TXT".to_owned(), README.to_owned()),
            (METADATA.to_owned(), String::new()),
            (DOCUMENT.to_owned(), filled(CDA, patient, date)),
        ],
    };
    entries.describe();
    entries
}

/// Names and contents.
pub(super) struct Entries {
    /// Without hash and size.
    metadata: String,
    files: Vec<(String, String)>,
}

impl Entries {
    /// Writes the metadata of the document as it is now.
    pub(super) fn describe(&mut self) {
        let cda = self.get(DOCUMENT);
        let hash = sha1(cda.as_bytes());
        let described = self.metadata.replace("@HASH@", &hash).replace("@SIZE@", &cda.len().to_string());
        self.set(METADATA, described);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, content)| (name.as_str(), content.as_str()))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.iter().find(|(own, _)| *own == name).map_or("", |(_, content)| content)
    }

    pub(super) fn set(&mut self, name: &str, content: String) -> &mut Self {
        if let Some((_, own)) = self.files.iter_mut().find(|(own, _)| own == name) {
            *own = content;
        }
        self
    }

    pub(super) fn edit(&mut self, name: &str, from: &str, to: &str) -> &mut Self {
        let edited = self.get(name).replace(from, to);
        self.set(name, edited)
    }

    pub(super) fn push(&mut self, name: &str) {
        self.files.push((name.to_owned(), "one more".to_owned()));
    }

    /// The same submission set in other folders.
    pub(super) fn more_sets(&mut self, count: usize) {
        for name in [METADATA, DOCUMENT] {
            let content = self.get(name).to_owned();
            let other = |n: usize| (name.replace("SUBSET01", &format!("SUBSET{n:02}")), content.clone());
            self.files.extend((2..count + 2).map(other));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.files.retain(|(own, _)| own != name);
    }

    pub(super) fn rename(&mut self, rename: impl Fn(&str) -> String) {
        for (name, _) in &mut self.files {
            *name = rename(name);
        }
    }
}

/// In hexadecimal digits, as the metadata write it.
fn sha1(octets: &[u8]) -> String {
    mssante::hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref())
}

fn zipped(entries: &Entries) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries.iter() {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

fn filled(template: &str, patient: &Patient, date: OffsetDateTime) -> String {
    let stamp = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    );
    template
        .replace("@INS@", &patient.ins)
        .replace("@FAMILY@", &patient.family)
        .replace("@GIVEN@", &patient.given)
        .replace("@BORN@", &patient.born.replace('-', ""))
        .replace("@STAMP@", &stamp)
        .replace("@CODE@", DISCHARGE_LETTER)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_archive_holds_what_xdm_demands_and_the_metadata_describe_the_document() {
        let archive = archive(&Patient::fictitious(), datetime!(2026-11-03 08:00 UTC));
        let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let mut text = |name: &str| {
            let mut content = String::new();
            zip.by_name(name).unwrap().read_to_string(&mut content).unwrap();
            content
        };
        text("INDEX.HTM");
        text("README.TXT");
        let cda = text("IHE_XDM/SUBSET01/DOC0001.XML");
        let metadata = text("IHE_XDM/SUBSET01/METADATA.XML");
        assert!(metadata.contains(&format!("<Value>{}</Value>", cda.len())));
        assert!(metadata.contains("256037599999903^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"));
        assert!(cda.contains("extension=\"256037599999903\"") && !cda.contains('@') && !metadata.contains('@'));
    }
}
