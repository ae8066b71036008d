//! No query stops a search; answers are as many as were asked for, the best first, and of no hidden domain.

#![no_main]

use std::collections::HashSet;
use std::sync::OnceLock;

use annuaire::{Directory, DirectoryBuilder, Extraction, Found, Item, Query, ReadingLimits};
use libfuzzer_sys::fuzz_target;
use mssante::{BalKind, Domain, KeyPolicy};

const EXTRACTION: &[u8] = include_bytes!("../corpus/extraction/correspondence.txt");
const LIMITS: ReadingLimits =
    ReadingLimits { octets: 1 << 20, lines: 1000, rejected_percent: 100, keys: KeyPolicy::Warn };

fuzz_target!(|octets: &[u8]| {
    let Some(([limit, rest], words)) = octets.split_first_chunk::<2>() else { return };
    let words = String::from_utf8_lossy(words).into_owned();
    let kind = BalKind::ALL.get(usize::from(rest % 8)).copied();
    let query = Query { words, kind, limit: usize::from(limit % 8) };
    let hidden: HashSet<Domain> = if rest & 8 == 0 { HashSet::new() } else { some_domain().into_iter().collect() };
    let answers = directory().search(&query, &hidden);
    assert!(answers.hits.len() <= query.limit);
    assert!(answers.hits.is_sorted_by_key(|hit| hit.found == Found::Typo), "{answers:?}");
    assert!(answers.hits.is_sorted_by(|a, b| a.score >= b.score), "{answers:?}");
    for hit in &answers.hits {
        assert!(kind.is_none_or(|kind| hit.entry.kind == kind));
        assert!(!hidden.contains(hit.entry.address.domain()));
    }
});

fn some_domain() -> Option<Domain> {
    directory().entries().next().map(|entry| entry.address.domain().clone())
}

fn directory() -> &'static Directory {
    static DIRECTORY: OnceLock<Directory> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
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
