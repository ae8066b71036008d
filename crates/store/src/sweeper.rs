//! Removing what nobody refers to: chunks of intakes that ended without acceptance, and bodies
//! whose last reference is gone; and forgetting what left a folder long ago.

use std::time::Duration;

use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{MessageId, Store, StoreError};

/// Time between two rounds.
const ROUND: Duration = Duration::from_mins(1);
/// Age at which staged chunks belong to a process that died.
const STAGED_LIMIT: time::Duration = time::Duration::hours(1);
/// Time for which a body stays readable after its last reference went: sessions that have not heard yet may be
/// fetching it.
const GRACE: time::Duration = time::Duration::minutes(10);
/// Time for which it is remembered which messages left a folder: no session looks away for longer.
const EXPUNGED_LIMIT: time::Duration = time::Duration::days(30);
/// Messages that one statement removes, so that none holds locks for long.
const BATCH: i64 = 100;
/// Pause between two batches: mail comes first.
const PAUSE: Duration = Duration::from_millis(50);

/// What a round removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Intakes that were never accepted.
    pub staged: u64,
    /// Messages that nothing refers to.
    pub messages: u64,
}

impl Store {
    /// Removes what may be removed now. The store does this by itself every minute.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        sweep(self.pool(), self.clock().now()).await
    }
}

/// Sweeps until the store is closed. `now` reads the clock.
pub(crate) async fn run(pool: PgPool, now: impl Fn() -> OffsetDateTime, tidy: impl Fn(), closed: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = closed.cancelled() => return,
        }
        tidy();
        match sweep(&pool, now()).await {
            Ok(Swept { staged, messages }) => {
                metrics::counter!("pli_store_swept_total", "kind" => "staged").increment(staged);
                metrics::counter!("pli_store_swept_total", "kind" => "message").increment(messages);
            }
            Err(error) => warn!(%error, "sweeping failed; it is tried again in a minute"),
        }
    }
}

async fn sweep(pool: &PgPool, now: OffsetDateTime) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    loop {
        let staged = sweep_staged(pool, now - STAGED_LIMIT).await?;
        let (candidates, messages) = sweep_messages(pool, now - GRACE).await?;
        let expunged = sweep_expunged(pool, now - EXPUNGED_LIMIT).await?;
        swept.staged += staged.unsigned_abs();
        swept.messages += messages.unsigned_abs();
        if staged < BATCH && candidates < BATCH && expunged < BATCH {
            return Ok(swept);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sweep_staged(pool: &PgPool, before: OffsetDateTime) -> Result<i64, StoreError> {
    let swept = sqlx::query_scalar(
        "WITH dead AS (
             DELETE FROM staged_message WHERE id IN (
                 SELECT id FROM staged_message WHERE touched_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING id),
         chunks AS (DELETE FROM message_chunk c USING dead WHERE c.message_id = dead.id)
         SELECT count(*) FROM dead",
    )
    .bind(before)
    .bind(BATCH)
    .fetch_one(pool)
    .await?;
    Ok(swept)
}

async fn sweep_expunged(pool: &PgPool, before: OffsetDateTime) -> Result<i64, StoreError> {
    let swept = sqlx::query(
        "DELETE FROM expunged WHERE (folder_id, modseq, uid) IN (
             SELECT folder_id, modseq, uid FROM expunged WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before)
    .bind(BATCH)
    .execute(pool)
    .await?;
    Ok(swept.rows_affected().cast_signed())
}

/// Looks at one batch of candidates: how many there were, and how many of them went.
///
/// A copy of the last reference that is being made right now cannot be missed: it holds the source folder, from
/// which the reference then cannot go before it is committed; and the foreign keys have the last word.
async fn sweep_messages(pool: &PgPool, before: OffsetDateTime) -> Result<(i64, i64), StoreError> {
    let counts = sqlx::query_as(
        "WITH candidates AS (
             DELETE FROM sweep_candidate WHERE message_id IN (
                 SELECT message_id FROM sweep_candidate WHERE since < $1 ORDER BY message_id LIMIT $2
                 FOR UPDATE SKIP LOCKED)
             RETURNING message_id),
         gone AS (
             DELETE FROM message m USING candidates c
             WHERE m.id = c.message_id
               AND NOT EXISTS (SELECT FROM folder_message p WHERE p.message_id = m.id)
               AND NOT EXISTS (SELECT FROM queue q WHERE q.message_id = m.id)
             RETURNING m.id),
         chunks AS (DELETE FROM message_chunk c USING gone WHERE c.message_id = gone.id)
         SELECT (SELECT count(*) FROM candidates), (SELECT count(*) FROM gone)",
    )
    .bind(before)
    .bind(BATCH)
    .fetch_one(pool)
    .await?;
    Ok(counts)
}

/// Removes the chunks of intakes that were dropped, until the store is closed.
pub(crate) async fn discard(pool: PgPool, mut dropped: mpsc::UnboundedReceiver<MessageId>, closed: CancellationToken) {
    loop {
        let mut ids = Vec::new();
        let count = tokio::select! {
            biased;
            count = dropped.recv_many(&mut ids, 100) => count,
            () = closed.cancelled() => 0,
        };
        if count == 0 {
            return;
        }
        // Only what is still staged: a message whose commit was in doubt may have been accepted after all.
        let discarded = sqlx::query(
            "WITH dropped AS (DELETE FROM staged_message WHERE id = ANY ($1) RETURNING id)
             DELETE FROM message_chunk c USING dropped WHERE c.message_id = dropped.id",
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .execute(&pool)
        .await;
        if let Err(error) = discarded {
            warn!(%error, "chunks of dropped messages stay until they are swept");
        }
    }
}
