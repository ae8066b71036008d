//! Claiming entries by lease, and writing down how the attempts ended.

use std::time::Duration;

use mssante::{Address, Domain, ReversePath};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tracing::{error, warn};

use super::{Claimed, Outcome, QueueStatus, Setback};
use crate::doubt;
use crate::landing::{Landing, Patience, Placed, land};
use crate::trace::{self, Event, Trace};
use crate::{Acceptance, MessageId, QueueId, Store, StoreError};

/// A row of `queue` with what its message adds.
#[derive(FromRow)]
struct ClaimedRow {
    id: i64,
    fence: i64,
    message_id: i64,
    size: i64,
    header_size: i32,
    reverse_path: Option<String>,
    recipient: String,
    smtputf8: bool,
    envelope_id: Option<String>,
    ret: Option<String>,
    dsn: Json<Value>,
    queued_at: OffsetDateTime,
    attempts: i32,
}

impl TryFrom<ClaimedRow> for Claimed {
    type Error = String;

    /// The error holds nothing of what the row says.
    fn try_from(row: ClaimedRow) -> Result<Self, String> {
        let reverse_path = row.reverse_path.as_deref().map(address).transpose()?;
        Ok(Self {
            id: QueueId(row.id),
            fence: row.fence,
            message: MessageId(row.message_id),
            size: row.size.unsigned_abs(),
            header_size: u64::from(row.header_size.unsigned_abs()),
            reverse_path: reverse_path.map_or(ReversePath::Null, ReversePath::Address),
            recipient: address(&row.recipient)?,
            smtputf8: row.smtputf8,
            envelope_id: row.envelope_id,
            ret: row.ret,
            dsn: serde_json::from_value(row.dsn.0).map_err(|_| "its DSN parameters".to_owned())?,
            accepted_at: row.queued_at,
            // Counted when the entry is claimed, so that attempts that ended in a crash count too.
            attempts: row.attempts.unsigned_abs().saturating_sub(1),
        })
    }
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| format!("address: {error}"))
}

impl Store {
    /// Claims up to `limit` due entries for `lease`, oldest first. Entries that cannot be read are held and left out.
    ///
    /// Leases and due times are judged by each node's own clock, so nodes have to be synchronised (NTP) to much less
    /// than a lease. A node that is ahead by more claims entries early: the fence still lets only one of them write the
    /// outcome down, but the peer may get the message twice.
    pub async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Claimed>, StoreError> {
        let now = self.clock().now();
        let mut rows: Vec<ClaimedRow> = sqlx::query_as(
            "WITH due AS (
                 SELECT id FROM queue WHERE state = 'waiting' AND due_at <= $1
                 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
             UPDATE queue q
             SET fence = q.fence + 1, attempts = q.attempts + 1, lease_until = $3, due_at = $3
             FROM due, message m
             WHERE q.id = due.id AND m.id = q.message_id
             RETURNING q.*, m.size, m.header_size",
        )
        .bind(now)
        .bind(i64::from(limit))
        .bind(now + lease)
        .fetch_all(self.pool())
        .await?;
        rows.sort_unstable_by_key(|row| (row.queued_at, row.id));
        let (mut claimed, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let (id, fence) = (QueueId(row.id), row.fence);
            match row.try_into() {
                Ok(entry) => claimed.push(entry),
                Err(why) => unreadable.push((id, fence, format!("the entry cannot be read: {why}"))),
            }
        }
        self.hold_unreadable(&unreadable).await;
        Ok(claimed)
    }

    /// One bad row must not take the others of its claim with it. If it cannot be held now, it comes again when its
    /// lease ends.
    async fn hold_unreadable(&self, entries: &[(QueueId, i64, String)]) {
        for (id, _, why) in entries {
            error!(entry = id.0, why, "an entry of the queue is held: it cannot be read");
            metrics::counter!("pli_store_unreadable_entries_total").increment(1);
        }
        if !entries.is_empty()
            && let Err(error) = self.hold(entries).await
        {
            warn!(%error, "entries that cannot be read were not held");
        }
    }

    /// Prolongs leases that are still ours; returns how many are.
    pub async fn renew(&self, leases: &[(QueueId, i64)], lease: Duration) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE queue q SET lease_until = $3, due_at = $3
             FROM unnest($1::bigint[], $2::bigint[]) AS held (id, fence)
             WHERE q.id = held.id AND q.fence = held.fence AND q.lease_until IS NOT NULL",
        )
        .bind(leases.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(leases.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
        .bind(self.clock().now() + lease)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Writes outcomes down, each only if its lease is still ours; returns how many were.
    ///
    /// A lost connection or a deadlock is followed by another try; the fence makes that harmless. If the answer to the
    /// first try got lost, its entries are settled and not counted: less than was asked for does not prove that
    /// another process has the rest.
    pub async fn settle(&self, outcomes: &[(QueueId, i64, Outcome)]) -> Result<u64, StoreError> {
        Ok(doubt::insisting(|| self.settle_once(outcomes)).await?)
    }

    async fn settle_once(&self, outcomes: &[(QueueId, i64, Outcome)]) -> Result<u64, sqlx::Error> {
        let mut transaction = self.pool().begin().await?;
        let settled = settle_in(&mut transaction, outcomes, self.clock().now()).await?;
        transaction.commit().await?;
        Ok(settled)
    }

    /// Ends entries of one message for good and accepts the report on them, in one transaction. If one of the
    /// leases is not ours any more, nothing happens and 0 is returned: the report would tell of a recipient whom
    /// another process may be serving. What is still ours comes due again when its lease ends. Tried again as
    /// [`Store::settle`] is; without a report, 0 may then also stand for entries that the first try ended.
    pub async fn settle_failed(
        &self,
        failed: &[(QueueId, i64, Setback)],
        report: Option<Acceptance>,
    ) -> Result<u64, StoreError> {
        let landing = match report {
            Some(report) => Some(self.landing(report).await?),
            None => None,
        };
        let failed = failed.iter().cloned();
        let outcomes: Vec<_> = failed.map(|(id, fence, setback)| (id, fence, Outcome::Failed { setback })).collect();
        let placed = match doubt::insisting(|| self.fail_once(&outcomes, landing.as_ref())).await {
            Ok(Some(placed)) => placed,
            Ok(None) => return Ok(0),
            // The answer to an earlier try may have got lost.
            Err(error) => match &landing {
                Some(landing) if doubt::is_stored(self.pool(), landing).await? => {
                    doubt::placed(self.pool(), landing).await?
                }
                _ => return Err(error.into()),
            },
        };
        if let Some(landing) = landing {
            self.notices().landed(landing, &placed);
        }
        Ok(outcomes.len() as u64)
    }

    /// Where the report ended up; `None` if a lease is not ours any more. The report comes first: whoever locks a
    /// folder and candidates of the sweeper locks the folder first.
    async fn fail_once(
        &self,
        outcomes: &[(QueueId, i64, Outcome)],
        report: Option<&Landing>,
    ) -> Result<Option<Vec<Placed>>, sqlx::Error> {
        let mut transaction = self.pool().begin().await?;
        let placed = match report {
            Some(report) => land(&mut transaction, &[report], Patience::Long).await?.pop().unwrap_or_default(),
            None => Vec::new(),
        };
        let settled = settle_in(&mut transaction, outcomes, self.clock().now()).await?;
        if settled < outcomes.len() as u64 {
            transaction.rollback().await?;
            return Ok(None);
        }
        transaction.commit().await?;
        Ok(Some(placed))
    }

    /// Gives back entries that were not tried: due at once, and the attempt is not counted.
    pub async fn release(&self, leases: &[(QueueId, i64)]) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE queue q SET lease_until = NULL, due_at = $3, attempts = greatest(q.attempts - 1, 0)
             FROM unnest($1::bigint[], $2::bigint[]) AS held (id, fence)
             WHERE q.id = held.id AND q.fence = held.fence AND q.lease_until IS NOT NULL",
        )
        .bind(leases.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(leases.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Takes entries out of work until somebody looks at them, each with its reason and a trace;
    /// nothing of them is lost. Returns how many were still ours.
    pub async fn hold(&self, entries: &[(QueueId, i64, String)]) -> Result<u64, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let rows: Vec<SettledRow> = sqlx::query_as(
            "UPDATE queue q SET state = 'held', lease_until = NULL, last_reply = o.reply
             FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS o (id, fence, reply)
             WHERE q.id = o.id AND q.fence = o.fence
             RETURNING q.id, q.message_id, q.recipient",
        )
        .bind(entries.iter().map(|(id, _, _)| id.0).collect::<Vec<_>>())
        .bind(entries.iter().map(|(_, fence, _)| *fence).collect::<Vec<_>>())
        .bind(entries.iter().map(|(_, _, reply)| reply.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await?;
        let traces: Vec<_> = rows
            .iter()
            .map(|row| {
                self.trace(Event::RelayHeld)
                    .of_message(MessageId(row.message_id))
                    .with(json!({ "recipient": row.recipient }))
            })
            .collect();
        trace::insert_all(&traces, &mut transaction).await?;
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    /// When the next entry is due, if there is one.
    pub async fn next_due(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(sqlx::query_scalar("SELECT min(due_at) FROM queue WHERE state = 'waiting'").fetch_one(self.pool()).await?)
    }

    /// Makes all waiting entries of a domain due now (the peer is back).
    pub async fn make_due(&self, domain: &Domain) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE queue SET due_at = $2
             WHERE domain = $1 AND state = 'waiting' AND due_at > $2 AND (lease_until IS NULL OR lease_until <= $2)",
        )
        .bind(domain.as_str())
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        self.notices().queue_grew();
        Ok(done.rows_affected())
    }

    /// Figures for metrics and `pli status`.
    pub async fn queue_status(&self) -> Result<QueueStatus, StoreError> {
        let (pending, oldest): (i64, Option<OffsetDateTime>) =
            sqlx::query_as("SELECT count(*), min(queued_at) FROM queue").fetch_one(self.pool()).await?;
        let age = oldest.map_or(0, |oldest| (self.clock().now() - oldest).whole_seconds());
        Ok(QueueStatus { pending: pending.unsigned_abs(), oldest_seconds: u64::try_from(age).unwrap_or(0) })
    }

    /// Wakes when entries were added by this process.
    pub fn watch_queue(&self) -> tokio::sync::watch::Receiver<u64> {
        self.notices().watch_queue()
    }
}

/// A row that an outcome was written to.
#[derive(FromRow)]
struct SettledRow {
    id: i64,
    message_id: i64,
    recipient: String,
}

/// Writes outcomes down within a transaction of the caller's; returns how many were still ours.
async fn settle_in(
    connection: &mut PgConnection,
    outcomes: &[(QueueId, i64, Outcome)],
    now: OffsetDateTime,
) -> Result<u64, sqlx::Error> {
    let (deferred, ended): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|(_, _, outcome)| matches!(outcome, Outcome::Deferred { .. }));
    let mut settled = defer(connection, &deferred).await?;
    settled.extend(end(connection, &ended, now).await?);
    let traces: Vec<_> = settled.iter().filter_map(|row| trace_of(row, outcomes, now)).collect();
    trace::insert_all(&traces, connection).await?;
    Ok(settled.len() as u64)
}

type Ending<'a> = &'a (QueueId, i64, Outcome);

async fn defer(connection: &mut PgConnection, outcomes: &[Ending<'_>]) -> Result<Vec<SettledRow>, sqlx::Error> {
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let waits = outcomes.iter().filter_map(|(_, _, outcome)| match outcome {
        Outcome::Deferred { next_attempt, .. } => Some(*next_attempt),
        Outcome::HandedOver { .. } | Outcome::Failed { .. } => None,
    });
    sqlx::query_as(
        "UPDATE queue q SET due_at = o.due_at, lease_until = NULL, last_reply = o.reply
         FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[]) AS o (id, fence, due_at, reply)
         WHERE q.id = o.id AND q.fence = o.fence AND q.lease_until IS NOT NULL
         RETURNING q.id, q.message_id, q.recipient",
    )
    .bind(ids(outcomes))
    .bind(fences(outcomes))
    .bind(waits.collect::<Vec<_>>())
    .bind(outcomes.iter().map(|(_, _, outcome)| outcome.reply()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// Entries that are over leave the queue; their messages may have lost the last reference.
async fn end(
    connection: &mut PgConnection,
    outcomes: &[Ending<'_>],
    now: OffsetDateTime,
) -> Result<Vec<SettledRow>, sqlx::Error> {
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<SettledRow> = sqlx::query_as(
        "DELETE FROM queue q USING unnest($1::bigint[], $2::bigint[]) AS o (id, fence)
         WHERE q.id = o.id AND q.fence = o.fence
         RETURNING q.id, q.message_id, q.recipient",
    )
    .bind(ids(outcomes))
    .bind(fences(outcomes))
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO sweep_candidate (message_id, since)
         SELECT DISTINCT id, $2::timestamptz FROM unnest($1::bigint[]) AS id ORDER BY id
         ON CONFLICT (message_id) DO UPDATE SET since = excluded.since",
    )
    .bind(rows.iter().map(|row| row.message_id).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(rows)
}

fn ids(outcomes: &[Ending<'_>]) -> Vec<i64> {
    outcomes.iter().map(|(id, _, _)| id.0).collect()
}

fn fences(outcomes: &[Ending<'_>]) -> Vec<i64> {
    outcomes.iter().map(|(_, fence, _)| *fence).collect()
}

fn trace_of(row: &SettledRow, outcomes: &[(QueueId, i64, Outcome)], now: OffsetDateTime) -> Option<Trace> {
    let (_, _, outcome) = outcomes.iter().find(|(id, _, _)| id.0 == row.id)?;
    let trace = Trace::new(now, outcome.event()).of_message(MessageId(row.message_id));
    Some(
        match outcome.host() {
            Some(host) => trace.with_peer(host),
            None => trace,
        }
        .with(detail(row, outcome)),
    )
}

fn detail(row: &SettledRow, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::HandedOver { reply, hop, .. } => json!({ "recipient": row.recipient, "reply": reply, "hop": hop }),
        Outcome::Deferred { setback, .. } | Outcome::Failed { setback } => {
            json!({ "recipient": row.recipient, "reply": setback.reply, "reason": setback.reason })
        }
    }
}

impl Outcome {
    /// What the peer said, or what happened.
    fn reply(&self) -> &str {
        match self {
            Self::HandedOver { reply, .. } => reply,
            Self::Deferred { setback, .. } | Self::Failed { setback } => &setback.reply,
        }
    }

    /// The host that said it.
    fn host(&self) -> Option<&str> {
        match self {
            Self::HandedOver { host, .. } => Some(host),
            Self::Deferred { setback, .. } | Self::Failed { setback } => setback.host.as_deref(),
        }
    }

    /// The word in the audit trail.
    fn event(&self) -> Event {
        match self {
            Self::HandedOver { .. } => Event::RelayHandedOver,
            Self::Deferred { .. } => Event::RelayDeferred,
            Self::Failed { .. } => Event::RelayFailed,
        }
    }
}
