//! Asking the source of the white list: its URL by one node for all, its file by each node.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use mssante::Clock;
use store::{Due, ListOrigin, SourceAnswer, SourceClaim, SourceKind, StoreError};
use time::OffsetDateTime;
use trust::{FetchError, Fetched, TrustList, Validators, schedule};

use super::candidate::{Stamp, read_list};
use super::{Acknowledgement, Candidate, Keeper, Outcome, policy, view};
use crate::ambient::{SystemClock, SystemRandom};
use crate::config::ListSource;

/// What asking came to.
#[derive(Debug)]
pub(crate) struct Asked {
    /// URL or path.
    pub(crate) source: String,
    /// What became of the list, or why there is none.
    pub(crate) result: Result<Outcome, FetchError>,
}

/// What this process knows of the file.
#[derive(Default)]
pub(super) struct FileWatch(Mutex<Seen>);

#[derive(Default, Clone, Copy)]
struct Seen {
    stamp: Option<Stamp>,
    failures: u32,
    /// Before this, only a file that changed is looked into again.
    not_before: Option<OffsetDateTime>,
}

/// Who brings a file.
struct Handed {
    origin: ListOrigin,
    received_by: Option<String>,
    acknowledgement: Acknowledgement,
}

impl Keeper {
    /// Asks the source of the configuration if it is due, and writes down what came of it.
    pub(crate) async fn ask_source(&self, due: Due) -> Result<Option<Asked>, StoreError> {
        match self.settings.trust_list.source() {
            Some(ListSource::File(file)) => self.ask_file(file, due).await,
            Some(ListSource::Url(url)) => match self.claim_list(url, due).await? {
                Some(claim) => Ok(Some(self.ask_url(&claim).await?)),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The right to ask the URL, if it is due and nobody else has it.
    pub(super) async fn claim_list(&self, url: &str, due: Due) -> Result<Option<SourceClaim>, StoreError> {
        let urls = [url.to_owned()];
        self.store.want_sources(SourceKind::List, &urls).await?;
        Ok(self.store.claim_sources(SourceKind::List, &urls, due, 1, self.lease()).await?.pop())
    }

    /// Longer than asking can take.
    pub(super) fn lease(&self) -> Duration {
        self.settings.fetch.timeout * 2 + self.settings.revocation.patience + Duration::from_secs(30)
    }

    /// Asks the URL and settles the claim.
    pub(super) async fn ask_url(&self, claim: &SourceClaim) -> Result<Asked, StoreError> {
        let (answer, result) = match self.fetch_list(claim).await? {
            Ok((outcome, answer)) => (answer, Ok(outcome)),
            Err(error) => (SourceAnswer::Failed { why: error.to_string() }, Err(error)),
        };
        let next = self.next_attempt(&answer, claim.failures, result.as_ref().err());
        self.store.settle_source(claim, &answer, next).await?;
        self.tell(&claim.url, claim.last_error.as_deref(), &result).await?;
        Ok(Asked { source: claim.url.clone(), result })
    }

    /// The outcome, and what to write down for the source.
    async fn fetch_list(&self, claim: &SourceClaim) -> Result<Result<(Outcome, SourceAnswer), FetchError>, StoreError> {
        let fetched = match self.fetch(claim).await? {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        let (octets, validators, sha256) = match fetched {
            Some((octets, validators, sha256)) => (octets, validators, sha256),
            None => return self.unchanged(claim).await,
        };
        let candidate = Candidate {
            octets,
            origin: ListOrigin::Url,
            source: claim.url.clone(),
            received_by: None,
            confirmed_at: SystemClock.now(),
            sha256,
        };
        let outcome = self.consider(&candidate, &Acknowledgement::None).await?;
        let answer = match &outcome {
            // Validators of a list that was refused are not kept: it is to come again in full.
            Outcome::Refused(_, why) => SourceAnswer::Failed { why: why.clone() },
            _ => SourceAnswer::New {
                octets: candidate.octets,
                etag: validators.etag,
                last_modified: validators.last_modified,
                next_update: None,
            },
        };
        Ok(Ok((outcome, answer)))
    }

    /// New octets with what vouches for them; nothing if the source has nothing new.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    async fn fetch(
        &self,
        claim: &SourceClaim,
    ) -> Result<Result<Option<(Vec<u8>, Validators, Option<[u8; 32]>)>, FetchError>, StoreError> {
        // Validators stand for octets: only of those that we still hold "not modified" says anything.
        let held = match &claim.sha256 {
            Some(sha256) => self.knows(sha256).await?,
            None => false,
        };
        let known = match held {
            true => Validators { etag: claim.etag.clone(), last_modified: claim.last_modified.clone() },
            false => Validators::default(),
        };
        let fetch = async {
            let fetcher = super::fetcher(&self.settings)?;
            match fetcher.get(&claim.url, &known, TrustList::MAX_OCTETS).await? {
                Fetched::NotModified => Ok(None),
                Fetched::Body { octets, validators } => {
                    let sha256 = policy::checksum(&self.settings, &fetcher).await?;
                    Ok(Some((octets, validators, sha256)))
                }
            }
        };
        Ok(fetch.await)
    }

    async fn unchanged(&self, claim: &SourceClaim) -> Result<Result<(Outcome, SourceAnswer), FetchError>, StoreError> {
        let sha256 = claim.sha256.as_deref().unwrap_or_default();
        match self.confirm_unchanged(sha256, SystemClock.now()).await? {
            Some(Outcome::Refused(reason, why)) => {
                let answer = SourceAnswer::Failed { why: why.clone() };
                Ok(Ok((Outcome::Refused(reason, why), answer)))
            }
            Some(outcome) => Ok(Ok((outcome, SourceAnswer::Same))),
            // Another list came into force while we were asking.
            None => {
                let why = "it has nothing new, but another list came into force meanwhile".to_owned();
                Ok(Err(FetchError::Connection { url: claim.url.clone(), why }))
            }
        }
    }

    /// Looks at the file; at its contents only if it changed, or if they could not be used last time.
    async fn ask_file(&self, file: &Path, due: Due) -> Result<Option<Asked>, StoreError> {
        let now = SystemClock.now();
        let stamp = Stamp::of(file).ok();
        let seen = self.file.seen();
        let waits = seen.not_before.is_none_or(|moment| now < moment);
        if due == Due::InTime && stamp.is_some() && stamp == seen.stamp && waits {
            return Ok(None);
        }
        if due == Due::InTime && stamp.is_none() && seen.not_before.is_some_and(|moment| now < moment) {
            return Ok(None);
        }
        let source = file.display().to_string();
        let result = self.consider_file(file, &source).await?;
        let answer = match &result {
            Ok(Outcome::Refused(_, why)) => SourceAnswer::Failed { why: why.clone() },
            Ok(_) => SourceAnswer::Same,
            Err(error) => SourceAnswer::Failed { why: error.to_string() },
        };
        let failed = matches!(answer, SourceAnswer::Failed { .. });
        let next = self.next_attempt(&answer, seen.failures, result.as_ref().err());
        let failures = if failed { seen.failures.saturating_add(1) } else { 0 };
        self.file.saw(Seen { stamp, failures, not_before: failed.then_some(next) });
        if let Some(claim) = self.claim_list(&source, Due::Now).await? {
            self.store.settle_source(&claim, &answer, next).await?;
            self.tell(&source, claim.last_error.as_deref(), &result).await?;
        }
        Ok(Some(Asked { source, result }))
    }

    async fn consider_file(&self, file: &Path, source: &str) -> Result<Result<Outcome, FetchError>, StoreError> {
        let handed = Handed { origin: ListOrigin::File, received_by: None, acknowledgement: Acknowledgement::None };
        self.take_file(file, source, handed).await
    }

    /// Takes a list that a person hands in. The time of the file's last modification is when it was current.
    pub(crate) async fn import(
        &self,
        file: &Path,
        by: &str,
        acknowledgement: Acknowledgement,
    ) -> Result<Result<Outcome, FetchError>, StoreError> {
        let received_by = Some(by.to_owned());
        let handed = Handed { origin: ListOrigin::Import, received_by, acknowledgement };
        self.take_file(file, &file.display().to_string(), handed).await
    }

    async fn take_file(
        &self,
        file: &Path,
        source: &str,
        handed: Handed,
    ) -> Result<Result<Outcome, FetchError>, StoreError> {
        let unreadable = |why| FetchError::Configuration(format!("{source}: {why}"));
        let path = file.to_owned();
        let read = tokio::task::spawn_blocking(move || read_list(&path)).await;
        let (octets, modified) = match read.map_err(|error| error.to_string()).flatten() {
            Ok(read) => read,
            Err(why) => return Ok(Err(unreadable(why))),
        };
        let checksum = async { policy::checksum(&self.settings, &super::fetcher(&self.settings)?).await };
        let sha256 = match checksum.await {
            Ok(sha256) => sha256,
            Err(error) => return Ok(Err(error)),
        };
        let candidate = Candidate {
            octets,
            origin: handed.origin,
            source: source.to_owned(),
            received_by: handed.received_by,
            confirmed_at: modified.min(SystemClock.now()),
            sha256,
        };
        Ok(Ok(self.consider(&candidate, &handed.acknowledgement).await?))
    }

    fn next_attempt(&self, answer: &SourceAnswer, failures: u32, error: Option<&FetchError>) -> OffsetDateTime {
        let (now, interval) = (SystemClock.now(), self.settings.trust_list.refresh);
        let SourceAnswer::Failed { why } = answer else {
            return schedule::after_success(now, interval, &SystemRandom);
        };
        let failures = failures.saturating_add(1);
        let refused = FetchError::Configuration(why.clone());
        schedule::after_failure(now, interval, failures, error.unwrap_or(&refused), &SystemRandom)
    }

    /// Log, metric, audit trail: the latter only of what was not the case last time.
    async fn tell(
        &self,
        source: &str,
        last_error: Option<&str>,
        result: &Result<Outcome, FetchError>,
    ) -> Result<(), StoreError> {
        match result {
            Err(error) => view::source_failed(SourceKind::List, source, &error.to_string()),
            Ok(Outcome::Refused(reason, why)) if last_error != Some(why) => {
                self.store.trace_list_refusal(source, reason.word(), why).await?;
            }
            Ok(_) => {}
        }
        Ok(())
    }
}

impl FileWatch {
    fn seen(&self) -> Seen {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn saw(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = seen;
    }
}
