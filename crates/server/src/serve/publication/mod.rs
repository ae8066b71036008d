//! Telling the national directory of our BALs: what waits in the database is worked on by one node at a time.
//! `[MSS1 ANN.PUBLISH]`

mod carrier;
mod file;
mod run;
mod view;

use std::sync::Arc;
use std::time::Duration;

use mssante::Clock as _;
use store::{Due, SourceAnswer, SourceClaim, SourceKind, Store, StoreError, TrustSource};
use tokio_util::sync::CancellationToken;
use trust::{FetchError, schedule};

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{Settings, Transport};

pub(crate) use run::Run;
pub(crate) use view::describe;

/// One run ends after this: another one goes on.
const LONGEST_RUN: Duration = Duration::from_mins(5);
/// Nobody else begins a run before; longer than the last call of a run can take.
const LEASE: Duration = Duration::from_mins(15);
/// Nothing is looked at more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Clocks are set right: sooner or later everything is looked at.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Works on what waits.
pub(crate) struct Publisher {
    settings: Settings,
    store: Store,
}

impl Publisher {
    /// One that has not begun.
    pub(crate) fn new(settings: Settings, store: Store) -> Self {
        Self { settings, store }
    }

    /// Works on what waits, again and again, until the server stops.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.turn(Due::InTime, &stop).await {
                tracing::warn!(%error, "what is to be published cannot be read from the database");
            }
            let pause = self.pause().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One run, if it is due and no other process has it.
    pub(crate) async fn turn(&self, due: Due, stop: &CancellationToken) -> Result<Option<Run>, StoreError> {
        view::tell(&self.store.publication_counts().await?);
        let Some(name) = self.name() else { return Ok(None) };
        let names = [name];
        self.store.want_sources(SourceKind::Publication, &names).await?;
        let claims = self.store.claim_sources(SourceKind::Publication, &names, due, 1, LEASE).await?;
        let Some(claim) = claims.into_iter().next() else { return Ok(None) };
        let run = self.run(stop).await?;
        self.settle(&claim, &run, stop).await?;
        view::tell(&self.store.publication_counts().await?);
        Ok(Some(run))
    }

    async fn settle(&self, claim: &SourceClaim, run: &Run, stop: &CancellationToken) -> Result<(), StoreError> {
        let (now, interval) = (SystemClock.now(), self.settings.publication.interval);
        let (answer, next) = match &run.trouble {
            Some(trouble) => {
                // What the directory said may quote names and numbers: the database has it, `status` shows it.
                tracing::error!(
                    state = trouble.word(),
                    "publication stops for now; see `pli annuaire publication status`"
                );
                let error = FetchError::Configuration(trouble.to_string());
                let failures = claim.failures.saturating_add(1);
                let next = match run.pause {
                    Some(pause) => now + pause,
                    None => schedule::after_failure(now, interval, failures, &error, &SystemRandom),
                };
                (SourceAnswer::Failed { why: trouble.to_string() }, next)
            }
            None if run.more || stop.is_cancelled() => (SourceAnswer::Same, now),
            None => (SourceAnswer::Same, schedule::after_success(now, interval, &SystemRandom)),
        };
        self.store.settle_source(claim, &answer, next).await.map(drop)
    }

    /// How the last run went.
    pub(crate) async fn source(&self) -> Result<Option<TrustSource>, StoreError> {
        let Some(name) = self.name() else { return Ok(None) };
        Ok(self.store.sources(SourceKind::Publication).await?.into_iter().find(|source| source.url == name))
    }

    /// Where the directory is told; none if it is not.
    fn name(&self) -> Option<String> {
        let settings = &self.settings.publication;
        match settings.transport {
            Transport::Off => None,
            Transport::File => settings.folder.as_ref().map(|folder| folder.display().to_string()),
            Transport::Fhir => settings.url.clone(),
        }
    }

    /// Until the next run is due.
    async fn pause(&self) -> Duration {
        let source = self.source().await.ok().flatten();
        let wait = source.map_or(LONGEST_PAUSE, |source| {
            Duration::try_from(source.next_attempt - SystemClock.now()).unwrap_or_default()
        });
        wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}
