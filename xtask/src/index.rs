//! The rule index, `docs/conformity/index.tsv`.
//!
//! One line per rule: id, title, status, note, separated by tabs, in the order in which readers expect them. Lines that begin with `#` are
//! skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// How far a rule is implemented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// In full; code or a test cites it.
    Yes,
    /// In part; the note says which.
    Partial,
    /// Not yet, or on purpose not; the note says why.
    No,
}

impl Status {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "yes" => Some(Self::Yes),
            "partial" => Some(Self::Partial),
            "no" => Some(Self::No),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::Partial => "partial",
            Self::No => "no",
        })
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) title: String,
    pub(crate) status: Status,
    pub(crate) note: String,
}

/// Sorts rules as a reader expects: by document, then by section with numbers compared as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId {
    document: Part,
    section: Vec<Part>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Number(u64),
}

impl RuleId {
    pub(crate) fn new(text: &str) -> Self {
        let (document, section) = text.split_once(' ').unwrap_or((text, ""));
        let number = document.strip_prefix("RFC").and_then(|number| number.parse().ok());
        Self {
            document: number.map_or_else(|| Part::Word(document.to_owned()), Part::Number),
            section: section.split('.').map(part).collect(),
            text: text.to_owned(),
        }
    }

    /// The document's part of the id, e.g. `RFC5321`.
    pub(crate) fn document(&self) -> &str {
        self.text.split(' ').next().unwrap_or(&self.text)
    }

    /// The part after the document.
    pub(crate) fn section(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, section)| section)
    }
}

fn part(text: &str) -> Part {
    text.parse().map_or_else(|_| Part::Word(text.to_owned()), Part::Number)
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All rules by id.
pub(crate) type Index = BTreeMap<RuleId, Rule>;

/// Reads the index.
pub(crate) fn read(file: &Path) -> Result<Index> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    parse(&text).with_context(|| file.display().to_string())
}

/// Every rule stands once, after those that come before it.
fn parse(text: &str) -> Result<Index> {
    let mut index = Index::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let (id, rule) = parse_line(line).with_context(|| format!("line {}", number + 1))?;
        if let Some((last, _)) = index.last_key_value()
            && *last >= id
        {
            bail!("line {}: `{id}` belongs before `{last}`, or stands twice", number + 1);
        }
        index.insert(id, rule);
    }
    Ok(index)
}

fn parse_line(line: &str) -> Result<(RuleId, Rule)> {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    let (id, title, status, note) = match fields.as_slice() {
        [id, title, status] => (*id, *title, *status, ""),
        [id, title, status, note] => (*id, *title, *status, *note),
        _ => bail!("want id, title, status and note separated by tabs, found {} fields", fields.len()),
    };
    let Some(status) = Status::parse(status) else { bail!("status `{status}` is not yes, partial or no") };
    if title.is_empty() {
        bail!("`{id}` has no title");
    }
    if status != Status::Yes && note.is_empty() {
        bail!("`{id}` is `{status}`: the note must say what is missing, or why");
    }
    Ok((RuleId::new(id), Rule { title: title.to_owned(), status, note: note.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_id_title_status_and_note() {
        let index = parse("# comment\nRFC5321 4.4\tTrace\tpartial\tno date check\n").unwrap();
        let rule = &index[&RuleId::new("RFC5321 4.4")];
        assert_eq!((rule.title.as_str(), rule.status, rule.note.as_str()), ("Trace", Status::Partial, "no date check"));
    }

    #[test]
    fn the_note_of_a_yes_may_be_missing() {
        assert!(parse("RFC5321 4.4\tTrace\tyes").is_ok());
        assert!(parse("RFC5321 4.4\tTrace\tno").is_err());
    }

    #[test]
    fn a_wrong_status_or_field_count_is_refused() {
        assert!(parse("RFC5321 4.4\tTrace\tmaybe\t").is_err());
        assert!(parse("RFC5321 4.4 Trace yes").is_err());
        assert!(parse("RFC5321 4.4\t\tyes\t").is_err());
    }

    #[test]
    fn every_rule_stands_once_and_in_order() {
        assert!(parse("RFC1 1\tA\tyes\nRFC1 2\tB\tyes").is_ok());
        assert!(parse("RFC1 1\tA\tyes\nRFC1 1\tA\tyes").is_err());
        assert!(parse("RFC1 2\tA\tyes\nRFC1 1\tB\tyes").is_err());
    }

    #[test]
    fn sections_sort_as_numbers() {
        let mut ids = ["RFC5321 4.10", "RFC5321 4.9", "MSS1 HOP.IN", "RFC822 3", "RFC4422 A"].map(RuleId::new);
        ids.sort();
        let sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["MSS1 HOP.IN", "RFC822 3", "RFC4422 A", "RFC5321 4.9", "RFC5321 4.10"]);
    }
}
