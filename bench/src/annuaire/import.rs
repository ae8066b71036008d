//! From a packed file to a directory in use, and from an image to one.

use std::hint::black_box;
use std::time::Instant;

use annuaire::Directory;
use anyhow::Result;

use super::corpus::{BALS, Corpus, megabytes};
use crate::cpu::spent;
use crate::figure::{Figure, most};
use crate::process;

pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let corpus = Corpus::new()?;
    let before = process::own_memory()?;
    process::forget_own_peak();
    let (begun, cpu) = (Instant::now(), spent()?);
    let builder = corpus.collect()?;
    let collected = begun.elapsed();
    let directory = builder.finish();
    let imported = begun.elapsed();
    let cpu = spent()?.saturating_sub(cpu);
    let peak = process::own_peak()?.saturating_sub(before);
    let held = process::own_memory()?.saturating_sub(before);
    let what = format!("{BALS} lines, packed");
    let mut figures = vec![
        Figure::new(case, format!("{what}: read, indexed, in use"), imported.as_secs_f64(), "s", most(20.0)),
        Figure::new(case, "of this, reading the lines", collected.as_secs_f64(), "s", None),
        Figure::new(case, "the whole, CPU", cpu.as_secs_f64(), "s", None),
        Figure::new(case, "most memory added", megabytes(peak), "MB", most(500.0)),
        Figure::new(case, "memory added at rest", megabytes(held), "MB", most(250.0)),
    ];
    figures.extend(refreshed(case, &corpus, &directory, before)?);
    figures.extend(image(case, &directory)?);
    Ok(figures)
}

/// The same again while the first directory stays in force, and what changed.
fn refreshed(case: &'static str, corpus: &Corpus, older: &Directory, before: u64) -> Result<Vec<Figure>> {
    process::forget_own_peak();
    let newer = corpus.import()?;
    let peak = process::own_peak()?.saturating_sub(before);
    let begun = Instant::now();
    black_box(newer.changes_since(older));
    Ok(vec![
        Figure::new(case, "most memory, with the directory in force", megabytes(peak), "MB", most(500.0)),
        Figure::new(case, "what changed, of two directories", begun.elapsed().as_secs_f64(), "s", most(2.0)),
    ])
}

fn image(case: &'static str, directory: &Directory) -> Result<Vec<Figure>> {
    let mut image = Vec::new();
    let begun = Instant::now();
    directory.write_image(&mut image)?;
    let written = begun.elapsed();
    let (begun, cpu) = (Instant::now(), spent()?);
    let again = Directory::read_image(&mut &image[..])?;
    let read = begun.elapsed();
    let cpu = spent()?.saturating_sub(cpu);
    anyhow::ensure!(again.len() == directory.len(), "the image is not the directory");
    Ok(vec![
        Figure::new(case, "image", megabytes(image.len() as u64), "MB", None),
        Figure::new(case, "image written", written.as_secs_f64() * 1e3, "ms", None),
        Figure::new(case, "image read, in use", read.as_secs_f64() * 1e3, "ms", most(1000.0)),
        Figure::new(case, "the same, CPU", cpu.as_secs_f64() * 1e3, "ms", None),
    ])
}
