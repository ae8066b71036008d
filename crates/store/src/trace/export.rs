//! Taking lines out of the database, so that somebody else can read and verify them.

use std::io::{self, BufRead, Write};
use std::path::Path;

use serde_json::json;
use time::OffsetDateTime;

use super::check::{self, Lines};
use super::file::{self, Record};
use super::line::{BEGINNING, Line};
use super::links::Link;
use super::verify::{Verification, Witness};
use super::{Event, rows};
use crate::{KeyRing, Store, StoreError};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// A JSON object on each line; can be verified.
    JsonLines,
    /// For spreadsheets.
    Csv,
}

impl std::str::FromStr for TraceFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "jsonl" => Ok(Self::JsonLines),
            "csv" => Ok(Self::Csv),
            _ => Err(format!("`{text}` is neither jsonl nor csv")),
        }
    }
}

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedTraces {
    /// Its first line.
    pub first: i64,
    /// Its last line.
    pub last: i64,
    /// Lines that it holds. Those that wait are not in it.
    pub lines: u64,
    /// Of these, lines that happened in the period; the others belong to the same links.
    pub in_period: u64,
}

impl Store {
    /// Writes the lines of a period out, with the links that they belong to: whole links, so that the chain can be
    /// verified, and hence some lines before and after. The trail remembers who did it. None if no line is that old.
    pub async fn export_traces(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
        format: TraceFormat,
        mut sink: impl Write,
    ) -> Result<Option<ExportedTraces>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        let period: (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(number), max(number) FROM trace_line WHERE at >= $1 AND at < $2")
                .bind(from)
                .bind(to)
                .fetch_one(&mut *connection)
                .await?;
        let (Some(first), Some(last)) = period else { return Ok(None) };
        let mut links = rows::links(&mut connection, first, i64::MAX).await?;
        let end = links.iter().position(|link| link.last >= last).map_or(links.len(), |place| place + 1);
        links.truncate(end);
        let Some((start, stop)) = links.first().zip(links.last()).map(|(a, b)| (a.first, b.last)) else {
            return Ok(None);
        };
        let before = rows::links(&mut connection, start - 1, start - 1).await?;
        let hash = before.first().map_or(BEGINNING, |link| link.hash);
        let mut writer = Writer { format, links: links.iter(), failed: None, sink: &mut sink };
        writer.start(start - 1, hash);
        let (mut lines, mut in_period) = (0, 0);
        for link in links.chunks(50) {
            let (Some(a), Some(b)) = (link.first(), link.last()) else { continue };
            let take = |line: &Line| {
                in_period += u64::from((from..to).contains(&line.head.at));
                writer.line(line);
            };
            lines += rows::lines(&mut connection, a.first, b.last, take).await?;
        }
        let failed = writer.failed;
        failed.map_or_else(|| sink.flush(), Err).map_err(|error| StoreError::Export(error.to_string()))?;
        let detail =
            json!({ "from": super::line::moment(from), "to": super::line::moment(to), "first": start, "last": stop });
        self.trace(Event::AuditExported).with(detail).insert(&mut connection).await?;
        Ok(Some(ExportedTraces { first: start, last: stop, lines, in_period }))
    }
}

struct Writer<'a, W> {
    format: TraceFormat,
    links: std::slice::Iter<'a, Link>,
    failed: Option<io::Error>,
    sink: &'a mut W,
}

impl<W: Write> Writer<'_, W> {
    fn start(&mut self, after: i64, hash: super::line::Hash) {
        match self.format {
            TraceFormat::JsonLines => self.put(&Record::Start(after, hash).json()),
            TraceFormat::Csv => self.put(file::COLUMNS),
        }
    }

    fn line(&mut self, line: &Line) {
        let link = self.links.as_slice().first().filter(|link| link.last <= line.head.number).cloned();
        if link.is_some() {
            self.links.next();
        }
        match self.format {
            TraceFormat::Csv => self.put(&file::csv(line, link.as_ref())),
            TraceFormat::JsonLines => {
                self.put(&Record::Line(line.clone()).json());
                if let Some(link) = link {
                    self.put(&Record::Link(link).json());
                }
            }
        }
    }

    fn put(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = writeln!(self.sink, "{text}").err();
        }
    }
}

/// Verifies an export of the form JSON lines. Without a key ring, signatures are left out. Contents that are gone
/// are no fault here: what announced their removal may stand after the end of the export.
pub fn check_export(file: &Path, ring: Option<&KeyRing>) -> Result<Verification, StoreError> {
    let (mut start, mut links) = (None, Vec::new());
    records(file, |record| match record {
        Record::Start(after, hash) => start = Some((after, hash)),
        Record::Link(link) => links.push(link),
        Record::Line(_) => {}
    })?;
    let (after, hash) = start.ok_or_else(|| unread(file, "no line says where the export starts"))?;
    let mut findings = check::check_links(&links, after, ring);
    let mut checked = Lines::new(&links, after, hash);
    let (mut lines, mut last, mut end) = (0, after, hash);
    records(file, |record| {
        if let Record::Line(line) = record {
            (lines, last, end) = (lines + 1, line.head.number, checked.line(&line));
        }
    })?;
    let (found, emptied) = checked.finish();
    findings.extend(found);
    Ok(Verification {
        lines,
        removed: emptied.lines(),
        links: links.len() as u64,
        entered_at: links.last().map(|link| link.at),
        end: Witness { number: last, hash: end },
        faults: findings.count,
        findings: findings.kept,
    })
}

/// Gives each record of the file to `take`. Files are larger than memory may be.
fn records(file: &Path, mut take: impl FnMut(Record)) -> Result<(), StoreError> {
    let reader = std::fs::File::open(file).map_err(|error| unread(file, error))?;
    for (number, text) in (1..).zip(io::BufReader::new(reader).lines()) {
        let text = text.map_err(|error| unread(file, error))?;
        let record = Record::parse(&text);
        let why = || format!("line {number} is no record of an export; was it made with --format jsonl?");
        take(record.ok_or_else(|| unread(file, why()))?);
    }
    Ok(())
}

fn unread(file: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Export(format!("{}: {why}", file.display()))
}
