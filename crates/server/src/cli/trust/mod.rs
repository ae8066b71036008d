//! `pli trust`: the white list and what belongs to it, for administrators.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mssante::Domain;

use crate::config::Settings;
use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The list in force, its age, what waits for an acknowledgement, and the revocation lists.
    Status,
    /// Ask the sources now, for the white list and every revocation list.
    Refresh,
    /// Take a list from a file, after the same checks as for one that was fetched.
    Import(Import),
    /// Check a list in a file and change nothing.
    Verify(Verify),
    /// What the list in force says of a domain, and how that changed.
    Show(Show),
    /// What the pending list would change, or what a version changed.
    Diff(Diff),
    /// Put the list in force that waits for it.
    Acknowledge(Acknowledge),
}

/// Which list to take.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The signed list.
    file: PathBuf,
    /// Take it even if it changes suspiciously much.
    #[arg(long)]
    acknowledge: bool,
}

/// Which list to check.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The list.
    file: PathBuf,
}

/// Which domain.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The mail domain.
    domain: Domain,
}

/// Which versions.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A version, as `pli trust status` numbers them; the pending one without it.
    version: Option<i64>,
}

/// Which list, and that it is meant.
#[derive(Debug, Args)]
pub(super) struct Acknowledge {
    /// The version that was looked at.
    version: Option<i64>,
    /// Whichever is pending.
    #[arg(long, conflicts_with = "version")]
    yes: bool,
}

impl Command {
    /// Does what was asked for.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let _ = (settings, json);
        Err(Failure::Refused(format!("{self:?} does not work yet")))
    }
}
