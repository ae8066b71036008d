//! How far an import is, on standard error: one line that changes on a terminal, few lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use annuaire::Progress;

use crate::serve::annuaire::{Step, Watcher};

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Screen {
    /// A line can be written over.
    Terminal,
    /// Every line stays.
    Plain,
}

/// Calls between two lines that stay.
const ASKED: u64 = 500;

/// Shows progress unless machines read.
pub(super) fn watcher(as_json: bool) -> Watcher {
    if as_json {
        return Arc::new(|_| {});
    }
    let screen = if std::io::stderr().is_terminal() { Screen::Terminal } else { Screen::Plain };
    let (tenth, width) = (AtomicU64::new(0), Mutex::new(0));
    Arc::new(move |step| match (screen, step) {
        (Screen::Terminal, step) => overwrite(&width, &text(step), step),
        (Screen::Plain, Step::Reading(progress)) => {
            let now = percent(progress) / 10;
            if tenth.swap(now, Ordering::Relaxed) != now {
                eprintln!("{}", text(step));
            }
        }
        (Screen::Plain, Step::Asking { calls, .. }) if !calls.is_multiple_of(ASKED) => {}
        (Screen::Plain, step) => eprintln!("{}", text(step)),
    })
}

fn overwrite(width: &Mutex<usize>, text: &str, step: Step) {
    let mut width = width.lock().unwrap_or_else(PoisonError::into_inner);
    let end = if matches!(step, Step::Writing) { "\n" } else { "" };
    // Whoever does not see it has lost nothing.
    let _ = write!(std::io::stderr().lock(), "\r{text:<0$}{end}", *width);
    *width = text.chars().count();
}

fn text(step: Step) -> String {
    match step {
        Step::Downloading => "downloading".to_owned(),
        Step::Asking { calls, entries } => format!("asking: {calls} calls, {entries} BALs"),
        Step::Reading(progress) => format!("reading: {} lines, {} %", progress.lines, percent(progress)),
        Step::Building => "building the index".to_owned(),
        Step::Writing => "writing to the database".to_owned(),
    }
}

fn percent(progress: Progress) -> u64 {
    (progress.octets.saturating_mul(100)).checked_div(progress.of).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_in_percent_of_the_file_and_never_more_than_all() {
        let at = |octets, of| percent(Progress { lines: 1, octets, of });
        assert_eq!([at(0, 200), at(99, 200), at(200, 200), at(201, 200), at(0, 0)], [0, 49, 100, 100, 100]);
    }
}
