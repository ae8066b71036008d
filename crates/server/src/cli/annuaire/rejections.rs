//! `pli annuaire rejections`.

use clap::Args;
use serde_json::json;
use store::AnnuaireId;

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
    /// Most lines; all without it.
    #[arg(long)]
    limit: Option<u32>,
}

impl Rejections {
    /// Prints every line that the import passed over: number, reason, what was wrong.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let most = self.limit.unwrap_or(u32::MAX);
        let mut rejections = visit(settings, async |keeper| {
            let version = if let Some(number) = self.of {
                AnnuaireId(number)
            } else {
                let in_force = keeper.store().annuaire_in_force().await?;
                in_force.ok_or_else(|| Failure::Refused("no directory is in force".to_owned()))?.id
            };
            // One more tells whether there are more.
            Ok(keeper.store().annuaire_rejections(version, most.saturating_add(1)).await?)
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
}
