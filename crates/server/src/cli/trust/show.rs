//! `pli trust show`.

use clap::Args;
use mssante::Domain;
use serde_json::{Value, json};
use store::DomainEvent;

use super::{change_json, print, print_changes};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Reach, visit};

/// Which domain.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The mail domain.
    domain: Domain,
}

/// Changes that are shown.
const SHOWN: u32 = 50;

impl Show {
    /// Prints the names of a domain and its history; exit code 1 if it is not listed.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let domain = &self.domain;
        let (names, history) = visit(settings, Reach::Database, async |keeper| {
            let list = keeper.space().list();
            let list =
                list.ok_or_else(|| Failure::Refused("no trust list is in force; `pli trust refresh`".to_owned()))?;
            let names: Vec<_> = list.names_of(domain).iter().map(ToString::to_string).collect();
            Ok((names, keeper.store().domain_history(domain, SHOWN).await?))
        })
        .await?;
        if as_json {
            print::json(&json!({
                "domain": domain.to_string(),
                "listed": !names.is_empty(),
                "names": names,
                "history": history.iter().map(event_json).collect::<Vec<_>>(),
            }))?;
        } else {
            for name in &names {
                print::line(name)?;
            }
            for event in &history {
                print::line(&format!("\nsince version {}, {}:", event.version, print::moment(event.accepted_at)))?;
                print_changes(std::slice::from_ref(&event.change))?;
            }
        }
        if names.is_empty() {
            return Err(Failure::Refused(format!("{domain} is not on the trust list in force")));
        }
        Ok(())
    }
}

fn event_json(event: &DomainEvent) -> Value {
    let mut value = change_json(&event.change);
    value["version"] = event.version.0.into();
    value["generated_at"] = print::moment(event.generated_at).into();
    value["accepted_at"] = print::moment(event.accepted_at).into();
    value
}
