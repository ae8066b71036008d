//! BALs.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use mssante::{Address, BalKind, BalState, PatientMail, QuotaChoice, StructureId};
use serde::Deserialize;
use store::{BalRecord, BalSearch};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::answer::{Body, Problem};
use super::seen::revision;
use super::state::{Caller, Shared};
use super::views::{BalView, PageView};
use crate::admin::{ChangeBal, CreateBal, MoveBal, Occupancy, Password};

/// Which BALs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this kind only: PER, ORG, APP, CAB.
    #[param(value_type = Option<String>)]
    kind: Option<BalKind>,
    /// In this state only.
    #[param(value_type = Option<String>)]
    state: Option<BalState>,
    /// Of this structure only: 1 and its FINESS, or 3 and its SIRET.
    structure: Option<String>,
    /// Words of the address, the name or what is said of it; accents and capitals do not matter.
    text: Option<String>,
    /// Open, and opened by nobody since this moment (RFC 3339).
    inactive_since: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Most BALs of a page, up to 1000; 100 without it.
    limit: Option<u32>,
}

/// BALs, by address and page by page.
#[utoipa::path(get, path = "/v1/bals", tag = "bals", params(Which), responses((status = 200, body = PageView), (status = 400, body = Problem)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<Which>,
) -> Answer<PageView> {
    let structure = which.structure.map(|text: String| parsed::<StructureId>("structure", &text)).transpose()?;
    let after = which.after.map(|text: String| parsed::<Address>("after", &text)).transpose()?;
    let inactive_since = which.inactive_since.as_deref().map(moment).transpose()?;
    let search = BalSearch { kind: which.kind, state: which.state, structure, inactive_since, text: which.text, after };
    let page = shared.admin(&caller).search(&search, which.limit.unwrap_or(100)).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Json(PageView { bals: page.bals.into_iter().map(Into::into).collect(), next }))
}

pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::field(name, &error))
}

fn moment(text: &str) -> Result<OffsetDateTime, Problem> {
    let wrong = || Problem::field("inactive_since", &format!("'{text}' is not a moment such as 2026-01-31T00:00:00Z"));
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())
}

/// Creates a BAL with its default folders.
#[utoipa::path(post, path = "/v1/bals", tag = "bals", request_body = CreateBal, responses(
    (status = 201, body = BalView, description = "Location and ETag of the BAL"), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn create(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<CreateBal>,
) -> Result<Response, Problem> {
    let bal = shared.admin(&caller).create(request).await?;
    let location = format!("/v1/bals/{}", bal.address);
    let mut response = (StatusCode::CREATED, tagged(bal)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A BAL with its revision as entity tag.
fn tagged(bal: BalRecord) -> impl IntoResponse {
    ([(header::ETAG, format!("\"{}\"", bal.revision))], Json(BalView::from(bal)))
}

/// One BAL.
#[utoipa::path(get, path = "/v1/bals/{address}", tag = "bals", params(("address" = String, Path)), responses(
    (status = 200, body = BalView, description = "with an ETag"), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    Ok(tagged(shared.admin(&caller).find(&parsed("address", &address)?).await?))
}

/// Says anew what a BAL is for. What is left out stays; an empty text takes it away.
#[utoipa::path(patch, path = "/v1/bals/{address}", tag = "bals", params(("address" = String, Path),
    ("If-Match" = Option<String>, Header, description = "ETag as seen; 412 if somebody changed the BAL meanwhile")),
    request_body = ChangeBal, responses((status = 200, body = BalView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn change(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    headers: HeaderMap,
    Body(request): Body<ChangeBal>,
) -> Result<impl IntoResponse, Problem> {
    let revision = revision(&headers)?;
    Ok(tagged(shared.admin(&caller).change(&parsed("address", &address)?, request, revision).await?))
}

/// A step in the life of a BAL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewState {
    /// active, suspended or closed.
    #[schema(value_type = String)]
    state: BalState,
    /// Why, for the audit trail.
    reason: String,
}

/// Suspends, reopens or closes a BAL.
#[utoipa::path(post, path = "/v1/bals/{address}/state", tag = "bals", params(("address" = String, Path),
    ("If-Match" = Option<String>, Header, description = "ETag as seen; 412 if somebody changed the BAL meanwhile")),
    request_body = NewState, responses((status = 200, body = BalView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn move_state(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    headers: HeaderMap,
    Body(NewState { state, reason }): Body<NewState>,
) -> Result<impl IntoResponse, Problem> {
    let (address, revision) = (parsed("address", &address)?, revision(&headers)?);
    Ok(tagged(shared.admin(&caller).move_to(&address, state, &MoveBal { reason }, revision).await?))
}

/// What a BAL may hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuota {
    /// A size such as "2 GiB", "default" (as much as its kind), "none".
    #[schema(value_type = String, example = "2 GiB")]
    quota: QuotaChoice,
}

/// Says what a BAL may hold.
#[utoipa::path(put, path = "/v1/bals/{address}/quota", tag = "bals", params(("address" = String, Path),
    ("If-Match" = Option<String>, Header, description = "ETag as seen; 412 if somebody changed the BAL meanwhile")),
    request_body = NewQuota, responses((status = 200, body = BalView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn set_quota(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    headers: HeaderMap,
    Body(NewQuota { quota }): Body<NewQuota>,
) -> Result<impl IntoResponse, Problem> {
    let (address, revision) = (parsed("address", &address)?, revision(&headers)?);
    Ok(tagged(shared.admin(&caller).set_quota(&address, quota, revision).await?))
}

/// What a BAL holds, beside what it may hold.
#[utoipa::path(get, path = "/v1/bals/{address}/quota", tag = "bals", params(("address" = String, Path)),
    responses((status = 200, body = Occupancy), (status = 404, body = Problem)))]
pub(super) async fn occupancy(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Answer<Occupancy> {
    let admin = shared.admin(&caller);
    let bal = admin.find(&parsed("address", &address)?).await?;
    Ok(Json(admin.occupancy(&bal).await?))
}

/// A password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// At least 12 characters.
    #[schema(value_type = String, format = Password)]
    pub(super) password: Password,
}

/// Sets or replaces the password of a BAL.
#[utoipa::path(put, path = "/v1/bals/{address}/password", tag = "bals", params(("address" = String, Path)),
    request_body = NewPassword, responses((status = 200, body = BalView), (status = 422, body = Problem)))]
pub(super) async fn set_password(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<impl IntoResponse, Problem> {
    Ok(tagged(shared.admin(&caller).set_password(&parsed("address", &address)?, password).await?))
}

/// What a BAL takes of patients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPatientMail {
    /// answers, or prescriptions (a pharmacy).
    #[schema(value_type = String, example = "answers")]
    takes: PatientMail,
}

/// Says what a BAL takes of patients who write unasked.
#[utoipa::path(put, path = "/v1/bals/{address}/patient-mail", tag = "bals", params(("address" = String, Path),
    ("If-Match" = Option<String>, Header, description = "ETag as seen; 412 if somebody changed the BAL meanwhile")),
    request_body = NewPatientMail,
    responses((status = 200, body = BalView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn set_patient_mail(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    headers: HeaderMap,
    Body(NewPatientMail { takes }): Body<NewPatientMail>,
) -> Result<impl IntoResponse, Problem> {
    let (address, revision) = (parsed("address", &address)?, revision(&headers)?);
    Ok(tagged(shared.admin(&caller).set_patient_mail(&address, takes, revision).await?))
}
