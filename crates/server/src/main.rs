//! The binary `pli`: configuration, command line, listeners, wiring, demonstration.

mod admin;
mod ambient;
mod cli;
mod config;
mod database;
mod demo;
mod failure;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("pli: the TLS provider is already set");
        return ExitCode::FAILURE;
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && asks_for_json(std::env::args_os()) => {
            return ended(&Failure::from(&error), true);
        }
        Err(error) => error.exit(),
    };
    let as_json = cli.json;
    match Box::pin(cli.run()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure, as_json),
    }
}

fn ended(failure: &Failure, as_json: bool) -> ExitCode {
    if as_json {
        eprintln!("{}", failure.json());
    } else {
        eprintln!("pli: {}", cli::tame(&failure.to_string()));
    }
    ExitCode::from(failure.exit_code())
}

/// Of a command that was not understood nobody knows more than its words.
fn asks_for_json(mut words: impl Iterator<Item = OsString>) -> bool {
    words.by_ref().take_while(|word| word != "--").any(|word| word == "--json")
}
