//! `pli audit …`: reading, taking along and verifying the audit trail. Works beside a running server and without one.

mod export;
mod list;
mod period;
mod verify;

use clap::Subcommand;
use store::Store;

use crate::admin::{Administration, Rules};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show lines, the newest last.
    List(list::List),
    /// Write the lines of a period to a file, with what is needed to verify them.
    Export(export::Export),
    /// Verify that no line of the trail was changed, removed, added or put elsewhere.
    ///
    /// Exit code 1 if something is wrong: the first wrong line is named, and what to do.
    Verify(verify::Verify),
}

impl Command {
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        if let Self::Verify(verify::Verify { export: Some(file), .. }) = &self {
            return verify::file(settings, file, json);
        }
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(settings, &store, json).await;
        store.close().await;
        database.stop().await.and(result)
    }

    async fn work(self, settings: &Settings, store: &Store, json: bool) -> Result<(), Failure> {
        let admin = Administration::new(store.clone(), Rules::of(settings));
        match self {
            Self::List(list) => list.run(&admin, json).await,
            Self::Export(export) => export.run(store, json).await,
            Self::Verify(verify) => verify.run(settings, &admin, json).await,
        }
    }
}
