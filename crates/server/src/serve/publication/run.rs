//! One run: what is due is planned, told, and written down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use annuaire::publication::{Facts, Known, Operation, Outcome, Owner, Plan, Task, plan};
use mssante::{Clock as _, Shown};
use serde::Serialize;
use store::{PublicationClaim, PublicationResult, PublicationState, SourceClaim, StoreError};
use thiserror::Error;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::carrier::{Carrier, Directory};
use super::{Held, Hold, LEASE, LONGEST_RUN, Publisher, view};
use crate::ambient::SystemClock;

/// Passing failures in a row before a run ends: the interface is down.
const PATIENCE: u32 = 3;
/// So many carriers that are not for us to change, and none that is: the key is of no use.
const FORBIDDEN: usize = 3;
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
    /// How many calls the interface answered, if only with a refusal.
    #[serde(skip)]
    answered: u64,
    /// Passing failures since the last answer.
    #[serde(skip)]
    failures: u32,
    /// The last of them.
    #[serde(skip)]
    failure: Option<String>,
}

impl Run {
    /// At its end: one that only failed was no good run, however patient the BALs are.
    fn judged(mut self) -> Self {
        if let (None, 0, Some(why)) = (&self.trouble, self.answered, self.failure.take()) {
            self.trouble = Some(Trouble::Down(why));
        }
        self
    }
}

/// Why a run ends before its time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// Key, folder, anchors: an administrator must look.
    #[error("{0}")]
    Settings(String),
    /// The interface answers nothing that can be used.
    #[error(
        "the directory takes nothing for now: {0}; what waits is told again by itself, and if this lasts, check \
         publication.url and the network"
    )]
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

/// Claims by what is to be done.
pub(super) struct Planned {
    /// These are to be told, and it is written down that they are about to be.
    pub(super) tasks: Vec<(PublicationClaim, Task)>,
    /// Of these nothing has to be told.
    pub(super) quiet: Vec<(PublicationClaim, PublicationResult)>,
}

/// What became of it.
enum Done {
    /// The directory answered.
    Told(PublicationResult),
    /// The carrier is not for us to change, or none is.
    Forbidden(PublicationResult),
    /// It could not be told for now.
    Later { result: PublicationResult, why: String, pause: Option<Duration> },
    /// Nothing can be told.
    Trouble(String),
}

/// BALs whose carriers are not for us to change, as long as nothing else was taken.
#[derive(Default)]
struct Forbidden {
    bals: Vec<(PublicationClaim, PublicationResult)>,
    /// Their carriers, each once.
    owners: Vec<Owner>,
}

impl Forbidden {
    fn add(&mut self, claim: PublicationClaim, result: PublicationResult, owner: &Owner) {
        self.bals.push((claim, result));
        if !self.owners.contains(owner) {
            self.owners.push(owner.clone());
        }
    }

    /// It is nobody's fault but the key's.
    fn given_back(self) -> impl Iterator<Item = PublicationClaim> {
        self.bals.into_iter().map(|(claim, _)| claim)
    }

    fn of_all(&self) -> String {
        let last = self.bals.last().map(|(_, result)| result.report.as_str()).unwrap_or_default();
        format!(
            "the directory lets us change none of the first {} carriers; check publication.key_file and what the ANS \
             allows to this key; the last one: {last}",
            self.owners.len()
        )
    }
}

impl Publisher {
    /// Works until nothing is due, time is over, or trouble comes.
    pub(super) async fn run(&self, source: &SourceClaim, stop: &CancellationToken) -> Result<Run, StoreError> {
        let mut run = Run::default();
        let carrier = match Carrier::open(&self.settings) {
            Ok(carrier) => carrier,
            Err(error) => {
                run.trouble = Some(Trouble::Settings(error.to_string()));
                return Ok(run);
            }
        };
        let again = self.store.retarget_publications(&source.url).await?;
        if again > 0 {
            tracing::info!(bals = again, "what another target was told of these BALs is to be told to this one");
        }
        let begun = Instant::now();
        let mut held = Held { claim: source, renewed: begun };
        loop {
            let claims = self.store.claim_publications(&source.url, carrier.claimed(), LEASE).await?;
            if claims.is_empty() {
                return Ok(run.judged());
            }
            let left = self.work(claims, &carrier, &mut run, &mut held, stop).await?;
            self.store.release_publications(&left).await?;
            let is_over = run.trouble.is_some() || stop.is_cancelled() || begun.elapsed() > LONGEST_RUN;
            if is_over || self.renew(&mut held).await? == Hold::Lost {
                run.more = true;
                return Ok(run.judged());
            }
        }
    }

    /// Works on claims; those that are left are given back.
    async fn work(
        &self,
        claims: Vec<PublicationClaim>,
        carrier: &Carrier,
        run: &mut Run,
        held: &mut Held<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        match carrier {
            Carrier::File(folder) => self.hand_over(claims, folder, run).await,
            Carrier::Fhir(directory) => self.tell_each(claims, directory, run, held, stop).await,
        }
    }

    /// One after the other.
    async fn tell_each(
        &self,
        claims: Vec<PublicationClaim>,
        directory: &Directory,
        run: &mut Run,
        held: &mut Held<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        let mut claims = claims.into_iter();
        let mut forbidden = Forbidden::default();
        while let Some(claim) = claims.next() {
            if stop.is_cancelled() || self.renew(held).await? == Hold::Lost {
                return Ok(forbidden.given_back().chain([claim]).chain(claims).collect());
            }
            let planned = self.planned(vec![claim], PublicationState::Published).await?;
            self.end(&planned.quiet, run).await?;
            for (claim, task) in planned.tasks {
                let outcome = directory.tell(&task, &claim.known).await;
                let left = self.ended(claim, &task, outcome, &mut forbidden, run).await?;
                if run.trouble.is_some() {
                    return Ok(forbidden.given_back().chain(left).chain(claims).collect());
                }
            }
        }
        self.end(&forbidden.bals, run).await?;
        Ok(Vec::new())
    }

    /// Writes down what came of a task; the claim comes back if it was not tried. Until the directory takes something, it
    /// is not known whether what is forbidden is the fault of a BAL or of our key: such BALs wait for the answer.
    async fn ended(
        &self,
        claim: PublicationClaim,
        task: &Task,
        outcome: Outcome,
        forbidden: &mut Forbidden,
        run: &mut Run,
    ) -> Result<Option<PublicationClaim>, StoreError> {
        match self.judge(&claim, task, outcome, SystemClock.now()) {
            Done::Told(result) => {
                (run.failures, run.answered) = (0, run.answered + 1);
                self.end(&std::mem::take(forbidden).bals, run).await?;
                self.end(&[(claim, result)], run).await?;
            }
            Done::Forbidden(result) => {
                forbidden.add(claim, result, &task.card.owner);
                if run.answered > 0 {
                    self.end(&std::mem::take(forbidden).bals, run).await?;
                } else if forbidden.owners.len() >= FORBIDDEN {
                    run.trouble = Some(Trouble::Settings(forbidden.of_all()));
                }
            }
            Done::Later { result, why, pause } => {
                run.failures += 1;
                self.end(&[(claim, result)], run).await?;
                if pause.is_some() || run.failures >= PATIENCE {
                    run.pause = pause;
                    run.trouble = Some(Trouble::Down(why));
                } else {
                    run.failure = Some(why);
                }
            }
            Done::Trouble(why) => {
                run.trouble = Some(Trouble::Settings(why));
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Writes down how claims ended.
    pub(super) async fn end(
        &self,
        ended: &[(PublicationClaim, PublicationResult)],
        run: &mut Run,
    ) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        let pairs: Vec<_> = ended.iter().map(|(claim, result)| (claim, result)).collect();
        let settled = self.store.settle_publications(&pairs).await?;
        for (claim, result) in ended.iter().filter(|(claim, _)| settled.contains(&claim.bal)) {
            *run.ended.entry(result.state.word()).or_default() += 1;
            view::ended(result.state);
            if result.state == PublicationState::Refused {
                let address = claim.facts.address.masked();
                // The report may quote what the directory said, with names and numbers: it stays in the database.
                tracing::warn!(bal = %claim.bal, address, state = result.state.word(), "a BAL is not published");
            }
        }
        Ok(())
    }

    /// What is to be done. It is written down before the directory is told: a crash after this means that it is told
    /// again, never that it is forgotten. BALs that changed meanwhile are left out: they come again.
    pub(super) async fn planned(
        &self,
        claims: Vec<PublicationClaim>,
        resting: PublicationState,
    ) -> Result<Planned, StoreError> {
        let mut planned = Planned { tasks: Vec::new(), quiet: Vec::new() };
        for claim in claims {
            match plan(&claim.facts, &claim.known) {
                Plan::Nothing => {
                    let result = nothing(&claim, resting);
                    planned.quiet.push((claim, result));
                }
                Plan::Refused(why) => {
                    let result = result(PublicationState::Refused, claim.known.clone(), None, why);
                    planned.quiet.push((claim, result));
                }
                Plan::Do(task) => planned.tasks.push((claim, *task)),
            }
        }
        if !planned.tasks.is_empty() {
            let told: Vec<_> = planned.tasks.iter().map(|(claim, task)| (claim, perhaps(task))).collect();
            let begun = self.store.begin_publications(&told).await?;
            planned.tasks.retain(|(claim, _)| begun.contains(&claim.bal));
        }
        Ok(planned)
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
            Outcome::Forbidden { why } => Done::Forbidden(result(S::Refused, claim.known.clone(), operation, &why)),
            Outcome::Key { why } | Outcome::Closed { why } => Done::Trouble(why),
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
    match facts.state.row().shown {
        Shown::Withdrawn => then,
        Shown::Published => PublicationState::Waiting,
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
    fn a_run_in_which_nothing_but_failures_came_back_failed() {
        let failing = |answered| Run { answered, failure: Some("status 503".to_owned()), ..Run::default() };
        let trouble = failing(0).judged().trouble.map(|trouble| trouble.to_string()).unwrap();
        assert!(trouble.contains("status 503") && trouble.contains("publication.url"), "{trouble}");
        assert_eq!(failing(1).judged().trouble, None, "others were told");
        assert_eq!(Run::default().judged().trouble, None, "nothing was to be told");
    }

    #[test]
    fn waits_grow_and_add_up_to_the_patience() {
        assert_eq!([1, 2, 3].map(|attempts| wait(attempts).as_secs()), [60, 120, 240]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
        assert_eq!((waited(1), waited(3)), (Duration::ZERO, Duration::from_mins(3)));
        let week = Duration::from_hours(7 * 24);
        assert!(waited(35) < week && waited(40) > week);
    }
}
