//! Telling the national directory of our BALs: what waits in the database is worked on by one node at a time.
//! `[MSS1 ANN.PUBLISH]`

mod carrier;
mod file;
mod run;
mod view;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mssante::Clock as _;
use store::{Due, SourceAnswer, SourceClaim, SourceKind, Store, StoreError, TrustSource};
use tokio_util::sync::CancellationToken;
use trust::{FetchError, schedule};

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{Settings, Transport};

pub(crate) use run::Run;
pub(crate) use view::begin_counting;

/// One run ends after this: another one goes on.
const LONGEST_RUN: Duration = Duration::from_mins(5);
/// Nobody else begins a run before, and a run renews it as long as it goes on: what a process that died held is taken
/// over after this. Longer than the calls for one BAL can take.
const LEASE: Duration = Duration::from_mins(3);
/// So often it is renewed.
const RENEWAL: Duration = Duration::from_secs(30);
/// Nothing is looked at more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Clocks are set right: sooner or later everything is looked at.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Counting reads every row: so often it is done by nodes that tell nothing.
const COUNTED_EVERY: Duration = Duration::from_mins(5);

/// Works on what waits.
pub(crate) struct Publisher {
    settings: Settings,
    store: Store,
    counted: Mutex<Option<Instant>>,
}

/// The right to tell a target, as long as the run goes on.
struct Held<'a> {
    claim: &'a SourceClaim,
    renewed: Instant,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It does.
    Ours,
    /// Another process has taken over.
    Lost,
}

impl Publisher {
    /// One that has not begun.
    pub(crate) fn new(settings: Settings, store: Store) -> Self {
        Self { settings, store, counted: Mutex::default() }
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
        if self.is_time_to_count() {
            self.count().await?;
        }
        let Some(target) = self.target() else { return Ok(None) };
        let names = [target];
        self.store.want_sources(SourceKind::Publication, &names).await?;
        let claims = self.store.claim_sources(SourceKind::Publication, &names, due, 1, LEASE).await?;
        let Some(claim) = claims.into_iter().next() else { return Ok(None) };
        let run = self.run(&claim, stop).await?;
        self.settle(&claim, &run, stop).await?;
        if !run.ended.is_empty() {
            self.count().await?;
        }
        Ok(Some(run))
    }

    fn is_time_to_count(&self) -> bool {
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.is_none_or(|at| at.elapsed() >= COUNTED_EVERY)
    }

    async fn count(&self) -> Result<(), StoreError> {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        view::tell(&self.store.publication_counts().await?);
        Ok(())
    }

    /// Says that the run still goes on.
    async fn renew(&self, held: &mut Held<'_>) -> Result<Hold, StoreError> {
        if held.renewed.elapsed() < RENEWAL {
            return Ok(Hold::Ours);
        }
        held.renewed = Instant::now();
        let ours = self.store.renew_source(held.claim, LEASE).await?;
        Ok(if ours { Hold::Ours } else { Hold::Lost })
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
        let Some(name) = self.target() else { return Ok(None) };
        Ok(self.store.sources(SourceKind::Publication).await?.into_iter().find(|source| source.url == name))
    }

    /// Who is told; none if nobody is. What was told to one was not told to another.
    pub(crate) fn target(&self) -> Option<String> {
        let settings = &self.settings.publication;
        let target = match settings.transport {
            Transport::Off => return None,
            Transport::File => settings.folder.as_ref()?.display().to_string(),
            Transport::Fhir => settings.url.clone()?,
        };
        Some(target.trim_end_matches('/').to_owned())
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
