//! The load generator: submits and hops over TLS against a running `pli demo`, and proves over IMAP that every accepted
//! message is there exactly once.
//!
//! `make bench` builds everything in release and runs all cases. See `docs/performance.md` for how to read the numbers.

mod case;
mod client;
mod content;
mod imap;
mod latency;
mod process;
mod report;
mod run;
mod setup;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;

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
    if options.list {
        for case in &cases {
            println!("{}", case.name);
        }
        return Ok(());
    }
    ensure!(!cases.is_empty(), "no such case; --list shows them");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&options, &cases))
}

async fn measure(options: &Options, cases: &[case::Case]) -> Result<()> {
    let setup = setup::Setup::start(options.recipients).context("setting up")?;
    let mut results = Vec::new();
    for case in cases {
        println!("{} …", case.name);
        let result = run::run(&setup, case).await.with_context(|| case.name.clone())?;
        println!("  {}", result.verdict());
        results.push(result);
    }
    println!("\n{}", report::table(&results));
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&results)?).with_context(|| file.display().to_string())?;
    }
    ensure!(results.iter().all(report::Outcome::is_clean), "messages were lost or duplicated");
    Ok(())
}
