//! Asking the sources of the directory: by one node for all, and what they have before what is in it.

use std::path::Path;
use std::time::Duration;

use annuaire::generated_at_by_name;
use mssante::Clock as _;
use store::{AnnuaireOrigin, Due, SourceAnswer, SourceClaim, SourceKind, StoreError};
use time::OffsetDateTime;
use trust::{FetchError, Validators, schedule};

use super::download::{Downloader, look_at};
use super::keeper::{rejection, waiting};
use super::{Acknowledgement, Done, Keeper, Outcome, Part, Reason, Report, Step, Watcher, view};
use crate::ambient::{SystemClock, SystemRandom};
use crate::cli::moment;
use crate::config::Settings;
use crate::serve::trust::{Trouble, sources_own, validators};

/// What the directory is fed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// The extraction of BALs.
    Entries,
    /// The entries by the interface of the national directory.
    Fhir,
    /// The activities of professionals.
    Activities,
}

impl Feed {
    /// In the order in which they are asked: activities complete entries.
    pub(crate) const ALL: [Self; 3] = [Self::Entries, Self::Fhir, Self::Activities];

    /// How the database calls it.
    pub(crate) fn kind(self) -> SourceKind {
        match self {
            Self::Entries => SourceKind::Annuaire,
            Self::Fhir => SourceKind::Fhir,
            Self::Activities => SourceKind::Activities,
        }
    }

    /// Where it comes from.
    pub(crate) fn url(self, settings: &Settings) -> Option<&str> {
        match self {
            Self::Entries => settings.annuaire.url.as_deref(),
            Self::Fhir => settings.annuaire.fhir.url.as_deref(),
            Self::Activities => settings.annuaire.activities_url.as_deref(),
        }
    }

    fn part(self, report: Report) -> Option<Part> {
        match self {
            Self::Entries | Self::Fhir => report.entries,
            Self::Activities => report.activities,
        }
    }
}

/// What asking came to.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What was asked for.
    pub(crate) feed: Feed,
    /// Where.
    pub(crate) url: String,
    /// What became of it, or why there is nothing.
    pub(crate) result: Result<Done, FetchError>,
}

/// Who brings a file, and what is to be done with it.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    /// How it came.
    pub(crate) origin: AnnuaireOrigin,
    /// Who imported it.
    pub(crate) received_by: Option<String>,
    /// Whether somebody vouches for it.
    pub(crate) acknowledgement: Acknowledgement,
    /// Whether it is only to be tried.
    pub(crate) mode: Mode,
}

/// Whether an import changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It does.
    Take,
    /// It only says what it would do.
    Try,
}

impl Handed {
    fn by_its_source() -> Self {
        let acknowledgement = Acknowledgement::None;
        Self { origin: AnnuaireOrigin::Url, received_by: None, acknowledgement, mode: Mode::Take }
    }
}

/// A process that died holds the others up for so long.
const LEASE: Duration = Duration::from_secs(30);
/// The claim of one that lives is renewed so often.
const RENEWAL: Duration = Duration::from_secs(8);

impl Keeper {
    /// Asks a source of the configuration if it is due, and writes down what came of it.
    pub(crate) async fn ask(&self, feed: Feed, due: Due, watcher: &Watcher) -> Result<Option<Asked>, StoreError> {
        let Some(url) = feed.url(&self.settings) else { return Ok(None) };
        match self.claim(feed, url, due).await? {
            Some(claim) => Ok(Some(self.ask_claimed(feed, &claim, watcher).await?)),
            None if due == Due::InTime => Ok(None),
            None => Ok(Some(Asked { feed, url: url.to_owned(), result: Err(self.busy(feed, url).await?) })),
        }
    }

    /// What to say to a person while another process asks the source.
    async fn busy(&self, feed: Feed, url: &str) -> Result<FetchError, StoreError> {
        let source = self.store.sources(feed.kind()).await?.into_iter().find(|source| source.url == url);
        let until = source.and_then(|source| source.leased_until).map(moment);
        Ok(FetchError::Configuration(format!(
            "another process asks it now, until {} at the latest unless it goes on; see `pli annuaire status`",
            until.as_deref().unwrap_or("it has an answer")
        )))
    }

    /// The right to ask a source, if it is due and nobody else has it.
    pub(super) async fn claim(&self, feed: Feed, url: &str, due: Due) -> Result<Option<SourceClaim>, StoreError> {
        let urls = [url.to_owned()];
        self.store.want_sources(feed.kind(), &urls).await?;
        Ok(self.store.claim_sources(feed.kind(), &urls, due, 1, LEASE).await?.pop())
    }

    /// Asks a source and settles the claim.
    pub(super) async fn ask_claimed(
        &self,
        feed: Feed,
        claim: &SourceClaim,
        watcher: &Watcher,
    ) -> Result<Asked, StoreError> {
        let asked = tokio::select! {
            asked = self.get(feed, claim, watcher) => asked,
            lost = self.hold(claim) => Err(lost.into()),
        };
        let (answer, result) = match sources_own(asked)? {
            Ok((done, answer)) => (answer, Ok(done)),
            Err(error) => (SourceAnswer::Failed { why: error.to_string() }, Err(error)),
        };
        let next = self.next_attempt(feed, &answer, claim.failures, result.as_ref().err());
        self.store.settle_source(claim, &answer, next).await?;
        match &result {
            Err(error) => view::source_failed(feed, &claim.url, &error.to_string()),
            Ok(done) => self.tell(done, &claim.url, None, claim.last_error.as_deref()).await?,
        }
        Ok(Asked { feed, url: claim.url.clone(), result })
    }

    /// Renews a claim until another process has it: a synchronisation takes an hour or more.
    async fn hold(&self, claim: &SourceClaim) -> FetchError {
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.store.renew_source(claim, LEASE).await {
                Ok(true) => {}
                Ok(false) => {
                    let why = "another node asks it now".to_owned();
                    return FetchError::Connection { url: claim.url.clone(), why };
                }
                // Whoever takes it over meanwhile may; what is asked for here is then not written down.
                Err(error) => tracing::warn!(%error, "the claim to ask a source cannot be renewed"),
            }
        }
    }

    /// What became of it, and what to write down for the source.
    async fn get(&self, feed: Feed, claim: &SourceClaim, watcher: &Watcher) -> Result<(Done, SourceAnswer), Trouble> {
        if feed == Feed::Fhir {
            return Box::pin(self.get_fhir(claim, watcher)).await;
        }
        self.take_over().await?;
        let downloader = Downloader::new(&self.settings)?;
        let described = downloader.probe(&claim.url).await?;
        let theirs = described.file_name.as_deref().and_then(generated_at_by_name);
        let part = self.part_here(feed);
        if let Some(outcome) = self.by_date(theirs, part.as_ref(), &claim.url, feed).await? {
            return Ok(settled(outcome, SourceAnswer::Same));
        }
        let known = match &part {
            Some(part) if theirs.is_none() && claim_is_of(claim, part) => validators(claim),
            _ => Validators::default(),
        };
        watcher(Step::Downloading);
        let Some(arrived) = downloader.fetch(&claim.url, &known).await? else {
            return Ok(settled(self.unchanged(feed, &claim.url).await?, SourceAnswer::Same));
        };
        let Validators { etag, last_modified } = arrived.validators;
        let taken = SourceAnswer::Elsewhere { sha256: arrived.sha256, etag, last_modified };
        let Done { outcome, rejections } = self.take(arrived.brought, &Handed::by_its_source(), watcher).await?;
        let (Done { outcome, .. }, answer) = settled(outcome, taken);
        Ok((Done { outcome, rejections }, answer))
    }

    /// The file that is in force here, if it can be used: one that cannot is imported again.
    fn part_here(&self, feed: Feed) -> Option<Part> {
        feed.part(self.in_force()?.report.clone())
    }

    /// What the date in the name says: nothing, if it is younger, or one of the two has none.
    async fn by_date(
        &self,
        theirs: Option<OffsetDateTime>,
        part: Option<&Part>,
        url: &str,
        feed: Feed,
    ) -> Result<Option<Outcome>, StoreError> {
        let Some(theirs) = theirs else { return Ok(None) };
        let is_theirs = |part: &Part| part.source == url && part.named_at == Some(theirs);
        if let Some(pending) = self.pending_of(is_theirs).await? {
            self.store.confirm_annuaire(pending.id, SystemClock.now()).await?;
            return Ok(Some(waiting(pending)));
        }
        let Some(ours) = part.and_then(|part| part.named_at) else { return Ok(None) };
        match theirs.cmp(&ours) {
            std::cmp::Ordering::Greater => Ok(None),
            std::cmp::Ordering::Equal => Ok(Some(self.unchanged(feed, url).await?)),
            std::cmp::Ordering::Less => {
                let why = format!("by its name it is of {}, the one in force of {}", moment(theirs), moment(ours));
                Ok(Some(Outcome::Refused(Reason::Older, why)))
            }
        }
    }

    /// The source says that what is in force is the current one.
    async fn unchanged(&self, feed: Feed, url: &str) -> Result<Outcome, StoreError> {
        let current = self.in_force();
        let current = current.ok_or_else(|| StoreError::Unavailable("the directory in force is gone".to_owned()))?;
        if feed != Feed::Activities {
            self.confirm(current.version.id, url, SystemClock.now()).await?;
        }
        Ok(Outcome::Confirmed(current.version.id))
    }

    /// Takes a file that a person hands in.
    pub(crate) async fn import_file(
        &self,
        file: &Path,
        handed: &Handed,
        watcher: &Watcher,
    ) -> Result<Result<Done, FetchError>, StoreError> {
        let path = file.to_owned();
        let looked_at = tokio::task::spawn_blocking(move || look_at(&path)).await;
        let brought = match looked_at.map_err(|error| error.to_string()).flatten() {
            Ok(brought) => brought,
            Err(why) => return Ok(Err(FetchError::Configuration(format!("{}: {why}", file.display())))),
        };
        let source = brought.source.clone();
        let done = self.take(brought, handed, watcher).await?;
        if handed.mode == Mode::Take {
            self.tell(&done, &source, handed.received_by.as_deref(), None).await?;
        }
        Ok(Ok(done))
    }

    /// Takes a file from a URL that a person names.
    pub(crate) async fn import_url(
        &self,
        url: &str,
        handed: &Handed,
        watcher: &Watcher,
    ) -> Result<Result<Done, FetchError>, StoreError> {
        watcher(Step::Downloading);
        let fetched = async { Downloader::new(&self.settings)?.fetch(url, &Validators::default()).await };
        let arrived = match fetched.await {
            Ok(arrived) => arrived.expect("a request without conditions is never answered 304"),
            Err(error) => return Ok(Err(error)),
        };
        let done = self.take(arrived.brought, handed, watcher).await?;
        if handed.mode == Mode::Take {
            self.tell(&done, url, handed.received_by.as_deref(), None).await?;
        }
        Ok(Ok(done))
    }

    fn next_attempt(
        &self,
        feed: Feed,
        answer: &SourceAnswer,
        failures: u32,
        error: Option<&FetchError>,
    ) -> OffsetDateTime {
        let interval = match feed {
            Feed::Entries | Feed::Activities => self.settings.annuaire.refresh,
            Feed::Fhir => self.settings.annuaire.fhir.refresh,
        };
        let now = SystemClock.now();
        let SourceAnswer::Failed { why } = answer else {
            return schedule::after_success(now, interval, &SystemRandom);
        };
        let refused = FetchError::Configuration(why.clone());
        schedule::after_failure(now, interval, failures.saturating_add(1), error.unwrap_or(&refused), &SystemRandom)
    }

    /// Log, metric, audit trail: the latter only of what was not the case last time. What was refused is remembered with
    /// the lines that were passed over.
    async fn tell(
        &self,
        Done { outcome, rejections }: &Done,
        source: &str,
        by: Option<&str>,
        last_error: Option<&str>,
    ) -> Result<(), StoreError> {
        view::report(outcome, source);
        let Outcome::Refused(reason, why) = outcome else { return Ok(()) };
        let lines: Vec<_> = rejections.iter().map(rejection).collect();
        let source = trust::masked(source);
        self.store.record_refused_annuaire(&source, by, reason.word(), why, &lines).await?;
        if last_error == Some(why) {
            return Ok(());
        }
        self.store.trace_annuaire_refusal(&source, reason.word(), why).await
    }
}

/// What to write down for a source: `taken` unless what it gave was refused. Then it is to come again in full.
fn settled(outcome: Outcome, taken: SourceAnswer) -> (Done, SourceAnswer) {
    let answer = match &outcome {
        Outcome::Refused(_, why) => SourceAnswer::Failed { why: why.clone() },
        _ => taken,
    };
    (Done { outcome, rejections: Vec::new() }, answer)
}

/// Whether what the source gave last is what this part was made from.
fn claim_is_of(claim: &SourceClaim, part: &Part) -> bool {
    claim.sha256.as_deref().is_some_and(|sha256| mssante::hex(sha256) == part.sha256)
}
