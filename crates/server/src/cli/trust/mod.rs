//! `pli trust`: the white list and what belongs to it, for administrators.

mod acknowledge;
mod diff;
mod explain;
mod import;
mod outcome;
mod refresh;
mod show;
mod status;
mod verify;

use clap::Subcommand;
use serde_json::{Value, json};
use store::{DomainChange, DomainChangeKind, ListVersion};

use super::{print, who};
use crate::config::Settings;
use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The list in force, its age, what waits for an acknowledgement, and the revocation lists.
    Status,
    /// Ask the sources now, for every revocation list and for the white list.
    Refresh,
    /// Take a list from a file, after the same checks as for one that was fetched.
    Import(import::Import),
    /// Check a list in a file and change nothing.
    Verify(verify::Verify),
    /// What the list in force says of a domain, and how that changed.
    Show(show::Show),
    /// What the pending list would change, what a version changed, or what changed between two.
    Diff(diff::Diff),
    /// Why a certificate would be accepted or refused for a domain, check by check.
    Explain(explain::Explain),
    /// Put the list in force that waits for it.
    Acknowledge(acknowledge::Acknowledge),
}

impl Command {
    /// Does what was asked for.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        if !matches!(self, Self::Status | Self::Show(_) | Self::Diff(_)) {
            for warning in settings.warnings() {
                eprintln!("warning: {warning}");
            }
        }
        match self {
            Self::Status => status::run(settings, json).await,
            Self::Refresh => refresh::run(settings, json).await,
            Self::Import(import) => import.run(settings, json).await,
            Self::Verify(verify) => verify.run(settings, json).await,
            Self::Show(show) => show.run(settings, json).await,
            Self::Diff(diff) => diff.run(settings, json).await,
            Self::Explain(explain) => explain.run(settings, json).await,
            Self::Acknowledge(acknowledge) => acknowledge.run(settings, json).await,
        }
    }
}

/// A version for machines.
fn version_json(version: &ListVersion) -> Value {
    json!({
        "version": version.id.0,
        "state": version.state.word(),
        "sha256": mssante::hex(&version.sha256),
        "generated_at": print::moment(version.generated_at),
        "received_at": print::moment(version.received_at),
        "accepted_at": version.accepted_at.map(print::moment),
        "confirmed_at": print::moment(version.confirmed_at),
        "origin": version.origin.word(),
        "source": version.source,
        "received_by": version.received_by,
        "acknowledged_at": version.acknowledged.as_ref().map(|(at, _)| print::moment(*at)),
        "acknowledged_by": version.acknowledged.as_ref().map(|(_, by)| by),
        "why": version.why,
        "domains": version.counts.domains,
        "added": version.counts.added,
        "removed": version.counts.removed,
        "renamed": version.counts.renamed,
    })
}

/// A change for machines.
fn change_json(change: &DomainChange) -> Value {
    json!({
        "domain": change.domain.to_string(),
        "change": change.kind.word(),
        "names_added": change.names_added,
        "names_removed": change.names_removed,
    })
}

/// Changes for people: `+` came, `-` went, `~` stayed under other names.
fn print_changes(changes: &[DomainChange]) -> Result<(), Failure> {
    for change in changes {
        let sign = match change.kind {
            DomainChangeKind::Added => '+',
            DomainChangeKind::Removed => '-',
            DomainChangeKind::Renamed => '~',
        };
        print::line(&format!("{sign} {}", change.domain))?;
        for name in &change.names_removed {
            print::line(&format!("    - {name}"))?;
        }
        for name in &change.names_added {
            print::line(&format!("    + {name}"))?;
        }
    }
    Ok(())
}
