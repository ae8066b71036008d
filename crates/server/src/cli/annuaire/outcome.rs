//! What became of a directory, in words.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use annuaire::{ChangeKind, Rejection};
use serde_json::{Value, json};

use super::print;
use crate::failure::Failure;
use crate::serve::annuaire::{Outcome, Report, reason_word};

/// Rejected lines that are shown.
const SHOWN: usize = 20;

/// The headline, for people.
pub(super) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::InForce { version, report, acknowledged } => {
            let suspicion = acknowledged.as_ref().map(|why| format!("; acknowledged although {why}"));
            format!("version {version} is in force: {} BALs{}", report.len(), suspicion.unwrap_or_default())
        }
        Outcome::Pending { version, why, .. } => {
            format!("version {version} waits: {why}; if that is right, run `pli annuaire acknowledge {version}`")
        }
        Outcome::Confirmed(version) => format!("nothing new: version {version} is the current one"),
        Outcome::Tried { report, why: None } => {
            format!("nothing was changed; it would come into force: {} BALs", report.len())
        }
        Outcome::Tried { why: Some(why), .. } => {
            format!("nothing was changed; it would wait for `pli annuaire acknowledge`: {why}")
        }
        Outcome::Refused(_, why) => format!("not taken: {why}; the directory in force, if any, stays"),
    }
}

/// The same with the report, for people.
pub(super) fn print(outcome: &Outcome, rejections: &[Rejection]) -> Result<(), Failure> {
    if let Some(report) = report(outcome) {
        print::line(&report_text(report))?;
    }
    for rejection in rejections.iter().take(SHOWN) {
        print::line(&format!("  line {}: {} ({})", rejection.line, rejection.detail, reason_word(rejection.reason)))?;
    }
    if let Some(more) = rejections.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        print::line(&format!("  and {more} more; all of them with --rejected FILE"))?;
    }
    if success(outcome).is_ok() { print::line(&text(outcome)) } else { Ok(()) }
}

fn report_text(report: &Report) -> String {
    let mut text = format!(
        "{} lines in {:.1} s: {} added, {} changed, {} removed, {} duplicates, {} doubtful, {} with a text cut, {} rejected",
        report.lines,
        report.seconds,
        report.added,
        report.changed,
        report.removed,
        report.duplicates,
        report.doubtful,
        report.shortened,
        report.rejected
    );
    for (reason, count) in &report.rejections {
        let _ = write!(text, "\n  rejected, {}: {count}", reason_word(*reason));
    }
    for change in &report.examples {
        let sign = match change.what {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        let _ = write!(text, "\n  {sign} {}", change.address);
    }
    text
}

fn report(outcome: &Outcome) -> Option<&Report> {
    match outcome {
        Outcome::InForce { report, .. } | Outcome::Pending { report, .. } | Outcome::Tried { report, .. } => {
            Some(report)
        }
        Outcome::Confirmed(_) | Outcome::Refused(..) => None,
    }
}

/// For machines.
pub(super) fn value(outcome: &Outcome, rejections: &[Rejection]) -> Value {
    let (word, version, why) = match outcome {
        Outcome::InForce { version, acknowledged, .. } => ("in force", Some(version), acknowledged.clone()),
        Outcome::Pending { version, why, .. } => ("pending", Some(version), Some(why.clone())),
        Outcome::Confirmed(version) => ("confirmed", Some(version), None),
        Outcome::Tried { why, .. } => ("tried", None, why.clone()),
        Outcome::Refused(_, why) => ("refused", None, Some(why.clone())),
    };
    let reason = match outcome {
        Outcome::Refused(reason, _) => Some(reason.word()),
        _ => None,
    };
    json!({
        "outcome": word,
        "version": version.map(|version| version.0),
        "reason": reason,
        "why": why,
        "report": report(outcome),
        "rejected": rejections.len(),
        "rejections": rejections.iter().take(SHOWN).collect::<Vec<_>>(),
        "text": text(outcome),
    })
}

/// Only a directory that is in force afterwards is a success; of one that was only tried, one that would be.
pub(super) fn success(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::InForce { .. } | Outcome::Confirmed(_) | Outcome::Tried { why: None, .. } => Ok(()),
        Outcome::Pending { .. } | Outcome::Refused(..) | Outcome::Tried { why: Some(_), .. } => {
            Err(Failure::Refused(text(outcome)))
        }
    }
}

/// Every rejected line, one each: number, reason, what was wrong, with tabs between.
pub(super) fn write_rejections(file: &Path, rejections: &[Rejection]) -> Result<(), Failure> {
    let write = || {
        // Never over a file that is there: it may be the very one that was imported.
        let mut to = BufWriter::new(File::create_new(file)?);
        for rejection in rejections {
            writeln!(to, "{}\t{}\t{}", rejection.line, reason_word(rejection.reason), rejection.detail)?;
        }
        to.flush()
    };
    write().map_err(|error| Failure::Refused(format!("{} cannot be written: {error}", file.display())))
}
