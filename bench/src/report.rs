//! What a case found, as a table for people and JSON for machines.

use comfy_table::Table;
use serde::Serialize;

use crate::figure::Figure;
use crate::latency::Percentiles;

/// What a case found: of messages, or a number alone.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Found {
    /// Messages were sent.
    Messages(Outcome),
    /// A part was measured by itself.
    Figure(Figure),
}

/// The result of one case.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) case: String,
    /// Messages that got a `250`.
    pub(crate) accepted: usize,
    /// Of these, found over IMAP.
    pub(crate) found: usize,
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) accepted_per_second: f64,
    /// Until the last message is visible over IMAP.
    pub(crate) delivered_per_second: f64,
    /// From the last octet of the content to the `250`.
    pub(crate) latency_ms: Percentiles,
    /// All `pli` and PostgreSQL processes of the demo, the generator not.
    pub(crate) cpu_ms_per_message: f64,
    /// Flush requests of the whole disk; `None` where the system does not count them.
    pub(crate) flushes_per_message: Option<f64>,
    /// Most memory of the `pli serve` that takes the messages, in megabytes.
    pub(crate) pli_memory_mb: f64,
    /// The same with its PostgreSQL.
    pub(crate) all_memory_mb: f64,
}

impl Outcome {
    /// Nothing lost, nothing twice.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0
    }

    /// The sentence that counts.
    pub(crate) fn verdict(&self) -> String {
        let Self { accepted, found, lost, duplicated, .. } = self;
        format!("accepted {accepted}, found {found}, lost {lost}, duplicated {duplicated}")
    }
}

/// All numbers by themselves as one table.
pub(crate) fn figures(figures: &[Figure]) -> Table {
    let mut table = markdown();
    table.set_header(["case", "figure", "measured", "target"]);
    for figure in figures {
        table.add_row([figure.case.to_owned(), figure.what.clone(), figure.shown(), figure.verdict()]);
    }
    table
}

fn markdown() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table
}

/// All results of messages as one table.
pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = markdown();
    table.set_header([
        "case",
        "messages",
        "accepted/s",
        "delivered/s",
        "DATA→250 p50 / p95 / p99 ms",
        "CPU ms/msg",
        "flushes/msg",
        "pli MB",
        "with PostgreSQL MB",
    ]);
    for outcome in outcomes {
        let Percentiles { p50, p95, p99 } = outcome.latency_ms;
        table.add_row([
            outcome.case.clone(),
            outcome.accepted.to_string(),
            format!("{:.0}", outcome.accepted_per_second),
            format!("{:.0}", outcome.delivered_per_second),
            format!("{p50:.1} / {p95:.1} / {p99:.1}"),
            format!("{:.2}", outcome.cpu_ms_per_message),
            outcome.flushes_per_message.map_or_else(|| "?".to_owned(), |flushes| format!("{flushes:.2}")),
            format!("{:.0}", outcome.pli_memory_mb),
            format!("{:.0}", outcome.all_memory_mb),
        ]);
    }
    table
}
