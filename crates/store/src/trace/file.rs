//! The file that an export is: one JSON object per line, or CSV with the same members. Pure: no database.
//!
//! The form is documented for third parties in `docs/audit.md`.

use mssante::hex;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::line::{Content, Hash, Head, Line, canonical, moment, parse_moment};
use super::links::Link;
use super::unhex;

/// The first member of the first record.
pub(super) const FORMAT: &str = "pli-audit-1";

/// One record of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// Where it starts: the number before the first line, and the hash of the chain there.
    Start(i64, Hash),
    Line(Line),
    Link(Link),
}

impl Record {
    /// As a line of JSON, without its end.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Start(after, hash) => json!({ "format": FORMAT, "after": after, "hash": hex(hash) }).to_string(),
            Self::Line(line) => match &line.content {
                Some(content) => format!(
                    "{{\"line\":{},\"salt\":\"{}\",\"digest\":\"{}\"}}",
                    canonical(&line.head, content),
                    hex(&content.salt),
                    hex(&line.digest)
                ),
                None => json!({
                    "removed": { "number": line.head.number, "at": moment(line.head.at), "event": line.head.event },
                    "digest": hex(&line.digest),
                })
                .to_string(),
            },
            Self::Link(link) => json!({ "link": {
                "first": link.first, "last": link.last, "at": moment(link.at), "hash": hex(&link.hash),
                "key": link.key_id, "mac": hex(&link.mac),
            } })
            .to_string(),
        }
    }

    /// Reads what [`Record::json`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(text).ok()?;
        if let Some(format) = record.get("format") {
            return (format == FORMAT).then_some(Self::Start(record["after"].as_i64()?, hash(&record["hash"])?));
        }
        if let Some(link) = record.get("link") {
            return Some(Self::Link(parse_link(link)?));
        }
        let digest = hash(&record["digest"])?;
        if let Some(line) = record.get("line") {
            let content = parse_content(line, octets(&record["salt"])?.try_into().ok()?)?;
            return Some(Self::Line(Line { head: parse_head(line)?, digest, content: Some(content) }));
        }
        Some(Self::Line(Line { head: parse_head(record.get("removed")?)?, digest, content: None }))
    }
}

fn octets(value: &Value) -> Option<Vec<u8>> {
    unhex(value.as_str()?)
}

fn hash(value: &Value) -> Option<Hash> {
    octets(value)?.try_into().ok()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn time(value: &Value) -> Option<OffsetDateTime> {
    parse_moment(value.as_str()?)
}

fn parse_head(line: &Value) -> Option<Head> {
    Some(Head { number: line["number"].as_i64()?, at: time(&line["at"])?, event: text(&line["event"])? })
}

fn parse_content(line: &Value, salt: [u8; super::line::SALT]) -> Option<Content> {
    Some(Content {
        salt,
        actor: text(&line["actor"])?,
        delegated: text(&line["delegated"]),
        message: line["message"].as_i64(),
        bal: line["bal"].as_i64(),
        peer: text(&line["peer"]),
        detail: line.get("detail").filter(|detail| !detail.is_null()).map(ToString::to_string),
    })
}

fn parse_link(link: &Value) -> Option<Link> {
    Some(Link {
        first: link["first"].as_i64()?,
        last: link["last"].as_i64()?,
        at: time(&link["at"])?,
        hash: hash(&link["hash"])?,
        key_id: text(&link["key"])?,
        mac: octets(&link["mac"])?,
    })
}

/// The columns of the CSV form.
pub(super) const COLUMNS: &str =
    "number,at,event,class,actor,delegated,message,bal,peer,detail,salt,digest,link_hash,link_key,link_mac";

/// A row of CSV, for spreadsheets. What ends a link carries its hash, key and signature.
pub(super) fn csv(line: &Line, link: Option<&Link>) -> String {
    let head = &line.head;
    let class = head.event.parse::<super::Event>().map(|event| event.class().word()).unwrap_or_default();
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let content = line.content.as_ref();
    let said = |value: fn(&Content) -> Option<&String>| content.and_then(value).cloned().unwrap_or_default();
    let cells = [
        head.number.to_string(),
        moment(head.at),
        head.event.clone(),
        class.to_owned(),
        said(|content| Some(&content.actor)),
        said(|content| content.delegated.as_ref()),
        number(content.and_then(|content| content.message)),
        number(content.and_then(|content| content.bal)),
        said(|content| content.peer.as_ref()),
        said(|content| content.detail.as_ref()),
        content.map(|content| hex(&content.salt)).unwrap_or_default(),
        hex(&line.digest),
        link.map(|link| hex(&link.hash)).unwrap_or_default(),
        link.map(|link| link.key_id.clone()).unwrap_or_default(),
        link.map(|link| hex(&link.mac)).unwrap_or_default(),
    ];
    cells.map(|cell| quoted(&cell)).join(",")
}

/// A cell, in quotes if it needs them. What a spreadsheet would take for a formula gets a quote in front.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', ';', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::tests::{contents, head};
    use super::*;

    proptest! {
        #[test]
        fn a_line_is_read_back_as_it_was_written(content in contents(), number in 1..1_i64 << 40) {
            let line = Line::new(head(number), content);
            let removed = Line { content: None, ..line.clone() };
            for record in [Record::Line(line), Record::Line(removed)] {
                prop_assert_eq!(Record::parse(&record.json()), Some(record));
            }
        }

        #[test]
        fn what_is_no_record_is_none(text in ".{0,60}") {
            prop_assert_eq!(Record::parse(&text), None);
        }
    }

    #[test]
    fn start_and_link_are_read_back_as_they_were_written() {
        let at = time::macros::datetime!(2026-11-22 07:00 UTC);
        let link = Link { first: 1, last: 2, at, hash: [1; 32], key_id: "k1".into(), mac: vec![2; 32] };
        for record in [Record::Start(0, [0; 32]), Record::Link(link)] {
            assert_eq!(Record::parse(&record.json()), Some(record));
        }
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("{\"a\":1}"), "\"{\"\"a\"\":1}\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
