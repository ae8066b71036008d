//! Refusals as problem documents. `[RFC9457 3]`

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::admin::AdminError;

const CONTENT_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    status: u16,
    /// Whose matter it is: invalid, refused, not-found, exists, overtaken, unavailable, configuration, internal.
    kind: &'static str,
    /// Why, in a word that does not change; finer than kind.
    reason: &'static str,
    /// What is wrong and what to do, as the command line says it.
    detail: String,
    /// The field that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), kind, reason: kind, detail: detail.into(), field: None }
    }

    /// A part of path or query that cannot be read.
    pub(super) fn field(name: &str, why: &dyn std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", format!("{name}: {why}")).because("unreadable")
    }

    /// With a finer word.
    pub(super) fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let (kind, reason, field) = (error.kind(), error.reason(), error.field().map(crate::admin::Field::word));
        // What a database says is for logs.
        let detail = match kind {
            crate::admin::Kind::Internal | crate::admin::Kind::Configuration => {
                tracing::error!(%error, "a request of an administrator");
                "it could not be done; the log says why".to_owned()
            }
            _ => error.to_string(),
        };
        Self { status: kind.status(), kind: kind.word(), reason, detail, field }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A body in JSON; what is wrong with it is said in our form.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let octets = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let invalid = |error: serde_json::Error| {
            Problem::new(StatusCode::BAD_REQUEST, "invalid", format!("the body: {error}"))
                .because("body")
                .into_response()
        };
        serde_json::from_slice(&octets).map(Self).map_err(invalid)
    }
}

/// No handler is at this path.
pub(super) async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here; /v1/openapi.json says what there is")
        .because("no-such-path")
}

/// What the framework refuses is said in our form, too.
pub(super) async fn explained(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    // The framework writes plain text.
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let ours = kind.is_some_and(|kind| kind.starts_with("application/"));
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (kind, reason, detail) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("invalid", "too-large", "the body is too large: 64 KiB, and 16 MiB for a list of BALs")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            ("invalid", "no-such-method", "this path does not know this method; see /v1/openapi.json")
        }
        StatusCode::NOT_FOUND => {
            ("not-found", "no-such-path", "there is nothing here; /v1/openapi.json says what there is")
        }
        _ if status.is_client_error() => {
            ("invalid", "unreadable", "path or query cannot be read; see /v1/openapi.json")
        }
        _ => ("internal", "internal", "it could not be done; the log says why"),
    };
    Problem::new(status, kind, detail).because(reason).into_response()
}

/// Gives up after so many seconds; what is not committed by then is not done.
pub(super) async fn in_time<const SECONDS: u64>(request: Request, next: Next) -> Response {
    let Ok(response) = tokio::time::timeout(Duration::from_secs(SECONDS), next.run(request)).await else {
        let detail = format!("the request took longer than {SECONDS} s and was given up; look at what is done");
        return Problem::new(StatusCode::GATEWAY_TIMEOUT, "unavailable", detail).because("too-long").into_response();
    };
    response
}
