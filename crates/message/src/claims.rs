//! What a header block claims: who has written, and which letters are answered.
//!
//! Read for rules that refuse, so every reading counts that some reader of the letter may have: all fields of a name, and
//! whatever looks like an address in a field that no grammar knows.

use mssante::Address;

use crate::address_list;
use crate::fields::{self, Field};
use crate::header::mailboxes;

/// Authors of a field that is looked at; what stands behind is found by its form alone.
const MAX_AUTHORS: usize = 100;
/// Letters that one answers at a time; a field that names more names them all, see [`Thread::names_too_many`].
const MAX_ANSWERED: usize = 100;

/// Who a letter says has written it. `[RFC5322 3.6.2]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authors {
    /// Everybody whom a reader may take for an author.
    pub named: Vec<Address>,
    /// Whether all readers see the same: there is one From field, and it can be read in one way only.
    pub certain: bool,
}

impl Authors {
    /// Reads the header block `bytes`, with or without the empty line at its end.
    pub fn read(bytes: &[u8]) -> Self {
        let mut authors = Self::default();
        for (n, field) in fields::fields(bytes).filter(|field| field.is("From")).enumerate() {
            let clean = mailboxes(&field);
            authors.certain = n == 0 && clean.is_some();
            match clean {
                Some(clean) => authors.named.extend(clean),
                None => authors.guess(&field),
            }
        }
        authors
    }

    /// The author, if there is no doubt who it is.
    pub fn sole(&self) -> Option<&Address> {
        match self.named.as_slice() {
            [one] if self.certain => Some(one),
            _ => None,
        }
    }

    fn guess(&mut self, field: &Field<'_>) {
        let value = field.value();
        let entries = address_list::read(&value, MAX_AUTHORS).entries.into_iter();
        self.named.extend(entries.filter_map(|entry| address(&entry.mailbox?, &entry.host?)));
        self.named.extend(looking_like_addresses(&value));
    }
}

/// With a local part that cannot be read, the domain still says whose name it is.
fn address(local: &str, domain: &str) -> Option<Address> {
    Address::parse(&format!("{local}@{domain}")).or_else(|_| Address::parse(&format!("x@{domain}"))).ok()
}

/// What stands around each `@`.
fn looking_like_addresses(value: &str) -> impl Iterator<Item = Address> {
    value.match_indices('@').filter_map(|(at, _)| {
        let (before, after) = (value[..at].trim_end(), value[at + 1..].trim_start());
        let local = &before[before.trim_end_matches(in_local).len()..];
        let domain = &after[..after.len() - after.trim_start_matches(in_domain).len()];
        address(local, domain.trim_end_matches('.'))
    })
}

fn in_domain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-')
}

fn in_local(c: char) -> bool {
    in_domain(c) || "!#$%&'*+/=?^_`{|}~".contains(c)
}

/// Which letter this is, and which ones it answers. Identifiers are compared without regard to case, blanks and angle
/// brackets: programs change them. `[RFC5322 3.6.4]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thread {
    /// Its own identifiers: one, unless somebody wrote several.
    pub message_ids: Vec<String>,
    /// Those of the letters that it answers: all that In-Reply-To names, and the last one that References names.
    pub answered: Vec<String>,
    /// More than a hundred are answered: which ones does not matter then.
    pub names_too_many: bool,
}

impl Thread {
    /// Reads the header block `bytes`, with or without the empty line at its end.
    pub fn read(bytes: &[u8]) -> Self {
        let mut thread = Self::default();
        for field in fields::fields(bytes) {
            if field.is("Message-ID") {
                thread.message_ids.extend(identifiers(&field.value()).take(MAX_ANSWERED));
            } else if field.is("In-Reply-To") {
                thread.answered.extend(identifiers(&field.value()).take(MAX_ANSWERED + 1));
            } else if field.is("References") {
                thread.answered.extend(identifiers(&field.value()).last());
            }
            thread.names_too_many |= thread.answered.len() > MAX_ANSWERED;
            thread.answered.truncate(MAX_ANSWERED);
        }
        thread
    }
}

/// The identifiers of a field in the form in which they are compared, `<left@right>`.
pub fn identifiers(field: &str) -> impl Iterator<Item = String> {
    let mut rest = field;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '>'));
            if rest.is_empty() {
                return None;
            }
            let (piece, after) = match rest.strip_prefix('<') {
                Some(inside) => inside.split_at(inside.find(['>', '<']).unwrap_or(inside.len())),
                None => rest.split_at(
                    rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '<' | '>')).unwrap_or(rest.len()),
                ),
            };
            rest = after;
            let bare: String = piece.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
            if bare.contains('@') {
                return Some(format!("<{bare}>"));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn authors(header: &str) -> (Vec<String>, bool) {
        let authors = Authors::read(header.as_bytes());
        (authors.named.iter().map(ToString::to_string).collect(), authors.certain)
    }

    #[test]
    fn one_clean_field_names_its_authors_for_certain() {
        assert_eq!(authors("From: A <a@x.fr>\r\n\r\nFrom: body@x.fr\r\n"), (vec!["a@x.fr".to_owned()], true));
        assert_eq!(authors("From: \"b@y.fr\" <a@x.fr>\r\n"), (vec!["a@x.fr".to_owned()], true));
        assert_eq!(authors("Subject: x\r\n"), (vec![], false));
        assert_eq!(Authors::read(b"From: a@x.fr, b@x.fr\r\n").sole(), None);
    }

    #[test]
    fn every_from_field_counts_and_two_make_doubt() {
        let (named, certain) = authors("From: a@x.fr\r\nFrom : b@y.fr\r\n");
        assert_eq!((named, certain), (vec!["a@x.fr".to_owned(), "b@y.fr".to_owned()], false));
    }

    #[test]
    fn no_unclean_field_hides_a_domain() {
        for value in [
            "a@x.fr <b@hidden.fr>",
            "Jean [CHU] b@hidden.fr",
            "group: b@hidden.fr;",
            "b @ hidden.fr, c@",
            "b@HIDDEN.fr.",
            "\"open <b@hidden.fr>",
            "<@y.fr:b@hidden.fr>",
            "(open b@hidden.fr",
            "é@ b@hidden.fr",
            "\"b\\ c\"@hidden.fr <",
        ] {
            let (named, certain) = authors(&format!("From: {value}\r\n"));
            assert!(!certain && named.iter().any(|name| name.ends_with("@hidden.fr")), "{value}: {named:?}");
        }
    }

    #[test]
    fn identifiers_are_found_however_they_are_written() {
        let found = |field| identifiers(field).collect::<Vec<_>>();
        assert_eq!(found("<a@b>"), ["<a@b>"]);
        assert_eq!(found("votre message <a@b> \t< C@\td >"), ["<a@b>", "<c@d>"]);
        assert_eq!(found("a@b,C@D <e@f"), ["<a@b>", "<c@d>", "<e@f>"]);
        for none in ["", "ab", "<ab>", "<>", " , > "] {
            assert!(found(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn all_fields_that_name_what_is_answered_count() {
        let thread = Thread::read(
            b"In-Reply-To: <1@a>\r\nIN-REPLY-TO: 2@A\r\nReferences: <3@a>\r\n <4@a>\r\nMessage-ID: <5@a>\r\n\r\nx",
        );
        assert_eq!(thread.answered, ["<1@a>", "<2@a>", "<4@a>"]);
        assert_eq!((thread.message_ids.as_slice(), thread.names_too_many), (["<5@a>".to_owned()].as_slice(), false));
    }

    #[test]
    fn whoever_answers_more_than_a_hundred_letters_answers_any() {
        let header = |n: usize| format!("In-Reply-To: {}\r\n", "<x@a> ".repeat(n));
        assert!(!Thread::read(header(MAX_ANSWERED).as_bytes()).names_too_many);
        assert!(Thread::read(header(MAX_ANSWERED + 1).as_bytes()).names_too_many);
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_fail(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            for name in ["From", "In-Reply-To", "References", "Message-ID"] {
                let header = [format!("{name}: ").as_bytes(), &octets].concat();
                let _ = (Authors::read(&header), Thread::read(&header));
            }
        }
    }
}
