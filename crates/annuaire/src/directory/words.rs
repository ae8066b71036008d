//! Which words occur where.

use super::fold::each_word;
use super::tables::Tables;
use super::texts::{Texts, at, number};
use super::vocabulary::{Collector, Field, Vocabulary};

impl Vocabulary {
    /// The words of all tables.
    pub(super) fn of(tables: &Tables) -> Self {
        let mut notes = Notes::default();
        let families = notes.texts(&tables.families, Field::Family);
        let givens = notes.texts(&tables.givens, Field::Given);
        notes.texts(&tables.services, Field::Service);
        notes.structures(tables);
        notes.places(tables);
        notes.trades(tables);
        for (domain, value) in tables.domains.iter().zip(0..) {
            notes.all(domain.as_str(), Field::Domain, value);
        }
        notes.locals(tables, &families, &givens);
        notes.collector.finish()
    }
}

/// The words of each text of a table.
struct WordsOf {
    ends: Vec<u32>,
    words: Vec<u32>,
}

impl WordsOf {
    fn get(&self, text: u32) -> &[u32] {
        let Some(end) = self.ends.get(at(text)) else { return &[] };
        let start = at(text).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[at(start)..at(*end)]
    }
}

#[derive(Default)]
struct Notes {
    collector: Collector,
    buffer: String,
}

impl Notes {
    fn all(&mut self, text: &str, field: Field, value: u32) {
        let Self { collector, buffer } = self;
        each_word(text, buffer, |word| {
            collector.note(word, field, value);
        });
    }

    fn texts(&mut self, texts: &Texts, field: Field) -> WordsOf {
        let mut found = WordsOf { ends: Vec::with_capacity(texts.len()), words: Vec::new() };
        let Self { collector, buffer } = self;
        for (text, value) in texts.iter().zip(0..) {
            each_word(text, buffer, |word| found.words.push(collector.note(word, field, value)));
            found.ends.push(number(found.words.len()));
        }
        found
    }

    fn structures(&mut self, tables: &Tables) {
        for ([_, name, trade_name, ..], value) in tables.structures.iter().zip(0..) {
            self.all(tables.texts.get(*name), Field::Structure, value);
            if trade_name != name {
                self.all(tables.texts.get(*trade_name), Field::Structure, value);
            }
        }
    }

    fn places(&mut self, tables: &Tables) {
        for (place, value) in tables.places.iter().zip(0..) {
            for part in place {
                self.all(tables.texts.get(*part), Field::Place, value);
            }
            let [_, postcode, ..] = *place;
            if let Some(department) = department(tables.texts.get(postcode)) {
                self.all(department, Field::Place, value);
            }
        }
    }

    fn trades(&mut self, tables: &Tables) {
        for ([civility, _, category, _, profession, _, speciality], value) in tables.trades.iter().zip(0..) {
            for label in [civility, category, profession, speciality] {
                self.all(tables.texts.get(*label), Field::Trade, value);
            }
        }
    }

    /// Words of local parts that the name does not have.
    fn locals(&mut self, tables: &Tables, families: &WordsOf, givens: &WordsOf) {
        let Self { collector, buffer } = self;
        for (row, value) in tables.rows.iter().zip(0..) {
            let (family, given) = (families.get(row.family), givens.get(row.given));
            each_word(tables.locals.get(value), buffer, |word| {
                let word = collector.number(word);
                if !family.contains(&word) && !given.contains(&word) {
                    collector.note_known(word, Field::Local, value);
                }
            });
        }
    }
}

/// The department of a French postcode as people say it: `93`, `974`, for Corsica `20`.
fn department(postcode: &str) -> Option<&str> {
    let five_digits = postcode.len() == 5 && postcode.bytes().all(|b| b.is_ascii_digit());
    five_digits
        .then(|| if postcode.starts_with("97") || postcode.starts_with("98") { &postcode[..3] } else { &postcode[..2] })
}
