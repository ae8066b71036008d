//! Group commit: messages that are ready at the same moment share one transaction.
//!
//! An acceptance waits in a channel. Each of a few committers takes all that is there and writes it in one statement;
//! while it waits for the disk, the next batch gathers. Nobody is answered before the commit.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::error::DatabaseError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::error::violates;
use crate::landing::{Landing, Placed, land};
use crate::notices::Notices;
use crate::{FolderId, MessageId, StoreError};

/// Committers of one process: one batch is on its way to the disk while the next is written.
pub(crate) const COMMITTERS: usize = 2;
/// Landings that may wait; more wait in their sessions.
pub(crate) const WAITING: usize = 1_024;
/// Most messages of one batch.
const BATCH_MESSAGES: usize = 64;
/// Most octets of one batch (about; the message that crosses the line still belongs to it).
const BATCH_OCTETS: usize = 8 * 1024 * 1024;
/// How often one message is tried when the connection is lost.
const TRIES: u32 = 4;
const RETRY: Duration = Duration::from_millis(250);

type Reply = Result<Vec<Placed>, StoreError>;

/// A landing and who waits for it.
pub(crate) struct Job {
    pub(crate) landing: Landing,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// One committer.
pub(crate) struct Committer {
    pub(crate) pool: PgPool,
    pub(crate) jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) closed: CancellationToken,
}

impl Committer {
    /// Works until the store is closed and nothing waits any more.
    pub(crate) async fn run(self) {
        loop {
            let batch = self.next_batch().await;
            if batch.is_empty() {
                return;
            }
            self.commit(batch).await;
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

    async fn commit(&self, batch: Vec<Job>) {
        let landings: Vec<&Landing> = batch.iter().map(|job| &job.landing).collect();
        match self.land(&landings).await {
            Ok(placed) => {
                metrics::counter!("pli_store_commits_total").increment(1);
                metrics::counter!("pli_store_messages_total").increment(batch.len() as u64);
                for (job, placed) in batch.into_iter().zip(placed) {
                    self.done(job, placed);
                }
            }
            // One message's failure must not be that of the others.
            Err(error) => {
                warn!(%error, messages = batch.len(), "a batch failed; its messages are tried one by one");
                for job in batch {
                    self.commit_alone(job).await;
                }
            }
        }
    }

    async fn commit_alone(&self, job: Job) {
        match self.land_alone(&job.landing).await {
            Ok(placed) => self.done(job, placed),
            Err(error) => {
                error!(%error, message = %job.landing.message.id(), "a message could not be stored");
                metrics::counter!("pli_store_failures_total").increment(1);
                // If nobody waits any more, nobody was told that it was accepted.
                let _ = job.reply.send(Err(error));
            }
        }
    }

    /// Tries again as long as the connection is to blame. A lost connection leaves open whether the commit happened; the
    /// message's number tells, because it is stored at most once.
    async fn land_alone(&self, landing: &Landing) -> Reply {
        let mut tries = 0;
        loop {
            let error = match self.land(&[landing]).await {
                Ok(mut placed) => return Ok(placed.pop().unwrap_or_default()),
                Err(error) => error,
            };
            tries += 1;
            if violates(&error, "message_pkey") {
                return self.already_landed(landing.message.id()).await;
            }
            if !is_transient(&error) || tries == TRIES {
                return Err(explain(error, landing));
            }
            tokio::time::sleep(RETRY * tries).await;
        }
    }

    async fn land(&self, landings: &[&Landing]) -> Result<Vec<Vec<Placed>>, sqlx::Error> {
        land(&mut *self.pool.acquire().await?, landings).await
    }

    async fn already_landed(&self, message: MessageId) -> Reply {
        let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT p.folder_id, p.uid, f.uid_validity, p.modseq
             FROM folder_message p JOIN folder f ON f.id = p.folder_id
             WHERE p.message_id = $1",
        )
        .bind(message.0)
        .fetch_all(&self.pool)
        .await?;
        let placed = rows.into_iter().map(|(folder, uid, uid_validity, modseq)| {
            Ok(Placed {
                folder: FolderId(folder),
                uid: u32::try_from(uid)?,
                uid_validity: u32::try_from(uid_validity)?,
                modseq: u64::try_from(modseq)?,
            })
        });
        placed
            .collect::<Result<_, std::num::TryFromIntError>>()
            .map_err(|error| StoreError::inconsistent("folder_message", error))
    }

    /// Wakes those who watch the folders, and answers.
    fn done(&self, job: Job, placed: Vec<Placed>) {
        self.notices.landed(job.landing, &placed);
        // If nobody waits any more (a session that was cut off), the message is stored all the same.
        let _ = job.reply.send(Ok(placed));
    }
}

/// Whether the same statement can succeed a moment later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => true,
        // Connection lost, server stopping, serialisation failure or deadlock.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "57P", "40"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// What a failed statement says about this landing.
fn explain(error: sqlx::Error, landing: &Landing) -> StoreError {
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    let table = error.as_database_error().and_then(DatabaseError::table).unwrap_or_default();
    match (&*code, table) {
        ("23502", "folder_message") => StoreError::NoSuchFolder,
        ("23503", _) if landing.message.is_staged() => StoreError::inconsistent(
            "message_chunk",
            format!("the chunks of {} were removed before it was accepted", landing.message.id()),
        ),
        _ => error.into(),
    }
}
