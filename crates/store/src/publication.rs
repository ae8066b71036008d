//! What the national directory is to be told of our BALs: one row for each, worked on like the queue.

use std::collections::BTreeMap;
use std::time::Duration;

use annuaire::publication::{Facts, Known, Operation};
use mssante::{Address, BalId, BalKind};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tracing::error;

use crate::bal::parsed;
use crate::trace::Event;
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
    /// Tells this claim from later ones, and from changes of the BAL.
    pub fence: i64,
    /// How often it was tried in a row, this time included.
    pub attempts: u32,
    /// When what is to be published last changed.
    pub wanted_at: OffsetDateTime,
    /// What the BAL is.
    pub facts: Facts,
    /// What the directory is known to have of it.
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
    /// What the directory is known to have.
    pub known: Known,
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

impl TryFrom<ClaimRow> for PublicationClaim {
    type Error = StoreError;

    fn try_from(row: ClaimRow) -> Result<Self, StoreError> {
        Ok(Self {
            bal: BalId(row.bal_id),
            fence: row.fence,
            attempts: row.attempts.unsigned_abs(),
            wanted_at: row.wanted_at,
            known: row.published.map(|known| known.0).unwrap_or_default(),
            facts: Facts {
                address: parsed(&row.address)?,
                kind: parsed(&row.kind)?,
                state: parsed(&row.bal_state)?,
                holder: row.holder.as_deref().map(parsed).transpose()?,
                structure: row.structure.as_deref().map(parsed).transpose()?,
                listing: parsed(&row.listing)?,
                description: row.description,
                service: row.service,
                responsible: row.responsible,
            },
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
    /// Claims publications that are due, at most `limit`, the oldest first. Nobody else works on them until `lease` is over.
    pub async fn claim_publications(&self, limit: u32, lease: Duration) -> Result<Vec<PublicationClaim>, StoreError> {
        let now = self.clock().now();
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "WITH due AS (
                 SELECT bal_id FROM publication WHERE state = 'waiting' AND due_at <= $1
                 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
             UPDATE publication p SET fence = p.fence + 1, attempts = p.attempts + 1, due_at = $3
             FROM due, bal b
             WHERE p.bal_id = due.bal_id AND b.id = p.bal_id
             RETURNING p.bal_id, p.fence, p.attempts, p.wanted_at, p.published, b.address, b.kind,
                       b.state AS bal_state, b.holder, b.structure, b.listing, b.description, b.service, b.responsible",
        )
        .bind(now)
        .bind(i64::from(limit))
        .bind(now + lease)
        .fetch_all(self.pool())
        .await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let (bal, fence) = (row.bal_id, row.fence);
            match PublicationClaim::try_from(row) {
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

    /// Writes down what the directory is about to be told, before it is. False if the claim is not ours any more:
    /// then it must not be told.
    pub async fn begin_publication(&self, claim: &PublicationClaim, known: &Known) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE publication SET published = $3 WHERE bal_id = $1 AND fence = $2")
            .bind(claim.bal.0)
            .bind(claim.fence)
            .bind(Json(known))
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Writes down how it ended. False if the claim is not ours any more: whoever has it tells the directory again.
    pub async fn settle_publication(
        &self,
        claim: &PublicationClaim,
        result: &PublicationResult,
    ) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let known = (result.known != Known::Nothing).then_some(Json(&result.known));
        let waits = result.state == PublicationState::Waiting;
        let mut transaction = self.pool().begin().await?;
        let done = sqlx::query(
            "UPDATE publication
             SET state = $3, published = $4, operation = coalesce($5, operation), reported_at = $6, report = $7,
                 due_at = $8, attempts = CASE WHEN $9 THEN attempts ELSE 0 END, fence = fence + 1
             WHERE bal_id = $1 AND fence = $2",
        )
        .bind(claim.bal.0)
        .bind(claim.fence)
        .bind(result.state.word())
        .bind(known)
        .bind(result.operation.map(Operation::word))
        .bind(now)
        .bind(&result.report)
        .bind(result.due_at.unwrap_or(now))
        .bind(waits)
        .execute(&mut *transaction)
        .await?;
        let settled = done.rows_affected() > 0;
        if let (true, Some(event)) = (settled, event(result)) {
            let detail = json!({ "operation": result.operation, "report": result.report });
            self.trace(event).of_bal(claim.bal).with(detail).insert(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(settled)
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

    /// Publications as they stand, by address: all, those in a state, or that of one BAL.
    pub async fn publications(
        &self,
        address: Option<&Address>,
        state: Option<PublicationState>,
    ) -> Result<Vec<Publication>, StoreError> {
        let rows: Vec<PublicationRow> = sqlx::query_as(
            "SELECT b.address, b.kind, p.state, p.wanted_at, p.due_at, p.attempts, p.published, p.operation,
                    p.reported_at, p.report
             FROM publication p JOIN bal b ON b.id = p.bal_id
             WHERE ($1::text IS NULL OR b.address_key = $1) AND ($2::text IS NULL OR p.state = $2)
             ORDER BY b.address_key",
        )
        .bind(address.map(Address::key))
        .bind(state.map(PublicationState::word))
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
