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

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    stamp: Option<Stamp>,
    /// What it looked like a moment ago, if that was new: somebody may be writing it.
    moving: Option<Stamp>,
    failures: u32,
    /// Before this, only a file that changed is looked into again.
    not_before: Option<OffsetDateTime>,
}

impl Seen {
    fn is_due(&self, stamp: Option<Stamp>, now: OffsetDateTime) -> bool {
        let Some(not_before) = self.not_before else { return stamp.is_none() || stamp != self.stamp };
        stamp != self.stamp || now >= not_before
    }

    /// Whether a file that was good has changed since the last look: it is taken when it lies still.
    fn is_moving(&self, stamp: Option<Stamp>) -> bool {
        self.stamp.is_some() && stamp.is_some() && stamp != self.stamp && stamp != self.moving
    }
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
        let result = sources_own(self.fetch_list(claim).await)?;
        let (answer, result) = match result {
            Ok((outcome, answer)) => (answer, Ok(outcome)),
            Err(error) => (SourceAnswer::Failed { why: error.to_string() }, Err(error)),
        };
        let next = self.next_attempt(&answer, claim.failures, result.as_ref().err());
        self.store.settle_source(claim, &answer, next).await?;
        self.tell(&claim.url, claim.last_error.as_deref(), &result).await?;
        Ok(Asked { source: claim.url.clone(), result })
    }

    /// The outcome, and what to write down for the source.
    async fn fetch_list(&self, claim: &SourceClaim) -> Result<(Outcome, SourceAnswer), Trouble> {
        // Validators stand for octets: only of those that we still hold "not modified" says anything.
        let held = match &claim.sha256 {
            Some(sha256) => self.knows(sha256).await?,
            None => false,
        };
        let known = if held { validators(claim) } else { Validators::default() };
        let fetcher = super::fetcher(&self.settings)?;
        match fetcher.get(&claim.url, &known, TrustList::MAX_OCTETS).await? {
            Fetched::NotModified => self.unchanged(claim).await,
            Fetched::Body { octets, validators } => {
                let candidate = Candidate {
                    octets,
                    origin: ListOrigin::Url,
                    source: claim.url.clone(),
                    received_by: None,
                    confirmed_at: SystemClock.now(),
                    sha256: policy::checksum(&self.settings, &fetcher).await?,
                };
                let outcome = self.consider(&candidate, &Acknowledgement::None).await?;
                let Validators { etag, last_modified } = validators;
                let taken = SourceAnswer::New { octets: candidate.octets, etag, last_modified, next_update: None };
                Ok((outcome.clone(), answer(&outcome, taken)))
            }
        }
    }

    async fn unchanged(&self, claim: &SourceClaim) -> Result<(Outcome, SourceAnswer), Trouble> {
        let sha256 = claim.sha256.as_deref().unwrap_or_default();
        let outcome = self.confirm_unchanged(sha256, SystemClock.now(), &claim.url).await?.ok_or_else(|| {
            let why = "it has nothing new, but another list came into force meanwhile".to_owned();
            FetchError::Connection { url: claim.url.clone(), why }
        })?;
        let answer = answer(&outcome, SourceAnswer::Same);
        Ok((outcome, answer))
    }

    /// Looks at the file; at its contents only if it changed, or after a while if they could not be used last time.
    async fn ask_file(&self, file: &Path, due: Due) -> Result<Option<Asked>, StoreError> {
        let stamp = Stamp::of(file).ok();
        let seen = self.file.seen();
        if due == Due::InTime && !seen.is_due(stamp, SystemClock.now()) {
            return Ok(None);
        }
        if due == Due::InTime && seen.is_moving(stamp) {
            self.file.saw(Seen { moving: stamp, ..seen });
            return Ok(None);
        }
        let source = file.display().to_string();
        let handed = Handed { origin: ListOrigin::File, received_by: None, acknowledgement: Acknowledgement::None };
        let result = sources_own(self.take_file(file, handed).await)?;
        let answer = match &result {
            Ok(outcome) => answer(outcome, SourceAnswer::Same),
            Err(error) => SourceAnswer::Failed { why: error.to_string() },
        };
        let failed = matches!(answer, SourceAnswer::Failed { .. });
        let next = self.next_attempt(&answer, seen.failures, result.as_ref().err());
        let failures = if failed { seen.failures.saturating_add(1) } else { 0 };
        self.file.saw(Seen { stamp, moving: None, failures, not_before: failed.then_some(next) });
        if let Some(claim) = self.claim_list(&source, Due::Now).await? {
            self.store.settle_source(&claim, &answer, next).await?;
            self.tell(&source, claim.last_error.as_deref(), &result).await?;
        }
        Ok(Some(Asked { source, result }))
    }

    /// Takes a list that a person hands in. The time of the file's last modification is when it was current.
    pub(crate) async fn import(
        &self,
        file: &Path,
        by: &str,
        acknowledgement: Acknowledgement,
    ) -> Result<Result<Outcome, FetchError>, StoreError> {
        let handed = Handed { origin: ListOrigin::Import, received_by: Some(by.to_owned()), acknowledgement };
        sources_own(self.take_file(file, handed).await)
    }

    async fn take_file(&self, file: &Path, handed: Handed) -> Result<Outcome, Trouble> {
        let source = file.display().to_string();
        let path = file.to_owned();
        let read = tokio::task::spawn_blocking(move || read_list(&path)).await;
        let (octets, modified) = read
            .map_err(|error| error.to_string())
            .flatten()
            .map_err(|why| FetchError::Configuration(format!("{source}: {why}")))?;
        let candidate = Candidate {
            octets,
            origin: handed.origin,
            source,
            received_by: handed.received_by,
            confirmed_at: modified.min(SystemClock.now()),
            sha256: policy::checksum(&self.settings, &super::fetcher(&self.settings)?).await?,
        };
        Ok(self.consider(&candidate, &handed.acknowledgement).await?)
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

/// What to write down for a source: `taken` unless its list was refused. Validators of a list that was refused are
/// not kept, it is to come again in full.
fn answer(outcome: &Outcome, taken: SourceAnswer) -> SourceAnswer {
    match outcome {
        Outcome::Refused(_, why) => SourceAnswer::Failed { why: why.clone() },
        _ => taken,
    }
}

/// What a source said of the octets that it gave last.
pub(in crate::serve) fn validators(claim: &SourceClaim) -> Validators {
    Validators { etag: claim.etag.clone(), last_modified: claim.last_modified.clone() }
}

/// Why asking broke off.
pub(in crate::serve) enum Trouble {
    /// The source gave nothing: to be written down.
    Source(FetchError),
    /// Nothing can be written down.
    Store(StoreError),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Source(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Takes the trouble that is the source's own apart from ours.
pub(in crate::serve) fn sources_own<T>(result: Result<T, Trouble>) -> Result<Result<T, FetchError>, StoreError> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Trouble::Source(error)) => Ok(Err(error)),
        Err(Trouble::Store(error)) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_into_when_it_changed_or_could_not_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.xml");
        let now = SystemClock.now();
        assert!(Seen::default().is_due(None, now), "it is not there: that is to be said");
        std::fs::write(&file, "one").unwrap();
        let one = Stamp::of(&file).ok();
        assert!(Seen::default().is_due(one, now));
        let good = Seen { stamp: one, ..Seen::default() };
        assert!(!good.is_due(one, now));
        let later = now + time::Duration::MINUTE;
        let bad = Seen { stamp: one, failures: 1, not_before: Some(later), ..Seen::default() };
        assert!(!bad.is_due(one, now));
        assert!(bad.is_due(one, later));
        std::fs::write(&file, "another").unwrap();
        let other = Stamp::of(&file).ok();
        assert!(good.is_due(other, now) && bad.is_due(other, now));
        assert!(good.is_due(None, now), "somebody took it away");
        assert!(good.is_moving(other) && !good.is_moving(None) && !Seen::default().is_moving(other));
        assert!(!Seen { moving: other, ..good }.is_moving(other), "it lies still");
    }
}
