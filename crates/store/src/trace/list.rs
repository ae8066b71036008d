//! Reading the trail: entered lines and those that still wait.

use std::collections::BTreeMap;

use mssante::BalId;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
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

/// Lines that were entered, found by `$way`, with what all ways have in common: $1 actors, $2 events, $3 message, $4 from,
/// $5 to, $6 BAL, $7 actor, $8 limit.
macro_rules! entered {
    ($way:literal) => {
        concat!(
            "SELECT t.number, t.at, t.event, t.actor, t.delegated, t.message_id, t.bal_id, b.address AS bal, t.peer,
                    t.detail::jsonb AS detail, t.salt IS NULL AS removed
             FROM trace_line t LEFT JOIN bal b ON b.id = t.bal_id
             WHERE ",
            $way,
            " AND ($1::text[] IS NULL OR t.actor = ANY ($1))
              AND ($2::text[] IS NULL OR t.event = ANY ($2))
              AND ($3::bigint IS NULL OR t.message_id = $3)
              AND ($4::timestamptz IS NULL OR t.at >= $4)
              AND ($5::timestamptz IS NULL OR t.at < $5)"
        )
    };
}

/// How lines are found. Each way has an index of its own that gives the newest first, or few; what a filter asks for
/// may need several.
enum Way<'a> {
    /// Along the numbers.
    All,
    /// What was done on a BAL.
    On(BalId),
    /// What came to a BAL.
    To(BalId),
    /// What an actor did, by the whole text.
    By(&'a str),
}

impl Way<'_> {
    fn sql(&self) -> &'static str {
        match self {
            Self::All => concat!(entered!("true"), " ORDER BY t.number DESC LIMIT $8"),
            Self::On(_) => concat!(entered!("t.bal_id = $6"), " ORDER BY t.number DESC LIMIT $8"),
            Self::By(_) => concat!(entered!("t.actor = $7"), " ORDER BY t.number DESC LIMIT $8"),
            // This index knows no order. All lines of the BAL, then the newest: with the limit inside, PostgreSQL
            // would rather go along the numbers until it has enough, which may be never.
            Self::To(_) => concat!(
                "WITH found AS MATERIALIZED (",
                entered!(
                    "t.event = 'message.accepted' AND t.salt IS NOT NULL AND (t.detail::jsonb)->'bals' @> to_jsonb($6)"
                ),
                ") SELECT * FROM found ORDER BY number DESC LIMIT $8"
            ),
        }
    }

    fn bal(&self) -> Option<i64> {
        match self {
            Self::On(bal) | Self::To(bal) => Some(bal.0),
            Self::All | Self::By(_) => None,
        }
    }

    fn actor(&self) -> Option<&str> {
        match self {
            Self::By(actor) => Some(actor),
            Self::All | Self::On(_) | Self::To(_) => None,
        }
    }
}

impl TraceFilter {
    /// The whole texts that the actor may stand for.
    fn actors(&self) -> Option<Vec<String>> {
        let actor = self.actor.as_ref()?;
        let kinds = ["admin", "bal", "person", "software"].map(|kind| format!("{kind}:{actor}"));
        Some(kinds.into_iter().chain([actor.clone()]).collect())
    }

    fn ways<'a>(&self, actors: Option<&'a Vec<String>>) -> Vec<Way<'a>> {
        match (self.bal, actors) {
            (Some(bal), _) => vec![Way::On(bal), Way::To(bal)],
            (None, Some(actors)) => actors.iter().map(|actor| Way::By(actor)).collect(),
            (None, None) => vec![Way::All],
        }
    }
}

impl Store {
    /// The newest lines that the filter lets through, oldest first; those that wait come last.
    pub async fn traces(&self, filter: &TraceFilter) -> Result<Vec<TraceRecord>, StoreError> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        // Which columns are asked for differs each time, and with it the way to find them.
        sqlx::query("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
        let actors = filter.actors();
        let mut lines = BTreeMap::new();
        for way in filter.ways(actors.as_ref()) {
            for line in entered(&mut transaction, filter, actors.as_ref(), &way).await? {
                lines.insert(line.number, line);
            }
        }
        let mut lines: Vec<_> = lines.into_values().map(TraceRecord::veiled).collect();
        lines.extend(waiting(&mut transaction, filter, actors.as_ref()).await?);
        let surplus = lines.len().saturating_sub(filter.limit as usize);
        Ok(lines.split_off(surplus))
    }
}

async fn entered(
    connection: &mut PgConnection,
    filter: &TraceFilter,
    actors: Option<&Vec<String>>,
    way: &Way<'_>,
) -> Result<Vec<TraceRecord>, StoreError> {
    let rows = sqlx::query_as(way.sql())
        .bind(actors)
        .bind(&filter.events)
        .bind(filter.message.map(|message| message.0))
        .bind(filter.from)
        .bind(filter.to)
        .bind(way.bal())
        .bind(way.actor())
        .bind(i64::from(filter.limit))
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Those that wait to be entered: what came in about the last second.
async fn waiting(
    connection: &mut PgConnection,
    filter: &TraceFilter,
    actors: Option<&Vec<String>>,
) -> Result<Vec<TraceRecord>, StoreError> {
    let mut rows: Vec<TraceRecord> = sqlx::query_as(
        "SELECT NULL::bigint AS number, t.at, t.event, t.actor, t.delegated, t.message_id, t.bal_id, b.address AS bal,
                t.peer, t.detail::jsonb AS detail, false AS removed
         FROM trace_inbox t LEFT JOIN bal b ON b.id = t.bal_id
         WHERE ($1::text[] IS NULL OR t.actor = ANY ($1))
           AND ($2::text[] IS NULL OR t.event = ANY ($2))
           AND ($3::bigint IS NULL OR t.message_id = $3)
           AND ($4::timestamptz IS NULL OR t.at >= $4)
           AND ($5::timestamptz IS NULL OR t.at < $5)
           AND ($6::bigint IS NULL OR t.bal_id = $6
                OR (t.event = 'message.accepted' AND (t.detail::jsonb)->'bals' @> to_jsonb($6)))
         ORDER BY t.id DESC LIMIT $7",
    )
    .bind(actors)
    .bind(&filter.events)
    .bind(filter.message.map(|message| message.0))
    .bind(filter.from)
    .bind(filter.to)
    .bind(filter.bal.map(|bal| bal.0))
    .bind(i64::from(filter.limit))
    .fetch_all(connection)
    .await?;
    rows.reverse();
    Ok(rows)
}
