//! The directory by the interface of the national one: everything, or what was updated since the last time.
//! `[MSS1 ANN.FHIR]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use annuaire::fhir::{Delta, Found, Scope, Step as Next, Sync, SyncFault, SyncReport, SyncRules, TurnedAway};
use annuaire::{DirectoryBuilder, ExtractionKind, Put, Rejection};
use mssante::Clock as _;
use serde::{Deserialize, Serialize};
use store::{AnnuaireId, AnnuaireKind, AnnuaireOrigin, AnnuaireVersion, SourceAnswer, SourceClaim, StoreError};
use time::OffsetDateTime;
use trust::{FetchError, Verb};

use super::import::{Base, Imported};
use super::keeper::waiting;
use super::{Acknowledgement, Done, Handed, InForce, Keeper, Mode, Outcome, Part, Reason, Report, Step, Watcher};
use crate::ambient::SystemClock;
use crate::serve::interface::{Access, Interface};
use crate::serve::trust::Trouble;

/// Most resources of no use, in percent, before the whole is taken for something else.
const REJECTED: u64 = 10;
/// From here on a synchronisation is given up as soon as too much of it is of no use: before, that may be little.
const RESOURCES_TO_JUDGE: u64 = 20_000;

/// While a version waits for a person, its source is asked so often.
const ASKED_WHILE_WAITING: Duration = Duration::from_hours(24);

/// When the source of a version by the interface that waits is asked again.
pub(crate) fn asked_again(pending: &AnnuaireVersion) -> OffsetDateTime {
    pending.received_at + ASKED_WHILE_WAITING
}

/// What a directory by the interface is known to be as of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Synchronised {
    /// When the last full synchronisation began.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) full_at: OffsetDateTime,
    /// How the last one went.
    pub(crate) last: SyncReport,
}

/// What came so far.
enum Work {
    Full(Box<DirectoryBuilder>),
    Since(Delta, Arc<InForce>),
}

/// What a synchronisation came to.
enum Synchronisation {
    /// It is over.
    Done(Box<Came>),
    /// There are so many updates that everything takes fewer calls.
    RatherFull,
}

/// A synchronisation that is over.
struct Came {
    work: Work,
    report: SyncReport,
    duplicates: u64,
    rejections: Vec<Rejection>,
    begun: Instant,
}

impl Keeper {
    /// Asks the interface, and puts what it has where it belongs.
    pub(super) async fn get_fhir(
        &self,
        claim: &SourceClaim,
        watcher: &Watcher,
    ) -> Result<(Done, SourceAnswer), Trouble> {
        self.take_over().await?;
        if let Some(pending) = self.waits_from(&claim.url).await? {
            let outcome = waiting(pending);
            return Ok((Done { outcome, rejections: Vec::new() }, SourceAnswer::Same));
        }
        let interface = self.interface(&claim.url)?;
        // Where the entries came from decides: the activities may have come since, from elsewhere.
        let is_of_it =
            |current: &Arc<InForce>| current.report.entries.as_ref().is_some_and(|part| part.source == claim.url);
        let before = self.in_force().filter(is_of_it);
        let known = before.as_ref().and_then(|current| current.report.synchronised.clone());
        let now = SystemClock.now();
        // A synchronisation that found nothing is written down as a confirmation from when it began.
        let confirmed_at = before.as_ref().map(|current| current.version.confirmed_at);
        let last = known.as_ref().map(|known| known.last.begun_at).max(confirmed_at.filter(|_| known.is_some()));
        let full_at = known.as_ref().map(|known| known.full_at);
        let scope = Scope::next(now, last, full_at, self.settings.annuaire.fhir.full_every);
        let work = match (scope, before) {
            (Scope::Since(_), Some(before)) => Work::Since(Delta::new(), before),
            _ => Work::Full(Box::default()),
        };
        watcher(Step::Downloading);
        let came = match self.synchronise(&interface, scope, work, claim, watcher).await? {
            Synchronisation::Done(came) => came,
            Synchronisation::RatherFull => {
                tracing::info!(source = trust::masked(&claim.url), "so much was updated that everything is asked for");
                let work = Work::Full(Box::default());
                let Synchronisation::Done(came) =
                    self.synchronise(&interface, Scope::Full, work, claim, watcher).await?
                else {
                    let why = "everything is asked for, and it is called an update".to_owned();
                    return Err(FetchError::Connection { url: claim.url.clone(), why }.into());
                };
                came
            }
        };
        let full_at = full_at.filter(|_| matches!(came.work, Work::Since(..))).unwrap_or(now);
        self.place_fhir(*came, full_at, claim, watcher).await
    }

    /// The version that waits for a person, if it came from there lately. Everything would be asked for again and again
    /// while he thinks; but its source may have been wrong, and be right by the next day.
    async fn waits_from(&self, url: &str) -> Result<Option<AnnuaireVersion>, StoreError> {
        let now = SystemClock.now();
        let lately = |pending: &AnnuaireVersion| {
            pending.kind == AnnuaireKind::Fhir && pending.received_at <= now && now < asked_again(pending)
        };
        Ok(self.pending_of(|part| part.source == url).await?.filter(lately))
    }

    fn interface(&self, url: &str) -> Result<Interface, FetchError> {
        let fhir = &self.settings.annuaire.fhir;
        let missing = || FetchError::Configuration("annuaire.fhir.key_file is not set".to_owned());
        let access = Access {
            url,
            key_file: fhir.key_file.as_deref().ok_or_else(missing)?,
            anchors_file: fhir.anchors_file.as_ref(),
            calls: fhir.calls_per_second,
        };
        Interface::open(&self.settings, access)
    }

    /// Makes the calls until it is over. Nothing of it counts before.
    async fn synchronise(
        &self,
        interface: &Interface,
        scope: Scope,
        work: Work,
        claim: &SourceClaim,
        watcher: &Watcher,
    ) -> Result<Synchronisation, Trouble> {
        let rules = SyncRules::new(interface.base().clone());
        let mut sync = Sync::new(rules, scope, Arc::clone(interface.pace()), SystemClock.now());
        let begun = Instant::now();
        let mut came = Came { work, report: sync.report().clone(), duplicates: 0, rejections: Vec::new(), begun };
        loop {
            match sync.next(SystemClock.now()) {
                Next::Ask(ask) => {
                    let heard = interface.call(Verb::Get, ask.url, None).await;
                    sync.hear(SystemClock.now(), heard, &mut |found| came.take(found));
                    watcher(Step::Asking { calls: sync.report().calls, entries: sync.report().entries });
                    if is_hopeless(sync.report()) {
                        came.report = sync.report().clone();
                        return Ok(Synchronisation::Done(Box::new(came)));
                    }
                }
                Next::Wait(wait) => tokio::time::sleep(wait).await,
                Next::Done(report) => {
                    came.report = report;
                    return Ok(Synchronisation::Done(Box::new(came)));
                }
                Next::Failed(SyncFault::ManyUpdates { .. }) => return Ok(Synchronisation::RatherFull),
                Next::Failed(fault) => return Err(failed(&claim.url, &fault).into()),
            }
        }
    }

    /// Builds the directory, weighs it and puts it where it belongs.
    async fn place_fhir(
        &self,
        came: Came,
        full_at: OffsetDateTime,
        claim: &SourceClaim,
        watcher: &Watcher,
    ) -> Result<(Done, SourceAnswer), Trouble> {
        if let Some((reason, why)) = came.refusal() {
            let (Done { outcome, .. }, answer) = refused(reason, why);
            return Ok((Done { outcome, rejections: came.rejections }, answer));
        }
        if let Work::Since(delta, before) = &came.work
            && delta.is_empty()
        {
            let version = before.version.id;
            self.confirm(version, &claim.url, came.report.begun_at).await?;
            return Ok(confirmed(version));
        }
        watcher(Step::Building);
        let handed = Handed {
            origin: AnnuaireOrigin::Api,
            received_by: None,
            acknowledgement: Acknowledgement::None,
            mode: Mode::Take,
        };
        let synchronised = Synchronised { full_at, last: came.report.clone() };
        let source = claim.url.clone();
        let build = move |base: &Base| came.build(base, synchronised, source);
        let Some(done) = self.take_built(build, &claim.url, &handed, watcher).await? else {
            let why = "another directory came into force while this one was asked for".to_owned();
            return Err(FetchError::Connection { url: claim.url.clone(), why }.into());
        };
        let answer = match &done.outcome {
            Outcome::Refused(_, why) => SourceAnswer::Failed { why: why.clone() },
            _ => SourceAnswer::Same,
        };
        Ok((done, answer))
    }
}

fn too_many(rejected: u64, resources: u64) -> bool {
    rejected * 100 > resources * REJECTED && rejected > REJECTED
}

/// Whether so much is of no use that nothing that may still come makes it a directory: an hour of calls is saved.
fn is_hopeless(report: &SyncReport) -> bool {
    report.resources >= RESOURCES_TO_JUDGE && too_many(report.rejected_total(), report.resources)
}

fn failed(url: &str, fault: &SyncFault) -> FetchError {
    match fault {
        // The words name the setting.
        SyncFault::Key { .. } => FetchError::Configuration(fault.to_string()),
        SyncFault::Unavailable { turned_away: Some(TurnedAway { status, retry_after }), .. } => {
            FetchError::TurnedAway {
                url: url.to_owned(),
                why: fault.to_string(),
                status: *status,
                retry_after: *retry_after,
            }
        }
        _ => FetchError::Connection { url: url.to_owned(), why: fault.to_string() },
    }
}

fn refused(reason: Reason, why: String) -> (Done, SourceAnswer) {
    let answer = SourceAnswer::Failed { why: why.clone() };
    (Done { outcome: Outcome::Refused(reason, why), rejections: Vec::new() }, answer)
}

fn confirmed(version: AnnuaireId) -> (Done, SourceAnswer) {
    (Done { outcome: Outcome::Confirmed(version), rejections: Vec::new() }, SourceAnswer::Same)
}

impl Came {
    fn take(&mut self, found: Found) {
        match (found, &mut self.work) {
            (Found::Entry(entry), Work::Full(builder)) => {
                if builder.put(&entry) == Put::Duplicate {
                    self.duplicates += 1;
                }
            }
            (Found::Entry(entry), Work::Since(delta, _)) => delta.put(*entry),
            (Found::Touched(carrier), Work::Since(delta, _)) => delta.touch(carrier),
            // A full one forgets everything anyway.
            (Found::Touched(_), Work::Full(_)) => {}
            (Found::Unlisted { address, carrier }, Work::Since(delta, _)) => delta.hide(address, carrier),
            (Found::Unlisted { address, carrier }, Work::Full(builder)) => builder.hide(&address, carrier.as_ref()),
            (Found::Rejected(rejection), _) => self.rejections.push(rejection),
        }
    }

    /// What came is something else than a directory.
    fn refusal(&self) -> Option<(Reason, String)> {
        let (rejected, resources) = (self.report.rejected_total(), self.report.resources);
        if too_many(rejected, resources) {
            let first = self.rejections.first().map(|rejection| rejection.detail.as_str()).unwrap_or_default();
            let why = format!("{rejected} of its {resources} resources are of no use; the first: {first}");
            return Some((Reason::Rejected, why));
        }
        let empty = matches!(self.work, Work::Full(_)) && self.report.entries == 0;
        empty.then(|| (Reason::Empty, "it has no BAL; check annuaire.fhir.url".to_owned()))
    }

    /// The directory, on top of what is in force now; nothing if that is not what the updates are of.
    fn build(self, base: &Base, synchronised: Synchronised, source: String) -> Option<Imported> {
        let mut report = Report {
            lines: self.report.resources,
            duplicates: self.duplicates,
            doubtful: self.report.doubtful,
            shortened: self.report.shortened,
            synchronised: Some(synchronised),
            ..Report::default()
        };
        for rejection in &self.rejections {
            report.reject(rejection);
        }
        let builder = match self.work {
            Work::Full(mut builder) => {
                if let Some(before) = &base.directory {
                    builder.complete_from(before);
                }
                *builder
            }
            Work::Since(delta, before) => {
                let same = base.directory.as_ref().is_some_and(|now| Arc::ptr_eq(now, &before.directory));
                if !same {
                    return None;
                }
                delta.apply(&before.directory)
            }
        };
        let kept = base.directory.as_ref().and(base.report.as_ref());
        report.activities = kept.and_then(|before| before.activities.clone());
        let generated_at = Some(self.report.begun_at);
        report.entries = Some(Part { source, generated_at, named_at: None, sha256: String::new() });
        let directory = builder.finish();
        report.counts = directory.counts();
        report.changed(base.changes(&directory, ExtractionKind::Correspondence));
        report.seconds = self.begun.elapsed().as_secs_f64();
        let (kind, directory) = (ExtractionKind::Correspondence, Arc::new(directory));
        Some(Imported { kind, directory, report, rejections: self.rejections })
    }
}

#[cfg(test)]
mod tests {
    use annuaire::RejectionReason;
    use annuaire::fhir::{Base, Pace};

    use super::*;

    fn report(resources: u64, rejected: u64) -> SyncReport {
        let rules = SyncRules::new(Base::parse("https://annuaire.test/fhir/v2").unwrap());
        let pace = Arc::new(Pace::per_second(15));
        let mut report = Sync::new(rules, Scope::Full, pace, OffsetDateTime::UNIX_EPOCH).report().clone();
        report.resources = resources;
        report.rejected.insert(RejectionReason::Shape, rejected);
        report
    }

    #[test]
    fn what_is_mostly_of_no_use_is_given_up_before_its_end() {
        assert!(!is_hopeless(&report(19_999, 19_999)), "the rest may be good");
        assert!(is_hopeless(&report(20_000, 2_001)));
        assert!(!is_hopeless(&report(20_000, 2_000)), "a tenth is taken");
    }

    #[test]
    fn whoever_is_turned_away_comes_back_when_he_was_told_to() {
        let turned_away = Some(TurnedAway { status: 429, retry_after: Some(Duration::from_hours(1)) });
        let fault = SyncFault::Unavailable { why: "status 429".to_owned(), turned_away };
        let error = failed("https://annuaire.test/fhir/v2", &fault);
        assert!(error.to_string().contains("status 429"), "{error}");
        let now = OffsetDateTime::UNIX_EPOCH;
        let next =
            trust::schedule::after_failure(now, Duration::from_mins(5), 1, &error, &crate::ambient::SystemRandom);
        assert!(next - now >= Duration::from_hours(1), "{next}");
    }
}
