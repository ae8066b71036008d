//! What all handlers share, who may ask, and how the server is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use mssante::Clock as _;
use serde::Serialize;
use store::{Actor, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use super::Answer;
use super::answer::Problem;
use super::token::Tokens;
use crate::admin::{Administration, Rules};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::serve::health::Health;

/// Lists and verifications that are done at once: each takes memory, time, and connections to the database.
const LONG_WORKS: usize = 2;

/// What handlers need.
#[derive(Clone)]
pub(in crate::serve) struct Shared {
    store: Store,
    rules: Rules,
    health: Arc<Health>,
    tokens: Option<Arc<Tokens>>,
    rate: Arc<Rate>,
    data_dir: PathBuf,
    long: Arc<Semaphore>,
}

/// Who asks: a name for the audit trail. A connection without TLS has none before its token is looked at.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Option<String>);

impl Shared {
    pub(in crate::serve) fn new(
        store: Store,
        settings: &Settings,
        health: Arc<Health>,
        tokens: Option<Tokens>,
    ) -> Self {
        let rate = Rate { per_second: settings.admin.requests_per_second, second: Mutex::new((0, 0)) };
        Self {
            store,
            rules: Rules::of(settings),
            health,
            tokens: tokens.map(Arc::new),
            rate: Arc::new(rate),
            data_dir: settings.data.dir.clone(),
            long: Arc::new(Semaphore::new(LONG_WORKS)),
        }
    }

    /// Where this machine notes the end of the trail down.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A turn for work that takes long; others are told to come again.
    pub(super) fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.long).try_acquire_owned().map_err(|_| {
            let detail = "lists or verifications of others are being done; ask again when they are over";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).because("busy")
        })
    }

    /// The functions of administrators, traced under the name of who asks.
    pub(super) fn admin(&self, caller: &Caller) -> Administration {
        let name = caller.0.as_deref().unwrap_or("nobody");
        Administration::new(self.store.acting_as(Actor::Administrator(format!("api:{name}"))), self.rules.clone())
    }
}

/// Requests of a second, of everybody.
struct Rate {
    per_second: u32,
    second: Mutex<(i64, u32)>,
}

impl Rate {
    fn take(&self, now: i64) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0 != now {
            *second = (now, 0);
        }
        second.1 += 1;
        second.1 <= self.per_second
    }
}

/// Lets nobody in whom neither a certificate nor a token names.
pub(super) async fn admit(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    if !shared.rate.take(SystemClock.now().unix_timestamp()) {
        let detail = "too many requests in this second (admin.requests_per_second); ask again later";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "unavailable", detail).because("too-many").into_response();
    }
    if comes_from_a_page(request.headers()) {
        metrics::counter!("pli_admin_refused_total").increment(1);
        tracing::warn!("a web page of elsewhere asked the administrators' API by somebody's browser; it was refused");
        let detail = "pages of other sites may not ask here; consoles ask from their server";
        return Problem::new(StatusCode::FORBIDDEN, "refused", detail).because("cross-site").into_response();
    }
    let by_certificate = request.extensions().get::<Caller>().and_then(|caller| caller.0.clone());
    let caller = match by_certificate {
        Some(name) => Ok(name),
        None => match &shared.tokens {
            Some(tokens) => tokens.whose(request.headers().get(header::AUTHORIZATION)),
            None => Err("a client certificate is needed"),
        },
    };
    match caller {
        Ok(name) => {
            tracing::info!(caller = %name, method = %request.method(), "a request of an administrator");
            request.extensions_mut().insert(Caller(Some(name)));
            next.run(request).await
        }
        Err(why) => {
            metrics::counter!("pli_admin_refused_total").increment(1);
            tracing::warn!(why, "somebody was not let in to the administrators' API");
            Problem::new(StatusCode::UNAUTHORIZED, "refused", why).because("not-admitted").into_response()
        }
    }
}

/// Whether a browser sends this for a page: its certificate would speak for a page that its owner knows nothing of.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// How the server is; what `/readyz` says.
#[utoipa::path(get, path = "/v1/health", tag = "state", responses((status = 200, body = serde_json::Value, description = "As /readyz")))]
pub(super) async fn health(State(shared): State<Shared>) -> Json<serde_json::Value> {
    Json(serde_json::to_value(shared.health.report().await).unwrap_or_default())
}

/// Mail that waits for other operators.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    /// Entries, one for each message and recipient.
    pending: u64,
    /// Age of the oldest, in seconds.
    oldest_seconds: u64,
}

/// Mail that waits for other operators.
#[utoipa::path(get, path = "/v1/queue", tag = "state", responses((status = 200, body = Queue)))]
pub(super) async fn queue(State(shared): State<Shared>) -> Answer<Queue> {
    let status = shared.store.queue_status().await.map_err(crate::admin::AdminError::from)?;
    Ok(Json(Queue { pending: status.pending, oldest_seconds: status.oldest_seconds }))
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "state", responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::description()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_requests_and_no_more() {
        let rate = Rate { per_second: 2, second: Mutex::new((0, 0)) };
        assert_eq!([7, 7, 7, 8].map(|second| rate.take(second)), [true, true, false, true]);
    }
}
