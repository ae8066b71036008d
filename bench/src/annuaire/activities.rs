//! The activities of professionals, taken in on top of the directory in force.

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use annuaire::{Directory, DirectoryBuilder, Extraction, Item, ReadingLimits};
use anyhow::{Result, ensure};
use tempfile::NamedTempFile;

use super::corpus::{Corpus, SEED, megabytes};
use crate::cpu::spent;
use crate::figure::{Figure, most};
use crate::process;

const NAME: &str = "PS_LibreAcces_202608250032.zip";
/// A million and a half lines come of so many BALs, those of people without one included.
const BALS: u64 = super::corpus::BALS;

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let file = NamedTempFile::new()?;
    testkit::extraction::France::new(SEED, BALS).write_activities_zip(file.reopen()?, "202608250032")?;
    let before = process::own_memory()?;
    let directory = Corpus::new()?.import()?;
    let plain = process::own_memory()?.saturating_sub(before);
    process::forget_own_peak();
    let (begun, cpu) = (Instant::now(), spent()?);
    let (completed, lines) = complete(&file, &directory)?;
    let taken = begun.elapsed();
    let cpu = spent()?.saturating_sub(cpu);
    let peak = process::own_peak()?.saturating_sub(before);
    drop(directory);
    let held = process::own_memory()?.saturating_sub(before);
    ensure!(completed.counts().activities > 0, "no activity completes anything");
    let count = |number: u64| u32::try_from(number).map(f64::from);
    Ok(vec![
        Figure::new(case, "lines", count(lines)?, "", None),
        Figure::new(case, "activities kept", count(completed.counts().activities)?, "", None),
        Figure::new(case, "read, indexed, in use", taken.as_secs_f64(), "s", most(20.0)),
        Figure::new(case, "the same, CPU", cpu.as_secs_f64(), "s", None),
        Figure::new(case, "memory of the directory before", megabytes(plain), "MB", None),
        Figure::new(case, "most memory, with the directory in force", megabytes(peak), "MB", most(500.0)),
        Figure::new(case, "memory at rest", megabytes(held), "MB", most(250.0)),
    ])
}

/// The directory with the activities, as an import makes it, and how many lines there were.
fn complete(file: &NamedTempFile, directory: &Directory) -> Result<(Directory, u64)> {
    let mut builder = DirectoryBuilder::from_entries_of(directory);
    let file = BufReader::new(File::open(file.path())?);
    let summary = Extraction::open(file, NAME, ReadingLimits::default())?.read(
        &mut |item| {
            if let Item::Activity(activity) = item {
                builder.complete(activity);
            }
        },
        &mut |_| {},
    )?;
    Ok((builder.finish(), summary.lines))
}
