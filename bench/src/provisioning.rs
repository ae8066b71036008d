//! Ten thousand BALs by a list, through the real command beside a running server.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use e2e::{DOMAIN, Site};

use crate::figure::{Figure, most};
use crate::micro::Micro;

/// The cases of this part.
pub(crate) const CASES: [Micro; 2] = [
    Micro { part: "provisioning", name: "provisioning-list", run: without },
    Micro { part: "provisioning", name: "provisioning-passwords", run: with_passwords },
];

const BALS: usize = 10_000;
/// Seconds.
const MOST: f64 = 30.0;

/// A third each of teams, practices and professionals.
fn list() -> Result<String> {
    let mut text = "address;kind;name;structure;responsible;rpps\n".to_owned();
    for n in 0..BALS {
        let rest = ["ORG;Équipe;318751275100020;Marie Durand;", "CAB;Cabinet;;;", "PER;Dr Durand;;;10001234565"][n % 3];
        writeln!(text, "b{n}@{DOMAIN};{rest}")?;
    }
    Ok(text)
}

/// Imports the list into a fresh server; how many seconds it takes until the command ends, and a second time.
fn import(options: &[&str]) -> Result<(f64, f64)> {
    let site = Site::new()?;
    let _server = site.serve(&[])?;
    let (file, passwords) = (site.folder().join("list.csv"), site.folder().join("passwords.csv"));
    fs::write(&file, list()?)?;
    let import = |options: &[&str]| -> Result<f64> {
        let begun = Instant::now();
        let command = site.pli()?.args(["bal", "import", "--json"]).arg(&file).args(options);
        command.succeed()?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let named =
        options.iter().map(|&option| if option == "PASSWORDS" { passwords.to_str().unwrap_or(option) } else { option });
    let first = import(&named.collect::<Vec<_>>())?;
    site.wait_for_bals(BALS)?;
    let again = import(&["--dry-run"])?;
    ensure!(options.is_empty() || fs::read_to_string(&passwords)?.lines().count() == BALS, "a password for each");
    Ok((first, again))
}

fn without(case: &'static str) -> Result<Vec<Figure>> {
    let (first, again) = import(&[])?;
    Ok(vec![
        Figure::new(case, format!("{BALS} BALs created"), first, "s", most(MOST)),
        Figure::new(case, "the same list once more, dry run", again, "s", None),
    ])
}

/// Hashing is slow on purpose: this is what it takes, and no target.
fn with_passwords(case: &'static str) -> Result<Vec<Figure>> {
    let (first, _) = import(&["--passwords", "PASSWORDS"])?;
    Ok(vec![Figure::new(case, format!("{BALS} BALs created, a password made for each"), first, "s", None)])
}
