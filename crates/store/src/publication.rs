//! What the national directory is to be told of our BALs: one row for each, worked on like the queue.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use annuaire::publication::{Facts, Known, Operation};
use mssante::{Address, BalId, BalKind};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tracing::error;

use crate::bal::parsed;
use crate::trace::{self, Event, Trace};
use crate::{Store, StoreError};

/// Where a publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicationState {
    /// The directory is to be told.
    Waiting,
    /// It stands in a file that somebody else carries there.
    HandedOver,
    /// The directory says what is to be said.
    Published,
    /// The directory does not know the BAL, as is to be.
    Withdrawn,
    /// The directory will not take it, or something is missing: somebody must look.
    Refused,
}

impl PublicationState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::HandedOver, Self::Published, Self::Withdrawn, Self::Refused];

    /// The word in the database, in JSON and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::HandedOver => "handed over",
            Self::Published => "published",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
        }
    }

    fn of_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| StoreError::inconsistent("publication", format_args!("state '{word}'")))
    }
}

/// A publication that this process works on until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationClaim {
    /// Of which BAL.
    pub bal: BalId,
    /// Who is to be told.
    pub target: String,
    /// Tells this claim from later ones, and from changes of the BAL.
    pub fence: i64,
    /// How often it was tried in a row, this time included.
    pub attempts: u32,
    /// When what is to be published last changed.
    pub wanted_at: OffsetDateTime,
    /// What the BAL is.
    pub facts: Facts,
    /// What the target is known to have of it.
    pub known: Known,
}

/// How working on a publication ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationResult {
    /// Where it is now.
    pub state: PublicationState,
    /// What the directory is known to have now.
    pub known: Known,
    /// What was done, if anything.
    pub operation: Option<Operation>,
    /// What came back, or why nothing was done.
    pub report: String,
    /// When it is due again, if it waits; now if this does not say.
    pub due_at: Option<OffsetDateTime>,
}

/// Which publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationFilter<'a> {
    /// That of one BAL, whatever its state.
    Of(&'a Address),
    /// All in one of these states.
    In(&'a [PublicationState]),
}

/// A publication as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Of which BAL.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is.
    pub state: PublicationState,
    /// When what is to be published last changed.
    pub wanted_at: OffsetDateTime,
    /// When it is due, if it waits.
    pub due_at: OffsetDateTime,
    /// How often it was tried in a row.
    pub attempts: u32,
    /// What the target is known to have.
    pub known: Known,
    /// Who was told last.
    pub target: Option<String>,
    /// The last operation.
    pub operation: Option<Operation>,
    /// When it was last reported on.
    pub reported_at: Option<OffsetDateTime>,
    /// What came back.
    pub report: Option<String>,
}

#[derive(FromRow)]
struct ClaimRow {
    bal_id: i64,
    fence: i64,
    attempts: i32,
    wanted_at: OffsetDateTime,
    published: Option<Json<Known>>,
    operation: Option<String>,
    told: Option<String>,
    address: String,
    kind: String,
    bal_state: String,
    holder: Option<String>,
    structure: Option<String>,
    listing: String,
    description: Option<String>,
    service: Option<String>,
    responsible: Option<String>,
}

impl ClaimRow {
    fn claim(self, target: &str) -> Result<PublicationClaim, StoreError> {
        let facts = Facts {
            address: parsed(&self.address)?,
            kind: parsed(&self.kind)?,
            state: parsed(&self.bal_state)?,
            holder: self.holder.as_deref().map(parsed).transpose()?,
            structure: self.structure.as_deref().map(parsed).transpose()?,
            listing: parsed(&self.listing)?,
            description: self.description,
            service: self.service,
            responsible: self.responsible,
        };
        let known = self.published.map(|known| known.0).unwrap_or_default();
        let known = match (&self.told, &self.operation) {
            (Some(told), _) if told == target => known,
            // Nobody was ever told.
            (_, None) if known == Known::Nothing => known,
            _ => known.at_another_target(&facts),
        };
        Ok(PublicationClaim {
            bal: BalId(self.bal_id),
            target: target.to_owned(),
            fence: self.fence,
            attempts: self.attempts.unsigned_abs(),
            wanted_at: self.wanted_at,
            facts,
            known,
        })
    }
}

#[derive(FromRow)]
struct PublicationRow {
    address: String,
    kind: String,
    state: String,
    wanted_at: OffsetDateTime,
    due_at: OffsetDateTime,
    attempts: i32,
    published: Option<Json<Known>>,
    target: Option<String>,
    operation: Option<String>,
    reported_at: Option<OffsetDateTime>,
    report: Option<String>,
}

impl TryFrom<PublicationRow> for Publication {
    type Error = StoreError;

    fn try_from(row: PublicationRow) -> Result<Self, StoreError> {
        Ok(Self {
            address: parsed(&row.address)?,
            kind: parsed(&row.kind)?,
            state: PublicationState::of_word(&row.state)?,
            wanted_at: row.wanted_at,
            due_at: row.due_at,
            attempts: row.attempts.unsigned_abs(),
            known: row.published.map(|known| known.0).unwrap_or_default(),
            target: row.target,
            operation: row.operation.as_deref().map(parsed).transpose()?,
            reported_at: row.reported_at,
            report: row.report,
        })
    }
}

/// The BAL changed: what is to be published may be something else now. Part of the transaction of the change.
/// Whoever works on it finds his claim overtaken.
pub(crate) async fn queue(connection: &mut PgConnection, bal: BalId, now: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO publication AS p (bal_id, state, wanted_at, due_at) VALUES ($1, 'waiting', $2, $2)
         ON CONFLICT (bal_id) DO UPDATE
         SET state = 'waiting', wanted_at = $2, due_at = $2, attempts = 0, fence = p.fence + 1",
    )
    .bind(bal.0)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// What another target was told is to be told to this one: waits again. Returns how many.
    pub async fn retarget_publications(&self, target: &str) -> Result<u64, StoreError> {
        let done = sqlx::query(
            // Three conditions in the place of IS DISTINCT FROM: the index answers each of them.
            "UPDATE publication SET state = 'waiting', due_at = $2, attempts = 0, fence = fence + 1
             WHERE state <> 'waiting' AND (target < $1 OR target > $1 OR target IS NULL)",
        )
        .bind(target)
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Claims publications that are due, at most `limit`, the oldest first, to tell `target` of them. Nobody else works
    /// on them until `lease` is over.
    pub async fn claim_publications(
        &self,
        target: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<PublicationClaim>, StoreError> {
        let now = self.clock().now();
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "WITH due AS (
                 SELECT bal_id FROM publication WHERE state = 'waiting' AND due_at <= $1
                 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
             UPDATE publication p SET fence = p.fence + 1, attempts = p.attempts + 1, due_at = $3
             FROM due, bal b
             WHERE p.bal_id = due.bal_id AND b.id = p.bal_id
             RETURNING p.bal_id, p.fence, p.attempts, p.wanted_at, p.published, p.operation, p.target AS told,
                       b.address, b.kind, b.state AS bal_state, b.holder, b.structure, b.listing, b.description, b.service, b.responsible",
        )
        .bind(now)
        .bind(i64::from(limit))
        .bind(now + lease)
        .fetch_all(self.pool())
        .await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let (bal, fence) = (row.bal_id, row.fence);
            match row.claim(target) {
                Ok(claim) => claims.push(claim),
                // One bad row must not take the others of its claim with it.
                Err(why) => self.refuse_unreadable(bal, fence, &why.to_string()).await?,
            }
        }
        claims.sort_by_key(|claim| (claim.wanted_at, claim.bal));
        Ok(claims)
    }

    async fn refuse_unreadable(&self, bal: i64, fence: i64, why: &str) -> Result<(), StoreError> {
        error!(bal, why, "a BAL cannot be published: its row cannot be read");
        sqlx::query(
            "UPDATE publication SET state = 'refused', reported_at = $3, report = $4 WHERE bal_id = $1 AND fence = $2",
        )
        .bind(bal)
        .bind(fence)
        .bind(self.clock().now())
        .bind(format!("its row cannot be read: {why}"))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Writes down what the target is about to be told, before it is. The claims that are still ours: of the others
    /// it must not be told.
    pub async fn begin_publications(&self, told: &[(&PublicationClaim, Known)]) -> Result<HashSet<BalId>, StoreError> {
        let begun: Vec<i64> = sqlx::query_scalar(
            "UPDATE publication p SET published = begun.published, target = begun.target
             FROM unnest($1::bigint[], $2::bigint[], $3::jsonb[], $4::text[]) AS begun (bal_id, fence, published, target)
             WHERE p.bal_id = begun.bal_id AND p.fence = begun.fence
             RETURNING p.bal_id",
        )
        .bind(told.iter().map(|(claim, _)| claim.bal.0).collect::<Vec<_>>())
        .bind(told.iter().map(|(claim, _)| claim.fence).collect::<Vec<_>>())
        .bind(told.iter().map(|(_, known)| Json(known)).collect::<Vec<_>>())
        .bind(told.iter().map(|(claim, _)| claim.target.as_str()).collect::<Vec<_>>())
        .fetch_all(self.pool())
        .await?;
        Ok(begun.into_iter().map(BalId).collect())
    }

    /// Writes down how they ended, in one statement and one transaction. The claims that were still ours: whoever has
    /// the others tells the target again.
    pub async fn settle_publications(
        &self,
        ended: &[(&PublicationClaim, &PublicationResult)],
    ) -> Result<HashSet<BalId>, StoreError> {
        let now = self.clock().now();
        let known = |result: &PublicationResult| (result.known != Known::Nothing).then(|| Json(result.known.clone()));
        let mut transaction = self.pool().begin().await?;
        let settled: Vec<i64> = sqlx::query_scalar(
            "UPDATE publication p
             SET state = e.state, published = e.published, target = e.target, operation = coalesce(e.operation, p.operation),
                 reported_at = $1, report = e.report, due_at = e.due_at,
                 attempts = CASE WHEN e.state = 'waiting' THEN p.attempts ELSE 0 END, fence = p.fence + 1
             FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::text[],
                         $9::timestamptz[])
                  AS e (bal_id, fence, target, state, published, operation, report, due_at)
             WHERE p.bal_id = e.bal_id AND p.fence = e.fence
             RETURNING p.bal_id",
        )
        .bind(now)
        .bind(ended.iter().map(|(claim, _)| claim.bal.0).collect::<Vec<_>>())
        .bind(ended.iter().map(|(claim, _)| claim.fence).collect::<Vec<_>>())
        .bind(ended.iter().map(|(claim, _)| claim.target.as_str()).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, result)| result.state.word()).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, result)| known(result)).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, result)| result.operation.map(Operation::word)).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, result)| result.report.as_str()).collect::<Vec<_>>())
        .bind(ended.iter().map(|(_, result)| result.due_at.unwrap_or(now)).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await?;
        let settled: HashSet<BalId> = settled.into_iter().map(BalId).collect();
        let traces: Vec<Trace> = ended
            .iter()
            .filter(|(claim, _)| settled.contains(&claim.bal))
            .filter_map(|(claim, result)| self.publication_trace(claim, result))
            .collect();
        trace::insert_all(&traces, &mut transaction).await?;
        transaction.commit().await?;
        Ok(settled)
    }

    /// The line of the audit trail.
    fn publication_trace(&self, claim: &PublicationClaim, result: &PublicationResult) -> Option<Trace> {
        let detail = json!({ "operation": result.operation, "report": result.report });
        Some(self.trace(event(result)?).of_bal(claim.bal).with(detail))
    }

    /// Gives claims back that were not tried: due at once, and the attempt is not counted.
    pub async fn release_publications(&self, claims: &[PublicationClaim]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE publication p SET due_at = $3, attempts = greatest(p.attempts - 1, 0)
             FROM unnest($1::bigint[], $2::bigint[]) AS held (bal_id, fence)
             WHERE p.bal_id = held.bal_id AND p.fence = held.fence",
        )
        .bind(claims.iter().map(|claim| claim.bal.0).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.fence).collect::<Vec<_>>())
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Makes publications due now: that of one BAL whatever its state, or all that wait or were refused. Returns how many.
    pub async fn retry_publications(&self, address: Option<&Address>) -> Result<u64, StoreError> {
        let done = sqlx::query(
            // Whoever names a BAL wants the directory told, also of what we take it to have: it may have lost it.
            "UPDATE publication p SET state = 'waiting', due_at = $2, attempts = 0, fence = p.fence + 1,
                    published = CASE WHEN $1::text IS NOT NULL AND p.published->>'known' = 'surely'
                        THEN jsonb_set(p.published, '{known}', '\"perhaps\"') ELSE p.published END
             FROM bal b
             WHERE b.id = p.bal_id
               AND CASE WHEN $1::text IS NULL THEN p.state IN ('waiting', 'refused') ELSE b.address_key = $1 END",
        )
        .bind(address.map(Address::key))
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Publications as they stand, by address, at most `limit`: those in one of the states, or that of one BAL.
    pub async fn publications(&self, which: PublicationFilter<'_>, limit: u32) -> Result<Vec<Publication>, StoreError> {
        let (address, states) = match which {
            PublicationFilter::Of(address) => (Some(address.key()), PublicationState::ALL.as_slice()),
            PublicationFilter::In(states) => (None, states),
        };
        let rows: Vec<PublicationRow> = sqlx::query_as(
            "SELECT b.address, b.kind, p.state, p.wanted_at, p.due_at, p.attempts, p.published, p.target, p.operation,
                    p.reported_at, p.report
             FROM publication p JOIN bal b ON b.id = p.bal_id
             WHERE ($1::text IS NULL OR b.address_key = $1) AND p.state = ANY ($2)
             ORDER BY b.address_key LIMIT $3",
        )
        .bind(address)
        .bind(states.iter().map(|state| state.word()).collect::<Vec<_>>())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// How many publications are in which state; states without any are left out.
    pub async fn publication_counts(&self) -> Result<BTreeMap<PublicationState, u64>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM publication GROUP BY state").fetch_all(self.pool()).await?;
        let count = |(word, count): (String, i64)| Ok((PublicationState::of_word(&word)?, count.unsigned_abs()));
        rows.into_iter().map(count).collect()
    }
}

/// The word in the audit trail; what waits is not worth a line.
fn event(result: &PublicationResult) -> Option<Event> {
    match result.state {
        PublicationState::Waiting => None,
        PublicationState::HandedOver | PublicationState::Published | PublicationState::Withdrawn
            if result.operation.is_none() =>
        {
            None
        }
        PublicationState::HandedOver => Some(Event::PublicationHandedOver),
        PublicationState::Published => Some(Event::PublicationPublished),
        PublicationState::Withdrawn => Some(Event::PublicationWithdrawn),
        PublicationState::Refused => Some(Event::PublicationRefused),
    }
}
