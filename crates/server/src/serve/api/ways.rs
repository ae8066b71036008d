//! Aliases and forwards.

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use mssante::ForwardCopy;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::answer::{Body, Problem};
use super::bals::parsed;
use super::state::{Caller, Shared};
use crate::admin::{AliasEntry, ForwardEntry, SetForward};

/// Of which BAL.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfBal {
    /// Of this BAL only.
    bal: Option<String>,
}

impl OfBal {
    fn address(&self) -> Result<Option<mssante::Address>, Problem> {
        self.bal.as_deref().map(|text| parsed("bal", text)).transpose()
    }
}

/// Aliases, of one BAL or all.
#[utoipa::path(get, path = "/v1/aliases", tag = "bals", params(OfBal), responses((status = 200, body = Vec<AliasEntry>)))]
pub(super) async fn list_aliases(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<OfBal>,
) -> Answer<Vec<AliasEntry>> {
    Ok(Json(shared.admin(&caller).aliases(of.address()?.as_ref()).await?))
}

/// Lets another address of our domains lead to a BAL.
#[utoipa::path(put, path = "/v1/bals/{address}/aliases/{alias}", tag = "bals",
    params(("address" = String, Path), ("alias" = String, Path)),
    responses((status = 200, body = Vec<AliasEntry>), (status = 409, body = Problem)))]
pub(super) async fn add_alias(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, alias)): Path<(String, String)>,
) -> Answer<Vec<AliasEntry>> {
    let (address, alias) = (parsed("address", &address)?, parsed("alias", &alias)?);
    Ok(Json(shared.admin(&caller).add_alias(&address, &alias).await?))
}

/// Takes an alias away; mail to it is refused from then on.
#[utoipa::path(delete, path = "/v1/bals/{address}/aliases/{alias}", tag = "bals",
    params(("address" = String, Path), ("alias" = String, Path)),
    responses((status = 200, body = Vec<AliasEntry>), (status = 404, body = Problem)))]
pub(super) async fn remove_alias(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, alias)): Path<(String, String)>,
) -> Answer<Vec<AliasEntry>> {
    let (address, alias): (mssante::Address, _) = (parsed("address", &address)?, parsed("alias", &alias)?);
    let admin = shared.admin(&caller);
    if !admin.aliases(Some(&address)).await?.iter().any(|entry| entry.is(&alias)) {
        return Err(crate::admin::AdminError::from(store::StoreError::NoSuchAlias(alias)).into());
    }
    Ok(Json(admin.remove_alias(&alias).await?))
}

/// Forwards, from and to one BAL or all.
#[utoipa::path(get, path = "/v1/forwards", tag = "bals", params(OfBal), responses((status = 200, body = Vec<ForwardEntry>)))]
pub(super) async fn list_forwards(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<OfBal>,
) -> Answer<Vec<ForwardEntry>> {
    Ok(Json(shared.admin(&caller).forwards(of.address()?.as_ref()).await?))
}

/// What stays in the BAL whose mail is handed on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Copy {
    /// keep or move.
    copy: String,
}

/// Hands mail of a BAL on to another BAL of this operator.
#[utoipa::path(put, path = "/v1/bals/{address}/forwards/{target}", tag = "bals",
    params(("address" = String, Path), ("target" = String, Path)), request_body = Copy,
    responses((status = 200, body = Vec<ForwardEntry>), (status = 422, body = Problem)))]
pub(super) async fn set_forward(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, target)): Path<(String, String)>,
    Body(Copy { copy }): Body<Copy>,
) -> Answer<Vec<ForwardEntry>> {
    let copy: ForwardCopy = parsed("copy", &copy)?;
    let request = SetForward { from: parsed("address", &address)?, to: parsed("target", &target)?, copy };
    Ok(Json(shared.admin(&caller).set_forward(&request).await?))
}

/// Ends a forward.
#[utoipa::path(delete, path = "/v1/bals/{address}/forwards/{target}", tag = "bals",
    params(("address" = String, Path), ("target" = String, Path)),
    responses((status = 200, body = Vec<ForwardEntry>), (status = 404, body = Problem)))]
pub(super) async fn remove_forward(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((address, target)): Path<(String, String)>,
) -> Answer<Vec<ForwardEntry>> {
    let (address, target) = (parsed("address", &address)?, parsed("target", &target)?);
    Ok(Json(shared.admin(&caller).remove_forward(&address, &target).await?))
}
