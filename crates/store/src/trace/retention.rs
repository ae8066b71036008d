//! Taking contents away when their time is over. A line of the trail says so first: whoever verifies the chain knows by
//! it which contents may be gone.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime, Time};

use super::removal::Removal;
use crate::{Event, EventClass, Store, StoreError};

/// How long contents are kept, by class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retentions(pub BTreeMap<EventClass, Duration>);

impl Default for Retentions {
    fn default() -> Self {
        Self(EventClass::ALL.into_iter().map(|class| (class, class.default_retention())).collect())
    }
}

/// Lines that one statement empties.
const BATCH: i64 = 2_000;
/// Lines are looked for so far before what is known to be empty already: some come late.
const LATE: Duration = Duration::days(7);

impl Store {
    /// Announces what is over, and takes away what was announced before and is in the chain by now. Returns how many
    /// lines lost their content. To be called once an hour or so, by any number of nodes.
    pub async fn retain_traces(&self, retentions: &Retentions) -> Result<u64, StoreError> {
        let mut emptied = 0;
        for (class, kept) in &retentions.0 {
            emptied += self.empty(*class).await?;
            let before = (self.clock().now() - *kept).replace_time(Time::MIDNIGHT);
            self.announce(*class, before).await?;
        }
        Ok(emptied)
    }

    /// Says once a day that contents of a class before a time may go, if there are any.
    async fn announce(&self, class: EventClass, before: OffsetDateTime) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("LOCK TABLE trace_retention IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
        let state = state(&mut transaction, class).await?;
        if state.is_some_and(|(announced, _)| announced >= before)
            || !self.any_before(&mut transaction, class, state.and_then(|(_, removed)| removed), before).await?
        {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO trace_retention (class, announced) VALUES ($1, $2)
             ON CONFLICT (class) DO UPDATE SET announced = excluded.announced",
        )
        .bind(class.word())
        .bind(before)
        .execute(&mut *transaction)
        .await?;
        let detail = Removal { class, before }.detail(self.keyring());
        self.trace(Event::AuditRemoval).with(detail).insert(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn any_before(
        &self,
        connection: &mut PgConnection,
        class: EventClass,
        removed: Option<OffsetDateTime>,
        before: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let any = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT FROM trace_line WHERE at >= $2 AND at < $3 AND event = ANY ($1) AND salt IS NOT NULL)",
        )
        .bind(removable(class))
        .bind(since(removed))
        .bind(before)
        .fetch_one(connection)
        .await?;
        Ok(any)
    }

    /// Takes away what was announced, a little at a time.
    async fn empty(&self, class: EventClass) -> Result<u64, StoreError> {
        let mut connection = self.pool().acquire().await?;
        let Some((announced, removed)) = state(&mut connection, class).await? else { return Ok(0) };
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM trace_inbox WHERE event = $1)")
            .bind(Event::AuditRemoval.word())
            .fetch_one(&mut *connection)
            .await?;
        if waits || removed.is_some_and(|removed| removed >= announced) {
            return Ok(0);
        }
        let mut emptied = 0;
        loop {
            let done = sqlx::query(
                "UPDATE trace_line SET salt = NULL, actor = NULL, delegated = NULL, message_id = NULL, bal_id = NULL,
                        peer = NULL, detail = NULL
                 WHERE number IN (
                     SELECT number FROM trace_line
                     WHERE at >= $2 AND at < $3 AND event = ANY ($1) AND salt IS NOT NULL LIMIT $4)",
            )
            .bind(removable(class))
            .bind(since(removed))
            .bind(announced)
            .bind(BATCH)
            .execute(&mut *connection)
            .await?;
            emptied += done.rows_affected();
            if done.rows_affected() < BATCH.unsigned_abs() {
                break;
            }
        }
        sqlx::query("UPDATE trace_retention SET removed = $2 WHERE class = $1 AND announced = $2")
            .bind(class.word())
            .bind(announced)
            .execute(&mut *connection)
            .await?;
        Ok(emptied)
    }
}

/// The events of a class; announcements stay, or nobody could tell any more what was to go.
fn removable(class: EventClass) -> Vec<&'static str> {
    class.events().filter(|word| *word != Event::AuditRemoval.word()).collect()
}

fn since(removed: Option<OffsetDateTime>) -> OffsetDateTime {
    removed.map_or(OffsetDateTime::UNIX_EPOCH, |removed| removed - LATE)
}

async fn state(
    connection: &mut PgConnection,
    class: EventClass,
) -> Result<Option<(OffsetDateTime, Option<OffsetDateTime>)>, StoreError> {
    Ok(sqlx::query_as("SELECT announced, removed FROM trace_retention WHERE class = $1")
        .bind(class.word())
        .fetch_optional(connection)
        .await?)
}
