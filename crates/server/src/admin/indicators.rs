//! What the BALs of this operator did in a month, as it is told: rows for each kind and structure, and totals.

use serde_json::{Map, Value, json};
use store::{Indicators, MonthCount};
use time::Date;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// What can be a column, in the order of the default.
pub(crate) const INDICATOR_COLUMNS: [&str; 20] = [
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

/// The first day of a month that is written as 2026-10.
pub(crate) fn month(text: &str) -> Result<Date, String> {
    let day = format!("{text}-01");
    Date::parse(&day, format_description!("[year]-[month]-[day]")).map_err(|_| "write a month as 2026-10".to_owned())
}

/// One row; its members are all of [`INDICATOR_COLUMNS`].
pub(crate) fn indicator_row(
    indicators: &Indicators,
    kind: &str,
    structure: &str,
    count: &MonthCount,
) -> Map<String, Value> {
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

/// A month with its totals, and by software.
pub(crate) fn indicators(indicators: &Indicators) -> Value {
    let rows =
        indicators.rows.iter().map(|((kind, structure), count)| indicator_row(indicators, kind, structure, count));
    let mut total = MonthCount::default();
    indicators.rows.values().for_each(|count| total.add(count));
    json!({
        "month": indicators.month.to_string().get(..7),
        "bals_counted_at": indicators.bals_counted_at.and_then(|at| at.format(&Rfc3339).ok()),
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
        let row = indicator_row(&indicators, "PER", "", &MonthCount::default());
        let mut columns = INDICATOR_COLUMNS.to_vec();
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
