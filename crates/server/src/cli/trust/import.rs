//! `pli trust import`.

use std::path::PathBuf;

use clap::Args;

use super::{outcome, print, who};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Acknowledgement, Reach, visit};

/// Which list to take.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The signed list. The time of its last modification is taken for the moment when it was current.
    file: PathBuf,
    /// Take it even if it changes suspiciously much.
    #[arg(long)]
    acknowledge: bool,
}

impl Import {
    /// Prints what became of it; exit code 1 unless it is in force afterwards.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let by = who();
        let acknowledgement = if self.acknowledge { Acknowledgement::By(by.clone()) } else { Acknowledgement::None };
        let outcome = visit(settings, Reach::Network, async |keeper| {
            let imported = keeper.import(&self.file, &by, acknowledgement).await?;
            imported.map_err(|error| Failure::Refused(error.to_string()))
        })
        .await?;
        if as_json {
            print::json(&outcome::value(&outcome))?;
        } else if outcome::success(&outcome).is_ok() {
            print::line(&outcome::text(&outcome))?;
        }
        outcome::success(&outcome)
    }
}
