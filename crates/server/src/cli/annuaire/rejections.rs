//! `pli annuaire rejections`.

use clap::Args;
use serde_json::json;
use store::{AnnuaireId, AnnuaireRejection, Store};

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::visit;

/// Of which import.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rejections {
    /// The version that came of it, in force or waiting; the one in force without it.
    #[arg(value_name = "VERSION")]
    of: Option<i64>,
    /// Of the import that was refused last, which came to no version.
    #[arg(long, conflicts_with = "of")]
    refused: bool,
    /// Most lines; all without it.
    #[arg(long)]
    limit: Option<u32>,
}

impl Rejections {
    /// Prints every line that the import passed over: number, reason, what was wrong.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let most = self.limit.unwrap_or(u32::MAX);
        // One more tells whether there are more.
        let asked = most.saturating_add(1);
        let mut rejections = visit(settings, async |keeper| {
            let store = keeper.store();
            if self.refused { of_refused(store, asked).await } else { self.of_version(store, asked).await }
        })
        .await?;
        if rejections.len() > most as usize {
            rejections.truncate(most as usize);
            eprintln!("these are the first {most}; there are more");
        }
        if as_json {
            let rows = rejections.iter();
            let rows = rows.map(|line| json!({ "line": line.line, "reason": line.reason, "detail": line.detail }));
            return print::json(&rows.collect::<Vec<_>>());
        }
        let rows = rejections.iter().map(|line| [line.line.to_string(), line.reason.clone(), line.detail.clone()]);
        print::table(["line", "reason", "what was wrong"], rows)
    }

    async fn of_version(&self, store: &Store, most: u32) -> Result<Vec<AnnuaireRejection>, Failure> {
        let version = if let Some(number) = self.of {
            AnnuaireId(number)
        } else {
            let in_force = store.annuaire_in_force().await?;
            in_force.ok_or_else(|| Failure::Refused("no directory is in force".to_owned()))?.id
        };
        Ok(store.annuaire_rejections(version, most).await?)
    }
}

async fn of_refused(store: &Store, most: u32) -> Result<Vec<AnnuaireRejection>, Failure> {
    let refused = store.last_refused_annuaire().await?;
    let refused = refused.ok_or_else(|| Failure::Refused("no import was refused".to_owned()))?;
    Ok(store.refused_annuaire_lines(refused.id, most).await?)
}
