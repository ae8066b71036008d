//! `pli annuaire`: the directory, for administrators.

mod acknowledge;
mod entry;
mod import;
mod outcome;
mod progress;
mod publication;
mod refresh;
mod rejections;
mod resolve;
mod search;
mod show;
mod status;

use clap::Subcommand;
use serde_json::{Value, json};
use store::AnnuaireVersion;

use super::{print, who};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::Report;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take a directory from a file or a URL, or from the sources of the configuration if they are due.
    Import(import::Import),
    /// Ask the sources of the configuration now.
    Refresh,
    /// Find BALs by words in any order: parts of names, professions, specialities, towns, structures.
    Search(search::Search),
    /// What the directory says of an address.
    Show(show::Show),
    /// Where mail for an address goes, with each step of the decision.
    Resolve(resolve::Resolve),
    /// The lines that an import passed over.
    Rejections(rejections::Rejections),
    /// The directory in force, its age and counts, what waits for an acknowledgement, and the sources.
    Status,
    /// Put the directory in force that waits for it.
    Acknowledge(acknowledge::Acknowledge),
    /// What the national directory is told of our BALs.
    #[command(subcommand)]
    Publication(publication::Command),
}

impl Command {
    /// Does what was asked for.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run(settings, json).await,
            Self::Refresh => refresh::run(settings, json).await,
            Self::Search(search) => search.run(settings, json).await,
            Self::Show(show) => show.run(settings, json).await,
            Self::Rejections(rejections) => rejections.run(settings, json).await,
            Self::Resolve(resolve) => resolve.run(settings, json).await,
            Self::Status => status::run(settings, json).await,
            Self::Acknowledge(acknowledge) => acknowledge.run(settings, json).await,
            Self::Publication(command) => command.run(settings, json).await,
        }
    }
}

/// A version for machines.
fn version_json(version: &AnnuaireVersion) -> Value {
    json!({
        "version": version.id.0,
        "state": version.state.word(),
        "kind": version.kind.word(),
        "origin": version.origin.word(),
        "source": version.source,
        "generated_at": version.generated_at.map(print::moment),
        "received_at": print::moment(version.received_at),
        "accepted_at": version.accepted_at.map(print::moment),
        "confirmed_at": print::moment(version.confirmed_at),
        "received_by": version.received_by,
        "acknowledged_at": version.acknowledged.as_ref().map(|(at, _)| print::moment(*at)),
        "acknowledged_by": version.acknowledged.as_ref().map(|(_, by)| by),
        "why": version.why,
        "entries": Report::of(&version.report).len(),
        "report": version.report,
    })
}
