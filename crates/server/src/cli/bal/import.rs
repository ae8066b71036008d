//! `pli bal import`: many BALs by a list.

mod files;

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use mssante::Address;
use serde_json::json;

use super::export;
use crate::admin::{
    AdminError, Administration, Done, Invalid, KeepPasswords, LARGEST_FILE, Outcome, Password, Plan, Sink,
};
use crate::cli::print;
use crate::failure::Failure;
use files::{PasswordFile, ResultFile};

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// A list and what to do with it.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line, each on its own")]
pub(in crate::cli) struct Import {
    /// The list: CSV with semicolons, commas or tabs, in UTF-8 or as Windows writes it; "-" is standard input.
    #[arg(required_unless_present = "template")]
    file: Option<PathBuf>,
    /// Print the first line of a list, with the names of the columns, and do nothing.
    #[arg(long, conflicts_with = "file")]
    template: bool,
    /// Say what would be done, and what is wrong; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do the lines without mistakes, and leave the others out.
    #[arg(long)]
    skip_invalid: bool,
    /// Write what became of each line into this file, while it is done.
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// Go on with an import that was cut off: leave out what the result file says is done.
    #[arg(long, requires = "result")]
    resume: bool,
    /// Give each BAL that is created, and that opens by a password, one of its own; they are written into this file,
    /// which nobody else can read.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    passwords: Option<PathBuf>,
}

impl Import {
    /// What needs no database.
    pub(super) fn prints_template(&self) -> bool {
        self.template
    }

    pub(super) fn template() -> Result<(), Failure> {
        export::template()
    }

    pub(super) async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let Some(file) = &self.file else { return export::template() };
        let octets = read(file)?;
        let plan = admin.plan(&octets).await?;
        if !json {
            tell(&plan);
        }
        let invalid = if self.skip_invalid { Invalid::Skip } else { Invalid::Refuse };
        let judged = plan.judge(invalid);
        if self.dry_run || judged.is_err() {
            report(&plan, None, json)?;
            return Ok(judged?);
        }
        let mut course = Course::begin(&self, &plan)?;
        course.tell();
        admin.apply(&plan, &mut course).await?;
        report(&plan, Some(&course.counts), json)?;
        match course.counts.refused {
            0 => Ok(()),
            lines => Err(Failure::Refused(format!(
                "lines that were refused because somebody changed their BALs meanwhile: {lines}; look at them and import the list again"
            ))),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| Failure::Refused(format!("{}: {error}", file.display()));
    let limit = LARGEST_FILE as u64 + 1;
    let mut octets = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut octets)
    } else {
        std::fs::File::open(file).map_err(unreadable)?.take(limit).read_to_end(&mut octets)
    };
    done.map_err(unreadable)?;
    Ok(octets)
}

/// How it was read, and every problem, for people.
fn tell(plan: &Plan) {
    eprintln!("read as {}, fields divided by {}: {} lines", plan.form.encoding, plan.form.separator, plan.lines);
    for warning in &plan.warnings {
        eprintln!("warning: {}", print::tame(&warning.to_string()));
    }
    for problem in &plan.problems {
        eprintln!("{}", print::tame(&problem.to_string()));
    }
}

/// What became of so many lines.
#[derive(Debug, Default, serde::Serialize)]
struct Counts {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
    done_before: u64,
}

fn report(plan: &Plan, done: Option<&Counts>, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&json!({ "plan": plan, "done": done }));
    }
    let facts = match done {
        Some(done) => json!({
            "lines": plan.lines, "created": done.created, "updated": done.updated, "unchanged": done.unchanged,
            "refused": done.refused, "left_out": plan.problems.len(), "done_before": done.done_before,
        }),
        None => json!({
            "lines": plan.lines, "to_create": plan.create, "to_update": plan.update, "unchanged": plan.unchanged,
            "problems": plan.problems.len(),
        }),
    };
    print::facts(&facts, false)
}

/// An import on its way.
struct Course {
    result: Option<ResultFile>,
    passwords: Option<PasswordFile>,
    known: HashSet<String>,
    counts: Counts,
    lines: u64,
    told: Instant,
}

impl Course {
    fn begin(import: &Import, plan: &Plan) -> Result<Self, Failure> {
        let (result, known) = match &import.result {
            Some(file) if import.resume => ResultFile::go_on(file).map(|(file, known)| (Some(file), known))?,
            Some(file) => (Some(ResultFile::create(file, plan)?), HashSet::new()),
            None => (None, HashSet::new()),
        };
        let passwords = import.passwords.as_deref().map(PasswordFile::open).transpose()?;
        let counts = Counts { done_before: known.len() as u64, ..Counts::default() };
        Ok(Self { result, passwords, known, counts, lines: plan.lines, told: Instant::now() })
    }

    fn progress(&mut self) {
        if self.told.elapsed() >= PROGRESS || (self.count() == self.lines && std::io::stderr().is_terminal()) {
            self.told = Instant::now();
            self.tell();
        }
    }

    fn count(&self) -> u64 {
        let Counts { created, updated, unchanged, refused, done_before } = self.counts;
        created + updated + unchanged + refused + done_before
    }

    fn tell(&self) {
        eprintln!("{} of {} lines", self.count(), self.lines);
    }
}

impl Sink for Course {
    fn passwords(&mut self) -> Option<KeepPasswords<'_>> {
        let file = self.passwords.as_mut()?;
        Some(Box::new(|passwords| file.put(passwords)))
    }

    fn kept(&self, address: &Address) -> Option<Password> {
        self.passwords.as_ref()?.kept(address)
    }

    fn done(&mut self, done: &[Done]) -> Result<(), AdminError> {
        for line in done {
            match line.outcome {
                Outcome::Created => self.counts.created += 1,
                Outcome::Updated => self.counts.updated += 1,
                Outcome::Unchanged => self.counts.unchanged += 1,
                Outcome::Refused => {
                    self.counts.refused += 1;
                    eprintln!("line {}, {}: {}", line.line, line.address, print::tame(&line.detail));
                }
            }
        }
        self.progress();
        self.result.as_mut().map_or(Ok(()), |file| file.put(done))
    }

    fn known(&self) -> &HashSet<String> {
        &self.known
    }
}
