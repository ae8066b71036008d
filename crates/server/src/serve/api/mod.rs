//! The administrators' API: JSON over HTTP, the same functions as the command line. Without TLS it listens on the loopback
//! address only and asks for a token; with TLS it asks for a client certificate whose subject the configuration names.
//! Handlers read a request, call `admin`, and write what it returns; every refusal is a problem document with the sentence
//! of the command line.

mod answer;
mod audit;
mod bals;
mod delegations;
mod imports;
mod listener;
mod persons;
mod seen;
mod state;
mod token;
mod views;
mod ways;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Json, Router};
use tokio::sync::Semaphore;
use trust::DistinguishedName;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use listener::Server;
use state::Shared;
use token::Tokens;

use super::health::Health;
use super::node::Node;
use super::sockets::AdminSockets;
use crate::ambient::SystemRandom;
use crate::config::Settings;
use crate::failure::Failure;

/// Most octets of a request that is not a list of BALs.
const LARGEST_BODY: usize = 64 * 1024;
/// Most octets of a list of BALs.
const LARGEST_LIST: usize = 16 * 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "pli, administrators' API",
        description = "Provisioning of BALs, people and delegations; the audit trail and the indicators. Errors are problem documents (RFC 9457) with the sentence that the command \
                       line prints. Loopback: `Authorization: Bearer` and the token of admin.token_file. TLS: a client \
                       certificate of admin.certificates.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "bals", description = "BALs and the ways to them"),
        (name = "persons", description = "People without a BAL, who open those of others"),
        (name = "delegations", description = "BALs that are opened to others"),
        (name = "imports", description = "Many BALs by a list"),
        (name = "audit", description = "The audit trail and the indicators, to be read"),
        (name = "state", description = "How the server is"),
    )
)]
struct Description;

fn routes() -> OpenApiRouter<Shared> {
    let small = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(bals::list, bals::create))
        .routes(routes!(bals::show, bals::change))
        .routes(routes!(bals::move_state))
        .routes(routes!(bals::set_password))
        .routes(routes!(bals::occupancy, bals::set_quota))
        .routes(routes!(bals::set_patient_mail))
        .routes(routes!(persons::list, persons::create))
        .routes(routes!(persons::show))
        .routes(routes!(persons::move_state))
        .routes(routes!(persons::set_password))
        .routes(routes!(delegations::list))
        .routes(routes!(delegations::give, delegations::end))
        .routes(routes!(audit::list))
        .routes(routes!(audit::month_of))
        .routes(routes!(ways::list_aliases))
        .routes(routes!(ways::add_alias, ways::remove_alias))
        .routes(routes!(ways::list_forwards))
        .routes(routes!(ways::set_forward, ways::remove_forward))
        .routes(routes!(state::health))
        .routes(routes!(state::queue))
        .routes(routes!(state::openapi))
        .layer(from_fn(answer::in_time::<30>))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    let large = OpenApiRouter::new()
        .routes(routes!(imports::import))
        .routes(routes!(audit::verify))
        .layer(from_fn(answer::in_time::<900>))
        .layer(DefaultBodyLimit::max(LARGEST_LIST));
    small.merge(large)
}

/// The document that describes the API.
pub(crate) fn description() -> String {
    let mut document = routes().into_openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let text = document.to_pretty_json();
    text.unwrap_or_default() + "\n"
}

/// What answers requests; who asks stands in each of them ([`state::Caller`]).
fn router(shared: Shared) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(answer::nothing_here)
        .layer(from_fn_with_state(shared.clone(), state::admit))
        .layer(from_fn(answer::explained))
        .with_state(shared)
}

/// The ports of the API, ready to run; none unless the configuration asks for them.
pub(super) fn servers(
    settings: &Settings,
    node: &Node,
    health: &Arc<Health>,
    sockets: AdminSockets,
) -> Result<Vec<Server>, Failure> {
    let admin = &settings.admin;
    if !admin.is_on() {
        return Ok(Vec::new());
    }
    let tokens = if admin.listen.is_empty() {
        None
    } else {
        Some(Tokens::open_or_create(&settings.token_file(), &SystemRandom)?)
    };
    let shared = Shared::new(node.store.clone(), settings, Arc::clone(health), tokens);
    let room = Arc::new(Semaphore::new(admin.max_connections));
    let subjects = admin.certificates.iter().filter_map(|name| DistinguishedName::parse(name).ok());
    let subjects: HashSet<String> = subjects.map(|name| name.key().to_owned()).collect();
    let plain = sockets.plain.into_iter().map(|socket| Server::plain(socket, shared.clone(), &room));
    let mut servers: Vec<_> = plain.collect();
    if let Some(tls) = node.tls.admin() {
        let server = |socket| Server::tls(socket, Arc::clone(tls), subjects.clone(), shared.clone(), &room);
        servers.extend(sockets.tls.into_iter().map(server));
    }
    Ok(servers)
}

/// JSON with a status.
type Answer<T> = Result<Json<T>, answer::Problem>;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_description_in_the_manual_is_that_of_the_api() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == super::description(), "write it again: cargo run -p server -- openapi > docs/openapi.json");
    }
}
