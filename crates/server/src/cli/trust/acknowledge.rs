//! `pli trust acknowledge`.

use clap::Args;
use store::ListVersion;

use super::{outcome, print, who};
use crate::cli::version::Meant;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Keeper, Outcome, Reach, visit};

/// Which list, and that it is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Acknowledge {
    #[command(flatten)]
    meant: Meant,
}

impl Acknowledge {
    /// Verifies the pending list again and puts it in force.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let outcome = visit(settings, Reach::Network, async |keeper| self.acknowledge(keeper).await).await?;
        if as_json {
            print::json(&outcome::value(&outcome))?;
        } else if outcome::success(&outcome).is_ok() {
            print::line(&outcome::text(&outcome))?;
        }
        outcome::success(&outcome)
    }

    async fn acknowledge(&self, keeper: &Keeper) -> Result<Outcome, Failure> {
        let Some(pending) = keeper.store().pending_list().await? else {
            return Err(self.nothing_waits());
        };
        self.check(&pending)?;
        let gone = || Failure::Refused("another list came meanwhile; look at `pli trust status`".to_owned());
        keeper.acknowledge(&pending, &who()).await?.ok_or_else(gone)
    }

    fn nothing_waits(&self) -> Failure {
        let asked = self.meant.does_not_wait(", and ");
        Failure::Refused(format!(
            "{asked}no trust list waits for an acknowledgement, so there is nothing to do; `pli trust status` says which \
             list is in force, `pli trust refresh` asks the source for another one"
        ))
    }

    fn check(&self, pending: &ListVersion) -> Result<(), Failure> {
        let number = pending.id.0;
        if self.meant.is(number) {
            return Ok(());
        }
        let counts = pending.counts;
        let asked = self.meant.does_not_wait("; ");
        Err(Failure::Refused(format!(
            "{asked}version {number} waits: {}. It adds {} domains, removes {} and gives {} other names (`pli trust diff`). \
             If that is right, run `pli trust acknowledge {number}`",
            pending.why.as_deref().unwrap_or("nobody wrote down why"),
            counts.added,
            counts.removed,
            counts.renamed,
        )))
    }
}
