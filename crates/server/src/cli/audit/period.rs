//! From when to when.

use clap::Args;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// A period; days are those of UTC.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Period {
    /// From this day (2026-10-01) or moment (2026-10-01T08:00:00Z) on.
    #[arg(long, value_name = "TIME", value_parser = start)]
    pub(super) from: Option<OffsetDateTime>,
    /// To this day (with it) or moment (without it).
    #[arg(long, value_name = "TIME", value_parser = end)]
    pub(super) to: Option<OffsetDateTime>,
}

fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

fn start(text: &str) -> Result<OffsetDateTime, String> {
    match day(text) {
        Some(day) => Ok(day.midnight().assume_utc()),
        None => moment(text),
    }
}

fn end(text: &str) -> Result<OffsetDateTime, String> {
    match day(text) {
        Some(day) => day.next_day().map(|next| next.midnight().assume_utc()).ok_or_else(|| "too late a day".to_owned()),
        None => moment(text),
    }
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write a day as 2026-10-01 or a moment as 2026-10-01T08:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_day_is_meant_whole() {
        assert_eq!(start("2026-10-31"), Ok(datetime!(2026-10-31 0:00 UTC)));
        assert_eq!(end("2026-10-31"), Ok(datetime!(2026-11-01 0:00 UTC)));
        assert_eq!(end("2026-10-31T08:00:00+01:00"), Ok(datetime!(2026-10-31 7:00 UTC)));
        assert!(start("yesterday").unwrap_err().contains("2026-10-01"));
    }
}
