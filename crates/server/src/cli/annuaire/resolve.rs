//! `pli annuaire resolve`: where mail for an address goes, and why.

use std::collections::HashMap;

use annuaire::{LocalTable, Resolver, Route, Step};
use clap::Args;
use mssante::{Address, BalId};
use serde_json::{Value, json};
use store::{Store, Ways};
use trust::TrustSpace;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::Keeper;
use crate::serve::resolver_rules;
use crate::serve::trust::visit_with_list;

/// Whom to write to.
#[derive(Debug, Args)]
pub(in crate::cli) struct Resolve {
    /// The address of a recipient.
    address: Address,
}

/// What the resolver says, and how our BALs are called.
struct Resolved {
    steps: Vec<Step>,
    route: Route,
    names: HashMap<BalId, String>,
}

impl Resolve {
    /// Prints each step of the decision, and the route; exit code 1 and the reason word if there is none.
    ///
    /// It is the resolver of the server, filled from the same database.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let resolved = visit_with_list(settings, async |keeper| {
            let resolver = resolver(settings, keeper.store()).await?;
            Ok(self.resolve(&resolver, keeper.space(), keeper.store().ways().await?))
        })
        .await?;
        if as_json {
            print::json(&resolved.machine_readable(&self.address))?;
        } else {
            resolved.steps().try_for_each(|step| print::line(&format!("- {step}")))?;
            print::line(&format!("{}: {}", self.address, resolved.route()))?;
        }
        match resolved.route {
            Route::Refused(refusal) => Err(Failure::Refused(format!("{}: {}", refusal.word(), refusal.row().english))),
            _ => Ok(()),
        }
    }

    fn resolve(&self, resolver: &Resolver, space: &TrustSpace, ways: Ways) -> Resolved {
        resolver.replace_all(LocalTable::from(&ways));
        let (steps, route) = resolver.explain(&self.address, |domain| space.lists(domain));
        let names = ways.bals.into_iter().map(|bal| (bal.id, bal.address.to_string())).collect();
        Resolved { steps, route, names }
    }
}

/// The resolver of the server, with the directory in force.
async fn resolver(settings: &Settings, store: &Store) -> Result<Resolver, Failure> {
    let resolver = Resolver::with_rules(resolver_rules(settings));
    let keeper = Keeper::new(settings.clone(), store.clone());
    keeper.take_over().await?;
    resolver.rely_on(keeper.reliable());
    Ok(resolver)
}

impl Resolved {
    fn name(&self, bal: BalId) -> String {
        self.names.get(&bal).cloned().unwrap_or_else(|| format!("BAL {bal}"))
    }

    fn steps(&self) -> impl Iterator<Item = String> {
        self.steps.iter().map(|step| step.told(|bal| self.name(bal)))
    }

    fn copies(&self, route: &Route) -> Vec<String> {
        match route {
            Route::Local(delivery) => delivery.copies.iter().map(|bal| self.name(*bal)).collect(),
            _ => Vec::new(),
        }
    }

    fn route(&self) -> String {
        match &self.route {
            Route::Local(_) => format!("into {}", self.copies(&self.route).join(", ")),
            Route::Peer(domain, _) => format!("to the operator of {domain}"),
            Route::Patient(domain) => format!("a patient; to the operator of {domain}"),
            Route::Refused(refusal) => {
                let row = refusal.row();
                format!("nowhere, {} {} {}", row.code, row.enhanced, row.word)
            }
        }
    }

    fn machine_readable(&self, address: &Address) -> Value {
        let (word, domain, refusal) = match &self.route {
            Route::Local(_) => ("local", None, None),
            Route::Peer(domain, _) => ("peer", Some(domain), None),
            Route::Patient(domain) => ("patient", Some(domain), None),
            Route::Refused(refusal) => ("refused", None, Some(refusal.row())),
        };
        // Also of a recipient who is refused because of it.
        let standing = self.steps.iter().find_map(|step| match step {
            Step::Directory(asked) => Some(asked.standing().word()),
            _ => None,
        });
        json!({
            "address": address,
            "route": word,
            "bals": self.copies(&self.route),
            "domain": domain,
            "in_annuaire": standing,
            "refusal": refusal,
            "steps": self.steps().collect::<Vec<_>>(),
        })
    }
}
