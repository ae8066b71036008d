//! `pli annuaire publication …`: what the national directory is told of our BALs.

use std::sync::Arc;

use annuaire::publication::Known;
use clap::{Args, Subcommand};
use mssante::Address;
use serde_json::{Value, json};
use store::{Due, Publication, PublicationState, Store};
use tokio_util::sync::CancellationToken;

use super::super::print;
use crate::config::{Settings, Transport};
use crate::database::Database;
use crate::failure::Failure;
use crate::serve::publication::Publisher;

/// What to do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// How many BALs are in which state, how the last run went, and which BALs need somebody to look.
    ///
    /// Exit code 1 if a BAL is refused or the last run failed.
    Status(Status),
    /// Tell the directory now what waits, in this process, whether a server runs or not.
    Run,
    /// Tell the directory again: of one BAL whatever its state, or of all that wait or were refused.
    Retry {
        /// Its address.
        address: Option<Address>,
    },
}

/// What to show.
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// Only this BAL.
    address: Option<Address>,
    /// All BALs, not only those that wait or are refused.
    #[arg(long)]
    all: bool,
}

impl Command {
    /// Opens the store, does the work, and leaves the database as it was found.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(settings, &store, json).await;
        store.close().await;
        database.stop().await?;
        result
    }

    async fn work(self, settings: &Settings, store: &Store, as_json: bool) -> Result<(), Failure> {
        match self {
            Self::Status(status) => status.print(settings, store, as_json).await,
            Self::Run => run(settings, store, as_json).await,
            Self::Retry { address } => retry(store, address.as_ref(), as_json).await,
        }
    }
}

async fn run(settings: &Settings, store: &Store, as_json: bool) -> Result<(), Failure> {
    if settings.publication.transport == Transport::Off {
        return Err(Failure::Refused("publication.transport is \"off\"; set it to \"file\" or \"fhir\"".to_owned()));
    }
    let publisher = Arc::new(Publisher::new(settings.clone(), store.clone()));
    let mut ended = std::collections::BTreeMap::new();
    loop {
        let run = publisher.turn(Due::Now, &CancellationToken::new()).await?.unwrap_or_default();
        for (state, count) in run.ended {
            *ended.entry(state).or_insert(0_u64) += count;
        }
        if let Some(trouble) = run.trouble {
            print::facts(&json!({ "ended": ended, "trouble": trouble.to_string() }), as_json)?;
            return Err(Failure::Refused(trouble.to_string()));
        }
        if !run.more {
            return print::facts(&json!({ "ended": ended, "trouble": null }), as_json);
        }
    }
}

async fn retry(store: &Store, address: Option<&Address>, as_json: bool) -> Result<(), Failure> {
    let count = store.retry_publications(address).await?;
    match address {
        Some(address) if count == 0 => Err(Failure::Refused(format!("there is no BAL {address}"))),
        _ => print::facts(&json!({ "waiting_again": count }), as_json),
    }
}

impl Status {
    async fn print(self, settings: &Settings, store: &Store, as_json: bool) -> Result<(), Failure> {
        let shown = self.shown(store).await?;
        let counts = store.publication_counts().await?;
        let publisher = Publisher::new(settings.clone(), store.clone());
        let source = publisher.source().await?;
        let states: Value = counts.iter().map(|(state, count)| (state.word().to_owned(), json!(count))).collect();
        let error = source.as_ref().and_then(|source| source.last_error.clone());
        let mut facts = json!({
            "transport": settings.publication.transport.word(),
            "states": states,
            "last_run": source.as_ref().and_then(|source| source.checked_at).map(print::moment),
            "last_good_run": source.as_ref().and_then(|source| source.confirmed_at).map(print::moment),
            "next_run": source.as_ref().map(|source| print::moment(source.next_attempt)),
            "last_error": error,
        });
        if as_json {
            facts["bals"] = shown.iter().map(value).collect();
            print::json(&facts)?;
        } else {
            print::facts(&facts, false)?;
            print::table(["address", "kind", "state", "last", "reported", "report"], shown.iter().map(row))?;
        }
        let refused = shown.iter().filter(|one| one.state == PublicationState::Refused).count();
        match (refused, error) {
            (0, None) => Ok(()),
            (0, Some(why)) => Err(Failure::Refused(format!("the last run failed: {why}"))),
            (refused, _) => Err(Failure::Refused(format!(
                "{refused} BALs are refused; see to what the report says, then `pli annuaire publication retry`"
            ))),
        }
    }

    async fn shown(&self, store: &Store) -> Result<Vec<Publication>, Failure> {
        let mut all = store.publications(self.address.as_ref(), None).await?;
        match &self.address {
            Some(address) if all.is_empty() => Err(Failure::Refused(format!("there is no BAL {address}"))),
            Some(_) => Ok(all),
            None => {
                let open =
                    |one: &Publication| matches!(one.state, PublicationState::Waiting | PublicationState::Refused);
                all.retain(|one| self.all || open(one));
                Ok(all)
            }
        }
    }
}

fn value(one: &Publication) -> Value {
    let known = match one.known {
        Known::Nothing => "nothing",
        Known::Perhaps(_) => "perhaps",
        Known::Surely(_) => "surely",
    };
    json!({
        "address": one.address,
        "kind": one.kind,
        "state": one.state.word(),
        "operation": one.operation,
        "wanted_at": print::moment(one.wanted_at),
        "due_at": (one.state == PublicationState::Waiting).then(|| print::moment(one.due_at)),
        "attempts": one.attempts,
        "reported_at": one.reported_at.map(print::moment),
        "report": one.report,
        "directory_knows": known,
        "published": one.known.card(),
    })
}

fn row(one: &Publication) -> [String; 6] {
    [
        one.address.to_string(),
        one.kind.to_string(),
        one.state.word().to_owned(),
        one.operation.map_or_else(String::new, |operation| operation.word().to_owned()),
        one.reported_at.map_or_else(String::new, print::moment),
        one.report.clone().unwrap_or_default(),
    ]
}
