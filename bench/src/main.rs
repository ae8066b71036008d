//! The load generator: submits and hops over TLS against a running `pli demo`, and proves over IMAP that every accepted
//! message is there exactly once. The cases of the trust space and of the annuaire measure these parts by themselves.
//!
//! `make bench` builds everything in release and runs all cases. See `docs/performance.md` for how to read the numbers.

mod annuaire;
mod audit;
mod case;
mod client;
mod content;
mod cpu;
mod figure;
mod imap;
mod latency;
mod micro;
mod process;
mod provisioning;
mod report;
mod rules;
mod run;
mod setup;
mod trust;
mod xdm;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use figure::Figure;
use report::{Found, Outcome};

/// Load generator for pli.
#[derive(Debug, Parser)]
struct Options {
    /// Only cases whose name contains this; may be given several times.
    #[arg(long = "case", value_name = "TEXT")]
    cases: Vec<String>,
    /// Connections in all per case, instead of each case's own number.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How many BALs receive.
    #[arg(long, default_value_t = 50)]
    recipients: usize,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// List the cases and end.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let cases = case::select(&options.cases, options.rounds);
    let micros = micro::select(&options.cases);
    if options.list {
        for name in micros.iter().map(|micro| micro.name).chain(cases.iter().map(|case| case.name.as_str())) {
            println!("{name}");
        }
        return Ok(());
    }
    ensure!(!cases.is_empty() || !micros.is_empty(), "no such case; --list shows them");
    let figures = measure_parts(&micros)?;
    let outcomes = if cases.is_empty() { Vec::new() } else { measure_messages(&options, &cases)? };
    if let Some(file) = &options.json {
        let found: Vec<_> =
            figures.into_iter().map(Found::Figure).chain(outcomes.iter().cloned().map(Found::Messages)).collect();
        std::fs::write(file, serde_json::to_string_pretty(&found)?).with_context(|| file.display().to_string())?;
    }
    ensure!(outcomes.iter().all(Outcome::is_clean), "messages were lost or duplicated");
    Ok(())
}

/// Parts by themselves, before any server runs on this machine.
fn measure_parts(micros: &[micro::Micro]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for micro in micros {
        println!("{} …", micro.name);
        figures.extend((micro.run)(micro.name).with_context(|| micro.name)?);
    }
    if !figures.is_empty() {
        println!("\n{}\n", report::figures(&figures));
    }
    Ok(figures)
}

fn measure_messages(options: &Options, cases: &[case::Case]) -> Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcomes = runtime.block_on(run_all(options, cases))?;
    println!("\n{}", report::table(&outcomes));
    Ok(outcomes)
}

async fn run_all(options: &Options, cases: &[case::Case]) -> Result<Vec<Outcome>> {
    let setup = setup::Setup::start(options.recipients).context("setting up")?;
    let mut outcomes = Vec::new();
    for case in cases {
        println!("{} …", case.name);
        let outcome = run::run(&setup, case).await.with_context(|| case.name.clone())?;
        println!("  {}", outcome.verdict());
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
