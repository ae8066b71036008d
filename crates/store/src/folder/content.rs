//! What is in a folder: opening it, following its changes, flags, expunging.

use std::collections::BTreeSet;

use mssante::BalId;
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::name::FolderName;
use super::tree::{FolderRow, narrow};
use super::{Changes, Entry, FlagChange, Flags, FolderId, Modseq, Opened, Uid};
use crate::trace::{self, Event};
use crate::{MessageId, Store, StoreError};

/// A row of `folder_message`, or what a LEFT JOIN leaves of it.
#[derive(FromRow)]
pub(super) struct EntryRow {
    uid: i64,
    message_id: i64,
    flags: i16,
    keywords: Option<Vec<String>>,
    modseq: i64,
    internal_date: OffsetDateTime,
    size: i64,
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        Ok(Self {
            uid: narrow(row.uid)?,
            message: MessageId(row.message_id),
            flags: Flags::of_bits(row.flags, row.keywords.unwrap_or_default()),
            modseq: narrow(row.modseq)?,
            internal_date: row.internal_date,
            size: narrow(row.size)?,
        })
    }
}

fn entries(rows: Vec<EntryRow>) -> Result<Vec<Entry>, StoreError> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Column `flags` of `folder_message`.
const BITS: [i16; 5] = [1, 2, 4, 8, 16];

impl Flags {
    fn of_bits(bits: i16, keywords: Vec<String>) -> Self {
        let [seen, answered, flagged, deleted, draft] = BITS.map(|bit| bits & bit != 0);
        Self { seen, answered, flagged, deleted, draft, keywords: keywords.into_iter().collect() }
    }

    /// The system flags as the column has them.
    pub(crate) fn bits(&self) -> i16 {
        let system = [self.seen, self.answered, self.flagged, self.deleted, self.draft];
        BITS.into_iter().zip(system).filter_map(|(bit, set)| set.then_some(bit)).sum()
    }

    /// The keywords divided by blanks (an IMAP atom holds none), `None` without any: arrays of arrays cannot be
    /// bound.
    pub(crate) fn joined_keywords(&self) -> Option<String> {
        self.keyword_column().map(|keywords| keywords.join(" "))
    }

    /// The keywords as the column has them: sorted, one spelling of each.
    pub(crate) fn keyword_column(&self) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let keywords = self.keywords.iter().filter(|keyword| seen.insert(keyword.to_ascii_lowercase()));
        let keywords: Vec<String> = keywords.cloned().collect();
        (!keywords.is_empty()).then_some(keywords)
    }
}

impl Store {
    /// Opens a folder; with `claim_recent` (SELECT, not EXAMINE) this session alone sees the
    /// new messages as `\Recent`.
    pub async fn open_folder(&self, bal: BalId, name: &str, claim_recent: bool) -> Result<Opened, StoreError> {
        let name = FolderName::parse(name)?;
        let claimed = if claim_recent { self.claim_recent(bal, &name).await? } else { None };
        // One snapshot for the folder and its messages.
        let mut transaction = self.pool().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let row = folder_row(&mut transaction, bal, &name).await?.ok_or(StoreError::NoSuchFolder)?;
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT uid, message_id, flags, keywords, modseq, internal_date, size
             FROM folder_message WHERE folder_id = $1 ORDER BY uid",
        )
        .bind(row.id)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let recent_from = narrow(claimed.unwrap_or(row.recent_from))?;
        Ok(Opened { folder: row.try_into()?, entries: entries(rows)?, recent_from })
    }

    /// From which UID on messages were `\Recent` until now, if there were any.
    async fn claim_recent(&self, bal: BalId, name: &FolderName) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "WITH old AS (
                 SELECT id, recent_from, uid_next FROM folder
                 WHERE bal_id = $1 AND name = $2 AND recent_from < uid_next FOR UPDATE)
             UPDATE folder SET recent_from = old.uid_next FROM old WHERE folder.id = old.id
             RETURNING old.recent_from",
        )
        .bind(bal.0)
        .bind(name.as_str())
        .fetch_optional(self.pool())
        .await?)
    }

    /// What changed in the folder after `since`.
    pub async fn changes(&self, folder: FolderId, since: Modseq) -> Result<Changes, StoreError> {
        let position: Option<(i64, i64)> = sqlx::query_as("SELECT highest_modseq, uid_next FROM folder WHERE id = $1")
            .bind(folder.0)
            .fetch_optional(self.pool())
            .await?;
        let Some((highest, uid_next)) = position else { return Ok(Changes { gone: true, ..Changes::default() }) };
        let mut changes =
            Changes { highest_modseq: narrow(highest)?, uid_next: narrow(uid_next)?, ..Changes::default() };
        if changes.highest_modseq > since {
            self.fill_in(&mut changes, folder, since).await?;
        }
        Ok(changes)
    }

    /// Both reads come after that of HIGHESTMODSEQ and may see more than it covers: what is newer
    /// comes again next time, which does no harm. New messages are cut at UIDNEXT, so that both
    /// figures agree, and what is known to be gone is not shown as changed.
    async fn fill_in(&self, changes: &mut Changes, folder: FolderId, since: Modseq) -> Result<(), StoreError> {
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT uid, message_id, flags, keywords, modseq, internal_date, size
             FROM folder_message WHERE folder_id = $1 AND modseq > $2 AND uid < $3 ORDER BY uid",
        )
        .bind(folder.0)
        .bind(column(since))
        .bind(i64::from(changes.uid_next))
        .fetch_all(self.pool())
        .await?;
        let uids: Vec<i64> =
            sqlx::query_scalar("SELECT uid FROM expunged WHERE folder_id = $1 AND modseq > $2 ORDER BY uid")
                .bind(folder.0)
                .bind(column(since))
                .fetch_all(self.pool())
                .await?;
        changes.expunged = uids.into_iter().map(narrow).collect::<Result<_, _>>()?;
        changes.changed = entries(rows)?;
        changes.changed.retain(|entry| changes.expunged.binary_search(&entry.uid).is_err());
        Ok(())
    }

    /// Changes flags of the messages that still exist; returns those with their new state.
    pub async fn change_flags(
        &self,
        folder: FolderId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<Entry>, StoreError> {
        let uids = uid_column(uids);
        let mut transaction = self.pool().begin().await?;
        let modseq = next_modseq(&mut transaction, folder).await?;
        let changed = apply(&mut transaction, folder, &uids, change, modseq).await?;
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT uid, message_id, flags, keywords, modseq, internal_date, size
             FROM folder_message WHERE folder_id = $1 AND uid = ANY($2) ORDER BY uid",
        )
        .bind(folder.0)
        .bind(&uids)
        .fetch_all(&mut *transaction)
        .await?;
        if changed == 0 {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
            self.notices().folder_changed(folder, narrow(modseq)?);
        }
        entries(rows)
    }

    /// Removes those of `uids` that are `\Deleted` (all that are, with `None`); returns their UIDs.
    pub async fn expunge(&self, folder: FolderId, uids: Option<&[Uid]>) -> Result<Vec<Uid>, StoreError> {
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction, folder).await?;
        let gone = remove_deleted(&mut transaction, folder, uids).await?;
        if gone.is_empty() {
            transaction.rollback().await?;
            return Ok(Vec::new());
        }
        let octets: i64 = gone.iter().map(|(.., size)| size).sum();
        let (mut uids, messages): (Vec<i64>, Vec<i64>) =
            gone.into_iter().map(|(uid, message, _)| (uid, message)).unzip();
        let modseq: i64 = sqlx::query_scalar(
            "WITH unreferenced AS (
                 INSERT INTO sweep_candidate (message_id, since)
                 SELECT DISTINCT id, $3 FROM unnest($4::bigint[]) AS id ORDER BY id
                 ON CONFLICT (message_id) DO UPDATE SET since = excluded.since),
             numbered AS (
                 UPDATE folder SET highest_modseq = highest_modseq + 1, messages = messages - cardinality($2::bigint[]),
                        octets = octets - $5
                 WHERE id = $1 RETURNING highest_modseq),
             noted AS (
                 INSERT INTO expunged (folder_id, modseq, uid, at)
                 SELECT $1, n.highest_modseq, u.uid, $3 FROM numbered n, unnest($2::bigint[]) AS u (uid))
             SELECT highest_modseq FROM numbered",
        )
        .bind(folder.0)
        .bind(&uids)
        .bind(self.clock().now())
        .bind(&messages)
        .bind(octets)
        .fetch_one(&mut *transaction)
        .await?;
        self.trace_removed(&mut transaction, folder, messages).await?;
        transaction.commit().await?;
        self.notices().folder_changed(folder, narrow(modseq)?);
        uids.sort_unstable();
        uids.into_iter().map(narrow).collect()
    }
}

/// Numbers of messages that one line of the audit trail names.
const NAMED: usize = 500;

impl Store {
    /// Messages left a folder for good: which, on which BAL, and nothing of what was in them. The folder is named by its
    /// number: people call folders after patients.
    pub(super) async fn trace_removed(
        &self,
        connection: &mut PgConnection,
        folder: FolderId,
        mut messages: Vec<i64>,
    ) -> Result<(), StoreError> {
        let bal: i64 = sqlx::query_scalar("SELECT bal_id FROM folder WHERE id = $1")
            .bind(folder.0)
            .fetch_one(&mut *connection)
            .await?;
        messages.sort_unstable();
        let line = |messages: &[i64]| {
            let names: Vec<_> = messages.iter().map(|message| MessageId(*message).to_string()).collect();
            let trace = self.trace(Event::MessagesRemoved).of_bal(BalId(bal));
            let trace = trace.with(json!({ "folder": folder.0, "count": messages.len(), "messages": names }));
            match messages {
                [message] => trace.of_message(MessageId(*message)),
                _ => trace,
            }
        };
        let lines: Vec<_> = messages.chunks(NAMED).map(line).collect();
        Ok(trace::insert_all(&lines, connection).await?)
    }
}

/// UIDs as the database's arrays take them.
pub(super) fn uid_column(uids: &[Uid]) -> Vec<i64> {
    uids.iter().copied().map(i64::from).collect()
}

fn column(modseq: Modseq) -> i64 {
    i64::try_from(modseq).unwrap_or(i64::MAX)
}

async fn folder_row(
    connection: &mut PgConnection,
    bal: BalId,
    name: &FolderName,
) -> Result<Option<FolderRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT f.*, EXISTS (SELECT FROM subscription s WHERE s.bal_id = $1 AND s.name = $2) AS subscribed
         FROM folder f WHERE f.bal_id = $1 AND f.name = $2",
    )
    .bind(bal.0)
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?)
}

/// Locks the folder until the transaction ends.
async fn lock(connection: &mut PgConnection, folder: FolderId) -> Result<(), StoreError> {
    let locked =
        sqlx::query("SELECT FROM folder WHERE id = $1 FOR NO KEY UPDATE").bind(folder.0).execute(connection).await?;
    if locked.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NoSuchFolder) }
}

/// Locks the folder until the transaction ends and numbers the change.
async fn next_modseq(connection: &mut PgConnection, folder: FolderId) -> Result<i64, StoreError> {
    sqlx::query_scalar("UPDATE folder SET highest_modseq = highest_modseq + 1 WHERE id = $1 RETURNING highest_modseq")
        .bind(folder.0)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::NoSuchFolder)
}

/// Removes those of `uids` that are `\Deleted`, all that are with `None`; returns UIDs, messages and sizes. Two statements: one
/// that may mean both is planned for all, and would search the array once per message.
async fn remove_deleted(
    connection: &mut PgConnection,
    folder: FolderId,
    uids: Option<&[Uid]>,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let all = "DELETE FROM folder_message WHERE folder_id = $1 AND flags & 8 <> 0 RETURNING uid, message_id, size";
    let some = "DELETE FROM folder_message WHERE folder_id = $1 AND flags & 8 <> 0 AND uid = ANY($2)
                RETURNING uid, message_id, size";
    let query = match uids {
        None => sqlx::query_as(all).bind(folder.0),
        Some(uids) => sqlx::query_as(some).bind(folder.0).bind(uid_column(uids)),
    };
    Ok(query.fetch_all(connection).await?)
}

/// Touches only the messages that the change makes different; returns how many. Keywords compare
/// without regard to case and keep the spelling of their first use. `[RFC3501 2.3.2]`
async fn apply(
    connection: &mut PgConnection,
    folder: FolderId,
    uids: &[i64],
    change: &FlagChange,
    modseq: i64,
) -> Result<u64, StoreError> {
    let (statement, flags) = match change {
        FlagChange::Replace(flags) => (
            "UPDATE folder_message SET flags = $4, modseq = $3, keywords = nullif(ARRAY(
                 SELECT k FROM (
                     SELECT coalesce((SELECT min(old) FROM unnest(keywords) AS old WHERE lower(old) = lower(new)), new)
                     FROM unnest($5::text[]) AS new) AS kept (k)
                 ORDER BY k COLLATE \"C\"), '{}')
             WHERE folder_id = $1 AND uid = ANY($2)
               AND (flags <> $4 OR ARRAY(SELECT DISTINCT lower(old) AS k FROM unnest(keywords) AS old ORDER BY k)
                                <> ARRAY(SELECT DISTINCT lower(new) AS k FROM unnest($5) AS new ORDER BY k))",
            flags,
        ),
        FlagChange::Add(flags) => (
            "UPDATE folder_message m SET flags = flags | $4, modseq = $3, keywords = CASE
                 WHEN $5::text[] IS NULL THEN keywords
                 ELSE ARRAY(
                     SELECT k FROM unnest(keywords || ARRAY(
                         SELECT new FROM unnest($5) AS new
                         WHERE lower(new) NOT IN (SELECT lower(old) FROM unnest(keywords) AS old))) AS k
                     ORDER BY k COLLATE \"C\") END
             WHERE folder_id = $1 AND uid = ANY($2)
               AND (flags & $4 <> $4 OR EXISTS (
                     SELECT FROM unnest($5) AS new
                     WHERE lower(new) NOT IN (SELECT lower(old) FROM unnest(keywords) AS old)))",
            flags,
        ),
        FlagChange::Remove(flags) => (
            "UPDATE folder_message m SET flags = flags & ~$4::smallint, modseq = $3, keywords = nullif(ARRAY(
                 SELECT old FROM unnest(keywords) AS old
                 WHERE lower(old) NOT IN (SELECT lower(gone) FROM unnest($5::text[]) AS gone)), '{}')
             WHERE folder_id = $1 AND uid = ANY($2)
               AND (flags & $4 <> 0 OR EXISTS (
                     SELECT FROM unnest(keywords) AS old
                     WHERE lower(old) IN (SELECT lower(gone) FROM unnest($5) AS gone)))",
            flags,
        ),
    };
    let done = sqlx::query(statement)
        .bind(folder.0)
        .bind(uids)
        .bind(modseq)
        .bind(flags.bits())
        .bind(flags.keyword_column())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
