//! `pli indicators`: what the BALs of this operator did in a month.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;
use store::Indicators;
use time::Date;

use super::print;
use crate::admin::{Administration, INDICATOR_COLUMNS, Rules, indicator_row, indicators, month};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

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
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(INDICATOR_COLUMNS))]
    columns: Vec<String>,
}

impl Command {
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(&Administration::new(store.clone(), Rules::of(settings)), json).await;
        store.close().await;
        database.stop().await.and(result)
    }

    async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let found = admin.indicators(self.month).await?;
        if found.bals_counted_at.is_none() {
            eprintln!("warning: nobody counted the BALs in that month; their columns are empty");
        }
        eprintln!("note: category and profession are not known to pli yet; their columns are empty");
        if json || self.format == "json" { print::json(&indicators(&found)) } else { self.csv(&found) }
    }

    fn csv(&self, indicators: &Indicators) -> Result<(), Failure> {
        let all = INDICATOR_COLUMNS.map(str::to_owned);
        let columns = if self.columns.is_empty() { &all[..] } else { &self.columns };
        print::line(&columns.join(","))?;
        for ((kind, structure), count) in &indicators.rows {
            let row = indicator_row(indicators, kind, structure, count);
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
