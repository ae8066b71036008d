//! Reading the trail: entered lines and those that still wait.

use mssante::BalId;
use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::{EventClass, MessageId, Store, StoreError};

/// Which lines to show.
#[derive(Debug, Clone, Default)]
pub struct TraceFilter {
    /// Of this BAL: what was done on it, and messages that came to it.
    pub bal: Option<BalId>,
    /// Done by this actor: the whole text, or what comes after its kind (`admin:`, `bal:` …).
    pub actor: Option<String>,
    /// Of these events.
    pub events: Option<Vec<String>>,
    /// About this message.
    pub message: Option<MessageId>,
    /// From this moment on.
    pub from: Option<OffsetDateTime>,
    /// Before this moment.
    pub to: Option<OffsetDateTime>,
    /// The newest so many.
    pub limit: u32,
}

impl TraceFilter {
    /// Of all events of a class.
    #[must_use]
    pub fn of_class(self, class: EventClass) -> Self {
        Self { events: Some(class.events().map(str::to_owned).collect()), ..self }
    }
}

/// A line as it is read.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct TraceRecord {
    /// Its number; none while it waits to be entered.
    pub number: Option<i64>,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The word.
    pub event: String,
    /// Who; see [`crate::Actor`]. None once the content was removed.
    pub actor: Option<String>,
    /// The right under which a delegate acted.
    pub delegated: Option<String>,
    /// About which message.
    pub message_id: Option<i64>,
    /// On which BAL.
    pub bal_id: Option<i64>,
    /// Its address.
    pub bal: Option<String>,
    /// The other side.
    pub peer: Option<String>,
    /// What else is known.
    pub detail: Option<serde_json::Value>,
    /// Whether retention took the content away.
    pub removed: bool,
}

impl TraceRecord {
    /// Without what stands where a content was removed: no pli wrote it, and nothing vouches for it.
    fn veiled(self) -> Self {
        if !self.removed {
            return self;
        }
        Self {
            actor: None,
            delegated: None,
            message_id: None,
            bal_id: None,
            bal: None,
            peer: None,
            detail: None,
            ..self
        }
    }
}

impl Store {
    /// The newest lines that the filter lets through, oldest first.
    pub async fn traces(&self, filter: &TraceFilter) -> Result<Vec<TraceRecord>, StoreError> {
        let mut transaction = self.pool().begin().await?;
        // Which columns are asked for differs each time, and with it the way to find them.
        sqlx::query("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
        let mut rows: Vec<TraceRecord> = sqlx::query_as(
            "SELECT t.number, t.at, t.event, t.actor, t.delegated, t.message_id, t.bal_id, b.address AS bal, t.peer,
                    t.detail, t.removed
             FROM trace t LEFT JOIN bal b ON b.id = t.bal_id
             WHERE ($1::bigint IS NULL OR t.bal_id = $1
                    OR (t.event = 'message.accepted' AND t.detail->'bals' @> to_jsonb($1)))
               AND ($2::text IS NULL OR t.actor = $2 OR t.actor LIKE '%:' || replace(replace($2, '_', '\\_'), '%', '\\%'))
               AND ($3::text[] IS NULL OR t.event = ANY ($3))
               AND ($4::bigint IS NULL OR t.message_id = $4)
               AND ($5::timestamptz IS NULL OR t.at >= $5)
               AND ($6::timestamptz IS NULL OR t.at < $6)
             ORDER BY t.id DESC LIMIT $7",
        )
        .bind(filter.bal.map(|bal| bal.0))
        .bind(&filter.actor)
        .bind(&filter.events)
        .bind(filter.message.map(|message| message.0))
        .bind(filter.from)
        .bind(filter.to)
        .bind(i64::from(filter.limit))
        .fetch_all(&mut *transaction)
        .await?;
        rows.reverse();
        Ok(rows.into_iter().map(TraceRecord::veiled).collect())
    }
}
