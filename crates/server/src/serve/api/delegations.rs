//! BALs that are opened to others.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use mssante::{Address, Rights};
use serde::{Deserialize, Serialize};
use store::{DelegateName, DelegationRecord};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::answer::{Body, Problem};
use super::bals::parsed;
use super::seen;
use super::state::{Caller, Shared};
use crate::admin::{Begin, End, EndDelegation, GiveDelegation};

/// A BAL that is, or was, open to somebody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delegation)]
pub(super) struct DelegationView {
    /// Its number, which is its entity tag; other rights or dates are another delegation.
    id: i64,
    /// The BAL.
    bal: String,
    /// To whom: a person's login, or the address of a nominative BAL.
    delegate: String,
    /// What he may do, with commas: read, write, send-as, send-on-behalf.
    rights: String,
    /// From when on.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    valid_from: OffsetDateTime,
    /// Until when.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_until: Option<OffsetDateTime>,
    /// Who gave it.
    given_by: String,
    /// Why.
    reason: String,
    /// When it was given.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// When it was taken away or replaced.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<OffsetDateTime>,
    /// By whom.
    ended_by: Option<String>,
    /// Why.
    end_reason: Option<String>,
}

impl From<DelegationRecord> for DelegationView {
    fn from(record: DelegationRecord) -> Self {
        Self {
            id: record.id.0,
            bal: record.bal.to_string(),
            delegate: record.delegate.to_string(),
            rights: record.rights.to_string(),
            valid_from: record.valid_from,
            valid_until: record.valid_until,
            given_by: record.given_by,
            reason: record.reason,
            created_at: record.created_at,
            ended_at: record.ended_at,
            ended_by: record.ended_by,
            end_reason: record.end_reason,
        }
    }
}

fn tagged(record: DelegationRecord) -> impl IntoResponse {
    ([(header::ETAG, format!("\"{}\"", record.id))], Json(DelegationView::from(record)))
}

/// Which delegations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichDelegations {
    /// Of this BAL only.
    bal: Option<String>,
    /// To this person (login) or holder (address of his BAL) only.
    of: Option<String>,
    /// Also those that were taken away or replaced.
    #[serde(default)]
    all: bool,
}

/// To whom BALs are open.
#[utoipa::path(get, path = "/v1/delegations", tag = "delegations", params(WhichDelegations),
    responses((status = 200, body = Vec<DelegationView>), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<WhichDelegations>,
) -> Answer<Vec<DelegationView>> {
    let bal = which.bal.as_deref().map(|text| parsed::<Address>("bal", text)).transpose()?;
    let of = which.of.as_deref().map(|text| parsed::<DelegateName>("of", text)).transpose()?;
    let found = shared.admin(&caller).delegations(bal.as_ref(), of.as_ref(), which.all).await?;
    Ok(Json(found.into_iter().map(Into::into).collect()))
}

/// What somebody may do on a BAL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    /// With commas: read, write, send-as, send-on-behalf.
    #[schema(example = "read,write")]
    rights: String,
    /// From this day on (UTC), or from this moment; now without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-12-01")]
    from: Option<Begin>,
    /// To the end of this day (UTC), or until this moment; until it is taken away without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-12-31")]
    until: Option<End>,
    /// Why, for the audit trail.
    reason: String,
}

/// Opens a BAL to a person (login) or to the holder of a nominative BAL (address). What he had on it until now ends.
#[utoipa::path(put, path = "/v1/bals/{address}/delegations/{delegate}", tag = "delegations",
    params(("address" = String, Path), ("delegate" = String, Path),
        ("If-Match" = Option<String>, Header, description = "ETag of the delegation as seen; 412 if it is another one by now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: 412 if he has one on this BAL already")),
    request_body = Opening,
    responses((status = 200, body = DelegationView, description = "with an ETag"), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn give(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, delegate)): Path<(String, String)>,
    headers: HeaderMap,
    Body(Opening { rights, from, until, reason }): Body<Opening>,
) -> Result<impl IntoResponse, Problem> {
    let (bal, to) = (parsed("address", &address)?, parsed("delegate", &delegate)?);
    let rights: Rights = parsed("rights", &rights)?;
    let request = GiveDelegation { bal, to, rights, from, until, reason };
    Ok(tagged(shared.admin(&caller).delegate(request, seen::delegation(&headers)?).await?))
}

/// Why a delegation is taken away.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// For the audit trail.
    reason: String,
}

/// Takes away what somebody may do on a BAL; his open sessions on it end.
#[utoipa::path(delete, path = "/v1/bals/{address}/delegations/{delegate}", tag = "delegations",
    params(("address" = String, Path), ("delegate" = String, Path), Why,
        ("If-Match" = Option<String>, Header, description = "ETag of the delegation as seen; 412 if it is another one by now")),
    responses((status = 200, body = DelegationView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn end(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, delegate)): Path<(String, String)>,
    Query(Why { reason }): Query<Why>,
    headers: HeaderMap,
) -> Answer<DelegationView> {
    let (bal, of) = (parsed("address", &address)?, parsed("delegate", &delegate)?);
    let ended =
        shared.admin(&caller).undelegate(&EndDelegation { bal, of, reason }, seen::delegation(&headers)?).await?;
    Ok(Json(ended.into()))
}
