//! Tables for people, JSON for machines.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::failure::Failure;

/// Pretty JSON on standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Refused(error.to_string()))?;
    line(&text)
}

/// A table on standard output.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<(), Failure> {
    self::rows(&header, rows)
}

/// A table whose width is known only when it is printed; every row is as wide as the header.
pub(crate) fn rows<R: IntoIterator<Item = String>>(
    header: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| tame(&cell)));
    }
    line(&table.trim_fmt())
}

/// A text that a stranger may have written, without what a terminal would obey: control characters, and marks that
/// change the direction of writing or cannot be seen. New lines stay.
pub(crate) fn tame(text: &str) -> String {
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.chars().map(|c| if (c.is_control() && c != '\n') || invisible(c) { '\u{fffd}' } else { c }).collect()
}

/// One line per member of a JSON object, or the object itself.
pub(crate) fn facts(object: &serde_json::Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return json(object);
    }
    let empty = serde_json::Map::new();
    let rows = object.as_object().unwrap_or(&empty).iter().map(|(name, value)| [name.replace('_', " "), plain(value)]);
    table(["what", "value"], rows)
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)))
            .collect::<Vec<_>>()
            .join(", "),
        // What has members of its own gets a line of its own.
        serde_json::Value::Array(values) if values.iter().any(serde_json::Value::is_object) => {
            values.iter().map(plain).collect::<Vec<_>>().join("\n")
        }
        serde_json::Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A moment as RFC 3339 writes it, in UTC, to the second: the form of all times that people or programs read.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC).truncate_to_second();
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

/// A line on standard output; a reader that went away is an error and not a panic.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    // Everything that commands say goes this way: what a URL holds for its server is nobody else's.
    let text = trust::masked(text);
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| Failure::Refused(format!("standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_one_form() {
        let at = time::macros::datetime!(2026-11-22 06:31:12.75 +1);
        assert_eq!(moment(at), "2026-11-22T05:31:12Z");
    }

    #[test]
    fn a_list_of_objects_is_a_line_for_each() {
        let lists =
            serde_json::json!([{ "url": "a.crl", "next_update": null }, { "url": "b.crl", "next_update": "x" }]);
        assert_eq!(plain(&lists), "next update -, url a.crl\nnext update x, url b.crl");
        assert_eq!(plain(&serde_json::json!(["a", "b"])), "a, b");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_a_stranger_wrote() {
        assert_eq!(tame("EVI\u{1b}[31mL\tX\u{202e}Y\u{9b}Z\n"), "EVI\u{fffd}[31mL\u{fffd}X\u{fffd}Y\u{fffd}Z\n");
        assert_eq!(tame("Hôpital de L'Haÿ-les-Roses"), "Hôpital de L'Haÿ-les-Roses");
    }
}
