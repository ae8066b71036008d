//! Writing versions down: one transaction each, from the octets to the notice for other nodes.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::change::{self, DomainChange};
use super::{ListCounts, ListId, ListOrigin, in_state};
use crate::trace::{Event, Trace};
use crate::version::{Placing, Recorded, VersionState};
use crate::{Store, StoreError};

/// A list that was verified and weighed against the version in force.
#[derive(Debug, Clone)]
pub struct ListRecord {
    /// As they came.
    pub octets: Vec<u8>,
    /// Its own date.
    pub generated_at: OffsetDateTime,
    /// When its source said that it is the current one.
    pub confirmed_at: OffsetDateTime,
    /// How it came.
    pub origin: ListOrigin,
    /// URL or path.
    pub source: String,
    /// Who imported it.
    pub received_by: Option<String>,
    /// How many domains it has.
    pub domains: usize,
    /// What it changes against the version that it was weighed against.
    pub changes: Vec<DomainChange>,
}

/// Versions that were in force and are remembered, with what they changed.
const SUPERSEDED_KEPT: i64 = 5_000;
/// Versions that waited in vain and are remembered.
const WITHDRAWN_KEPT: i64 = 100;

impl Store {
    /// Writes a version down that was weighed against `base`.
    pub async fn record_list(
        &self,
        record: ListRecord,
        base: Option<ListId>,
        placing: Placing,
    ) -> Result<Recorded<ListId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        if in_force(&mut transaction).await? != base {
            return Ok(Recorded::Overtaken);
        }
        let reason = if matches!(placing, Placing::Pending { .. }) {
            "another list came that has to wait"
        } else {
            "a newer list came into force"
        };
        withdraw(&mut transaction, reason).await?;
        if !matches!(placing, Placing::Pending { .. }) {
            supersede(&mut transaction).await?;
        }
        let id = insert(&mut transaction, &record, &placing, now).await?;
        change::write(&mut transaction, id, &record.changes).await?;
        prune(&mut transaction).await?;
        trace_of(&record, &placing, id, now).by(self.actor().clone()).insert(&mut transaction).await?;
        self.notices().announce_trust(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().trust_changed();
        Ok(Recorded::As(id))
    }

    /// Puts the pending version in force because `by` says so. `changes` are those against `base`, the version in
    /// force that it was weighed against. Overtaken if either is another one by now.
    pub async fn acknowledge_list(
        &self,
        id: ListId,
        base: Option<ListId>,
        changes: &[DomainChange],
        by: &str,
    ) -> Result<Recorded<ListId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        let pending = in_state(&mut transaction, VersionState::Pending).await?;
        if pending.map(|pending| pending.id) != Some(id) || in_force(&mut transaction).await? != base {
            return Ok(Recorded::Overtaken);
        }
        supersede(&mut transaction).await?;
        let counts = change::write(&mut transaction, id, changes).await?;
        sqlx::query(
            "UPDATE trust_list SET state = 'in force', accepted_at = $2, acknowledged_at = $2, acknowledged_by = $3,
                    added = $4, removed = $5, renamed = $6
             WHERE id = $1",
        )
        .bind(id.0)
        .bind(now)
        .bind(by)
        .bind(small(counts.added))
        .bind(small(counts.removed))
        .bind(small(counts.renamed))
        .execute(&mut *transaction)
        .await?;
        let detail = json!({ "version": id.0, "by": by, "removed": counts.removed });
        self.trace(Event::ListAcknowledged).with(detail).insert(&mut transaction).await?;
        self.notices().announce_trust(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().trust_changed();
        Ok(Recorded::As(id))
    }

    /// The source of this version said at `at` that it is the current one. A confirmation only moves forward, unless the
    /// one written down lies in the future: then a clock was wrong, and it must not count for longer than this one.
    /// False if the version is neither in force nor pending any more.
    pub async fn confirm_list(&self, id: ListId, at: OffsetDateTime) -> Result<bool, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let done = sqlx::query(
            "UPDATE trust_list
             SET confirmed_at = CASE WHEN confirmed_at > $3 THEN $2 ELSE greatest(confirmed_at, $2) END
             WHERE id = $1 AND octets IS NOT NULL",
        )
        .bind(id.0)
        .bind(at)
        .bind(self.clock().now())
        .execute(&mut *transaction)
        .await?;
        self.notices().announce_trust(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().trust_changed();
        Ok(done.rows_affected() > 0)
    }

    /// The pending version does not wait any more. False if it is not pending.
    pub async fn withdraw_list(&self, id: ListId, why: &str) -> Result<bool, StoreError> {
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        let pending = in_state(&mut transaction, VersionState::Pending).await?;
        if pending.map(|pending| pending.id) != Some(id) {
            return Ok(false);
        }
        withdraw(&mut transaction, why).await?;
        let detail = json!({ "version": id.0, "why": why });
        self.trace(Event::ListWithdrawn).with(detail).insert(&mut transaction).await?;
        self.notices().announce_trust(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().trust_changed();
        Ok(true)
    }

    /// Writes into the audit trail that a list was not taken.
    pub async fn trace_list_refusal(&self, source: &str, reason: &str, why: &str) -> Result<(), StoreError> {
        let detail = json!({ "source": source, "reason": reason, "why": why });
        let mut connection = self.pool().acquire().await?;
        self.trace(Event::ListRefused).with(detail).insert(&mut connection).await
    }
}

/// One writer at a time, so that none weighs against a version that another one replaces. Readers go on.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("LOCK TABLE trust_list IN SHARE ROW EXCLUSIVE MODE").execute(connection).await?;
    Ok(())
}

async fn in_force(connection: &mut PgConnection) -> Result<Option<ListId>, StoreError> {
    Ok(in_state(connection, VersionState::InForce).await?.map(|version| version.id))
}

async fn supersede(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE trust_list SET state = 'superseded', octets = NULL WHERE state = 'in force'")
        .execute(connection)
        .await?;
    Ok(())
}

async fn withdraw(connection: &mut PgConnection, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE trust_list SET state = 'withdrawn', octets = NULL, why = $1 WHERE state = 'pending'")
        .bind(why)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    record: &ListRecord,
    placing: &Placing,
    now: OffsetDateTime,
) -> Result<ListId, sqlx::Error> {
    let state = placing.state();
    let accepted_at = (state == VersionState::InForce).then_some(now);
    let acknowledged_by = placing.acknowledged_by();
    let ListCounts { added, removed, renamed, .. } = change::counts(&record.changes);
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO trust_list (state, sha256, generated_at, received_at, accepted_at, confirmed_at, origin, source,
                                 received_by, acknowledged_at, acknowledged_by, why, domains, added, removed, renamed,
                                 octets)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id",
    )
    .bind(state.word())
    .bind(digest(&SHA256, &record.octets).as_ref())
    .bind(record.generated_at)
    .bind(now)
    .bind(accepted_at)
    .bind(record.confirmed_at)
    .bind(record.origin.word())
    .bind(&record.source)
    .bind(&record.received_by)
    .bind(acknowledged_by.map(|_| now))
    .bind(acknowledged_by)
    .bind(placing.why())
    .bind(small(record.domains))
    .bind(small(added))
    .bind(small(removed))
    .bind(small(renamed))
    .bind(&record.octets)
    .fetch_one(connection)
    .await?;
    Ok(ListId(id))
}

async fn prune(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (state, kept) in [(VersionState::Superseded, SUPERSEDED_KEPT), (VersionState::Withdrawn, WITHDRAWN_KEPT)] {
        sqlx::query(
            "DELETE FROM trust_list WHERE id IN (
                 SELECT id FROM trust_list WHERE state = $1 ORDER BY id DESC OFFSET $2)",
        )
        .bind(state.word())
        .bind(kept)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn trace_of(record: &ListRecord, placing: &Placing, id: ListId, now: OffsetDateTime) -> Trace {
    let event = match placing {
        Placing::InForce => Event::ListAccepted,
        Placing::Acknowledged { .. } => Event::ListAcknowledged,
        Placing::Pending { .. } => Event::ListPending,
    };
    let ListCounts { added, removed, renamed, .. } = change::counts(&record.changes);
    Trace::new(now, event).with(json!({
        "version": id.0, "source": record.source, "domains": record.domains, "added": added, "removed": removed,
        "renamed": renamed, "why": placing.why(), "by": placing.acknowledged_by().or(record.received_by.as_deref()),
    }))
}

/// A count as the column has it.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
