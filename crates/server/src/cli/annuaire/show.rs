//! `pli annuaire show`.

use clap::Args;
use mssante::Address;

use super::{entry, print};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::visit;

/// Whose entry.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The address of a BAL.
    address: Address,
}

impl Show {
    /// Prints it; exit code 1 if there is none. A BAL on the liste rouge is answered as one that does not exist.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let found = visit(settings, async |keeper| {
            keeper.take_over().await?;
            Ok(keeper.look_up(&self.address).await?)
        })
        .await?;
        match found {
            Some(found) if as_json => print::json(&found),
            Some(found) => print::facts(&entry::facts(&found), false),
            None => Err(Failure::Refused(format!(
                "{} is not in the directory; `pli annuaire search` finds by words, `pli annuaire resolve {}` says \
                 whether mail gets there",
                self.address, self.address
            ))),
        }
    }
}
