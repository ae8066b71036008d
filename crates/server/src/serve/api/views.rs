//! BALs as the API shows them: fields are called as in requests.

use mssante::{BalKind, BalState, Listing, PatientMail, PersonId, QuotaChoice, Replies};
use serde::Serialize;
use store::BalRecord;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A BAL.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bal)]
pub(super) struct BalView {
    /// Its address; never changes.
    address: String,
    /// Its kind; never changes.
    #[schema(value_type = String, example = "ORG")]
    kind: BalKind,
    /// Where it is in its life.
    #[schema(value_type = String, example = "active")]
    state: BalState,
    /// Why.
    state_reason: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    state_since: OffsetDateTime,
    /// Name shown to people.
    name: Option<String>,
    /// RPPS number of the holder.
    rpps: Option<String>,
    /// ADELI number of the holder.
    adeli: Option<String>,
    /// The number of the holder in the register of the structure.
    local_id: Option<String>,
    /// The structure that answers for it.
    structure: Option<String>,
    /// The responsible person.
    responsible: Option<String>,
    /// Service de rattachement.
    service: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The software of an applicative BAL.
    software: Option<String>,
    /// The number of that software (NIL).
    nil: Option<String>,
    /// Whether people may write to it.
    #[schema(value_type = String, example = "accept")]
    replies: Replies,
    /// What it may hold.
    #[schema(value_type = String, example = "default")]
    quota: QuotaChoice,
    /// Whether it shows in directories.
    #[schema(value_type = String, example = "listed")]
    listing: Listing,
    /// Subject of the certificate that opens it, as it compares.
    certificate_dn: Option<String>,
    /// What it takes of patients who write unasked.
    #[schema(value_type = String, example = "answers")]
    patient_mail: PatientMail,
    /// Whether a password is set.
    has_password: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// When somebody last logged in, to the hour.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<OffsetDateTime>,
    /// Grows with each change; the entity tag.
    revision: i64,
}

impl From<BalRecord> for BalView {
    fn from(bal: BalRecord) -> Self {
        let number = |person: &PersonId| match person {
            PersonId::Adeli(adeli) => (Some(adeli.to_string()), None),
            other => (None, Some(other.to_string())),
        };
        let (adeli, local_id) = bal.identity.as_ref().map(number).unwrap_or_default();
        Self {
            address: bal.address.to_string(),
            kind: bal.kind,
            state: bal.state,
            state_reason: bal.state_reason,
            state_since: bal.state_since,
            name: bal.display_name,
            rpps: bal.holder.as_ref().map(ToString::to_string),
            adeli,
            local_id,
            structure: bal.structure.as_ref().map(ToString::to_string),
            responsible: bal.responsible,
            service: bal.service,
            description: bal.description,
            software: bal.software,
            nil: bal.nil,
            replies: bal.replies,
            quota: bal.quota,
            listing: bal.listing,
            certificate_dn: bal.certificate_dn,
            patient_mail: bal.patient_mail,
            has_password: bal.has_password,
            created_at: bal.created_at,
            last_login_at: bal.last_login_at,
            revision: bal.revision,
        }
    }
}

/// Some BALs, by address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BalPage)]
pub(super) struct PageView {
    /// The BALs.
    pub(super) bals: Vec<BalView>,
    /// What `after` is for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}
