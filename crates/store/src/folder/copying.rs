//! COPY and MOVE: rows change folders, bodies stay where they are.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::content::uid_column;
use super::tree::narrow;
use super::{Copied, FolderId, Modseq, Uid, UidValidity};
use crate::{Store, StoreError};

/// The MODSEQs that a move left in both folders.
pub(super) struct Moved {
    pub(super) source: Modseq,
    pub(super) target: Modseq,
}

impl Store {
    /// Copies messages with their flags and dates. `[RFC3501 6.4.7]`
    pub async fn copy(&self, from: FolderId, uids: &[Uid], to: FolderId) -> Result<Copied, StoreError> {
        let mut transaction = self.pool().begin().await?;
        lock_both(&mut transaction, from, to).await?;
        let source = present(&mut transaction, from, Some(uids)).await?;
        let place = allocate(&mut transaction, to, &source).await?;
        let source = source.uids;
        sqlx::query(
            "INSERT INTO folder_message (folder_id, message_id, uid, modseq, internal_date, size, flags, keywords)
             SELECT $2, m.message_id, t.uid, $5, m.internal_date, m.size, m.flags, m.keywords
             FROM unnest($3::bigint[], $4::bigint[]) AS t (source, uid)
             JOIN folder_message m ON m.folder_id = $1 AND m.uid = t.source",
        )
        .bind(from.0)
        .bind(to.0)
        .bind(&source)
        .bind(place.uids(source.len()))
        .bind(place.modseq)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.notices().folder_changed(to, narrow(place.modseq)?);
        place.copied(source)
    }

    /// Moves messages in one transaction. `[RFC6851 3.3]`
    pub async fn move_messages(&self, from: FolderId, uids: &[Uid], to: FolderId) -> Result<Copied, StoreError> {
        let mut transaction = self.pool().begin().await?;
        lock_both(&mut transaction, from, to).await?;
        let source = present(&mut transaction, from, Some(uids)).await?;
        let (place, moved) = move_present(&mut transaction, from, &source, to, self.clock().now()).await?;
        transaction.commit().await?;
        self.notices().folder_changed(from, moved.source);
        self.notices().folder_changed(to, moved.target);
        place.copied(source.uids)
    }
}

/// Moves all messages; the caller has locked both folders.
pub(super) async fn move_all(
    connection: &mut PgConnection,
    from: FolderId,
    to: FolderId,
    now: OffsetDateTime,
) -> Result<Moved, StoreError> {
    let source = present(connection, from, None).await?;
    Ok(move_present(connection, from, &source, to, now).await?.1)
}

/// In the order of their numbers, as everybody who locks several folders, so that nobody waits in a circle.
async fn lock_both(connection: &mut PgConnection, from: FolderId, to: FolderId) -> Result<(), StoreError> {
    let locked = sqlx::query("SELECT FROM folder WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind([from.0, to.0])
        .execute(connection)
        .await?;
    let wanted = if from == to { 1 } else { 2 };
    if locked.rows_affected() == wanted { Ok(()) } else { Err(StoreError::NoSuchFolder) }
}

/// Messages of a folder: their UIDs, ascending, and the octets of all.
struct Present {
    uids: Vec<i64>,
    octets: i64,
}

/// Those among `uids` that are still there; all with `None`.
async fn present(connection: &mut PgConnection, folder: FolderId, uids: Option<&[Uid]>) -> Result<Present, StoreError> {
    // Two statements: one that may mean both is planned for all, and would search the array once per message.
    let all = sqlx::query_as("SELECT uid, size FROM folder_message WHERE folder_id = $1 ORDER BY uid");
    let some = "SELECT uid, size FROM folder_message WHERE folder_id = $1 AND uid = ANY($2) ORDER BY uid";
    let query = match uids {
        None => all.bind(folder.0),
        Some(uids) => sqlx::query_as(some).bind(folder.0).bind(uid_column(uids)),
    };
    let rows: Vec<(i64, i64)> = query.fetch_all(connection).await?;
    let octets = rows.iter().map(|(_, size)| size).sum();
    Ok(Present { uids: rows.into_iter().map(|(uid, _)| uid).collect(), octets })
}

/// UIDs reserved in a folder.
struct Place {
    uid_validity: UidValidity,
    first: i64,
    modseq: i64,
}

impl Place {
    fn uids(&self, count: usize) -> Vec<i64> {
        (self.first..).take(count).collect()
    }

    fn copied(&self, source: Vec<i64>) -> Result<Copied, StoreError> {
        let target = self.uids(source.len()).into_iter().map(narrow).collect::<Result<_, _>>()?;
        let source = source.into_iter().map(narrow).collect::<Result<_, _>>()?;
        Ok(Copied { uid_validity: self.uid_validity, source, target })
    }
}

async fn allocate(connection: &mut PgConnection, folder: FolderId, source: &Present) -> Result<Place, StoreError> {
    let (uid_validity, first, modseq): (i64, i64, i64) = sqlx::query_as(
        "UPDATE folder SET uid_next = uid_next + $2, highest_modseq = highest_modseq + 1,
                messages = messages + $2, octets = octets + $3
         WHERE id = $1 RETURNING uid_validity, uid_next - $2, highest_modseq",
    )
    .bind(folder.0)
    .bind(count(source.uids.len()))
    .bind(source.octets)
    .fetch_one(connection)
    .await?;
    Ok(Place { uid_validity: narrow(uid_validity)?, first, modseq })
}

/// Numbers the change by which messages leave a folder.
async fn leave(connection: &mut PgConnection, folder: FolderId, source: &Present) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "UPDATE folder SET highest_modseq = highest_modseq + 1, messages = messages - $2, octets = octets - $3
         WHERE id = $1 RETURNING highest_modseq",
    )
    .bind(folder.0)
    .bind(count(source.uids.len()))
    .bind(source.octets)
    .fetch_one(connection)
    .await?)
}

fn count(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

/// A moved message is still the delivery that it was: `delivered_to` goes with it.
async fn move_present(
    connection: &mut PgConnection,
    from: FolderId,
    source: &Present,
    to: FolderId,
    now: OffsetDateTime,
) -> Result<(Place, Moved), StoreError> {
    let place = allocate(connection, to, source).await?;
    let left = leave(connection, from, source).await?;
    sqlx::query(
        "WITH gone AS (
             DELETE FROM folder_message m USING unnest($3::bigint[], $4::bigint[]) AS t (source, target)
             WHERE m.folder_id = $1 AND m.uid = t.source
             RETURNING m.*, t.target),
         noted AS (INSERT INTO expunged (folder_id, modseq, uid, at) SELECT $1, $6, uid, $7 FROM gone)
         INSERT INTO folder_message
                (folder_id, message_id, uid, modseq, delivered_to, internal_date, size, flags, keywords)
         SELECT $2, message_id, target, $5, delivered_to, internal_date, size, flags, keywords FROM gone",
    )
    .bind(from.0)
    .bind(to.0)
    .bind(&source.uids)
    .bind(place.uids(source.uids.len()))
    .bind(place.modseq)
    .bind(left)
    .bind(now)
    .execute(connection)
    .await?;
    let moved = Moved { source: narrow(left)?, target: narrow(place.modseq)? };
    Ok((place, moved))
}
