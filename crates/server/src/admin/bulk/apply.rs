//! Doing what a list says, a batch in a transaction.

use std::collections::{HashMap, HashSet};

use mssante::{Address, BalState, Credential, may_log_in_with};
use serde::Serialize;
use store::{NewBal, SeenEdit, StoreError};

use super::lines::Line;
use super::plan::{Present, Step};
use super::{BATCH, Plan, Problem};
use crate::admin::request::Password;
use crate::admin::{AdminError, Administration};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The BAL was created.
    Created,
    /// Something of it was changed.
    Updated,
    /// It was as the list says.
    Unchanged,
    /// Somebody changed it while the list was done, so that it does not fit any more.
    Refused,
}

impl Outcome {
    /// The word in a result file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// A line that was done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    /// Its line.
    pub(crate) line: u64,
    /// The BAL.
    pub(crate) address: Address,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Why not, if it was refused.
    pub(crate) detail: String,
}

/// Keeps passwords of BALs somewhere.
pub(crate) type KeepPasswords<'a> = Box<dyn FnOnce(&[(Address, Password)]) -> Result<(), AdminError> + Send + 'a>;

/// Who hears how a list goes on.
pub(crate) trait Sink {
    /// Passwords of BALs that are about to be created: kept somewhere before they count. `None` makes none.
    fn passwords(&mut self) -> Option<KeepPasswords<'_>>;
    /// A password that an import which was cut off has kept for a BAL that it did not create.
    fn kept(&self, address: &Address) -> Option<Password>;
    /// Lines that are done for good, in their order.
    fn done(&mut self, done: &[Done]) -> Result<(), AdminError>;
    /// BALs whose lines were done before, and are not looked at again.
    fn known(&self) -> &HashSet<String>;
}

/// What is said of a BAL that is not as the plan saw it.
const OVERTAKEN: &str = "somebody changed this BAL since the list was read; look at it and import the list again";

/// How many attempts a batch gets when somebody else creates its BALs at the same time.
const ATTEMPTS: usize = 3;

impl Administration {
    /// Does what a plan says. Each batch is looked at anew: a BAL that somebody changed since the plan was made, and that the
    /// list would make another, is left to him and refused here.
    pub(crate) async fn apply(&self, plan: &Plan, sink: &mut (dyn Sink + Send)) -> Result<(), AdminError> {
        let todo: Vec<_> =
            plan.good.iter().filter(|line| !sink.known().contains(&line.request.address.key())).collect();
        for batch in todo.chunks(BATCH) {
            let batch: Vec<Line> = batch.iter().map(|line| (*line).clone()).collect();
            let done = self.batch(plan, &batch, sink).await?;
            sink.done(&done)?;
        }
        Ok(())
    }

    async fn batch(&self, plan: &Plan, lines: &[Line], sink: &mut (dyn Sink + Send)) -> Result<Vec<Done>, AdminError> {
        let mut passwords = HashMap::new();
        for attempt in 1.. {
            let mut steps = Steps::sort(plan, lines, &Present::read(&self.store, lines).await?);
            let new = steps.with_passwords(sink, &mut passwords).await?;
            let created = if new.is_empty() { Ok(Vec::new()) } else { self.store.create_bals(&new).await };
            match created {
                Err(StoreError::BalExists(_) | StoreError::AliasExists(_)) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    self.update(&mut steps).await?;
                    return Ok(steps.done);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn update(&self, steps: &mut Steps<'_>) -> Result<(), AdminError> {
        if steps.update.is_empty() {
            return Ok(());
        }
        let edits: Vec<_> = steps.update.iter().map(|(_, edit)| edit.clone()).collect();
        let changed = self.store.edit_bals(&edits).await?;
        for (place, _) in steps.update.iter().filter(|(_, edit)| !changed.contains(&edit.id)) {
            (steps.done[*place].outcome, steps.done[*place].detail) = (Outcome::Refused, OVERTAKEN.to_owned());
        }
        Ok(())
    }
}

/// A batch by what is to be done.
#[derive(Default)]
struct Steps<'a> {
    create: Vec<&'a Line>,
    /// With their places in `done`.
    update: Vec<(usize, SeenEdit)>,
    done: Vec<Done>,
}

impl<'a> Steps<'a> {
    fn sort(plan: &Plan, lines: &'a [Line], present: &Present) -> Self {
        let mut steps = Self::default();
        for line in lines {
            let (outcome, detail) = match present.step(line) {
                Ok(Step::Create) => {
                    steps.create.push(line);
                    (Outcome::Created, String::new())
                }
                Ok(Step::Update(bal, _)) if plan.seen.get(&bal.id) != Some(&bal.revision) => {
                    (Outcome::Refused, OVERTAKEN.to_owned())
                }
                Ok(Step::Update(bal, edit)) => {
                    steps.update.push((steps.done.len(), SeenEdit { id: bal.id, revision: bal.revision, edit }));
                    (Outcome::Updated, String::new())
                }
                Ok(Step::Nothing) => (Outcome::Unchanged, String::new()),
                Err(Problem { why, .. }) => (Outcome::Refused, why),
            };
            steps.done.push(Done { line: line.line, address: line.request.address.clone(), outcome, detail });
        }
        steps
    }

    /// What is to be created, with passwords where some are wanted; they are kept before the BALs are there.
    async fn with_passwords(
        &self,
        sink: &mut (dyn Sink + Send),
        known: &mut HashMap<String, String>,
    ) -> Result<Vec<NewBal>, AdminError> {
        let wanted = self.create.iter().filter(|line| line.wants_password()).map(|line| &line.request.address);
        let wanted: Vec<_> = wanted.filter(|address| !known.contains_key(&address.key())).cloned().collect();
        let kept: Vec<_> = wanted.iter().filter_map(|address| Some((address.clone(), sink.kept(address)?))).collect();
        if let Some(keep) = sink.passwords() {
            let without = wanted.into_iter().filter(|address| kept.iter().all(|(other, _)| other != address));
            let made: Vec<_> = without.map(|address| (address, Password::generate())).collect();
            keep(&made)?;
            known.extend(hash_all(kept.into_iter().chain(made).collect()).await?);
        }
        let new = |line: &&Line| {
            let hash = line.password_hash.clone().or_else(|| known.get(&line.request.address.key()).cloned());
            line.request.clone().into_new(hash)
        };
        self.create.iter().map(new).collect()
    }
}

impl Line {
    fn wants_password(&self) -> bool {
        let opens = may_log_in_with(self.request.kind, BalState::Active, Credential::Password).is_ok();
        opens && self.password_hash.is_none()
    }
}

/// Hashing is slow on purpose: all cores do it.
async fn hash_all(passwords: Vec<(Address, Password)>) -> Result<Vec<(String, String)>, AdminError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = vec![Vec::new(); cores];
    for (place, password) in passwords.into_iter().enumerate() {
        parts[place % cores].push(password);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for part in parts {
        tasks.spawn_blocking(move || {
            let hash = |(address, password): (Address, Password)| Ok((address.key(), password.hash_here()?));
            part.into_iter().map(hash).collect::<Result<Vec<_>, AdminError>>()
        });
    }
    let mut hashes = Vec::new();
    while let Some(part) = tasks.join_next().await {
        hashes.extend(part.map_err(|error| AdminError::Internal(error.to_string()))??);
    }
    Ok(hashes)
}
