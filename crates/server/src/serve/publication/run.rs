//! One run: what is due is planned, told, and written down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use annuaire::publication::{Facts, Known, Operation, Outcome, Plan, Task, plan};
use mssante::{BalState, Clock as _};
use serde::Serialize;
use store::{PublicationClaim, PublicationResult, PublicationState, StoreError};
use thiserror::Error;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::carrier::{Carrier, Directory};
use super::{LONGEST_RUN, Publisher, view};
use crate::ambient::SystemClock;

/// Claimed at once.
const CLAIMED: u32 = 10;
/// Longer than these can take.
const LEASE: Duration = Duration::from_mins(15);
/// Passing failures in a row before a run ends: the interface is down.
const PATIENCE: u32 = 3;
/// After the first passing failure; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// Never longer.
const LONGEST_WAIT: Duration = Duration::from_hours(6);

/// What a run came to.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Run {
    /// How many ended in which state.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    /// Why it ended before its time.
    #[serde(skip)]
    pub(crate) trouble: Option<Trouble>,
    /// How long the interface asked to be left alone.
    #[serde(skip)]
    pub(crate) pause: Option<Duration>,
    /// Whether something is left.
    pub(crate) more: bool,
}

/// Why a run ends before its time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// Key, folder, anchors: an administrator must look.
    #[error("{0}")]
    Settings(String),
    /// The interface answers nothing that can be used.
    #[error("the directory takes nothing for now: {0}")]
    Down(String),
}

impl Trouble {
    /// The stable word for log lines.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Down(_) => "down",
        }
    }
}

/// What is to be done for a claim.
pub(super) enum Planned {
    /// Nothing has to be told.
    Quiet(PublicationResult),
    /// This, and it is written down that it is about to be told.
    Task(Task),
    /// The BAL changed meanwhile: it comes again.
    Overtaken,
}

/// What became of it.
enum Done {
    /// The directory answered.
    Told(PublicationResult),
    /// It could not be told for now.
    Later { result: PublicationResult, why: String, pause: Option<Duration> },
    /// Nothing can be told.
    Trouble(String),
}

impl Publisher {
    /// Works until nothing is due, time is over, or trouble comes.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Result<Run, StoreError> {
        let mut run = Run::default();
        let carrier = match Carrier::open(&self.settings) {
            Ok(carrier) => carrier,
            Err(error) => {
                run.trouble = Some(Trouble::Settings(error.to_string()));
                return Ok(run);
            }
        };
        let begun = Instant::now();
        loop {
            let claims = self.store.claim_publications(CLAIMED, LEASE).await?;
            if claims.is_empty() {
                return Ok(run);
            }
            let left = self.work(claims, &carrier, &mut run, stop).await?;
            self.store.release_publications(&left).await?;
            if run.trouble.is_some() || stop.is_cancelled() || begun.elapsed() > LONGEST_RUN {
                run.more = true;
                return Ok(run);
            }
        }
    }

    /// Works on claims; those that are left are given back.
    async fn work(
        &self,
        claims: Vec<PublicationClaim>,
        carrier: &Carrier,
        run: &mut Run,
        stop: &CancellationToken,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        match carrier {
            Carrier::File(folder) => self.hand_over(claims, folder, run).await,
            Carrier::Fhir(directory) => self.tell_each(claims, directory, run, stop).await,
        }
    }

    /// One after the other.
    async fn tell_each(
        &self,
        claims: Vec<PublicationClaim>,
        directory: &Directory,
        run: &mut Run,
        stop: &CancellationToken,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        let mut failures = 0;
        let mut claims = claims.into_iter();
        while let Some(claim) = claims.next() {
            if stop.is_cancelled() {
                return Ok(std::iter::once(claim).chain(claims).collect());
            }
            let task = match self.planned(&claim, PublicationState::Published).await? {
                Planned::Overtaken => continue,
                Planned::Quiet(result) => {
                    self.end(&claim, &result, run).await?;
                    continue;
                }
                Planned::Task(task) => task,
            };
            let outcome = directory.tell(&task, &claim.known).await;
            match self.judge(&claim, &task, outcome, SystemClock.now()) {
                Done::Told(result) => {
                    failures = 0;
                    self.end(&claim, &result, run).await?;
                }
                Done::Later { result, why, pause } => {
                    failures += 1;
                    self.end(&claim, &result, run).await?;
                    if pause.is_some() || failures >= PATIENCE {
                        run.pause = pause;
                        run.trouble = Some(Trouble::Down(why));
                        return Ok(claims.collect());
                    }
                }
                Done::Trouble(why) => {
                    run.trouble = Some(Trouble::Settings(why));
                    return Ok(std::iter::once(claim).chain(claims).collect());
                }
            }
        }
        Ok(Vec::new())
    }

    /// Writes down how a claim ended.
    pub(super) async fn end(
        &self,
        claim: &PublicationClaim,
        result: &PublicationResult,
        run: &mut Run,
    ) -> Result<(), StoreError> {
        if !self.store.settle_publication(claim, result).await? {
            return Ok(());
        }
        *run.ended.entry(result.state.word()).or_default() += 1;
        view::ended(result.state);
        if result.state == PublicationState::Refused {
            let address = claim.facts.address.masked();
            // The report may quote what the directory said, with names and numbers: it stays in the database.
            tracing::warn!(bal = %claim.bal, address, state = result.state.word(), "a BAL is not published");
        }
        Ok(())
    }

    /// What is to be done. It is written down before the directory is told: a crash after this means that it is told
    /// again, never that it is forgotten.
    pub(super) async fn planned(
        &self,
        claim: &PublicationClaim,
        resting: PublicationState,
    ) -> Result<Planned, StoreError> {
        let task = match plan(&claim.facts, &claim.known) {
            Plan::Nothing => return Ok(Planned::Quiet(nothing(claim, resting))),
            Plan::Refused(why) => {
                let known = claim.known.clone();
                return Ok(Planned::Quiet(result(PublicationState::Refused, known, None, why)));
            }
            Plan::Do(task) => *task,
        };
        let begun = self.store.begin_publication(claim, &perhaps(&task)).await?;
        Ok(if begun { Planned::Task(task) } else { Planned::Overtaken })
    }

    fn judge(&self, claim: &PublicationClaim, task: &Task, outcome: Outcome, now: OffsetDateTime) -> Done {
        use PublicationState as S;
        let operation = Some(task.operation);
        match outcome {
            Outcome::Published(card) => Done::Told(result(S::Published, Known::Surely(card), operation, "")),
            Outcome::Withdrawn { report } => {
                Done::Told(result(withdrawn(&claim.facts, S::Withdrawn), Known::Nothing, operation, &report))
            }
            // It was not done: what was known before holds.
            Outcome::Refused { why } => Done::Told(result(S::Refused, claim.known.clone(), operation, &why)),
            Outcome::Key { why } => Done::Trouble(why),
            Outcome::Later { why, retry_after } if waited(claim.attempts) > self.settings.publication.patience => {
                let pause = retry_after.map(|pause| pause.min(LONGEST_WAIT));
                let report = format!("given up after {} attempts; the last one: {why}", claim.attempts);
                Done::Later { result: result(S::Refused, perhaps(task), operation, &report), why, pause }
            }
            Outcome::Later { why, retry_after } => {
                let wait = wait(claim.attempts).max(retry_after.unwrap_or_default().min(LONGEST_WAIT));
                let later = result(S::Waiting, perhaps(task), operation, &why);
                let result = PublicationResult { due_at: Some(now + wait), ..later };
                Done::Later { result, why, pause: retry_after.map(|pause| pause.min(LONGEST_WAIT)) }
            }
        }
    }
}

fn perhaps(task: &Task) -> Known {
    Known::Perhaps(Box::new(task.card.clone()))
}

/// A BAL that is taken away from one carrier and goes to another has more to come.
pub(super) fn withdrawn(facts: &Facts, then: PublicationState) -> PublicationState {
    match facts.state {
        BalState::Closed => then,
        BalState::Active | BalState::Suspended => PublicationState::Waiting,
    }
}

/// What is to be said is said already.
fn nothing(claim: &PublicationClaim, resting: PublicationState) -> PublicationResult {
    let state = match claim.known {
        Known::Nothing => PublicationState::Withdrawn,
        Known::Perhaps(_) | Known::Surely(_) => resting,
    };
    result(state, claim.known.clone(), None, "nothing to say")
}

pub(super) fn result(
    state: PublicationState,
    known: Known,
    operation: Option<Operation>,
    report: &str,
) -> PublicationResult {
    PublicationResult { state, known, operation, report: report.to_owned(), due_at: None }
}

/// The wait after so many attempts: a minute, twice as long each time, at most six hours.
fn wait(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1).min(16))).min(LONGEST_WAIT)
}

/// How long so many attempts have taken with their waits.
fn waited(attempts: u32) -> Duration {
    (1..attempts.min(10_000)).map(wait).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_add_up_to_the_patience() {
        assert_eq!([1, 2, 3].map(|attempts| wait(attempts).as_secs()), [60, 120, 240]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
        assert_eq!((waited(1), waited(3)), (Duration::ZERO, Duration::from_mins(3)));
        let week = Duration::from_hours(7 * 24);
        assert!(waited(35) < week && waited(40) > week);
    }
}
