//! `pli annuaire acknowledge`.

use clap::Args;
use store::AnnuaireVersion;

use super::{outcome, print, who};
use crate::cli::version::Meant;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::{Keeper, Outcome, Report, visit};

/// Which directory, and that it is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Acknowledge {
    #[command(flatten)]
    meant: Meant,
}

impl Acknowledge {
    /// Puts the pending directory in force.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let outcome = visit(settings, async |keeper| self.acknowledge(keeper).await).await?;
        if as_json {
            print::json(&outcome::value(&outcome, &[]))?;
        } else {
            outcome::print(&outcome, &[])?;
        }
        outcome::success(&outcome)
    }

    async fn acknowledge(&self, keeper: &Keeper) -> Result<Outcome, Failure> {
        let Some(pending) = keeper.store().pending_annuaire().await? else {
            return Err(Failure::Refused(format!(
                "{}no directory waits for an acknowledgement; `pli annuaire status` says which one is in force",
                self.meant.does_not_wait(", and ")
            )));
        };
        self.check(&pending)?;
        let gone = || Failure::Refused("another directory came meanwhile; look at `pli annuaire status`".to_owned());
        keeper.acknowledge(&pending, &who()).await?.ok_or_else(gone)
    }

    fn check(&self, pending: &AnnuaireVersion) -> Result<(), Failure> {
        let number = pending.id.0;
        if self.meant.is(number) {
            return Ok(());
        }
        let Report { added, changed, removed, .. } = Report::of(&pending.report);
        Err(Failure::Refused(format!(
            "{}version {number} waits: {}. It adds {added} BALs, changes {changed} and removes {removed}. If that is \
             right, run `pli annuaire acknowledge {number}`",
            self.meant.does_not_wait("; "),
            pending.why.as_deref().unwrap_or("nobody wrote down why"),
        )))
    }
}
