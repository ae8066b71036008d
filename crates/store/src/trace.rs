//! The audit trail. Lines are only ever added, in the transaction of what they tell; they wait in an inbox until a node
//! enters them into the chain.

#![allow(clippy::similar_names, reason = "lines and links are what there is")]

mod actor;
mod check;
mod count;
mod emptied;
mod entering;
mod event;
mod export;
mod file;
mod follow;
mod indicators;
mod line;
mod links;
mod list;
mod removal;
mod retention;
mod rows;
mod verify;

use std::borrow::Cow;

use mssante::BalId;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{MessageId, Store, StoreError};

pub use actor::Actor;
pub use check::{Fault, Finding};
pub use entering::Entered;
pub use event::{Event, EventClass};
pub use export::{ExportedTraces, TraceFormat, check_export};
pub use follow::Followed;
pub use indicators::{Indicators, MonthCount, SoftwareCount};
pub use list::{TraceFilter, TraceRecord};
pub use retention::{Retained, Retentions};
pub use verify::{Verification, Witness};

/// One line of the audit trail. Never anything of a message's content: no subject, no file name, no text.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub(crate) at: OffsetDateTime,
    pub(crate) event: Event,
    pub(crate) actor: Actor,
    pub(crate) delegated: Option<Cow<'static, str>>,
    pub(crate) message: Option<MessageId>,
    pub(crate) bal: Option<BalId>,
    pub(crate) peer: Option<String>,
    pub(crate) detail: Option<String>,
}

impl Trace {
    /// A line about something that pli did by itself at `at`.
    pub fn new(at: OffsetDateTime, event: Event) -> Self {
        Self { at, event, actor: Actor::Node, delegated: None, message: None, bal: None, peer: None, detail: None }
    }

    /// Who did it.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// It was done on the BAL by a delegate, under this right.
    #[must_use]
    pub fn under(self, right: impl Into<Cow<'static, str>>) -> Self {
        Self { delegated: Some(right.into()), ..self }
    }

    /// About a message.
    #[must_use]
    pub fn of_message(self, message: MessageId) -> Self {
        Self { message: Some(message), ..self }
    }

    /// On which BAL.
    #[must_use]
    pub fn of_bal(self, bal: BalId) -> Self {
        Self { bal: Some(bal), ..self }
    }

    /// The other side: the key of a peer operator's DN, or a host.
    #[must_use]
    pub fn with_peer(self, peer: impl Into<String>) -> Self {
        Self { peer: Some(peer.into()), ..self }
    }

    /// What else is to be known: a flat object of words and numbers.
    #[must_use]
    pub fn with(self, detail: Value) -> Self {
        Self { detail: Some(storable(detail).to_string()), ..self }
    }

    pub(crate) async fn insert(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        Ok(insert_all(&[self], connection).await?)
    }
}

/// Without NUL, which PostgreSQL's JSON cannot hold.
fn storable(value: Value) -> Value {
    let tame = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    match value {
        Value::String(text) => Value::String(tame(text)),
        Value::Array(values) => values.into_iter().map(storable).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (tame(name), storable(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Octets of lower-case hexadecimal digits.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let octet = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(octet).collect())?
}

/// Adds the lines in one statement.
pub(crate) async fn insert_all(traces: &[Trace], connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO trace_inbox (at, event, actor, delegated, message_id, bal_id, peer, detail)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                              $7::text[], $8::text[])",
    )
    .bind(traces.iter().map(|trace| trace.at).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.event.word()).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.actor.to_string()).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.delegated.as_deref()).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.message.map(|id| id.0)).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.bal.map(|id| id.0)).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.peer.as_deref()).collect::<Vec<_>>())
    .bind(traces.iter().map(|trace| trace.detail.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// A line about something that happens now, done by whoever this handle acts for.
    pub fn trace(&self, event: Event) -> Trace {
        Trace::new(self.clock().now(), event).by(self.actor().clone())
    }

    /// Adds lines that tell of nothing else in the database, all in one statement.
    pub async fn record(&self, traces: &[Trace]) -> Result<(), StoreError> {
        if traces.is_empty() {
            return Ok(());
        }
        let mut connection = self.pool().acquire().await?;
        Ok(insert_all(traces, &mut connection).await?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_compact_and_their_names_in_order() {
        let trace = Trace::new(OffsetDateTime::UNIX_EPOCH, Event::BalEdited);
        let detail = trace.with(json!({ "z": 1, "a": { "y": "x\0", "b": [null, true] } })).detail.unwrap();
        assert_eq!(detail, "{\"a\":{\"b\":[null,true],\"y\":\"x\u{fffd}\"},\"z\":1}");
    }
}
