//! What happens to BALs by itself: warnings, closing after inactivity, emptying after closing. Each step looks again
//! whether it is still due, in the transaction that does it, so that two nodes or a log-in at the same moment do no harm.

use std::time::Duration;

use mssante::{BalId, BalState, Mover, Quotas, Size};
use serde_json::json;
use sqlx::{PgConnection, PgTransaction};
use time::OffsetDateTime;

use super::life::{detail, enter};
use super::{BalRecord, BalRow, Usage};
use crate::landing::{Landing, Patience, land};
use crate::trace::{Event, Trace};
use crate::{Acceptance, Store, StoreError, publication};

/// Since when nobody has used a BAL. An index has the same expression.
const LAST_USE: &str = "greatest(coalesce(last_login_at, created_at), state_since)";
/// BALs that are used although nobody opens them: their mail is handed on, or everybody may write to the postmaster.
/// `[RFC5321 4.5.1]`
const OPENED: &str =
    "NOT EXISTS (SELECT FROM bal_forward f WHERE f.bal_id = bal.id) AND address_key NOT LIKE 'postmaster@%'";
/// BALs of one step.
const BATCH: i64 = 500;
/// Why pli closes a BAL.
const INACTIVE: &str = "inactive";

/// A BAL that is nearly full.
#[derive(Debug, Clone)]
pub struct NearlyFull {
    /// Which.
    pub bal: BalRecord,
    /// What it holds.
    pub octets: u64,
    /// What it may hold.
    pub limit: Size,
}

/// How many BALs were told that nobody opens them, and how many were closed for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InactiveCounts {
    /// Told, and still open.
    pub warned: u64,
    /// Closed.
    pub closed: u64,
}

impl Store {
    /// Whether this node makes the round of this name now; then no other does for `every`.
    pub async fn claim_round(&self, name: &str, every: Duration) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let claimed = sqlx::query(
            "INSERT INTO round AS r (name, next_at) VALUES ($1, $3)
             ON CONFLICT (name) DO UPDATE SET next_at = $3 WHERE r.next_at <= $2",
        )
        .bind(name)
        .bind(now)
        .bind(now + every)
        .execute(self.pool())
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Open BALs that hold 90 % of their quota or more and were not told yet: all, or those among `bals`.
    pub async fn nearly_full(&self, quotas: &Quotas, bals: Option<&[BalId]>) -> Result<Vec<NearlyFull>, StoreError> {
        let all = format!(
            "{FULLNESS} WHERE l.quota_warned_at IS NULL AND l.quota_octets > 0 AND u.octets / 9 >= l.quota_octets / 10"
        );
        let some = format!("{all} AND l.id = ANY ($5)");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(if bals.is_some() { some } else { all }));
        let query = limits(query, quotas);
        let query = match bals {
            Some(bals) => query.bind(bals.iter().map(|bal| bal.0).collect::<Vec<_>>()),
            None => query,
        };
        let rows: Vec<(i64, i64, i64)> = query.fetch_all(self.pool()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (id, limit, octets) in rows {
            let (limit, octets) = (Size(limit.unsigned_abs()), octets.unsigned_abs());
            if octets >= limit.warned_from()
                && let Some(bal) = self.bal_of(BalId(id)).await?
            {
                found.push(NearlyFull { bal, octets, limit });
            }
        }
        Ok(found)
    }

    /// BALs that were told and hold less than 80 % by now may be told again. Returns how many.
    pub async fn calm_quotas(&self, quotas: &Quotas) -> Result<u64, StoreError> {
        let calm = format!(
            "UPDATE bal SET quota_warned_at = NULL WHERE id IN (
                 SELECT s.id FROM ({FULLNESS} WHERE l.quota_warned_at IS NOT NULL) AS s
                 WHERE s.quota_octets = 0 OR s.octets / 8 < s.quota_octets / 10)"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(calm))
            .bind(column(quotas.nominative))
            .bind(column(quotas.organisational))
            .bind(column(quotas.applicative))
            .bind(column(quotas.cabinet));
        Ok(query.execute(self.pool()).await?.rows_affected())
    }

    /// Delivers the letter that tells a BAL how full it is, unless it was told meanwhile.
    pub async fn warn_full(&self, full: &NearlyFull, letter: Acceptance) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let detail = json!({ "octets": full.octets, "limit": full.limit });
        let trace = Trace::new(now, Event::BalQuotaWarned).of_bal(full.bal.id).with(detail);
        let claim = "UPDATE bal SET quota_warned_at = $2 WHERE id = $1 AND quota_warned_at IS NULL AND $2 >= $3";
        self.warn(claim, full.bal.id, now, vec![letter], trace).await
    }

    /// Open BALs that nobody has used since `before` and that were not told yet, the longest unused first; some at a time.
    pub async fn inactive_to_warn(&self, before: OffsetDateTime) -> Result<Vec<BalRecord>, StoreError> {
        let sql = format!(
            "SELECT * FROM bal WHERE state IN ('created', 'active') AND {LAST_USE} < $1 AND inactivity_warned_at IS NULL
               AND {OPENED}
             ORDER BY {LAST_USE} LIMIT $2"
        );
        let rows: Vec<BalRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(before).bind(BATCH).fetch_all(self.pool()).await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Delivers the letters that tell of a BAL which nobody has used since `before`, unless it was used meanwhile.
    pub async fn warn_inactive(
        &self,
        bal: BalId,
        before: OffsetDateTime,
        letters: Vec<Acceptance>,
    ) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let trace = Trace::new(now, Event::BalInactiveWarned).of_bal(bal).with(json!({ "letters": letters.len() }));
        let claim = "UPDATE bal SET inactivity_warned_at = $2
                     WHERE id = $1 AND state IN ('created', 'active') AND inactivity_warned_at IS NULL
                       AND greatest(coalesce(last_login_at, created_at), state_since) < $3";
        self.warn_since(claim, bal, (now, before), letters, trace).await
    }

    async fn warn(
        &self,
        claim: &'static str,
        bal: BalId,
        now: OffsetDateTime,
        letters: Vec<Acceptance>,
        trace: Trace,
    ) -> Result<bool, StoreError> {
        self.warn_since(claim, bal, (now, now), letters, trace).await
    }

    /// The mark on the BAL, the letters and the trace: all or nothing.
    async fn warn_since(
        &self,
        claim: &'static str,
        bal: BalId,
        (now, before): (OffsetDateTime, OffsetDateTime),
        letters: Vec<Acceptance>,
        trace: Trace,
    ) -> Result<bool, StoreError> {
        let mut landings = Vec::with_capacity(letters.len());
        for letter in letters {
            landings.push(self.landing(letter).await?);
        }
        let mut transaction = self.pool().begin().await?;
        // Whoever locks a BAL and its folders locks the BAL first.
        let claimed = sqlx::query(claim).bind(bal.0).bind(now).bind(before).execute(&mut *transaction).await?;
        if claimed.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let placed = land(&mut transaction, &landings.iter().collect::<Vec<&Landing>>(), Patience::Long).await?;
        trace.insert(&mut transaction).await?;
        transaction.commit().await?;
        for (landing, placed) in landings.into_iter().zip(placed) {
            self.notices().landed(landing, &placed);
        }
        Ok(true)
    }

    /// Closes BALs that nobody has used since `before` and that were told before `warned_before`, some at a time; returns
    /// them. `[MSS1 BAL.LIFE]`
    pub async fn close_inactive(
        &self,
        before: OffsetDateTime,
        warned_before: OffsetDateTime,
    ) -> Result<Vec<BalRecord>, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let sql = format!(
            "SELECT * FROM bal WHERE state IN ('created', 'active') AND {LAST_USE} < $1 AND inactivity_warned_at <= $2
               AND {OPENED}
             ORDER BY {LAST_USE} LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
        );
        let rows: Vec<BalRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(before)
            .bind(warned_before)
            .bind(BATCH)
            .fetch_all(&mut *transaction)
            .await?;
        let mut closed = Vec::with_capacity(rows.len());
        for row in rows {
            closed.push(self.close_unused(&mut transaction, row.try_into()?).await?);
        }
        let ids: Vec<BalId> = closed.iter().map(|bal: &BalRecord| bal.id).collect();
        if !ids.is_empty() {
            self.notices().announce_bals(&ids, &mut transaction).await?;
        }
        transaction.commit().await?;
        if !ids.is_empty() {
            self.notices().bals_changed(&ids);
        }
        Ok(closed)
    }

    async fn close_unused(&self, transaction: &mut PgTransaction<'_>, bal: BalRecord) -> Result<BalRecord, StoreError> {
        let now = self.clock().now();
        let row = enter(transaction, bal.id, BalState::Closed, INACTIVE, now).await?;
        let detail = detail(bal.state, BalState::Closed, Mover::Inactivity, INACTIVE);
        Trace::new(now, Event::BalState).of_bal(bal.id).with(detail).insert(transaction).await?;
        publication::queue(transaction, bal.id, now).await?;
        row.try_into()
    }

    /// Empties one BAL that was closed before `before`, if there is one; returns it and what it held. Nothing is left of
    /// its messages but the trace; its folders stay. `[MSS1 BAL.LIFE]`
    pub async fn empty_closed(&self, before: OffsetDateTime) -> Result<Option<(BalRecord, Usage)>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let row: Option<BalRow> = sqlx::query_as(
            "UPDATE bal SET emptied_at = $2 WHERE id = (
                 SELECT id FROM bal WHERE state = 'closed' AND emptied_at IS NULL AND coalesce(kept_from, state_since) < $1
                 ORDER BY coalesce(kept_from, state_since) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING *",
        )
        .bind(before)
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let usage = empty(&mut transaction, row.id, now).await?;
        let detail = json!({ "messages": usage.messages, "octets": usage.octets });
        Trace::new(now, Event::BalEmptied).of_bal(BalId(row.id)).with(detail).insert(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Some((row.try_into()?, usage)))
    }

    /// How many BALs nobody opens.
    pub async fn inactive_counts(&self) -> Result<InactiveCounts, StoreError> {
        let (warned, closed): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM bal WHERE state IN ('created', 'active') AND inactivity_warned_at IS NOT NULL),
                    (SELECT count(*) FROM bal WHERE state = 'closed' AND state_reason = $1)",
        )
        .bind(INACTIVE)
        .fetch_one(self.pool())
        .await?;
        Ok(InactiveCounts { warned: warned.unsigned_abs(), closed: closed.unsigned_abs() })
    }

    async fn bal_of(&self, id: BalId) -> Result<Option<BalRecord>, StoreError> {
        let row: Option<BalRow> =
            sqlx::query_as("SELECT * FROM bal WHERE id = $1").bind(id.0).fetch_optional(self.pool()).await?;
        row.map(TryInto::try_into).transpose()
    }
}

/// Open BALs with their quota (0 is none) and what they hold. Takes the quotas of PER, ORG, APP and CAB.
const FULLNESS: &str = "SELECT l.id, l.quota_octets, u.octets
    FROM (SELECT id, quota_warned_at,
                 coalesce(quota, CASE kind WHEN 'PER' THEN $1 WHEN 'ORG' THEN $2 WHEN 'APP' THEN $3 ELSE $4 END)
                     AS quota_octets
          FROM bal WHERE state IN ('created', 'active')) AS l
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.octets), 0)::bigint AS octets FROM folder f WHERE f.bal_id = l.id) AS u";

type Rows<'q> = sqlx::query::QueryAs<'q, sqlx::Postgres, (i64, i64, i64), sqlx::postgres::PgArguments>;

fn limits<'q>(query: Rows<'q>, quotas: &Quotas) -> Rows<'q> {
    query
        .bind(column(quotas.nominative))
        .bind(column(quotas.organisational))
        .bind(column(quotas.applicative))
        .bind(column(quotas.cabinet))
}

fn column(size: Size) -> i64 {
    i64::try_from(size.0).unwrap_or(i64::MAX)
}

/// Takes all messages out of all folders of a BAL, by ascending number of the folders as everybody who locks several.
async fn empty(connection: &mut PgConnection, bal: i64, now: OffsetDateTime) -> Result<Usage, StoreError> {
    sqlx::query("SELECT FROM folder WHERE bal_id = $1 ORDER BY id FOR NO KEY UPDATE")
        .bind(bal)
        .execute(&mut *connection)
        .await?;
    let (messages, octets): (i64, i64) = sqlx::query_as(
        "WITH changed AS (
             UPDATE folder SET highest_modseq = highest_modseq + 1, messages = 0, octets = 0
             WHERE bal_id = $1 RETURNING id, highest_modseq),
         gone AS (
             DELETE FROM folder_message m USING changed c WHERE m.folder_id = c.id
             RETURNING m.folder_id, c.highest_modseq, m.uid, m.message_id, m.size),
         noted AS (
             INSERT INTO expunged (folder_id, modseq, uid, at) SELECT folder_id, highest_modseq, uid, $2 FROM gone),
         unreferenced AS (
             INSERT INTO sweep_candidate (message_id, since)
             SELECT DISTINCT message_id, $2::timestamptz FROM gone ORDER BY message_id
             ON CONFLICT (message_id) DO UPDATE SET since = excluded.since)
         SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone",
    )
    .bind(bal)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(Usage { messages: messages.unsigned_abs(), octets: octets.unsigned_abs() })
}
