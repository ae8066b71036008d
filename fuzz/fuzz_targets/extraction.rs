//! No octets that somebody offers as an extraction stop the reader, and what it reads holds together.

#![no_main]

use std::io::Cursor;

use annuaire::{Extraction, ExtractionKind, Item, ReadingLimits};
use libfuzzer_sys::fuzz_target;
use mssante::KeyPolicy;

const LIMITS: ReadingLimits =
    ReadingLimits { octets: 1 << 20, lines: 1000, rejected_percent: 100, keys: KeyPolicy::Warn };

fuzz_target!(|octets: &[u8]| {
    let (mut taken, mut rejected, mut last) = (0, 0, 1);
    let Ok(extraction) = Extraction::open(Cursor::new(octets.to_vec()), "x_202608250032.txt", LIMITS) else { return };
    let kind = extraction.kind();
    let read = extraction.read(
        &mut |item| match item {
            Item::Entry(entry) => {
                assert_eq!(kind, ExtractionKind::Correspondence);
                check(&[&entry.service]);
                entry.person.iter().for_each(|person| check(&[&person.family_name, &person.given_name]));
                entry.structure.iter().for_each(|structure| check(&[&structure.name, &structure.town]));
                taken += 1;
            }
            Item::Activity(activity) => {
                assert_eq!(kind, ExtractionKind::Activities);
                check(&[&activity.structure.name, &activity.profession.label]);
                taken += 1;
            }
            Item::Rejected(rejection) => {
                assert!(rejection.line > last && rejection.detail.chars().count() <= 200);
                check(&[&rejection.detail]);
                last = rejection.line;
                rejected += 1;
            }
        },
        &mut |_| {},
    );
    if let Ok(summary) = read {
        assert_eq!((summary.taken, summary.rejected), (taken, rejected));
        assert_eq!(summary.lines, taken + rejected);
        assert!(summary.doubtful <= taken);
    }
});

/// Texts are fit for a terminal.
fn check(texts: &[&String]) {
    for text in texts {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
