//! No image of a directory, however damaged, stops the reader or makes it take memory without bound, and what it takes
//! for good can be used.
//!
//! The input is octets as they are, or, if it begins with `E`, edits of a small image: each of eight octets says where
//! and what. The sums are made right again, so that the fuzzer comes past them.

#![no_main]

use std::collections::HashSet;
use std::sync::OnceLock;

use annuaire::{Directory, DirectoryBuilder, Extraction, Item, Query, ReadingLimits};
use libfuzzer_sys::fuzz_target;
use mssante::KeyPolicy;

const EXTRACTION: &[u8] = include_bytes!("../corpus/extraction/correspondence.txt");
const LIMITS: ReadingLimits =
    ReadingLimits { octets: 1 << 20, lines: 1000, rejected_percent: 100, keys: KeyPolicy::Warn };
/// What it says that it is, and its format.
const HEAD: usize = 12;

fuzz_target!(|octets: &[u8]| {
    if let Some(edits) = octets.strip_prefix(b"E") {
        try_image(&edited(edits));
    }
    try_image(octets);
});

fn try_image(octets: &[u8]) {
    let Ok(directory) = Directory::read_image(&mut &octets[..]) else { return };
    for entry in directory.entries().take(100) {
        let _ = directory.get(&entry.address);
    }
    for words in ["perin medecin", "a b c", "saint denis", "za"] {
        let query = Query { words: words.to_owned(), kind: None, limit: 5 };
        assert!(directory.search(&query, &HashSet::new()).hits.len() <= 5);
    }
    let _ = directory.changes_since(original());
    let _ = original().changes_since(&directory);
    let mut next = DirectoryBuilder::from_entries_of(&directory);
    next.complete_from(&directory);
    let _ = next.finish();
}

fn original() -> &'static Directory {
    static ORIGINAL: OnceLock<Directory> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let mut builder = DirectoryBuilder::new();
        let read = Extraction::open(std::io::Cursor::new(EXTRACTION), "x.txt", LIMITS);
        let why = "the committed extraction can be read";
        let put = &mut |item: Item<'_>| {
            if let Item::Entry(entry) = item {
                builder.put(entry);
            }
        };
        read.expect(why).read(put, &mut |_| {}).expect(why);
        builder.finish()
    })
}

/// The sections of the original.
fn sections() -> Vec<Vec<u8>> {
    let mut image = Vec::new();
    original().write_image(&mut image).expect("memory can be written to");
    let mut left = &image[HEAD..];
    let mut sections = Vec::new();
    while let Some((length, rest)) = left.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).expect("the image is in memory");
        sections.push(rest[..length].to_vec());
        left = &rest[length + 4..];
    }
    sections
}

/// The original with other octets in its sections, and the sums of these.
fn edited(edits: &[u8]) -> Vec<u8> {
    let mut sections = sections();
    for [section, what, place @ .., a, b, c, d] in edits.as_chunks::<8>().0 {
        let count = sections.len();
        let section = &mut sections[usize::from(*section) % count];
        let place = usize::from(u16::from_le_bytes(*place)) * if what & 4 == 0 { 4 } else { 1 };
        let value = [*a, *b, *c, *d];
        match what % 4 {
            0 => section.truncate(place),
            1 => section.extend_from_slice(&value),
            _ => section.iter_mut().skip(place).zip(value).for_each(|(old, new)| *old = new),
        }
    }
    let mut image = [b"pli-dir\n".as_slice(), &Directory::FORMAT.to_le_bytes()].concat();
    for section in sections {
        image.extend((section.len() as u64).to_le_bytes());
        image.extend(&section);
        image.extend(crc32fast::hash(&section).to_le_bytes());
    }
    image
}
