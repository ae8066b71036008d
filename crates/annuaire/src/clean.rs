//! Texts of sources as the directory takes them: none is longer than any name, and none moves the cursor of a terminal.

use crate::{Coded, Entry, Structure};

/// Most octets of a text; the longest names and labels of the national directory have about 160.
pub(crate) const MAX_TEXT: usize = 512;
/// Most lines of a street address.
const MAX_LINES: usize = 16;

/// Adds a text. Texts are shown on terminals: control characters, which none of them needs, become spaces.
pub(crate) fn push(to: &mut String, text: &str) {
    if may_have_controls(text) {
        to.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    } else {
        to.push_str(text);
    }
}

/// Those of ASCII, and the octet with which all others begin.
fn may_have_controls(text: &str) -> bool {
    text.bytes().any(|b| b < b' ' || matches!(b, 0x7F | 0xC2))
}

/// The beginning of a text that is longer than any name.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Makes all texts of an entry such; tells whether one was cut.
pub(crate) fn clean(entry: &mut Entry) -> bool {
    let mut was_cut = clean_text(&mut entry.service);
    if let Some(person) = &mut entry.person {
        let coded = [&mut person.category, &mut person.profession, &mut person.speciality];
        let coded = coded.into_iter().flat_map(|Coded { code, label }| [code, label]);
        let texts = [&mut person.civility, &mut person.family_name, &mut person.given_name].into_iter().chain(coded);
        was_cut |= clean_all(texts);
    }
    if let Some(structure) = &mut entry.structure {
        let Structure { name, trade_name, street, town, postcode, department, country, .. } = structure;
        was_cut |= street.len() > MAX_LINES;
        street.truncate(MAX_LINES);
        let others = [name, trade_name, town, postcode, department, country];
        was_cut |= clean_all(others.into_iter().chain(street));
    }
    was_cut
}

fn clean_all<'a>(texts: impl Iterator<Item = &'a mut String>) -> bool {
    // Each of them, also after one that was cut.
    texts.map(clean_text).filter(|was_cut| *was_cut).count() > 0
}

fn clean_text(text: &mut String) -> bool {
    let (before, kept) = (text.len(), cut(text).len());
    text.truncate(kept);
    if may_have_controls(text) {
        *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    kept < before
}

#[cfg(test)]
mod tests {
    use mssante::BalKind;
    use proptest::prelude::*;

    use super::*;
    use crate::{Paperless, Person};

    fn entry(text: &str) -> Entry {
        let coded = || Coded { code: text.to_owned(), label: text.to_owned() };
        let text = || text.to_owned();
        Entry {
            address: "a@b.fr".parse().unwrap(),
            kind: BalKind::Nominative,
            person: Some(Person {
                id: None,
                civility: text(),
                family_name: text(),
                given_name: text(),
                category: coded(),
                profession: coded(),
                speciality: coded(),
            }),
            structure: Some(Structure {
                id: None,
                name: text(),
                trade_name: text(),
                street: vec![text(); 20],
                town: text(),
                postcode: text(),
                department: text(),
                country: text(),
            }),
            service: text(),
            paperless: Paperless::NotSaid,
            others: Vec::new(),
            carrier: None,
        }
    }

    proptest! {
        #[test]
        fn no_text_of_an_entry_is_too_long_or_moves_the_cursor(text in "[a-zé\u{1b}\n\u{85} ]{0,600}") {
            let mut cleaned = entry(&text);
            prop_assert!(clean(&mut cleaned), "its street has more lines than any");
            let mut expected = String::new();
            push(&mut expected, cut(&text));
            prop_assert!(expected.len() <= MAX_TEXT && !expected.contains(char::is_control));
            let mut wanted = entry(&expected);
            wanted.structure.as_mut().unwrap().street.truncate(MAX_LINES);
            prop_assert_eq!(&cleaned, &wanted);
            prop_assert!(!clean(&mut cleaned), "once is enough");
        }
    }
}
