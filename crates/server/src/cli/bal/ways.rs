//! `pli bal alias …` and `pli bal forward …`: the other ways to a BAL.

use std::collections::HashMap;

use clap::Subcommand;
use mssante::{Address, BalId, ForwardCopy};
use serde_json::{Value, json};
use store::{AliasRecord, ForwardRecord, Store};

use super::found;
use crate::cli::print;
use crate::config::Settings;
use crate::failure::Failure;

/// Other addresses of a BAL.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Alias {
    /// Let another address of our domains lead to a BAL.
    Add {
        /// The BAL.
        bal: Address,
        /// The other address.
        alias: Address,
    },
    /// Take an alias away; mail to it is refused from then on.
    Remove {
        /// The alias.
        alias: Address,
    },
    /// List aliases.
    List {
        /// Of this BAL only.
        bal: Option<Address>,
    },
}

/// Mail of one BAL that goes to another.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Forward {
    /// Hand mail of a BAL on to another BAL of this operator; `pli rules` prints which kinds may.
    Set {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
        /// "keep" leaves a copy, "move" none, as long as the target takes mail.
        #[arg(long, default_value = "keep")]
        copy: ForwardCopy,
    },
    /// End a forward.
    Remove {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// List forwards.
    List {
        /// From or to this BAL only.
        bal: Option<Address>,
    },
}

impl Alias {
    /// An alias is an address of ours like any other.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Add { alias, .. } if !settings.operator.domains.contains(alias.domain()) => Err(Failure::Refused(
                format!("{} is not one of operator.domains; an alias is an address of our own domains", alias.domain()),
            )),
            _ => Ok(()),
        }
    }

    pub(super) async fn work(self, store: &Store, json: bool) -> Result<(), Failure> {
        match self {
            Self::Add { bal, alias } => {
                let bal = found(store, &bal).await?;
                store.add_alias(bal.id, &alias).await?;
                list_aliases(store, &store.aliases(Some(bal.id)).await?, json).await
            }
            Self::Remove { alias } => {
                let bal = store.remove_alias(&alias).await?;
                list_aliases(store, &store.aliases(Some(bal)).await?, json).await
            }
            Self::List { bal } => {
                let bal = id_of(store, bal.as_ref()).await?;
                list_aliases(store, &store.aliases(bal).await?, json).await
            }
        }
    }
}

impl Forward {
    pub(super) async fn work(self, store: &Store, json: bool) -> Result<(), Failure> {
        match self {
            Self::Set { from, to, copy } => {
                let (from, to) = (found(store, &from).await?, found(store, &to).await?);
                mssante::may_forward(from.kind, to.kind).map_err(|error| Failure::Refused(error.to_string()))?;
                store.set_forward(ForwardRecord { from: from.id, to: to.id, copy }).await?;
                list_forwards(store, &store.forwards(Some(from.id)).await?, json).await
            }
            Self::Remove { from, to } => {
                let (from, to) = (found(store, &from).await?, found(store, &to).await?);
                store.remove_forward(from.id, to.id).await?;
                list_forwards(store, &store.forwards(Some(from.id)).await?, json).await
            }
            Self::List { bal } => {
                let bal = id_of(store, bal.as_ref()).await?;
                list_forwards(store, &store.forwards(bal).await?, json).await
            }
        }
    }
}

async fn id_of(store: &Store, bal: Option<&Address>) -> Result<Option<BalId>, Failure> {
    match bal {
        Some(address) => Ok(Some(found(store, address).await?.id)),
        None => Ok(None),
    }
}

async fn list_aliases(store: &Store, aliases: &[AliasRecord], json: bool) -> Result<(), Failure> {
    let names = Names::read(store, aliases.iter().map(|alias| alias.bal).collect()).await?;
    let rows = aliases.iter().map(|alias| [alias.address.to_string(), names.of(alias.bal)]);
    if json {
        return print::json(&objects(["alias", "bal"], rows));
    }
    print::table(["alias", "BAL"], rows)
}

async fn list_forwards(store: &Store, forwards: &[ForwardRecord], json: bool) -> Result<(), Failure> {
    let mentioned = forwards.iter().flat_map(|forward| [forward.from, forward.to]).collect();
    let names = Names::read(store, mentioned).await?;
    let row = |forward: &ForwardRecord| [names.of(forward.from), names.of(forward.to), forward.copy.word().to_owned()];
    let rows = forwards.iter().map(row);
    if json {
        return print::json(&objects(["from", "to", "copy"], rows));
    }
    print::table(["mail of", "goes to", "copy"], rows)
}

fn objects<const N: usize>(names: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<Value> {
    rows.map(|row| Value::Object(names.iter().map(ToString::to_string).zip(row.map(|text| json!(text))).collect()))
        .collect()
}

/// Addresses of BALs by their numbers.
struct Names(HashMap<BalId, String>);

impl Names {
    async fn read(store: &Store, bals: Vec<BalId>) -> Result<Self, Failure> {
        let addresses = store.addresses_of(&bals).await?;
        Ok(Self(addresses.into_iter().map(|(id, address)| (id, address.to_string())).collect()))
    }

    fn of(&self, id: BalId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("BAL {id}"))
    }
}
