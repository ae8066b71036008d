//! No octets that somebody attaches as `IHE_XDM.ZIP` stop the look inside, whether they are the archive, its metadata or
//! its document; and nothing is called right that the library which unpacks cannot read.

#![no_main]

use std::io::{Cursor, Read as _, Write as _};

use libfuzzer_sys::fuzz_target;
use message::{MssHeaders, Scanner, Severity, XdmLetter, XdmVerdict, XdmVerdicts, look_inside, xdm_archives};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const HEADER: &[u8] = b"Subject: XDM/1.0/DDM+a\r\nX-MSS-CODECDA: 11490-0\r\nX-MSS-INS: O\r\n";
const METADATA: &str = "IHE_XDM/SUBSET01/METADATA.XML";
const DOCUMENT: &str = "IHE_XDM/SUBSET01/DOC0001.XML";
/// Metadata of a document that has no hash.
const DESCRIBED: &[u8] =
    b"<a><ExtrinsicObject><Slot name='URI'><Value>DOC0001.XML</Value></Slot></ExtrinsicObject></a>";

fuzz_target!(|octets: &[u8]| {
    let verdicts = judged(octets);
    if verdicts.errors().next().is_none() {
        unpack(octets);
    }
    judged(&packed(octets, b"x"));
    let of_document = judged(&packed(DESCRIBED, octets));
    assert!(!of_document.iter().any(|verdict| verdict == XdmVerdict::DocumentMissing));
    let _ = MssHeaders::read(octets);
    let mut scanner = Scanner::new();
    scanner.push(octets);
    let _ = xdm_archives(&scanner.finish());
});

fn judged(archive: &[u8]) -> XdmVerdicts {
    let headers = MssHeaders::read(HEADER);
    let patients = ["256037599999903".to_owned()];
    let verdicts = look_inside(archive, &XdmLetter { headers: &headers, patients: &patients });
    assert!(verdicts.errors().all(|verdict| verdict.severity() == Severity::Error));
    verdicts
}

/// Every entry of an archive without error can be read to its end.
fn unpack(octets: &[u8]) {
    let mut archive = ZipArchive::new(Cursor::new(octets)).expect("the library reads what was found right");
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).expect("an entry that was found right");
        entry.read_to_end(&mut Vec::new()).expect("octets that were found right");
    }
}

fn packed(metadata: &[u8], document: &[u8]) -> Vec<u8> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [(METADATA, metadata), (DOCUMENT, document)] {
        archive.start_file(name, stored).expect("memory takes an entry");
        archive.write_all(content).expect("memory takes octets");
    }
    archive.finish().expect("memory takes a directory").into_inner()
}
