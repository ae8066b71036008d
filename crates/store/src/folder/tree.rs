//! The folders of a BAL: listing, making, renaming, deleting, subscribing.

use mssante::BalId;
use sqlx::{FromRow, PgConnection};

use super::name::FolderName;
use super::{Folder, FolderId, FolderStatus, Modseq, SpecialUse, copying};
use crate::error::violates;
use crate::{Store, StoreError};

/// A row of `folder`.
#[derive(FromRow)]
pub(super) struct FolderRow {
    pub(super) recent_from: i64,
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) special_use: Option<String>,
    pub(super) subscribed: bool,
    pub(super) uid_validity: i64,
    pub(super) uid_next: i64,
    pub(super) highest_modseq: i64,
}

impl TryFrom<FolderRow> for Folder {
    type Error = StoreError;

    fn try_from(row: FolderRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: FolderId(row.id),
            name: row.name,
            special_use: row.special_use.as_deref().and_then(SpecialUse::from_word),
            subscribed: row.subscribed,
            uid_validity: narrow(row.uid_validity)?,
            uid_next: narrow(row.uid_next)?,
            highest_modseq: narrow(row.highest_modseq)?,
        })
    }
}

/// A number of the database as the protocol's, which is narrower and never negative.
pub(super) fn narrow<T: TryFrom<i64>>(number: i64) -> Result<T, StoreError> {
    number.try_into().map_err(|_| StoreError::inconsistent("folder", format!("number {number} out of range")))
}

/// The figures of a folder, as counted by the database.
#[derive(FromRow)]
struct StatusRow {
    uid_next: i64,
    uid_validity: i64,
    highest_modseq: i64,
    messages: i64,
    unseen: i64,
    recent: i64,
    deleted: i64,
    size: i64,
}

impl Store {
    /// All folders of a BAL, INBOX first, then by name.
    pub async fn folders(&self, bal: BalId) -> Result<Vec<Folder>, StoreError> {
        let rows: Vec<FolderRow> = sqlx::query_as(
            "SELECT f.*, s.name IS NOT NULL AS subscribed
             FROM folder f LEFT JOIN subscription s ON s.bal_id = f.bal_id AND s.name = f.name
             WHERE f.bal_id = $1 ORDER BY f.name <> 'INBOX', f.name",
        )
        .bind(bal.0)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Creates a folder and the missing ones above it.
    pub async fn create_folder(
        &self,
        bal: BalId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<Folder, StoreError> {
        let name = FolderName::parse(name)?;
        let mut transaction = self.pool().begin().await?;
        lock_tree(&mut transaction, bal).await?;
        create_above(&mut transaction, bal, &name).await?;
        let folder = create(&mut transaction, bal, &name, special_use).await?;
        transaction.commit().await?;
        Ok(folder)
    }

    /// Deletes a folder with its messages; INBOX and folders with children are refused.
    pub async fn delete_folder(&self, bal: BalId, name: &str) -> Result<(), StoreError> {
        let name = FolderName::parse(name)?;
        if name.is_inbox() {
            return Err(StoreError::FolderRefused("INBOX cannot be deleted"));
        }
        let mut transaction = self.pool().begin().await?;
        lock_tree(&mut transaction, bal).await?;
        let id = lock_by_name(&mut transaction, bal, &name).await?;
        if has_children(&mut transaction, bal, &name).await? {
            return Err(StoreError::FolderRefused("the folder has folders below it; delete them first"));
        }
        let gone = empty(&mut transaction, id, self.clock().now()).await?;
        self.trace_removed(&mut transaction, id, gone).await?;
        delete(&mut transaction, id).await?;
        transaction.commit().await?;
        self.notices().folder_changed(id, Modseq::MAX);
        Ok(())
    }

    /// Renames a folder and all below it; renaming INBOX moves its messages. `[RFC3501 6.3.5]`
    pub async fn rename_folder(&self, bal: BalId, from: &str, to: &str) -> Result<(), StoreError> {
        let (from, to) = (FolderName::parse(from)?, FolderName::parse(to)?);
        if to.is_below(&from) && !from.is_inbox() {
            return Err(StoreError::FolderRefused("a folder cannot be moved below itself"));
        }
        let mut transaction = self.pool().begin().await?;
        lock_tree(&mut transaction, bal).await?;
        create_above(&mut transaction, bal, &to).await?;
        if from.is_inbox() {
            let inbox = lock_by_name(&mut transaction, bal, &from).await?;
            let target = create(&mut transaction, bal, &to, None).await?.id;
            let moved = copying::move_all(&mut transaction, inbox, target, self.clock().now()).await?;
            transaction.commit().await?;
            self.notices().folder_changed(inbox, moved.source);
            self.notices().folder_changed(target, moved.target);
        } else {
            rename_tree(&mut transaction, bal, &from, &to).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Subscribes or unsubscribes a name (it need not exist). `[RFC3501 6.3.6]`
    pub async fn set_subscribed(&self, bal: BalId, name: &str, subscribed: bool) -> Result<(), StoreError> {
        let name = FolderName::parse(name)?;
        let statement = if subscribed {
            "INSERT INTO subscription (bal_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM subscription WHERE bal_id = $1 AND name = $2"
        };
        sqlx::query(statement).bind(bal.0).bind(name.as_str()).execute(self.pool()).await?;
        Ok(())
    }

    /// All subscribed names, existing or not. `[RFC3501 6.3.9]`
    pub async fn subscriptions(&self, bal: BalId) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar("SELECT name FROM subscription WHERE bal_id = $1 ORDER BY name <> 'INBOX', name")
            .bind(bal.0)
            .fetch_all(self.pool())
            .await?)
    }

    /// The figures of a folder.
    pub async fn folder_status(&self, folder: FolderId) -> Result<FolderStatus, StoreError> {
        let row: StatusRow = sqlx::query_as(
            "SELECT f.uid_next, f.uid_validity, f.highest_modseq, count(m.uid) AS messages,
                    count(*) FILTER (WHERE m.flags & 1 = 0) AS unseen,
                    count(*) FILTER (WHERE m.uid >= f.recent_from) AS recent,
                    count(*) FILTER (WHERE m.flags & 8 <> 0) AS deleted,
                    coalesce(sum(m.size), 0)::bigint AS size
             FROM folder f LEFT JOIN folder_message m ON m.folder_id = f.id
             WHERE f.id = $1 GROUP BY f.id",
        )
        .bind(folder.0)
        .fetch_optional(self.pool())
        .await?
        .ok_or(StoreError::NoSuchFolder)?;
        Ok(FolderStatus {
            messages: narrow(row.messages)?,
            unseen: narrow(row.unseen)?,
            recent: narrow(row.recent)?,
            deleted: narrow(row.deleted)?,
            size: narrow(row.size)?,
            uid_next: narrow(row.uid_next)?,
            uid_validity: narrow(row.uid_validity)?,
            highest_modseq: narrow(row.highest_modseq)?,
        })
    }

    /// Wakes at every change of the folder, made by this process or (within half a second) another node.
    pub fn watch_folder(&self, folder: FolderId) -> tokio::sync::watch::Receiver<Modseq> {
        self.notices().watch_folder(folder)
    }
}

/// One change of a BAL's tree at a time, so that no folder loses its parent while it is being made.
async fn lock_tree(connection: &mut PgConnection, bal: BalId) -> Result<(), StoreError> {
    let locked = sqlx::query("SELECT FROM bal WHERE id = $1 FOR NO KEY UPDATE").bind(bal.0).execute(connection).await?;
    if locked.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NoSuchBal(bal.to_string())) }
}

async fn create_above(connection: &mut PgConnection, bal: BalId, name: &FolderName) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO folder (bal_id, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING")
        .bind(bal.0)
        .bind(name.above())
        .execute(connection)
        .await?;
    Ok(())
}

async fn create(
    connection: &mut PgConnection,
    bal: BalId,
    name: &FolderName,
    special_use: Option<SpecialUse>,
) -> Result<Folder, StoreError> {
    let row: FolderRow = sqlx::query_as(
        "INSERT INTO folder (bal_id, name, special_use) VALUES ($1, $2, $3)
         RETURNING *, EXISTS (SELECT FROM subscription s WHERE s.bal_id = $1 AND s.name = $2) AS subscribed",
    )
    .bind(bal.0)
    .bind(name.as_str())
    .bind(special_use.map(SpecialUse::word))
    .fetch_one(connection)
    .await
    .map_err(|error| {
        if violates(&error, "folder_bal_id_name_key") {
            StoreError::FolderExists
        } else if violates(&error, "folder_by_special_use") {
            StoreError::FolderRefused("another folder has this special use")
        } else {
            error.into()
        }
    })?;
    row.try_into()
}

async fn lock_by_name(connection: &mut PgConnection, bal: BalId, name: &FolderName) -> Result<FolderId, StoreError> {
    sqlx::query_scalar("SELECT id FROM folder WHERE bal_id = $1 AND name = $2 FOR UPDATE")
        .bind(bal.0)
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?
        .map(FolderId)
        .ok_or(StoreError::NoSuchFolder)
}

async fn has_children(connection: &mut PgConnection, bal: BalId, name: &FolderName) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM folder WHERE bal_id = $1 AND starts_with(name, $2 || '/'))")
        .bind(bal.0)
        .bind(name.as_str())
        .fetch_one(connection)
        .await?)
}

/// Its bodies wait for the sweeper. The messages that it had.
async fn empty(connection: &mut PgConnection, id: FolderId, now: time::OffsetDateTime) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "WITH gone AS (DELETE FROM folder_message WHERE folder_id = $1 RETURNING message_id),
         candidates AS (
             INSERT INTO sweep_candidate (message_id, since)
             SELECT DISTINCT message_id, $2 FROM gone ORDER BY message_id
             ON CONFLICT (message_id) DO UPDATE SET since = excluded.since)
         SELECT message_id FROM gone",
    )
    .bind(id.0)
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// Its name keeps the memory of its UIDVALIDITY.
async fn delete(connection: &mut PgConnection, id: FolderId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM expunged WHERE folder_id = $1").bind(id.0).execute(&mut *connection).await?;
    remember(connection, &[id.0]).await?;
    sqlx::query("DELETE FROM folder WHERE id = $1").bind(id.0).execute(connection).await?;
    Ok(())
}

/// Keeps the UIDVALIDITY that these names had, for the folders that will bear them later.
async fn remember(connection: &mut PgConnection, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO former_folder (bal_id, name, uid_validity)
         SELECT bal_id, name, uid_validity FROM folder WHERE id = ANY($1)
         ON CONFLICT (bal_id, name) DO UPDATE
             SET uid_validity = greatest(former_folder.uid_validity, excluded.uid_validity)",
    )
    .bind(ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// A folder that gets a name which another one had before must not be taken for it: where its
/// UIDVALIDITY is not above the former one's, it gets a new one. `[RFC3501 2.3.1.1]`
async fn rename_tree(
    connection: &mut PgConnection,
    bal: BalId,
    from: &FolderName,
    to: &FolderName,
) -> Result<(), StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, name FROM folder WHERE bal_id = $1 AND (name = $2 OR starts_with(name, $2 || '/'))
         ORDER BY id FOR UPDATE",
    )
    .bind(bal.0)
    .bind(from.as_str())
    .fetch_all(&mut *connection)
    .await?;
    if rows.iter().all(|(_, name)| name != from.as_str()) {
        return Err(StoreError::NoSuchFolder);
    }
    if from == to {
        return Err(StoreError::FolderExists);
    }
    let ids: Vec<i64> = rows.into_iter().map(|(id, _)| id).collect();
    remember(connection, &ids).await?;
    sqlx::query("UPDATE folder SET name = $3 || substr(name, length($2) + 1) WHERE id = ANY($1)")
        .bind(&ids)
        .bind(from.as_str())
        .bind(to.as_str())
        .execute(&mut *connection)
        .await
        .map_err(
            |error| {
                if violates(&error, "folder_bal_id_name_key") { StoreError::FolderExists } else { error.into() }
            },
        )?;
    sqlx::query(
        "UPDATE folder f SET uid_validity = nextval('uid_validity') FROM former_folder o
         WHERE f.id = ANY($1) AND o.bal_id = f.bal_id AND o.name = f.name AND o.uid_validity >= f.uid_validity",
    )
    .bind(&ids)
    .execute(connection)
    .await?;
    Ok(())
}
