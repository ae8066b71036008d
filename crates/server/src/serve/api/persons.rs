//! People without a BAL.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use mssante::{Login, PersonState};
use serde::{Deserialize, Serialize};
use store::PersonRecord;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::answer::{Body, Problem};
use super::bals::{NewPassword, parsed};
use super::seen::revision;
use super::state::{Caller, Shared};
use crate::admin::{CreatePerson, MovePerson};

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct PersonView {
    /// Under which he logs in; never changes.
    login: String,
    /// Name shown to people.
    name: String,
    /// Who he is.
    identifier: Option<String>,
    /// active or suspended.
    #[schema(value_type = String, example = "active")]
    state: PersonState,
    /// Why.
    state_reason: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    state_since: OffsetDateTime,
    /// Whether a password is set.
    has_password: bool,
    /// When he was registered.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// Grows with each change; the entity tag.
    revision: i64,
}

impl From<PersonRecord> for PersonView {
    fn from(person: PersonRecord) -> Self {
        Self {
            login: person.login.to_string(),
            name: person.name,
            identifier: person.identifier.map(|identifier| identifier.to_string()),
            state: person.state,
            state_reason: person.state_reason,
            state_since: person.state_since,
            has_password: person.has_password,
            created_at: person.created_at,
            revision: person.revision,
        }
    }
}

/// A person with his revision as entity tag.
fn tagged(person: PersonRecord) -> impl IntoResponse {
    ([(header::ETAG, format!("\"{}\"", person.revision))], Json(PersonView::from(person)))
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPeople {
    /// In this state only: active, suspended.
    #[param(value_type = Option<String>)]
    state: Option<PersonState>,
}

/// People without a BAL, by login.
#[utoipa::path(get, path = "/v1/persons", tag = "persons", params(WhichPeople), responses((status = 200, body = Vec<PersonView>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<WhichPeople>,
) -> Answer<Vec<PersonView>> {
    let people = shared.admin(&caller).people(which.state).await?;
    Ok(Json(people.into_iter().map(Into::into).collect()))
}

/// Registers a person, who can do nothing until a BAL is opened to him.
#[utoipa::path(post, path = "/v1/persons", tag = "persons", request_body = CreatePerson, responses(
    (status = 201, body = PersonView, description = "with Location and ETag"), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn create(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<CreatePerson>,
) -> Result<Response, Problem> {
    let person = shared.admin(&caller).create_person(request).await?;
    let location = format!("/v1/persons/{}", person.login);
    let mut response = (StatusCode::CREATED, tagged(person)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// One person.
#[utoipa::path(get, path = "/v1/persons/{login}", tag = "persons", params(("login" = String, Path)), responses(
    (status = 200, body = PersonView, description = "with an ETag"), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    Ok(tagged(shared.admin(&caller).find_person(&parsed("login", &login)?).await?))
}

/// Whether a person may log in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPersonState {
    /// active or suspended.
    #[schema(value_type = String)]
    state: PersonState,
    /// Why, for the audit trail.
    reason: String,
}

/// Lets a person do nothing for now, or lets him log in again; his open sessions end.
#[utoipa::path(post, path = "/v1/persons/{login}/state", tag = "persons", params(("login" = String, Path),
    ("If-Match" = Option<String>, Header, description = "ETag as seen; 412 if somebody changed the person meanwhile")),
    request_body = NewPersonState,
    responses((status = 200, body = PersonView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn move_state(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    headers: HeaderMap,
    Body(NewPersonState { state, reason }): Body<NewPersonState>,
) -> Result<impl IntoResponse, Problem> {
    let (login, revision): (Login, _) = (parsed("login", &login)?, revision(&headers)?);
    Ok(tagged(shared.admin(&caller).move_person(&login, state, &MovePerson { reason }, revision).await?))
}

/// Sets or replaces the password of a person; his open sessions end.
#[utoipa::path(put, path = "/v1/persons/{login}/password", tag = "persons", params(("login" = String, Path)),
    request_body = NewPassword, responses((status = 200, body = PersonView), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn set_password(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<impl IntoResponse, Problem> {
    let (admin, login) = (shared.admin(&caller), parsed("login", &login)?);
    // Hashing costs: nobody is made to pay for a login that is not there.
    admin.find_person(&login).await?;
    Ok(tagged(admin.set_person_password(&login, password).await?))
}
