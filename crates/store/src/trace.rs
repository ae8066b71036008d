//! The audit trail: rows that are only ever added, in the transaction of what they tell.

use mssante::BalId;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{MessageId, StoreError};

/// One line of the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) at: OffsetDateTime,
    pub(crate) event: &'static str,
    pub(crate) message: Option<MessageId>,
    pub(crate) bal: Option<BalId>,
    pub(crate) peer: Option<String>,
    pub(crate) detail: Option<Value>,
}

impl Trace {
    /// A line for `event`, a stable word for machines.
    pub(crate) fn new(at: OffsetDateTime, event: &'static str) -> Self {
        Self { at, event, message: None, bal: None, peer: None, detail: None }
    }

    pub(crate) fn of_message(mut self, message: MessageId) -> Self {
        self.message = Some(message);
        self
    }

    pub(crate) fn of_bal(mut self, bal: BalId) -> Self {
        self.bal = Some(bal);
        self
    }

    /// The other side: the key of a peer operator's DN, or a host.
    pub(crate) fn with_peer(mut self, peer: impl Into<String>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    pub(crate) fn with(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    pub(crate) async fn insert(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        Ok(insert_all(&[self], connection).await?)
    }
}

/// Adds the lines in one statement.
pub(crate) async fn insert_all(traces: &[Trace], connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO trace (at, event, message_id, bal_id, peer, detail)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[])",
    )
    .bind(traces.iter().map(|trace| trace.at).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.event).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.message.map(|id| id.0)).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.bal.map(|id| id.0)).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.peer.as_deref()).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.detail.clone()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
