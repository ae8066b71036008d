//! One line: its fields, and what is said of people and structures in them.

use std::borrow::Cow;
use std::cell::Cell;
use std::str::FromStr as _;

use mssante::{KeyCheck, KeyPolicy, PersonId, Rpps, StructureId};

use super::activities::ActivityLine;
use super::columns::Columns;
use super::correspondence::EntryLine;
use super::lines::{Ending, Line, MAX_LINE};
use super::{ExtractionError, ExtractionKind, Item};
use crate::clean::{cut, push};
use crate::{Coded, RejectionReason, Structure};

/// Why a line is passed over, and what was wrong.
pub(super) type Refused = (RejectionReason, String);

/// Whether an identifier of a line is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubts {
    None,
    Some,
}

impl Doubts {
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Some { self } else { other }
    }
}

/// Makes items of lines, in the same memory each time.
pub(super) struct Reader<'a> {
    columns: &'a Columns,
    keys: KeyPolicy,
    ends: Vec<usize>,
    entry: EntryLine,
    activity: ActivityLine,
    was_shortened: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(columns: &'a Columns, keys: KeyPolicy) -> Self {
        Self {
            columns,
            keys,
            ends: Vec::new(),
            entry: EntryLine::default(),
            activity: ActivityLine::default(),
            was_shortened: false,
        }
    }

    /// Whether a text of the line that was read last was cut.
    pub(super) fn was_shortened(&self) -> bool {
        self.was_shortened
    }

    /// Hands what the line says to `take`, or says what is wrong with it.
    pub(super) fn read(
        &mut self,
        line: &Line<'_>,
        take: &mut dyn FnMut(Item<'_>),
    ) -> Result<Result<Doubts, Refused>, ExtractionError> {
        let fields = match split(line, self.columns, &mut self.ends) {
            Ok(fields) => fields,
            Err((reason, _)) if line.ending == Ending::File && is_torn(reason) => {
                return Err(ExtractionError::Torn { line: line.number });
            }
            Err(refused) => return Ok(Err(refused)),
        };
        let read = match self.columns.kind() {
            ExtractionKind::Correspondence => self.entry.read(&fields, self.keys).map(|(entry, doubts)| {
                take(Item::Entry(entry));
                doubts
            }),
            ExtractionKind::Activities => self.activity.read(&fields, self.keys).map(|(activity, doubts)| {
                take(Item::Activity(activity));
                doubts
            }),
        };
        self.was_shortened = fields.was_shortened.get();
        Ok(read)
    }
}

/// As many fields as the header has, or empty ones beyond.
fn split<'r, 'l>(line: &Line<'l>, columns: &'r Columns, ends: &'r mut Vec<usize>) -> Result<Fields<'r, 'l>, Refused> {
    let too_long = || (RejectionReason::TooLong, format!("it has more than {MAX_LINE} octets"));
    let octets = line.octets.ok_or_else(too_long)?;
    let text = std::str::from_utf8(octets)
        .map_err(|error| (RejectionReason::Encoding, format!("octet {} is not UTF-8", error.valid_up_to() + 1)))?;
    ends.clear();
    // Fields are too short for memchr to pay.
    ends.extend(octets.iter().enumerate().filter(|(_, b)| **b == b'|').map(|(at, _)| at));
    ends.push(octets.len());
    let (count, wanted) = (ends.len(), columns.count());
    let beyond = ends.get(wanted.saturating_sub(1)).map_or("", |&end| &text[end..]);
    if count < wanted || beyond.bytes().any(|b| b != b'|' && b != b' ') {
        return Err((RejectionReason::Fields, format!("it has {count} fields, the header {wanted}")));
    }
    Ok(Fields { text, ends, columns, was_shortened: Cell::new(false) })
}

/// What the last line may look like when the rest of the file is missing.
fn is_torn(reason: RejectionReason) -> bool {
    matches!(reason, RejectionReason::Fields | RejectionReason::Encoding)
}

/// The fields of a line by the place of their column in the layout.
pub(super) struct Fields<'r, 'l> {
    text: &'l str,
    ends: &'r [usize],
    columns: &'r Columns,
    /// Whether a text was cut.
    was_shortened: Cell<bool>,
}

impl<'l> Fields<'_, 'l> {
    /// Trimmed; empty if the file has no such column.
    pub(super) fn get(&self, column: usize) -> &'l str {
        let Some(place) = self.columns.place(column) else { return "" };
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        trimmed(&self.text[begin..self.ends[place]])
    }

    pub(super) fn any(&self, columns: &[usize]) -> bool {
        columns.iter().any(|&column| !self.get(column).is_empty())
    }

    /// Writes the fields into `to`, with a space between those that are not empty.
    pub(super) fn join(&self, columns: &[usize], to: &mut String) {
        to.clear();
        for text in columns.iter().map(|&column| self.get(column)).filter(|text| !text.is_empty()) {
            if !to.is_empty() {
                to.push(' ');
            }
            push(to, self.cut(text));
        }
    }

    pub(super) fn write(&self, column: usize, to: &mut String) {
        to.clear();
        push(to, self.cut(self.get(column)));
    }

    fn cut(&self, text: &'l str) -> &'l str {
        let kept = cut(text);
        self.was_shortened.set(self.was_shortened.get() || kept.len() < text.len());
        kept
    }

    /// The lines of an address that are not empty, each joined of its fields.
    pub(super) fn write_lines(&self, lines: &[&[usize]], to: &mut Vec<String>) {
        let mut count = 0;
        for columns in lines.iter().filter(|columns| self.any(columns)) {
            if to.len() == count {
                to.push(String::new());
            }
            self.join(columns, &mut to[count]);
            count += 1;
        }
        to.truncate(count);
    }

    pub(super) fn write_coded(&self, code: usize, label: usize, to: &mut Coded) {
        self.write(code, &mut to.code);
        self.write(label, &mut to.label);
    }

    /// Leaves a country out that says what everybody takes for granted.
    pub(super) fn write_country(&self, column: usize, to: &mut Structure) {
        self.write(column, &mut to.country);
        if to.country.eq_ignore_ascii_case("france") {
            to.country.clear();
        }
    }
}

/// Most fields have no space around them.
fn trimmed(field: &str) -> &str {
    let is_visible = |b: Option<&u8>| b.is_none_or(u8::is_ascii_graphic);
    let octets = field.as_bytes();
    if is_visible(octets.first()) && is_visible(octets.last()) { field } else { field.trim() }
}

/// What was wrong, short enough for a report and fit for a terminal.
pub(super) fn refused(reason: RejectionReason, what: &str, text: &str) -> Refused {
    let shown: String = text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
    (reason, format!("'{shown}': {what}").chars().take(200).collect())
}

/// The person of `Type Identifiant PP` (8: RPPS, 0: ADELI), `Identifiant PP` and `Identification nationale PP`
/// (the two joined). An RPPS of the wrong shape is no person. Where the columns contradict each other, or another number
/// has a shape that it cannot have, nobody can say who it is: no identifier, and a doubt.
pub(super) fn person(
    kind: &str,
    number: &str,
    national: &str,
    keys: KeyPolicy,
) -> Result<(Option<PersonId>, Doubts), Refused> {
    if number.is_empty() && national.is_empty() {
        return Ok((None, Doubts::None));
    }
    let bare = if number.is_empty() { national.strip_prefix(kind).unwrap_or(national) } else { number };
    let wrong = |error: mssante::IdentifierError| refused(RejectionReason::Person, &error.to_string(), bare);
    if kind == "8" {
        Rpps::from_str(bare).map_err(wrong)?;
    }
    let written = match national {
        "" => Cow::Owned([kind, number].concat()),
        _ if agree(kind, number, national) => Cow::Borrowed(national),
        _ => return Ok((None, Doubts::Some)),
    };
    let Some(id) = written.parse().ok().filter(|id| is_of_kind(id, kind)) else { return Ok((None, Doubts::Some)) };
    let check = keys.judge(&id).map_err(wrong)?;
    let doubts = if check == KeyCheck::Doubtful { Doubts::Some } else { Doubts::None };
    Ok((Some(id), doubts))
}

/// Whether the three columns say the same, as far as they say anything.
fn agree(kind: &str, number: &str, national: &str) -> bool {
    match (kind, number) {
        (kind, "") => national.starts_with(kind),
        ("", number) => national == number || national.get(1..) == Some(number),
        (kind, number) => national.strip_prefix(kind) == Some(number),
    }
}

fn is_of_kind(id: &PersonId, kind: &str) -> bool {
    match kind {
        "" => true,
        "8" => matches!(id, PersonId::Rpps(_)),
        "0" => matches!(id, PersonId::Adeli(_)),
        _ => matches!(id, PersonId::Other(_)),
    }
}

/// The structure of `Type identifiant structure` and `Identification Structure`, with or without the type before
/// the number. One that is none is left out: who can be reached there still can. Nine digits without a type may be a
/// FINESS or a SIREN, so they are neither.
pub(super) fn structure(kind: &str, number: &str, keys: KeyPolicy) -> (Option<StructureId>, Doubts) {
    if number.is_empty() {
        return (None, Doubts::None);
    }
    let id = match (kind, number.len()) {
        ("FINESS", _) => typed("1", number),
        ("SIREN", _) => typed("2", number),
        ("SIRET", _) | ("", 14) => typed("3", number),
        ("", 10 | 15) => number.parse().ok().filter(|id| !matches!(id, StructureId::Other(_))),
        (kind, _) => typed(kind, number),
    };
    match id.as_ref().map(|id| keys.judge_structure(id)) {
        None | Some(Err(_)) => (None, Doubts::Some),
        Some(Ok(KeyCheck::Doubtful)) => (id, Doubts::Some),
        Some(Ok(_)) => (id, Doubts::None),
    }
}

/// The number behind its type, or as it is if it begins with its type already. Read without regard to its type, a
/// number with a wrong key would be another number.
fn typed(kind: &str, number: &str) -> Option<StructureId> {
    let is_type = kind.len() == 1;
    let with_its_type = || number.starts_with(kind).then(|| number.parse().ok()).flatten();
    is_type.then(|| [kind, number].concat().parse().ok().or_else(with_its_type)).flatten()
}
