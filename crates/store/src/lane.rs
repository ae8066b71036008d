//! Landings whose folders somebody else holds for long (a large COPY, another node that hangs): they wait apart, so that
//! one locked folder does not keep the mail of all others waiting.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::committer::{Committer, Job};
use crate::{FolderId, StoreError};

/// Time between two looks at the locked folders.
const LOOK: Duration = Duration::from_millis(250);
/// How long a landing waits apart; then its sender hears that it failed for now.
const LIMIT: Duration = Duration::from_mins(1);
/// Landings that are committed together once their folders are free.
const BATCH: usize = 16;

/// The folders of this process's landings that were locked at the last look.
#[derive(Default)]
pub(crate) struct Busy(Mutex<BTreeSet<FolderId>>);

impl Busy {
    /// Those whose folders are free as far as is known, and those that have to wait.
    pub(crate) fn part(&self, jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
        let busy = self.lock();
        if busy.is_empty() {
            return (jobs, Vec::new());
        }
        jobs.into_iter().partition(|job| !job.landing.folders().any(|folder| busy.contains(&folder)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<FolderId>> {
        // The set is whole at every moment, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks which folders of these jobs are locked, and notes them.
pub(crate) async fn note(pool: &PgPool, busy: &Busy, jobs: &[Job]) {
    match locked(pool, jobs).await {
        Ok(locked) => busy.lock().extend(locked),
        Err(error) => warn!(%error, "which folders are locked could not be found out"),
    }
}

async fn locked(pool: &PgPool, jobs: &[Job]) -> Result<BTreeSet<FolderId>, sqlx::Error> {
    let wanted: BTreeSet<i64> = jobs.iter().flat_map(|job| job.landing.folders()).map(|folder| folder.0).collect();
    // A folder that is gone is not locked.
    let ids: Vec<i64> = sqlx::query_scalar(
        "WITH free AS MATERIALIZED (
             SELECT id FROM folder WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
         SELECT id FROM folder WHERE id = ANY ($1) AND id NOT IN (SELECT id FROM free)",
    )
    .bind(wanted.into_iter().collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(FolderId).collect())
}

/// Where they wait.
pub(crate) struct Lane {
    pub(crate) committer: Committer,
    pub(crate) aside: mpsc::UnboundedReceiver<Job>,
    pub(crate) closed: CancellationToken,
}

impl Lane {
    /// Works until the committers have ended and nobody waits any more.
    pub(crate) async fn run(mut self) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                self.committer.busy.lock().clear();
                match self.aside.recv().await {
                    Some(job) => waiting.push(job.put_aside()),
                    None => return,
                }
            } else {
                tokio::time::sleep(LOOK).await;
            }
            while let Ok(job) = self.aside.try_recv() {
                waiting.push(job.put_aside());
            }
            waiting = self.round(waiting).await;
        }
    }

    /// Commits those whose folders are free by now; returns the others.
    async fn round(&self, waiting: Vec<Job>) -> Vec<Job> {
        match locked(&self.committer.pool, &waiting).await {
            Ok(locked) => *self.committer.busy.lock() = locked,
            Err(error) => warn!(%error, "which folders are locked could not be found out"),
        }
        let (mut free, mut left) = self.committer.busy.part(waiting);
        while !free.is_empty() {
            let rest = free.split_off(free.len().min(BATCH));
            left.extend(self.committer.commit(std::mem::replace(&mut free, rest)).await);
        }
        let closed = self.closed.is_cancelled();
        let (late, left) = left.into_iter().partition(|job| closed || job.waited() >= LIMIT);
        self.give_up(late).await;
        left
    }

    async fn give_up(&self, late: Vec<Job>) {
        if late.is_empty() {
            return;
        }
        for job in self.committer.answer_stored(late).await {
            error!(message = %job.landing.message.id(), "a message could not be stored: one of its folders is locked");
            metrics::counter!("pli_store_failures_total").increment(1);
            // If nobody waits any more, nobody was told that it was accepted.
            let _ = job.reply.send(Err(StoreError::Unavailable("a folder is locked for too long".to_owned())));
        }
    }
}
