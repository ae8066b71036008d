//! Writing versions down: one transaction each, from the image to the notice for other nodes.

use std::io::{self, Write};

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{AnnuaireId, AnnuaireKind, AnnuaireOrigin, image, in_state};
use crate::trace::{Event, Trace};
use crate::version::{Placing, Recorded, VersionState};
use crate::{Store, StoreError};

/// A directory that was imported and weighed against the version in force.
#[derive(Debug, Clone)]
pub struct AnnuaireRecord {
    /// What it came from.
    pub kind: AnnuaireKind,
    /// How it came.
    pub origin: AnnuaireOrigin,
    /// URL or path.
    pub source: String,
    /// The date of what it came from, if it has one.
    pub generated_at: Option<OffsetDateTime>,
    /// When the source of its entries said that it is the current one.
    pub confirmed_at: OffsetDateTime,
    /// Who imported it.
    pub received_by: Option<String>,
    /// The report of its import.
    pub report: Value,
    /// The lines that the import passed over.
    pub rejections: Vec<AnnuaireRejection>,
    /// The format of its image.
    pub format: u32,
}

/// A line that an import passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnuaireRejection {
    /// Its number.
    pub line: u64,
    /// A word for why.
    pub reason: String,
    /// What was wrong.
    pub detail: String,
}

impl AnnuaireRejection {
    pub(super) fn of_row((line, reason, detail): (i64, String, String)) -> Self {
        Self { line: line.unsigned_abs(), reason, detail }
    }
}

/// Rejected lines as one statement takes them.
pub(super) struct Columns<'a> {
    pub(super) lines: Vec<i64>,
    pub(super) reasons: Vec<&'a str>,
    pub(super) details: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    pub(super) fn batches(rejections: &'a [AnnuaireRejection]) -> impl Iterator<Item = Self> {
        rejections.chunks(BATCH).map(|batch| Self {
            lines: batch.iter().map(|rejection| i64::try_from(rejection.line).unwrap_or(i64::MAX)).collect(),
            reasons: batch.iter().map(|rejection| rejection.reason.as_str()).collect(),
            details: batch.iter().map(|rejection| rejection.detail.as_str()).collect(),
        })
    }
}

/// Versions that were in force, or waited in vain, and are remembered with their reports.
const FORMER_KEPT: i64 = 1_000;
/// Versions whose rejected lines are kept.
const REJECTIONS_KEPT: i64 = 5;
/// Rejected lines in one statement.
const BATCH: usize = 5_000;

impl Store {
    /// Writes a version down that was weighed against `base`. `write` writes its image, on a thread of its own.
    pub async fn record_annuaire(
        &self,
        record: AnnuaireRecord,
        base: Option<AnnuaireId>,
        placing: Placing,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Recorded<AnnuaireId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        let in_force = in_state(&mut transaction, VersionState::InForce).await?;
        if in_force.map(|version| version.id) != base {
            return Ok(Recorded::Overtaken);
        }
        make_way(&mut transaction, record.kind, placing.state()).await?;
        let id = insert(&mut transaction, &record, &placing, now).await?;
        let sha256 = image::insert(&mut transaction, id, write).await?;
        sqlx::query("UPDATE annuaire_version SET sha256 = $2 WHERE id = $1")
            .bind(id.0)
            .bind(sha256)
            .execute(&mut *transaction)
            .await?;
        insert_rejections(&mut transaction, id, &record.rejections).await?;
        prune(&mut transaction).await?;
        trace_of(&record, &placing, id, now).by(self.actor().clone()).insert(&mut transaction).await?;
        self.notices().announce_annuaire(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().annuaire_changed();
        Ok(Recorded::As(id))
    }

    /// Puts the pending version in force because `by` says so. Overtaken if another one waits by now, or none.
    pub async fn acknowledge_annuaire(&self, id: AnnuaireId, by: &str) -> Result<Recorded<AnnuaireId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        let pending = in_state(&mut transaction, VersionState::Pending).await?;
        if pending.map(|pending| pending.id) != Some(id) {
            return Ok(Recorded::Overtaken);
        }
        supersede(&mut transaction).await?;
        sqlx::query(
            "UPDATE annuaire_version SET state = 'in force', accepted_at = $2, acknowledged_at = $2, acknowledged_by = $3
             WHERE id = $1",
        )
        .bind(id.0)
        .bind(now)
        .bind(by)
        .execute(&mut *transaction)
        .await?;
        prune(&mut transaction).await?;
        let detail = json!({ "version": id.0, "by": by });
        self.trace(Event::AnnuaireAcknowledged).with(detail).insert(&mut transaction).await?;
        self.notices().announce_annuaire(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().annuaire_changed();
        Ok(Recorded::As(id))
    }

    /// The source of this version's entries said at `at` that it is the current one. A confirmation only moves forward,
    /// unless the one written down lies in the future: then a clock was wrong. False if the version is neither in
    /// force nor pending any more.
    pub async fn confirm_annuaire(&self, id: AnnuaireId, at: OffsetDateTime) -> Result<bool, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let done = sqlx::query(
            "UPDATE annuaire_version
             SET confirmed_at = CASE WHEN confirmed_at > $3 THEN $2 ELSE greatest(confirmed_at, $2) END
             WHERE id = $1 AND state IN ('in force', 'pending')",
        )
        .bind(id.0)
        .bind(at)
        .bind(self.clock().now())
        .execute(&mut *transaction)
        .await?;
        self.notices().announce_annuaire(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().annuaire_changed();
        Ok(done.rows_affected() > 0)
    }

    /// The pending version does not wait any more. False if it is not pending.
    pub async fn withdraw_annuaire(&self, id: AnnuaireId, why: &str) -> Result<bool, StoreError> {
        let mut transaction = self.pool().begin().await?;
        lock(&mut transaction).await?;
        let pending = in_state(&mut transaction, VersionState::Pending).await?;
        if pending.map(|pending| pending.id) != Some(id) {
            return Ok(false);
        }
        withdraw(&mut transaction, why).await?;
        prune(&mut transaction).await?;
        let detail = json!({ "version": id.0, "why": why });
        self.trace(Event::AnnuaireWithdrawn).with(detail).insert(&mut transaction).await?;
        self.notices().announce_annuaire(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().annuaire_changed();
        Ok(true)
    }

    /// Writes into the audit trail that what a source or a person brought was not taken.
    pub async fn trace_annuaire_refusal(&self, source: &str, reason: &str, why: &str) -> Result<(), StoreError> {
        let detail = json!({ "source": source, "reason": reason, "why": why });
        let mut connection = self.pool().acquire().await?;
        self.trace(Event::AnnuaireRefused).with(detail).insert(&mut connection).await
    }
}

/// One writer at a time, so that none weighs against a version that another one replaces. Readers go on.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("LOCK TABLE annuaire_version IN SHARE ROW EXCLUSIVE MODE").execute(connection).await?;
    Ok(())
}

/// What a new version replaces: the one in force if it comes into force itself, and the one that waits. New activities
/// say nothing of entries that wait for a person.
async fn make_way(connection: &mut PgConnection, kind: AnnuaireKind, state: VersionState) -> Result<(), StoreError> {
    let pending = in_state(connection, VersionState::Pending).await?;
    let spared = |waiting| kind == AnnuaireKind::Activities && waiting != AnnuaireKind::Activities;
    match (pending, state) {
        (Some(pending), VersionState::InForce) if spared(pending.kind) => {}
        (Some(_), VersionState::InForce) => withdraw(connection, "a newer directory came into force").await?,
        (Some(_), _) => withdraw(connection, "another directory came that has to wait").await?,
        (None, _) => {}
    }
    if state == VersionState::InForce {
        supersede(connection).await?;
    }
    Ok(())
}

async fn supersede(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE annuaire_version SET state = 'superseded' WHERE state = 'in force'")
        .execute(connection)
        .await?;
    Ok(())
}

async fn withdraw(connection: &mut PgConnection, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE annuaire_version SET state = 'withdrawn', why = $1 WHERE state = 'pending'")
        .bind(why)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    record: &AnnuaireRecord,
    placing: &Placing,
    now: OffsetDateTime,
) -> Result<AnnuaireId, sqlx::Error> {
    let state = placing.state();
    let acknowledged_by = placing.acknowledged_by();
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO annuaire_version (state, kind, origin, source, generated_at, received_at, confirmed_at, accepted_at,
                                       received_by, acknowledged_at, acknowledged_by, why, report, format, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '') RETURNING id",
    )
    .bind(state.word())
    .bind(record.kind.word())
    .bind(record.origin.word())
    .bind(&record.source)
    .bind(record.generated_at)
    .bind(now)
    .bind(record.confirmed_at)
    .bind((state == VersionState::InForce).then_some(now))
    .bind(&record.received_by)
    .bind(acknowledged_by.map(|_| now))
    .bind(acknowledged_by)
    .bind(placing.why())
    .bind(&record.report)
    .bind(i32::try_from(record.format).unwrap_or(i32::MAX))
    .fetch_one(connection)
    .await?;
    Ok(AnnuaireId(id))
}

async fn insert_rejections(
    connection: &mut PgConnection,
    id: AnnuaireId,
    rejections: &[AnnuaireRejection],
) -> Result<(), sqlx::Error> {
    for Columns { lines, reasons, details } in Columns::batches(rejections) {
        sqlx::query(
            "INSERT INTO annuaire_rejection (version, line, reason, detail)
             SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(id.0)
        .bind(lines)
        .bind(reasons)
        .bind(details)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Only what may still be loaded keeps its image.
async fn prune(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM annuaire_chunk c USING annuaire_version v
         WHERE v.id = c.version AND v.state IN ('superseded', 'withdrawn')",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM annuaire_rejection WHERE version IN (SELECT id FROM annuaire_version ORDER BY id DESC OFFSET $1)",
    )
    .bind(REJECTIONS_KEPT)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM annuaire_version WHERE id IN (
             SELECT id FROM annuaire_version WHERE state IN ('superseded', 'withdrawn') ORDER BY id DESC OFFSET $1)",
    )
    .bind(FORMER_KEPT)
    .execute(connection)
    .await?;
    Ok(())
}

fn trace_of(record: &AnnuaireRecord, placing: &Placing, id: AnnuaireId, now: OffsetDateTime) -> Trace {
    let event = match placing {
        Placing::InForce => Event::AnnuaireAccepted,
        Placing::Acknowledged { .. } => Event::AnnuaireAcknowledged,
        Placing::Pending { .. } => Event::AnnuairePending,
    };
    Trace::new(now, event).with(json!({
        "version": id.0, "kind": record.kind.word(), "source": record.source, "why": placing.why(),
        "by": placing.acknowledged_by().or(record.received_by.as_deref()), "report": record.report,
    }))
}
