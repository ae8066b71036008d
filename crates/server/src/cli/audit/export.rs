//! `pli audit export`.

use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;
use mssante::Clock as _;
use store::{Store, TraceFormat};
use time::OffsetDateTime;

use super::super::print;
use super::period::Period;
use crate::ambient::SystemClock;
use crate::failure::Failure;

/// Which lines, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    period: Period,
    /// jsonl (can be verified, see docs/audit.md) or csv (for spreadsheets).
    #[arg(long, default_value = "jsonl")]
    format: TraceFormat,
    /// A file that does not exist yet; readable by its owner only.
    file: PathBuf,
}

impl Export {
    pub(super) async fn run(self, store: &Store, json: bool) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Refused(format!("{}: {error}", self.file.display()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file).map_err(failed)?;
        let from = self.period.from.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let to = self.period.to.unwrap_or_else(|| SystemClock.now());
        let exported = store.export_traces(from, to, self.format, BufWriter::new(file)).await;
        let exported = match exported {
            Ok(Some(exported)) => exported,
            nothing => {
                std::fs::remove_file(&self.file).map_err(failed)?;
                nothing?;
                return Err(Failure::Refused("no line of the trail is of that period; nothing was written".into()));
            }
        };
        let facts = serde_json::json!({
            "file": self.file, "first": exported.first, "last": exported.last, "lines": exported.lines,
            "lines_in_period": exported.in_period,
        });
        print::facts(&facts, json)
    }
}
