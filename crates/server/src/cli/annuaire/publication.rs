//! `pli annuaire publication …`: what the national directory is told of our BALs.

use std::collections::BTreeMap;
use std::sync::Arc;

use annuaire::publication::Known;
use clap::{Args, Subcommand};
use mssante::Address;
use serde_json::{Value, json};
use store::{Due, Publication, PublicationFilter, PublicationState, Store};
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
    /// BALs in every state and however many, not only the first of those that wait or are refused.
    #[arg(long)]
    all: bool,
    /// At most so many BALs.
    #[arg(long, default_value_t = 100, conflicts_with = "all")]
    limit: u32,
}

/// The states in which there is something to wait for, or to do.
const OPEN: [PublicationState; 2] = [PublicationState::Waiting, PublicationState::Refused];

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

/// What to do about refused BALs.
const LOOK: &str = "see to what `pli annuaire publication status` says of them, then `pli annuaire publication retry`";

async fn run(settings: &Settings, store: &Store, as_json: bool) -> Result<(), Failure> {
    if settings.publication.transport == Transport::Off {
        return Err(Failure::Refused("publication.transport is \"off\"; set it to \"file\" or \"fhir\"".to_owned()));
    }
    let publisher = Arc::new(Publisher::new(settings.clone(), store.clone()));
    let mut ended = BTreeMap::new();
    loop {
        let Some(run) = publisher.turn(Due::WhenFree, &CancellationToken::new()).await? else {
            return Err(Failure::Refused(busy(&publisher).await?));
        };
        for (state, count) in run.ended {
            *ended.entry(state).or_insert(0_u64) += count;
        }
        if let Some(trouble) = run.trouble {
            print::facts(&json!({ "ended": ended, "trouble": trouble.to_string() }), as_json)?;
            return Err(Failure::Refused(trouble.to_string()));
        }
        if !run.more {
            print::facts(&json!({ "ended": ended, "trouble": null }), as_json)?;
            return refused(ended.get(PublicationState::Refused.word()).copied().unwrap_or_default());
        }
    }
}

/// A run that ends with refused BALs is one that somebody has to look at.
fn refused(bals: u64) -> Result<(), Failure> {
    match bals {
        0 => Ok(()),
        1 => Err(Failure::Refused(format!("1 BAL is refused; {LOOK}"))),
        _ => Err(Failure::Refused(format!("{bals} BALs are refused; {LOOK}"))),
    }
}

/// What to say while somebody else is at it.
async fn busy(publisher: &Publisher) -> Result<String, Failure> {
    let until = publisher.source().await?.and_then(|source| source.leased_until).map(print::moment);
    Ok(format!(
        "another process tells the directory now, until {} at the latest unless it goes on; see \
         `pli annuaire publication status`",
        until.as_deref().unwrap_or("the end of its run")
    ))
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
        let counts = store.publication_counts().await?;
        let shown = self.shown(store).await?;
        let left_out = self.left_out(&counts, shown.len());
        let publisher = Publisher::new(settings.clone(), store.clone());
        let source = publisher.source().await?;
        let states: Value = counts.iter().map(|(state, count)| (state.word().to_owned(), json!(count))).collect();
        let error = source.as_ref().and_then(|source| source.last_error.clone());
        let mut facts = json!({
            "transport": settings.publication.transport.word(),
            "target": publisher.target(),
            "states": states,
            "last_run": source.as_ref().and_then(|source| source.checked_at).map(print::moment),
            "last_good_run": source.as_ref().and_then(|source| source.confirmed_at).map(print::moment),
            "next_run": source.as_ref().map(|source| print::moment(source.next_attempt)),
            "last_error": error,
        });
        if as_json {
            facts["bals"] = shown.iter().map(value).collect();
            facts["left_out"] = json!(left_out);
            print::json(&facts)?;
        } else {
            print::facts(&facts, false)?;
            print::table(["address", "kind", "state", "last", "reported", "report"], shown.iter().map(row))?;
            if left_out > 0 {
                print::line(&format!("and {left_out} more; see them with --limit N, or every BAL with --all"))?;
            }
        }
        match (self.refused(&counts, &shown), error) {
            (0, None) => Ok(()),
            (0, Some(why)) => Err(Failure::Refused(format!("the last run failed: {why}"))),
            (bals, _) => refused(bals),
        }
    }

    async fn shown(&self, store: &Store) -> Result<Vec<Publication>, Failure> {
        let which = match &self.address {
            Some(address) => PublicationFilter::Of(address),
            None => PublicationFilter::In(self.states()),
        };
        let limit = if self.all { u32::MAX } else { self.limit };
        let shown = store.publications(which, limit).await?;
        match &self.address {
            Some(address) if shown.is_empty() => Err(Failure::Refused(format!("there is no BAL {address}"))),
            _ => Ok(shown),
        }
    }

    fn states(&self) -> &'static [PublicationState] {
        if self.all { &PublicationState::ALL } else { &OPEN }
    }

    /// How many are in the states that were asked for, and not shown.
    fn left_out(&self, counts: &BTreeMap<PublicationState, u64>, shown: usize) -> u64 {
        let there: u64 = self.states().iter().filter_map(|state| counts.get(state)).sum();
        if self.address.is_some() { 0 } else { there.saturating_sub(shown as u64) }
    }

    fn refused(&self, counts: &BTreeMap<PublicationState, u64>, shown: &[Publication]) -> u64 {
        match self.address {
            Some(_) => shown.iter().filter(|one| one.state == PublicationState::Refused).count() as u64,
            None => counts.get(&PublicationState::Refused).copied().unwrap_or_default(),
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
        "target": one.target,
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
