//! Many BALs by a list.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use mssante::Address;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::Problem;
use super::state::{Caller, Shared};
use crate::admin::{AdminError, Done, Invalid, KeepPasswords, Password, Plan, Sink};

/// What to do with a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// Say what would be done and what is wrong; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Do the lines without mistakes, and leave the others out.
    #[serde(default)]
    skip_invalid: bool,
}

/// What a list would do, and what was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Import {
    /// How it was read, what it would do, and all that is wrong with it, line by line.
    #[schema(value_type = Object)]
    plan: Plan,
    /// What became of each line; absent if nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    done: Option<Vec<Done>>,
    /// Why nothing was done, if that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Creates and changes BALs by a list (CSV, as `pli bal import` reads it); nothing is changed until every line is right.
#[utoipa::path(post, path = "/v1/imports", tag = "imports", params(How),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Import), (status = 400, body = Problem), (status = 422, body = Import)))]
pub(super) async fn import(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(how): Query<How>,
    body: Bytes,
) -> Result<Response, Problem> {
    let _turn = shared.turn()?;
    let admin = shared.admin(&caller);
    let plan = admin.plan(&body).await?;
    let invalid = if how.skip_invalid { Invalid::Skip } else { Invalid::Refuse };
    let judged = plan.judge(invalid);
    if how.dry_run || judged.is_err() {
        let status = if judged.is_err() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let detail = judged.err().map(|error| error.to_string());
        return Ok((status, Json(Import { plan, done: None, detail })).into_response());
    }
    let mut course = Course::default();
    admin.apply(&plan, &mut course).await?;
    Ok(Json(Import { plan, done: Some(course.done), detail: None }).into_response())
}

#[derive(Default)]
struct Course {
    done: Vec<Done>,
    known: HashSet<String>,
}

impl Sink for Course {
    /// The answer of a request is no place for passwords.
    fn passwords(&mut self) -> Option<KeepPasswords<'_>> {
        None
    }

    fn kept(&self, _address: &Address) -> Option<Password> {
        None
    }

    fn done(&mut self, done: &[Done]) -> Result<(), AdminError> {
        self.done.extend_from_slice(done);
        Ok(())
    }

    fn known(&self) -> &HashSet<String> {
        &self.known
    }
}
