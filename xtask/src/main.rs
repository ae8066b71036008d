//! Chores of the repository. `cargo xtask rules` checks the rule index, `cargo xtask rules --write` also writes its page.

mod citation;
mod index;
mod page;
mod rules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask rules [--write]

  rules           check docs/conformity/index.tsv against the citations in code and tests
  rules --write   the same, and write docs/conformity/README.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["rules"] => rules::check(&root()),
        ["rules", "--write"] => rules::write(&root()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository: the folder above this crate. Cargo tells where that is; several checkouts may share one
/// target folder, and then what was compiled in may be another's.
fn root() -> PathBuf {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_folder).parent().expect("xtask lives one level below the root").to_path_buf()
}
