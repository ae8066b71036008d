//! Images come back as they were written, or not at all.

use std::collections::HashSet;

use proptest::prelude::*;

use super::sample::{any_activities, any_entries, built, built_with, directory};
use crate::{Changes, Directory, DirectoryBuilder, ImageError, Query};

fn image(directory: &Directory) -> Vec<u8> {
    let mut image = Vec::new();
    directory.write_image(&mut image).unwrap();
    image
}

fn read(image: &[u8]) -> Result<Directory, ImageError> {
    Directory::read_image(&mut &image[..])
}

/// Whether both say the same in every way that they can be asked.
fn same(a: &Directory, b: &Directory) -> bool {
    let query = Query { words: "perin medecin".to_owned(), kind: None, limit: 50 };
    a.changes_since(b) == Changes::default()
        && a.entries().eq(b.entries())
        && a.activities().eq(b.activities())
        && a.counts() == b.counts()
        && a.search(&query, &HashSet::new()) == b.search(&query, &HashSet::new())
        && a.entries().all(|entry| b.get(&entry.address) == a.get(&entry.address))
}

#[test]
fn another_format_is_told() {
    let mut image = image(&directory());
    image[8] = 9;
    assert!(matches!(read(&image), Err(ImageError::Format { found: 9, known: Directory::FORMAT })));
}

#[test]
fn something_else_is_no_image() {
    assert!(matches!(read(b"PK\x03\x04 something else"), Err(ImageError::Damaged(_))));
    assert!(matches!(read(b""), Err(ImageError::Damaged(_))));
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    let mut image = image(&directory());
    image[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read(&image), Err(ImageError::Damaged(_))));
}

#[test]
fn no_part_of_an_image_can_be_missing_or_changed() {
    let original = image(&directory());
    for place in 0..original.len() {
        assert!(read(&original[..place]).is_err(), "cut at {place}");
        let mut changed = original.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(read(&changed).is_err(), "changed at {place}");
    }
}

proptest! {
    #[test]
    fn an_image_comes_back_as_the_same_directory(entries in any_entries(), activities in any_activities()) {
        let directory = built_with(&entries, &activities);
        let image = image(&directory);
        let again = read(&image).unwrap();
        prop_assert!(same(&directory, &again));
        prop_assert_eq!(self::image(&again), image);
    }

    /// Whoever makes the sums right can still not make it look outside its tables.
    #[test]
    fn no_image_makes_anything_panic(entries in any_entries(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut image = image(&built(&entries));
        for (place, octet) in changes {
            *place.get_mut(&mut image) = octet;
        }
        make_sums_right(&mut image);
        if let Ok(directory) = read(&image) {
            for entry in directory.entries() {
                let _ = directory.get(&entry.address);
            }
            let _ = directory.search(&Query { words: "a ab c".to_owned(), kind: None, limit: 5 }, &HashSet::new());
            let _ = directory.changes_since(&Directory::default());
            let _ = DirectoryBuilder::from_entries_of(&directory).finish();
        }
    }
}

fn make_sums_right(image: &mut [u8]) {
    let mut place = 12;
    while let Some(length) = image.get(place..place + 8) {
        let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
        let Some(end) = (place + 8).checked_add(length).filter(|end| end + 4 <= image.len()) else { return };
        let sum = crc32fast::hash(&image[place + 8..end]);
        image[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        place = end + 4;
    }
}
