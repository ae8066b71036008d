//! From the text of a list to requests, line by line; every cell that cannot be read is a problem of its own.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use mssante::{BalState, Listing, QuotaChoice};

use super::cell::meant;
use super::columns::{Column, Header};
use super::problem::Problem;
use crate::admin::{AdminError, CreateBal, Rules};

/// Most octets of one cell.
const LONGEST: usize = 1000;

/// One line that can be read.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the number of a line is called so in all messages")]
pub(crate) struct Line {
    /// Where it stands.
    pub(crate) line: u64,
    /// What it asks for.
    pub(crate) request: CreateBal,
    /// The hash of a password that was made elsewhere.
    pub(crate) password_hash: Option<String>,
    /// The state that it believes the BAL to be in.
    pub(crate) state: Option<BalState>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) good: Vec<Line>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Lines that are not empty, without the header.
    pub(super) count: u64,
    /// Whether the header can be used.
    pub(super) usable: bool,
}

/// Reads the whole text.
pub(super) fn read(text: &str, separator: u8, rules: &Rules) -> Lines {
    let mut lines = Lines::default();
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.delimiter(separator).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records().filter_map(|record| match record {
        Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => None,
        Ok(record) => Some(record),
        Err(_) => None,
    });
    // Excel's own line about the separator.
    let first = records.next().filter(|first| !is_about_separator(first)).or_else(|| records.next());
    let Some(first) = first else {
        lines.problems.push(Problem::new(
            1,
            "",
            "the file is empty; `pli bal import --template` prints its first line",
        ));
        return lines;
    };
    let header = Header::read(number(text, &first), first.iter(), &mut lines.problems);
    lines.usable = lines.problems.is_empty();
    if !lines.usable {
        return lines;
    }
    let mut seen = HashMap::new();
    for record in records {
        lines.count += 1;
        let line = number(text, &record);
        lines.take(line, &header, &record, rules, &mut seen);
    }
    lines
}

fn is_about_separator(record: &csv::StringRecord) -> bool {
    record.get(0).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("sep=")) && record.len() == 2
}

/// The line on which a record stands: the reader counts empty lines before it as its own.
fn number(text: &str, record: &csv::StringRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    position.line() + from.iter().take_while(|&&octet| octet == b'\n').count() as u64
}

impl Lines {
    fn take(
        &mut self,
        line: u64,
        header: &Header,
        record: &csv::StringRecord,
        rules: &Rules,
        seen: &mut HashMap<String, u64>,
    ) {
        let before = self.problems.len();
        let line = Cells { line, header, record, problems: &mut self.problems }.read();
        let Some(line) = line.filter(|_| self.problems.len() == before) else { return };
        if let Some(first) = seen.insert(line.request.address.key(), line.line) {
            let why = format!("{} stands on line {first} already; take one of the two away", line.request.address);
            return self.problems.push(Problem::new(line.line, Column::Address.name(), why));
        }
        match line.check(rules) {
            Ok(warnings) => {
                let warning = |warning: crate::admin::Warning| Problem::new(line.line, Column::Rpps.name(), warning);
                self.warnings.extend(warnings.into_iter().map(warning));
                self.good.push(line);
            }
            Err(error) => {
                self.problems.push(Problem::of(line.line, &error));
            }
        }
    }
}

impl Line {
    fn check(&self, rules: &Rules) -> Result<Vec<crate::admin::Warning>, AdminError> {
        if self.password_hash.is_some() {
            self.request.check_password_allowed()?;
        }
        self.request.check_fields(rules)
    }
}

/// The cells of one line.
struct Cells<'a> {
    line: u64,
    header: &'a Header,
    record: &'a csv::StringRecord,
    problems: &'a mut Vec<Problem>,
}

impl Cells<'_> {
    fn read(mut self) -> Option<Line> {
        self.check_width();
        let (address, kind) = (self.needed(Column::Address), self.needed(Column::Kind));
        let (rpps, structure) = (self.parsed(Column::Rpps), self.parsed(Column::Structure));
        let (adeli, local_id) = (self.parsed(Column::Adeli), self.parsed(Column::LocalId));
        let (listing, replies) = (self.listing(), self.parsed(Column::Replies));
        let state = self.parsed(Column::State);
        let password_hash = self.password_hash();
        let mut text = |column| self.text(column).map(str::to_owned);
        let (name, responsible) = (text(Column::Name), text(Column::Responsible));
        let (service, description) = (text(Column::Service), text(Column::Description));
        let (software, nil) = (text(Column::Software), text(Column::Nil));
        let certificate_dn = text(Column::CertificateDn);
        let (address, kind) = (address?, kind?);
        let request = CreateBal {
            address,
            kind,
            name,
            rpps,
            adeli,
            local_id,
            structure,
            responsible,
            service,
            description,
            software,
            nil,
            replies,
            quota: QuotaChoice::Default,
            listing,
            certificate_dn,
            password: None,
        };
        Some(Line { line: self.line, request, password_hash, state })
    }

    fn problem(&mut self, column: Column, why: impl Display) {
        self.problems.push(Problem::new(self.line, column.name(), why));
    }

    fn check_width(&mut self) {
        let (found, expected) = (self.record.len(), self.header.0.len());
        if self.record.iter().skip(expected).any(|cell| !cell.trim().is_empty()) {
            let why = format!(
                "the line has {found} fields and the first line names {expected}; a field that holds the separator stands \
                 between quotes"
            );
            self.problems.push(Problem::new(self.line, "", why));
        }
    }

    /// What stands in a column, without spaces around it; `None` if nothing does.
    fn text(&mut self, column: Column) -> Option<&str> {
        let place = self.header.0.iter().position(|other| *other == Some(column))?;
        let whole = self.record.get(place)?;
        let cell = meant(whole.trim());
        if whole.contains('\n') {
            self.problem(column, "the field runs over several lines; a quote (\") is open, close it or take it away");
            return None;
        }
        if cell.is_empty() {
            return None;
        }
        if cell.len() > LONGEST || cell.chars().any(char::is_control) {
            self.problem(
                column,
                format!("the field is longer than {LONGEST} octets or holds control characters; shorten it"),
            );
            return None;
        }
        Some(cell)
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, column: Column) -> Option<T> {
        let cell = self.text(column)?.to_owned();
        match cell.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let scientific = cell.contains("E+") && cell.starts_with(|c: char| c.is_ascii_digit());
                let cure =
                    if scientific { "; the spreadsheet shortened the number, format the column as text" } else { "" };
                self.problem(column, format!("{error}{cure}"));
                None
            }
        }
    }

    fn needed<T: FromStr<Err: Display>>(&mut self, column: Column) -> Option<T> {
        let before = self.problems.len();
        let value = self.parsed(column);
        if value.is_none() && self.problems.len() == before {
            self.problem(column, format!("every BAL has a {}; write it", column.name()));
        }
        value
    }

    /// `listed` and `unlisted` or, in a column of its own, whether it is on the liste rouge: "no" means the contrary in the
    /// other one, and what was published is not taken back.
    fn listing(&mut self) -> Option<Listing> {
        let listing = self.text(Column::Listing).map(str::to_lowercase);
        let red = self.text(Column::RedList).map(str::to_lowercase);
        let (column, cell) = match (listing, red) {
            (None, None) => return None,
            (Some(cell), None) => (Column::Listing, cell),
            (None, Some(cell)) => (Column::RedList, cell),
            (Some(_), Some(_)) => {
                self.problem(Column::RedList, "the line has a listing as well; empty one of the two");
                return None;
            }
        };
        match (column, cell.as_str()) {
            (_, "listed") | (Column::RedList, "non" | "no" | "n" | "0" | "false" | "faux") => Some(Listing::Listed),
            (_, "unlisted") | (Column::RedList, "oui" | "yes" | "o" | "1" | "true" | "vrai") => Some(Listing::Unlisted),
            _ => {
                let why = format!("'{cell}' is not one of listed, unlisted; yes and no stand in a column liste_rouge");
                self.problem(column, why);
                None
            }
        }
    }

    fn password_hash(&mut self) -> Option<String> {
        let cell = self.text(Column::PasswordHash)?.to_owned();
        if auth::is_usable_hash(&cell) {
            return Some(cell);
        }
        self.problem(
            Column::PasswordHash,
            "this is not an argon2id hash in PHC form ($argon2id$v=19$m=…,t=…,p=…$salt$hash)",
        );
        None
    }
}

#[cfg(test)]
mod tests {
    use mssante::{Domain, KeyPolicy};

    use super::*;

    fn rules() -> Rules {
        let domains = vec![Domain::parse("ch.mssante.fr").unwrap()];
        Rules { domains, unconfirmed_keys: KeyPolicy::Warn, quotas: mssante::Quotas::NONE }
    }

    fn problems(text: &str) -> Vec<String> {
        read(text, b';', &rules()).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_problem_has_its_line_and_its_column() {
        let found = problems(
            "address;kind;rpps;structure\n\
             a@ch.mssante.fr;PER;1,00012E+10;\n\
             not an address;XYZ;;\n\n\
             b@elsewhere.fr;CAB;;\n\
             c@ch.mssante.fr;CAB;1;\n\
             c@ch.mssante.fr;CAB;;;x\n\
             D@ch.mssante.fr;CAB;;\n\
             d@CH.mssante.fr;CAB;;\n",
        );
        let begins = [
            "line 2, rpps: ",
            "line 3, address: ",
            "line 3, kind: ",
            "line 5, address: ",
            "line 6, rpps: ",
            "line 7: ",
            "line 9, address: ",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begin) in found.iter().zip(begins) {
            assert!(found.starts_with(begin), "{found} / {begin}");
        }
        assert!(found[0].contains("format the column as text") && found[6].contains("line 8 already"), "{found:#?}");
    }

    #[test]
    fn an_open_quote_is_told_where_it_opens() {
        let found = problems("address;kind;name\na@ch.mssante.fr;CAB;\"Dupont\nb@ch.mssante.fr;CAB;x\n");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("line 2, name: ") && found[0].contains("quote"), "{found:#?}");
    }

    #[test]
    fn yes_and_no_count_only_where_the_column_asks_for_the_liste_rouge() {
        let read = |header: &str, cell: &str| {
            let text = format!("address;kind;{header}\na@ch.mssante.fr;CAB;{cell}\n");
            let lines = read(&text, b';', &rules());
            (lines.good.first().and_then(|line| line.request.listing), lines.problems.len())
        };
        assert_eq!(read("liste_rouge", "non"), (Some(Listing::Listed), 0));
        assert_eq!(read("Liste rouge", "Oui"), (Some(Listing::Unlisted), 0));
        assert_eq!(read("listing", "unlisted"), (Some(Listing::Unlisted), 0));
        for word in ["non", "no", "0", "oui", "yes", "1"] {
            assert_eq!(read("listing", word), (None, 1), "{word}");
        }
        assert_eq!(read("listing;liste rouge", "listed;oui"), (None, 1));
    }

    #[test]
    fn what_is_right_is_read() {
        let lines = read(
            "sep=;\nAdresse;Type;Nom;Liste rouge;Structure\na@ch.mssante.fr;org;\"Cardio; unité 2\";oui;318751275100020\n",
            b';',
            &rules(),
        );
        assert_eq!(lines.problems, []);
        let request = &lines.good[0].request;
        assert_eq!(request.name.as_deref(), Some("Cardio; unité 2"));
        assert_eq!(request.listing, Some(Listing::Unlisted));
    }
}
