//! `pli indicators`: what the BALs of this operator did in a month.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};
use store::{Indicators, MonthCount, Store};
use time::Date;
use time::macros::format_description;

use super::print;
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// What can be a column, in the order of the default.
const COLUMNS: [&str; 20] = [
    "month",
    "kind",
    "structure",
    "category",
    "profession",
    "bals_created",
    "bals_active",
    "bals_suspended",
    "bals_closed",
    "bals_unlisted",
    "emitters",
    "sent",
    "sent_octets",
    "received",
    "received_octets",
    "to_patients",
    "from_patients",
    "with_xdm",
    "ins_qualified",
    "ins_unqualified",
];

/// Which month, and how.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// The month, as 2026-10.
    #[arg(long, value_parser = month)]
    month: Date,
    /// csv (a row for each kind and structure) or json (with totals, and by software).
    #[arg(long, default_value = "csv", value_parser = ["csv", "json"])]
    format: String,
    /// Columns of the CSV, with commas between; all of them without it.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(COLUMNS))]
    columns: Vec<String>,
}

fn month(text: &str) -> Result<Date, String> {
    let day = format!("{text}-01");
    Date::parse(&day, format_description!("[year]-[month]-[day]")).map_err(|_| "write a month as 2026-10".to_owned())
}

impl Command {
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(&store, json).await;
        store.close().await;
        database.stop().await.and(result)
    }

    async fn work(self, store: &Store, json: bool) -> Result<(), Failure> {
        let indicators = store.indicators(self.month).await?;
        if indicators.bals_counted_at.is_none() {
            eprintln!("warning: nobody counted the BALs in that month; their columns are empty");
        }
        eprintln!("note: category and profession are not known to pli yet; their columns are empty");
        if json || self.format == "json" { print::json(&whole(&indicators)) } else { self.csv(&indicators) }
    }

    fn csv(&self, indicators: &Indicators) -> Result<(), Failure> {
        let all = COLUMNS.map(str::to_owned);
        let columns = if self.columns.is_empty() { &all[..] } else { &self.columns };
        print::line(&columns.join(","))?;
        for ((kind, structure), count) in &indicators.rows {
            let row = row(indicators, kind, structure, count);
            let cells: Vec<_> = columns.iter().map(|column| cell(&row[column.as_str()])).collect();
            print::line(&cells.join(","))?;
        }
        Ok(())
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One row; its members are all of [`COLUMNS`].
fn row(indicators: &Indicators, kind: &str, structure: &str, count: &MonthCount) -> Map<String, Value> {
    let mut row = Map::new();
    let month = indicators.month.to_string();
    row.insert("month".to_owned(), json!(month.get(..7)));
    row.insert("kind".to_owned(), json!(kind));
    row.insert("structure".to_owned(), json!(Some(structure).filter(|structure| !structure.is_empty())));
    row.insert("category".to_owned(), Value::Null);
    row.insert("profession".to_owned(), Value::Null);
    row.extend(counts(count, indicators.bals_counted_at.is_some()));
    row
}

fn counts(count: &MonthCount, counted: bool) -> Map<String, Value> {
    let bals = |state: &str| counted.then(|| count.bals.get(state).copied().unwrap_or(0));
    let numbers = json!({
        "bals_created": bals("created"),
        "bals_active": bals("active"),
        "bals_suspended": bals("suspended"),
        "bals_closed": bals("closed"),
        "bals_unlisted": counted.then_some(count.unlisted),
        "emitters": count.emitters,
        "sent": count.sent,
        "sent_octets": count.sent_octets,
        "received": count.received,
        "received_octets": count.received_octets,
        "to_patients": count.to_patients,
        "from_patients": count.from_patients,
        "with_xdm": count.with_xdm,
        "ins_qualified": count.ins_qualified,
        "ins_unqualified": count.ins_unqualified,
    });
    match numbers {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn whole(indicators: &Indicators) -> Value {
    let rows = indicators.rows.iter().map(|((kind, structure), count)| row(indicators, kind, structure, count));
    let mut total = MonthCount::default();
    indicators.rows.values().for_each(|count| total.add(count));
    json!({
        "month": indicators.month.to_string().get(..7),
        "bals_counted_at": indicators.bals_counted_at.map(print::moment),
        "total": counts(&total, indicators.bals_counted_at.is_some()),
        "rows": rows.collect::<Vec<_>>(),
        "software": indicators.software,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_cell() {
        let indicators = Indicators {
            month: month("2026-10").unwrap(),
            bals_counted_at: None,
            rows: std::collections::BTreeMap::new(),
            software: Vec::new(),
        };
        let row = row(&indicators, "PER", "", &MonthCount::default());
        let mut columns = COLUMNS.to_vec();
        columns.sort_unstable();
        assert_eq!(row.keys().map(String::as_str).collect::<Vec<_>>(), columns);
        assert_eq!(
            (&row["month"], &row["structure"], &row["bals_active"]),
            (&json!("2026-10"), &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn a_month_is_written_as_year_and_month() {
        for text in ["2026-13", "October", "2026-10-01", ""] {
            assert!(month(text).is_err(), "{text}");
        }
    }
}
