//! `pli annuaire`: the directory, for administrators.

mod publication;

use clap::Subcommand;

use crate::config::Settings;
use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What the national directory is told of our BALs.
    #[command(subcommand)]
    Publication(publication::Command),
}

impl Command {
    /// Does what was asked for.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        match self {
            Self::Publication(command) => command.run(settings, json).await,
        }
    }
}
