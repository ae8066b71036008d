//! Group commit: messages that are ready at the same moment share one transaction.
//!
//! An acceptance waits in a channel. Each of a few committers takes all that is there and writes it in one statement;
//! while it waits for the disk, the next batch gathers. Nobody is answered before the commit.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::error::DatabaseError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::doubt;
use crate::error::{is_locked, is_transient};
use crate::landing::{Landing, Patience, Placed, land};
use crate::lane::{self, Busy};
use crate::notices::Notices;
use crate::{MessageId, StoreError};

/// Committers of one process: one batch is on its way to the disk while the next is written.
pub(crate) const COMMITTERS: usize = 2;
/// Landings that may wait; more wait in their sessions.
pub(crate) const WAITING: usize = 1_024;
/// Most messages of one batch.
const BATCH_MESSAGES: usize = 64;
/// Most octets of one batch (about; the message that crosses the line still belongs to it).
const BATCH_OCTETS: usize = 8 * 1024 * 1024;
/// How often a batch is tried when the connection is lost.
const TRIES: u32 = 4;
const RETRY: Duration = Duration::from_millis(250);

type Reply = Result<Vec<Placed>, StoreError>;

/// A landing and who waits for it.
pub(crate) struct Job {
    pub(crate) landing: Landing,
    pub(crate) reply: oneshot::Sender<Reply>,
    /// Since when it waits for a locked folder.
    aside_since: Option<Instant>,
}

impl Job {
    /// A landing, and where its answer goes.
    pub(crate) fn new(landing: Landing, reply: oneshot::Sender<Reply>) -> Self {
        Self { landing, reply, aside_since: None }
    }

    /// Waits for a locked folder from now on, unless it does already.
    pub(crate) fn put_aside(mut self) -> Self {
        self.aside_since.get_or_insert_with(Instant::now);
        self
    }

    /// How long it has waited for a locked folder.
    pub(crate) fn waited(&self) -> Duration {
        self.aside_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// How jobs are committed and answered.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) pool: PgPool,
    pub(crate) notices: Arc<Notices>,
    pub(crate) busy: Arc<Busy>,
}

/// A committer's work: batches that gather while it commits.
pub(crate) struct Shift {
    pub(crate) committer: Committer,
    pub(crate) jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    pub(crate) aside: mpsc::UnboundedSender<Job>,
    pub(crate) closed: CancellationToken,
}

impl Shift {
    /// Works until the store is closed and nothing waits any more.
    pub(crate) async fn run(self) {
        loop {
            let batch = self.next_batch().await;
            if batch.is_empty() {
                return;
            }
            let (batch, aside) = self.committer.busy.part(batch);
            let locked = self.committer.commit(batch).await;
            for job in aside.into_iter().chain(locked) {
                // The lane ends after the committers only.
                let _ = self.aside.send(job);
            }
        }
    }

    /// All that is ready, up to the limits; empty at the end.
    async fn next_batch(&self) -> Vec<Job> {
        let mut jobs = self.jobs.lock().await;
        let first = tokio::select! {
            biased;
            job = jobs.recv() => job,
            () = self.closed.cancelled() => {
                jobs.close();
                jobs.recv().await
            }
        };
        let Some(first) = first else { return Vec::new() };
        let mut octets = first.landing.weight();
        let mut batch = vec![first];
        while batch.len() < BATCH_MESSAGES && octets < BATCH_OCTETS {
            let Ok(job) = jobs.try_recv() else { break };
            octets += job.landing.weight();
            batch.push(job);
        }
        batch
    }
}

impl Committer {
    /// Commits what can be committed and answers it; returns the jobs that somebody else's locks hold up.
    pub(crate) async fn commit(&self, batch: Vec<Job>) -> Vec<Job> {
        let mut aside = Vec::new();
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let Some((left, error)) = self.attempt(part).await else { continue };
            if is_locked(&error) {
                lane::note(&self.pool, &self.busy, &left).await;
                let (free, locked) = self.busy.part(left);
                // If no folder is locked now, something else is: all of them wait apart.
                if locked.is_empty() {
                    aside.extend(free);
                } else {
                    parts.push(free);
                }
                aside.extend(locked);
            } else if left.len() == 1 || is_transient(&error) {
                for job in left {
                    fail(job, &error);
                }
            } else {
                // One message's failure must not be that of the others.
                warn!(%error, messages = left.len(), "a batch failed; its messages are tried one by one");
                parts.extend(left.into_iter().rev().map(|job| vec![job]));
            }
        }
        aside
    }

    /// Lands the batch and answers its jobs; tries again as long as the connection is to blame. Returns what could not
    /// be stored, and why.
    async fn attempt(&self, mut batch: Vec<Job>) -> Option<(Vec<Job>, sqlx::Error)> {
        let mut tries = 0;
        while !batch.is_empty() {
            let mut connection = match self.pool.acquire().await {
                Ok(connection) => connection,
                // Nothing was sent, so nothing is in doubt.
                Err(error) => return Some((batch, error)),
            };
            let landings: Vec<&Landing> = batch.iter().map(|job| &job.landing).collect();
            let error = match land(&mut connection, &landings, Patience::Short).await {
                Ok(placed) => {
                    self.all_done(batch, placed);
                    return None;
                }
                Err(error) => error,
            };
            drop(connection);
            let before = batch.len();
            batch = self.answer_stored(batch).await;
            if batch.len() < before {
                // They were to blame, or some of them: the others have another try of their own.
                continue;
            }
            tries += 1;
            if !is_transient(&error) || tries == TRIES {
                return Some((batch, error));
            }
            tokio::time::sleep(RETRY * tries).await;
        }
        None
    }

    /// Answers the jobs whose messages are stored although the statement failed; returns the others.
    pub(crate) async fn answer_stored(&self, batch: Vec<Job>) -> Vec<Job> {
        let messages: Vec<MessageId> = batch.iter().map(|job| job.landing.message.id()).collect();
        let stored = match doubt::stored(&self.pool, &messages).await {
            Ok(stored) => stored,
            Err(error) => {
                for job in batch {
                    fail(job, &error);
                }
                return Vec::new();
            }
        };
        let mut others = Vec::new();
        for job in batch {
            if !stored.contains(&job.landing.message.id()) {
                others.push(job);
                continue;
            }
            metrics::counter!("pli_store_doubts_total").increment(1);
            match doubt::placed(&self.pool, &job.landing).await {
                Ok(placed) => self.done(job, placed),
                // It is stored; only nobody can be woken, and APPEND cannot tell the UID.
                Err(error) => {
                    warn!(%error, message = %job.landing.message.id(), "a stored message's places could not be read");
                    self.done(job, Vec::new());
                }
            }
        }
        others
    }

    fn all_done(&self, batch: Vec<Job>, placed: Vec<Vec<Placed>>) {
        metrics::counter!("pli_store_commits_total").increment(1);
        metrics::counter!("pli_store_messages_total").increment(batch.len() as u64);
        for (job, placed) in batch.into_iter().zip(placed) {
            self.done(job, placed);
        }
    }

    /// Wakes those who watch the folders, and answers.
    fn done(&self, job: Job, placed: Vec<Placed>) {
        self.notices.landed(job.landing, &placed);
        // If nobody waits any more (a session that was cut off), the message is stored all the same.
        let _ = job.reply.send(Ok(placed));
    }
}

/// Answers with what the error says of this landing.
fn fail(job: Job, error: &sqlx::Error) {
    let error = explain(error, &job.landing);
    if matches!(error, StoreError::TakesNoMail) {
        info!(message = %job.landing.message.id(), "a message came too late for one of its BALs");
    } else {
        error!(%error, message = %job.landing.message.id(), "a message could not be stored");
        metrics::counter!("pli_store_failures_total").increment(1);
    }
    // If nobody waits any more, nobody was told that it was accepted.
    let _ = job.reply.send(Err(error));
}

/// What a failed statement says about this landing.
fn explain(error: &sqlx::Error, landing: &Landing) -> StoreError {
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    let table = error.as_database_error().and_then(DatabaseError::table).unwrap_or_default();
    match (&*code, table) {
        // INBOX is never deleted.
        ("23502", "folder_message") if landing.needs_open_bals() => StoreError::TakesNoMail,
        ("23502", "folder_message") => StoreError::NoSuchFolder,
        ("23503", _) if landing.message.is_staged() => StoreError::inconsistent(
            "message_chunk",
            format!("the chunks of {} were removed before it was accepted", landing.message.id()),
        ),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
