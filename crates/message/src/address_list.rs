//! Address fields: From, To and their like. `[RFC5322 3.4]`
//!
//! One reader serves both uses. For display it makes the best of what it finds; for the
//! check of the author it also says whether the value was clean, and whoever needs
//! certainty refuses what is not.

use crate::EnvelopeAddress;
use crate::lexer::Lexer;

/// Stands for the domain of an address that has none, as other IMAP servers show it: a
/// missing one would read as the start of a group. `[RFC3501 7.4.2]`
const MISSING_DOMAIN: &str = "MISSING_DOMAIN";
/// Stands for the local part of `<>`.
const MISSING_MAILBOX: &str = "MISSING_MAILBOX";

/// What an address field holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AddressList {
    /// Mailboxes and the marks of groups, in order.
    pub(crate) entries: Vec<EnvelopeAddress>,
    /// Whether the value is in current syntax and can be read in one way only.
    pub(crate) clean: bool,
}

/// Reads an unfolded value; at most `limit` entries.
pub(crate) fn read(value: &str, limit: usize) -> AddressList {
    let mut reader = Reader { lexer: Lexer::new(value), entries: Vec::new(), in_group: false };
    let complete = reader.list(limit);
    AddressList { clean: complete && !reader.lexer.defect, entries: reader.entries }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    entries: Vec<EnvelopeAddress>,
    in_group: bool,
}

/// Words of a phrase or a local part.
#[derive(Default)]
struct Words {
    /// All of them, one space where blanks stood.
    phrase: String,
    /// Where in `phrase` the last run of words without blanks between them begins.
    last_run: usize,
    /// How many words there are.
    count: usize,
    /// Whether one of them was quoted.
    quoted: bool,
    /// The last comment behind or between them.
    comment: Option<String>,
    /// Whether blanks stood behind the last one.
    blank_after: bool,
}

impl Reader<'_> {
    /// Says whether the whole value was read.
    fn list(&mut self, limit: usize) -> bool {
        while self.entries.len() < limit {
            self.element();
            match self.lexer.peek() {
                None => {
                    self.end_group();
                    return true;
                }
                Some(';') if self.in_group => self.end_group(),
                Some(',') => {}
                Some(_) => self.lexer.defect = true,
            }
            // what else may stand here begins the next element
            self.lexer.take_one(|c| matches!(c, ',' | ';' | ':' | '>'));
        }
        false
    }

    fn end_group(&mut self) {
        if self.in_group {
            self.in_group = false;
            self.entries.push(EnvelopeAddress::default());
        }
    }

    /// A mailbox, the start of a group, or nothing.
    fn element(&mut self) {
        let words = self.words();
        match self.lexer.peek() {
            Some('@') => {
                let mailbox = self.local_part(&words);
                let (host, comment) = self.domain();
                self.push(comment.or(words.comment), mailbox, host);
            }
            Some('<') => {
                let name = words.phrase;
                let (mailbox, host) = self.angle_address();
                let after = self.lexer.skip_blanks();
                self.push(Some(name).filter(|n| !n.is_empty()).or(after.comment), mailbox, host);
            }
            Some(':') if !self.in_group && words.count > 0 => {
                self.lexer.bump();
                self.in_group = true;
                self.entries.push(EnvelopeAddress { mailbox: Some(words.phrase), ..EnvelopeAddress::default() });
                self.element();
            }
            _ if words.count > 0 => {
                self.lexer.defect = true;
                self.push(words.comment, words.phrase, MISSING_DOMAIN.to_owned());
            }
            _ => {}
        }
    }

    fn push(&mut self, name: Option<String>, mailbox: String, host: String) {
        let name = name.filter(|n| !n.is_empty());
        let mailbox = if mailbox.is_empty() { self.missing(MISSING_MAILBOX) } else { mailbox };
        self.entries.push(EnvelopeAddress { name, mailbox: Some(mailbox), host: Some(host) });
    }

    /// Atoms, dots and quoted strings up to a character that ends them.
    fn words(&mut self) -> Words {
        let mut words = Words::default();
        loop {
            let blanks = self.lexer.skip_blanks();
            words.comment = blanks.comment.or(words.comment);
            words.blank_after = blanks.any;
            let text = match self.lexer.peek() {
                Some('"') => {
                    words.quoted = true;
                    self.lexer.quoted_string()
                }
                Some(c) if !ends_words(c) => self.atom().to_owned(),
                _ => return words,
            };
            if blanks.any && words.count > 0 {
                words.phrase.push(' ');
                words.last_run = words.phrase.len();
            }
            words.phrase.push_str(&text);
            words.count += 1;
        }
    }

    /// Atoms and the dots between them; other characters are taken in as defects.
    fn atom(&mut self) -> &str {
        let atom = self.lexer.take_while(|c| !ends_words(c) && !matches!(c, '"' | '(' | ' ' | '\t'));
        if !atom.chars().all(|c| c == '.' || is_atext(c)) {
            self.lexer.defect = true;
        }
        atom
    }

    /// The last words before an `@`, unquoted.
    fn local_part(&mut self, words: &Words) -> String {
        let local = &words.phrase[words.last_run..];
        let pieces_mixed = words.quoted && words.count > 1;
        let not_dot_atom = !words.quoted && local.split('.').any(str::is_empty);
        if pieces_mixed || not_dot_atom || words.blank_after || words.last_run > 0 {
            self.lexer.defect = true;
        }
        local.to_owned()
    }

    /// `<local@domain>`; a source route is dropped. `[RFC5322 4.4]`
    fn angle_address(&mut self) -> (String, String) {
        self.lexer.bump();
        let mut words = self.words();
        if words.count == 0 && matches!(self.lexer.peek(), Some('@' | ',')) {
            self.lexer.defect = true;
            self.lexer.take_while(|c| !matches!(c, ':' | '>'));
            self.lexer.eat(':');
            words = self.words();
        }
        let mailbox = self.local_part(&words);
        let host = if self.lexer.peek() == Some('@') { self.domain().0 } else { self.missing(MISSING_DOMAIN) };
        if !self.lexer.eat('>') {
            self.lexer.defect = true;
        }
        (mailbox, host)
    }

    /// The domain behind an `@`, and the comment behind it.
    fn domain(&mut self) -> (String, Option<String>) {
        self.lexer.bump();
        self.lexer.defect |= self.lexer.skip_blanks().any;
        let literal = self.lexer.peek() == Some('[');
        let mut host = self.lexer.take_while(|c| if literal { c != ']' } else { is_atext(c) || c == '.' }).to_owned();
        if literal && self.lexer.eat(']') {
            host.push(']');
        }
        if host.is_empty() {
            host = self.missing(MISSING_DOMAIN);
        }
        (host, self.lexer.skip_blanks().comment)
    }

    fn missing(&mut self, what: &str) -> String {
        self.lexer.defect = true;
        what.to_owned()
    }
}

fn ends_words(c: char) -> bool {
    matches!(c, '@' | '<' | '>' | ':' | ';' | ',')
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `name|mailbox|host` of each entry, `-` for what is missing.
    fn shown(value: &str) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        read(value, 100)
            .entries
            .iter()
            .map(|e| format!("{}|{}|{}", or_dash(&e.name), or_dash(&e.mailbox), or_dash(&e.host)))
            .collect()
    }

    #[test]
    fn names_comments_quotes_and_encoded_words() {
        assert_eq!(shown("a@b.fr"), ["-|a|b.fr"]);
        assert_eq!(shown("Jean Dupont <a@b.fr>, c@d.fr"), ["Jean Dupont|a|b.fr", "-|c|d.fr"]);
        assert_eq!(shown("\"Dupont, Jean \\\"JD\\\"\" <a@b.fr>"), ["Dupont, Jean \"JD\"|a|b.fr"]);
        assert_eq!(shown("a@b.fr (Jean (le grand) Dupont)"), ["Jean (le grand) Dupont|a|b.fr"]);
        assert_eq!(shown("=?utf-8?q?H=C3=A9l=C3=A8ne?= <a@b.fr>"), ["=?utf-8?q?H=C3=A9l=C3=A8ne?=|a|b.fr"]);
        assert_eq!(shown("Hélène <hélène@évreux.fr>"), ["Hélène|hélène|évreux.fr"]);
        assert_eq!(shown("Dr. J. Dupont<a.b@c.fr>"), ["Dr. J. Dupont|a.b|c.fr"]);
        assert_eq!(shown("\"a b\"@c.fr"), ["-|a b|c.fr"]);
        assert_eq!(shown("a@[127.0.0.1]"), ["-|a|[127.0.0.1]"]);
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        assert_eq!(
            shown("Equipe: a@b.fr, C <c@d.fr>;, e@f.fr"),
            ["-|Equipe|-", "-|a|b.fr", "C|c|d.fr", "-|-|-", "-|e|f.fr"]
        );
        assert_eq!(shown("undisclosed-recipients:;"), ["-|undisclosed-recipients|-", "-|-|-"]);
        assert_eq!(shown("open: a@b.fr"), ["-|open|-", "-|a|b.fr", "-|-|-"]);
    }

    #[test]
    fn broken_values_are_shown_as_well_as_can_be_and_are_not_clean() {
        for (value, entries) in [
            ("<@x.fr,@y.fr:a@b.fr>", vec!["-|a|b.fr"]),
            ("Jean", vec!["-|Jean|MISSING_DOMAIN"]),
            ("<>", vec!["-|MISSING_MAILBOX|MISSING_DOMAIN"]),
            ("a@", vec!["-|a|MISSING_DOMAIN"]),
            ("Jean a@b.fr", vec!["-|a|b.fr"]),
            ("a@b.fr <c@d.fr>", vec!["-|a|b.fr", "-|c|d.fr"]),
            ("<a@b.fr", vec!["-|a|b.fr"]),
            ("a..b@c.fr", vec!["-|a..b|c.fr"]),
            ("\"a\".b@c.fr", vec!["-|a.b|c.fr"]),
            ("a @c.fr", vec!["-|a|c.fr"]),
            ("a@b.fr c@d.fr", vec!["-|a|b.fr", "-|c|d.fr"]),
            ("[x] <a@b.fr>", vec!["[x]|a|b.fr"]),
            ("a@b.fr (open", vec!["open|a|b.fr"]),
        ] {
            assert_eq!(shown(value), entries, "{value}");
            assert!(!read(value, 100).clean, "{value}");
        }
    }

    #[test]
    fn no_more_entries_than_the_limit() {
        let list = read(&"a@b.fr,".repeat(1000), 10);
        assert_eq!(list.entries.len(), 10);
        assert!(!list.clean);
    }

    proptest! {
        #[test]
        fn no_value_makes_the_reader_fail(value in "[a-z@<>:;,.\"()\\\\\\[\\] \\u{e9}]{0,60}") {
            let list = read(&value, 50);
            prop_assert!(list.entries.len() <= 52);
        }

        #[test]
        fn plain_mailboxes_are_clean(names in proptest::collection::vec("[a-z]{1,8}( [a-z]{1,8})?", 1..5)) {
            let value = names.iter().map(|n| format!("{n} <a@b.fr>")).collect::<Vec<_>>().join(", ");
            let list = read(&value, 50);
            prop_assert!(list.clean);
            prop_assert_eq!(list.entries.into_iter().map(|e| e.name.unwrap()).collect::<Vec<_>>(), names);
        }
    }
}
