//! The audit trail and the indicators, to be read.

use axum::extract::{Query, State};
use axum::{Extension, Json};
use mssante::Address;
use serde::{Deserialize, Serialize};
use store::{Event, EventClass, MessageId, TraceRecord, Witness};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::bals::parsed;
use super::state::{Caller, Shared};
use crate::admin::{AskTraces, Begin, End, LARGEST_PAGE, VerifiedTrail, indicators, message_number, month};

/// A line of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trace)]
pub(super) struct TraceView {
    /// Its number; none while it waits to be entered.
    number: Option<i64>,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: OffsetDateTime,
    /// What happened, e.g. bal.created.
    event: String,
    /// Who, with his kind before a colon, e.g. admin:api:console; none once the content was removed.
    actor: Option<String>,
    /// The right under which a delegate acted.
    delegated: Option<String>,
    /// About which message.
    message: Option<String>,
    /// On which BAL.
    bal: Option<String>,
    /// The other side.
    peer: Option<String>,
    /// What else is known; never content of messages.
    #[schema(value_type = Option<Object>)]
    detail: Option<serde_json::Value>,
    /// Whether retention took the content away.
    removed: bool,
}

impl From<TraceRecord> for TraceView {
    fn from(record: TraceRecord) -> Self {
        Self {
            number: record.number,
            at: record.at,
            event: record.event,
            actor: record.actor,
            delegated: record.delegated,
            message: record.message_id.map(|message| MessageId(message).to_string()),
            bal: record.bal,
            peer: record.peer,
            detail: record.detail,
            removed: record.removed,
        }
    }
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichTraces {
    /// What was done on this BAL, and messages that came to it.
    bal: Option<String>,
    /// Done by this actor: an account, an address, a DN.
    actor: Option<String>,
    /// Of this event only, e.g. bal.created.
    event: Option<String>,
    /// Of this class of events only, e.g. provisioning; not beside event.
    class: Option<String>,
    /// About this message, by its number as replies and Received fields have it, e.g. P3E8.
    message: Option<String>,
    /// From this day (UTC) or moment (RFC 3339) on.
    from: Option<String>,
    /// To this day (with it) or moment (without it).
    to: Option<String>,
    /// The newest so many, up to 1000; 100 without it.
    limit: Option<u32>,
}

/// The newest lines of the trail that are asked for, oldest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(WhichTraces),
    responses((status = 200, body = Vec<TraceView>), (status = 400, body = super::answer::Problem)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<WhichTraces>,
) -> Answer<Vec<TraceView>> {
    let message = which.message.as_deref().map(message_number).transpose();
    let ask = AskTraces {
        bal: which.bal.as_deref().map(|text| parsed::<Address>("bal", text)).transpose()?,
        actor: which.actor,
        event: which.event.as_deref().map(|text| parsed::<Event>("event", text)).transpose()?,
        class: which.class.as_deref().map(|text| parsed::<EventClass>("class", text)).transpose()?,
        message: message.map_err(|why| super::answer::Problem::field("message", &why))?,
        from: which.from.as_deref().map(|text| parsed::<Begin>("from", text)).transpose()?.map(|begin| begin.0),
        to: which.to.as_deref().map(|text| parsed::<End>("to", text)).transpose()?.map(|end| end.0),
        limit: which.limit.unwrap_or(100).clamp(1, LARGEST_PAGE),
    };
    let lines = shared.admin(&caller).traces(ask).await?;
    Ok(Json(lines.into_iter().map(Into::into).collect()))
}

/// Against what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Against {
    /// An end of the chain that an earlier verification told: the chain must still have it.
    expect: Option<String>,
}

/// Verifies that no line of the trail was changed, removed, added or put elsewhere. Reads all of it: minutes for tens of
/// millions of lines.
#[utoipa::path(get, path = "/v1/audit/verification", tag = "audit", params(Against),
    responses((status = 200, body = VerifiedTrail, description = "faults is 0 if it holds"),
        (status = 503, body = super::answer::Problem)))]
pub(super) async fn verify(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(Against { expect }): Query<Against>,
) -> Answer<VerifiedTrail> {
    let expect = expect.as_deref().map(|text| parsed::<Witness>("expect", text)).transpose()?;
    let _turn = shared.turn()?;
    Ok(Json(shared.admin(&caller).verify_trail(shared.data_dir(), expect.into_iter().collect()).await?))
}

/// Of when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct When {
    /// The month, as 2026-10.
    month: String,
}

/// What the BALs of this operator did in a month, without any correspondent; as `pli indicators --format json`.
#[utoipa::path(get, path = "/v1/indicators", tag = "audit", params(When),
    responses((status = 200, body = serde_json::Value), (status = 400, body = super::answer::Problem)))]
pub(super) async fn month_of(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(When { month: text }): Query<When>,
) -> Answer<serde_json::Value> {
    let day = month(&text).map_err(|why| super::answer::Problem::field("month", &why))?;
    Ok(Json(indicators(&shared.admin(&caller).indicators(day).await?)))
}
