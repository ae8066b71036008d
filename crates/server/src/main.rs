//! The binary `pli`: configuration, command line, listeners, wiring, demonstration.

mod admin;
mod ambient;
mod cli;
mod config;
mod database;
mod demo;
mod failure;
mod serve;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("pli: the TLS provider is already set");
        return ExitCode::FAILURE;
    }
    let cli = cli::Cli::parse();
    let as_json = cli.json;
    match cli.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if as_json {
                eprintln!("{}", failure.json());
            } else {
                eprintln!("pli: {}", cli::tame(&failure.to_string()));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
