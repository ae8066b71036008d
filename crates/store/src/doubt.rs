//! What a failed landing left behind. A lost connection does not tell whether the commit happened, and a landing that
//! did happen fails with a violation of whichever key the server comes to first: only the tables tell.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgPool;

use crate::error::is_transient;
use crate::landing::{Landing, Placed};
use crate::{FolderId, MessageId, StoreError};

/// How long the question is repeated while the database does not answer. Whoever is told "no" in doubt sends again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two questions.
const AGAIN: Duration = Duration::from_millis(250);
/// How often a transaction is tried.
const TRIES: u32 = 4;

/// Those of `messages` that are stored.
pub(crate) async fn stored(pool: &PgPool, messages: &[MessageId]) -> Result<BTreeSet<MessageId>, sqlx::Error> {
    let mut last = sqlx::Error::PoolTimedOut;
    let insisted = tokio::time::timeout(PATIENCE, async {
        loop {
            match ask(pool, messages).await {
                Err(error) if is_transient(&error) => last = error,
                answer => return answer,
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
    match insisted.await {
        Ok(answer) => answer,
        Err(_) => Err(last),
    }
}

async fn ask(pool: &PgPool, messages: &[MessageId]) -> Result<BTreeSet<MessageId>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM message WHERE id = ANY ($1)")
        .bind(messages.iter().map(|message| message.0).collect::<Vec<_>>())
        .fetch_all(pool)
        .await?;
    Ok(ids.into_iter().map(MessageId).collect())
}

/// Whether this landing is stored.
pub(crate) async fn is_stored(pool: &PgPool, landing: &Landing) -> Result<bool, sqlx::Error> {
    Ok(!stored(pool, &[landing.message.id()]).await?.is_empty())
}

/// Repeats a transaction that does no harm when it happens twice, as long as the connection or a deadlock is to blame.
pub(crate) async fn insisting<T, F>(work: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut tries = 1;
    loop {
        match work().await {
            Err(error) if is_transient(&error) && tries < TRIES => tokio::time::sleep(AGAIN * tries).await,
            done => return done,
        }
        tries += 1;
    }
}

/// Where the placements of a landing that is stored are, in its order. A delivery is known by its BAL, wherever it was
/// moved since; an APPEND by its folder, where copies that were made since have higher UIDs. Those that are gone
/// already are left out.
pub(crate) async fn placed(pool: &PgPool, landing: &Landing) -> Result<Vec<Placed>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT p.folder_id, p.uid, f.uid_validity, p.modseq
         FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (folder_id, delivered_to, place)
         CROSS JOIN LATERAL (
             SELECT m.folder_id, m.uid, m.modseq FROM folder_message m
             WHERE m.message_id = $1 AND m.delivered_to IS NOT DISTINCT FROM w.delivered_to
               AND (w.delivered_to IS NOT NULL OR m.folder_id = w.folder_id)
             ORDER BY m.uid LIMIT 1) p
         JOIN folder f ON f.id = p.folder_id
         ORDER BY w.place",
    )
    .bind(landing.message.id().0)
    .bind(landing.placements.iter().map(|placement| placement.folder.0).collect::<Vec<_>>())
    .bind(landing.placements.iter().map(|placement| placement.delivered_to.map(|bal| bal.0)).collect::<Vec<_>>())
    .fetch_all(pool)
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
