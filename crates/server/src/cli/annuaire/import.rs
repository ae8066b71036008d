//! `pli annuaire import`.

use std::path::PathBuf;

use clap::Args;
use store::{AnnuaireOrigin, Due};

use super::{outcome, print, progress, refresh, who};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::{Acknowledgement, Done, Handed, Keeper, Mode, visit};

/// What to take.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// An extraction of BALs, or the file of activities (`PS_LibreAcces`): ZIP or text, a path or an https:// URL.
    #[arg(value_name = "FILE|URL", required_unless_present = "scheduled")]
    from: Option<String>,
    /// From the sources of the configuration, if they are due: for a timer where no server runs.
    #[arg(long, conflicts_with_all = ["from", "acknowledge", "dry_run", "rejected"])]
    scheduled: bool,
    /// Take it even if it is suspiciously short.
    #[arg(long)]
    acknowledge: bool,
    /// Change nothing: read it, and say what it would do.
    #[arg(long)]
    dry_run: bool,
    /// Write every rejected line into this file: number, reason, what was wrong, with tabs between.
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

impl Import {
    /// Prints the report; exit code 1 unless the directory is in force afterwards.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let Some(from) = &self.from else { return refresh::asked(settings, Due::InTime, as_json).await };
        if let Some(why) = refusal(from) {
            return Err(Failure::Refused(why));
        }
        let Done { outcome, rejections } =
            visit(settings, async |keeper| self.import(keeper, from, as_json).await).await?;
        if let Some(file) = &self.rejected {
            outcome::write_rejections(file, &rejections)?;
        }
        if as_json {
            print::json(&outcome::value(&outcome, &rejections))?;
        } else {
            outcome::print(&outcome, &rejections)?;
        }
        outcome::success(&outcome)
    }

    async fn import(&self, keeper: &Keeper, from: &str, as_json: bool) -> Result<Done, Failure> {
        let (handed, watcher) = (self.handed(from), progress::watcher(as_json));
        let done = if is_url(from) {
            keeper.import_url(from, &handed, &watcher).await?
        } else {
            keeper.import_file(from.as_ref(), &handed, &watcher).await?
        };
        done.map_err(|error| Failure::Refused(error.to_string()))
    }

    fn handed(&self, from: &str) -> Handed {
        let by = who();
        Handed {
            origin: if is_url(from) { AnnuaireOrigin::Url } else { AnnuaireOrigin::Import },
            acknowledgement: if self.acknowledge { Acknowledgement::By(by.clone()) } else { Acknowledgement::None },
            received_by: Some(by),
            mode: if self.dry_run { Mode::Try } else { Mode::Take },
        }
    }
}

/// Why nothing is taken from there, if nothing is.
fn refusal(from: &str) -> Option<String> {
    let (scheme, rest) = from.split_once("://")?;
    match scheme {
        "https" => None,
        "http" => Some(format!("{from} does not begin with https://; nothing else vouches for what comes from there")),
        "file" => {
            Some(format!("{from}: name a file by its path and not by a URL: {}", rest.trim_start_matches("localhost")))
        }
        _ => Some(format!("{from}: only https:// URLs and paths of files are taken; fetch it by other means first")),
    }
}

/// What does not name a scheme is a path.
fn is_url(from: &str) -> bool {
    from.starts_with("https://")
}
