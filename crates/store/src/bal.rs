//! BALs and their credentials.

mod ageing;
mod bulk;
mod life;
mod search;
mod usage;
mod ways;

use std::fmt::Display;
use std::str::FromStr;

use mssante::{
    Address, BalId, BalKind, BalState, Listing, PatientMail, PersonId, QuotaChoice, Replies, Rpps, Shown, StructureId,
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};
use time::OffsetDateTime;

use crate::trace::Event;
use crate::{SpecialUse, Store, StoreError, publication};

pub use ageing::{InactiveCounts, NearlyFull};
pub use bulk::SeenEdit;
pub use search::{BalPage, BalSearch};
pub use usage::Usage;
pub(crate) use usage::choice;
pub use ways::{AliasRecord, BalWay, ForwardRecord, Ways};

/// A BAL to create.
#[derive(Debug, Clone)]
pub struct NewBal {
    /// Its address; never changes.
    pub address: Address,
    /// Its kind; never changes.
    pub kind: BalKind,
    /// Name shown to people.
    pub display_name: Option<String>,
    /// The professional who holds a nominative BAL.
    pub holder: Option<Rpps>,
    /// Who holds it, if he has no RPPS number: his ADELI number, or that of the structure's own register.
    pub identity: Option<PersonId>,
    /// The structure that answers for it.
    pub structure: Option<StructureId>,
    /// The responsible person of an organisational or applicative BAL.
    pub responsible: Option<String>,
    /// The DN (as `trust::DistinguishedName::key` writes it) whose certificate opens an applicative BAL.
    pub certificate_dn: Option<String>,
    /// Whether it shows in directories.
    pub listing: Listing,
    /// Service de rattachement.
    pub service: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The hash (PHC string) of the password that opens it.
    pub password_hash: Option<String>,
    /// The software of an applicative BAL.
    pub software: Option<String>,
    /// The number of that software (NIL).
    pub nil: Option<String>,
    /// Whether people may write to it.
    pub replies: Replies,
    /// What it may hold.
    pub quota: QuotaChoice,
}

impl NewBal {
    /// With nothing but its address and kind, and listed.
    pub fn new(address: Address, kind: BalKind) -> Self {
        Self {
            address,
            kind,
            display_name: None,
            holder: None,
            identity: None,
            structure: None,
            responsible: None,
            certificate_dn: None,
            listing: Listing::Listed,
            service: None,
            description: None,
            password_hash: None,
            software: None,
            nil: None,
            replies: Replies::Accept,
            quota: QuotaChoice::Default,
        }
    }
}

impl BalRecord {
    /// What a BAL is when it has just been created.
    pub fn fresh(id: BalId, new: NewBal, created_at: OffsetDateTime) -> Self {
        Self {
            id,
            address: new.address,
            kind: new.kind,
            state: BalState::Created,
            state_reason: None,
            state_since: created_at,
            display_name: new.display_name,
            holder: new.holder,
            identity: new.identity,
            structure: new.structure,
            responsible: new.responsible,
            certificate_dn: new.certificate_dn,
            listing: new.listing,
            service: new.service,
            description: new.description,
            software: new.software,
            nil: new.nil,
            replies: new.replies,
            quota: new.quota,
            patient_mail: PatientMail::Answers,
            quota_warned_at: None,
            has_password: new.password_hash.is_some(),
            revision: 1,
            created_at,
            last_login_at: None,
            inactivity_warned_at: None,
            emptied_at: None,
        }
    }
}

/// What can be said anew of a BAL; `None` leaves it as it is, an empty text takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalEdit {
    /// Name shown to people.
    pub display_name: Option<String>,
    /// Whether it shows in directories.
    pub listing: Option<Listing>,
    /// Service de rattachement.
    pub service: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The responsible person.
    pub responsible: Option<String>,
    /// The software of an applicative BAL.
    pub software: Option<String>,
    /// The number of that software (NIL).
    pub nil: Option<String>,
    /// Whether people may write to it.
    pub replies: Option<Replies>,
}

impl BalEdit {
    /// Whether it leaves everything as it is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What the audit trail says of it: the fields that it names.
    pub(crate) fn for_the_trail(&self) -> Value {
        let named = [
            ("display_name", self.display_name.as_deref()),
            ("listing", self.listing.map(Listing::word)),
            ("service", self.service.as_deref()),
            ("description", self.description.as_deref()),
            ("responsible", self.responsible.as_deref()),
            ("software", self.software.as_deref()),
            ("nil", self.nil.as_deref()),
            ("replies", self.replies.map(Replies::word)),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
    }
}

/// What somebody saw of a BAL before he asks for a change of it. What changed meanwhile is not overwritten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its revision.
    pub revision: Option<i64>,
    /// Its state.
    pub state: Option<BalState>,
}

impl Seen {
    /// Nothing: the change is made whatever is there.
    pub const NOTHING: Self = Self { revision: None, state: None };
}

/// A BAL as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BalRecord {
    /// Its number.
    pub id: BalId,
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub state_since: OffsetDateTime,
    /// Name shown to people.
    pub display_name: Option<String>,
    /// The professional who holds it.
    pub holder: Option<Rpps>,
    /// Who holds it, if he has no RPPS number.
    pub identity: Option<PersonId>,
    /// The structure that answers for it.
    pub structure: Option<StructureId>,
    /// The responsible person.
    pub responsible: Option<String>,
    /// The DN that opens it.
    pub certificate_dn: Option<String>,
    /// Whether it shows in directories.
    pub listing: Listing,
    /// Service de rattachement.
    pub service: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it takes of patients.
    pub patient_mail: PatientMail,
    /// The software of an applicative BAL.
    pub software: Option<String>,
    /// The number of that software (NIL).
    pub nil: Option<String>,
    /// Whether people may write to it.
    pub replies: Replies,
    /// What it may hold.
    pub quota: QuotaChoice,
    /// When it was told that it is nearly full.
    #[serde(with = "time::serde::rfc3339::option")]
    pub quota_warned_at: Option<OffsetDateTime>,
    /// Whether a password is set.
    pub has_password: bool,
    /// Grows with each change that an administrator makes or sees.
    pub revision: i64,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When somebody last logged in, to the hour.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_login_at: Option<OffsetDateTime>,
    /// When it was told that nobody opens it; a log-in takes it away.
    #[serde(with = "time::serde::rfc3339::option")]
    pub inactivity_warned_at: Option<OffsetDateTime>,
    /// When its content was removed, after it was closed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub emptied_at: Option<OffsetDateTime>,
}

/// Which BALs to list.
#[derive(Debug, Clone, Default)]
pub struct BalFilter {
    /// Of this kind only.
    pub kind: Option<BalKind>,
    /// In this state only.
    pub state: Option<BalState>,
}

/// The folders that every BAL starts with, beside INBOX. `[RFC6154 2]`
const DEFAULT_FOLDERS: [SpecialUse; 5] =
    [SpecialUse::Sent, SpecialUse::Drafts, SpecialUse::Trash, SpecialUse::Junk, SpecialUse::Archive];

/// A row of the table; the closed lists are still words.
#[derive(FromRow)]
pub(crate) struct BalRow {
    id: i64,
    address: String,
    kind: String,
    state: String,
    state_reason: Option<String>,
    state_since: OffsetDateTime,
    display_name: Option<String>,
    holder: Option<String>,
    identity: Option<String>,
    structure: Option<String>,
    responsible: Option<String>,
    certificate_dn: Option<String>,
    password_hash: Option<String>,
    listing: String,
    service: Option<String>,
    description: Option<String>,
    software: Option<String>,
    nil: Option<String>,
    replies: String,
    quota: Option<i64>,
    quota_warned_at: Option<OffsetDateTime>,
    revision: i64,
    patient_mail: String,
    created_at: OffsetDateTime,
    last_login_at: Option<OffsetDateTime>,
    inactivity_warned_at: Option<OffsetDateTime>,
    emptied_at: Option<OffsetDateTime>,
}

impl TryFrom<BalRow> for BalRecord {
    type Error = StoreError;

    fn try_from(row: BalRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: BalId(row.id),
            address: parsed(&row.address)?,
            kind: parsed(&row.kind)?,
            state: parsed(&row.state)?,
            state_reason: row.state_reason,
            state_since: row.state_since,
            display_name: row.display_name,
            holder: row.holder.as_deref().map(parsed).transpose()?,
            identity: row.identity.as_deref().map(parsed).transpose()?,
            structure: row.structure.as_deref().map(parsed).transpose()?,
            responsible: row.responsible,
            certificate_dn: row.certificate_dn,
            listing: parsed(&row.listing)?,
            service: row.service,
            description: row.description,
            patient_mail: parsed(&row.patient_mail)?,
            software: row.software,
            nil: row.nil,
            replies: parsed(&row.replies)?,
            quota: choice(row.quota),
            quota_warned_at: row.quota_warned_at,
            has_password: row.password_hash.is_some(),
            revision: row.revision,
            created_at: row.created_at,
            last_login_at: row.last_login_at,
            inactivity_warned_at: row.inactivity_warned_at,
            emptied_at: row.emptied_at,
        })
    }
}

pub(crate) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::inconsistent("bal", error))
}

impl Store {
    /// Creates a BAL with INBOX and the default folders Sent, Drafts, Trash, Junk, Archive, all subscribed.
    pub async fn create_bal(&self, new: NewBal) -> Result<BalRecord, StoreError> {
        self.create_bals(std::slice::from_ref(&new)).await?;
        self.bal(&new.address).await?.ok_or_else(|| StoreError::NoSuchBal(new.address.to_string()))
    }

    /// The BAL of this address.
    pub async fn bal(&self, address: &Address) -> Result<Option<BalRecord>, StoreError> {
        Ok(self.credential(address).await?.map(|(record, _)| record))
    }

    /// All BALs that the filter lets through, by address.
    pub async fn list_bals(&self, filter: &BalFilter) -> Result<Vec<BalRecord>, StoreError> {
        let rows: Vec<BalRow> = sqlx::query_as(
            "SELECT * FROM bal WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR state = $2)
             ORDER BY address_key",
        )
        .bind(filter.kind.map(BalKind::code))
        .bind(filter.state.map(BalState::word))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The BALs that show in directories, all or of one kind: neither closed nor on the liste rouge. `[MSS1 ANN.UNLISTED]`
    pub async fn listed_bals(&self, kind: Option<BalKind>) -> Result<Vec<BalRecord>, StoreError> {
        let shown = BalState::ALL.into_iter().filter(|state| state.row().shown == Shown::Published);
        let shown: Vec<_> = shown.map(BalState::word).collect();
        let rows: Vec<BalRow> = sqlx::query_as(
            "SELECT * FROM bal
             WHERE listing = 'listed' AND state = ANY ($2) AND ($1::text IS NULL OR kind = $1)
             ORDER BY address_key",
        )
        .bind(kind.map(BalKind::code))
        .bind(&shown)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Puts a BAL on the liste rouge, or takes it off. `[MSS1 ANN.UNLISTED]`
    pub async fn set_listing(&self, id: BalId, listing: Listing) -> Result<BalRecord, StoreError> {
        let change =
            sqlx::query_as("UPDATE bal SET listing = $2 WHERE id = $1 RETURNING *").bind(id.0).bind(listing.word());
        self.change(id, change, Event::BalListing, json!({ "listing": listing })).await
    }

    /// Says what a BAL takes of patients. `[MSS1 PATIENT.CONVERSATION]`
    pub async fn set_patient_mail(&self, id: BalId, takes: PatientMail) -> Result<BalRecord, StoreError> {
        self.set_seen_patient_mail(id, takes, None).await
    }

    /// The same, if it still is at the revision at which it was seen.
    pub async fn set_seen_patient_mail(
        &self,
        id: BalId,
        takes: PatientMail,
        revision: Option<i64>,
    ) -> Result<BalRecord, StoreError> {
        let change = sqlx::query_as(
            "UPDATE bal SET patient_mail = $2 WHERE id = $1 AND ($3::bigint IS NULL OR revision = $3) RETURNING *",
        )
        .bind(id.0)
        .bind(takes.word())
        .bind(revision);
        self.change(id, change, Event::BalPatientMail, json!({ "patient_mail": takes })).await
    }

    /// Says anew what a BAL is for, and who answers for it.
    pub async fn edit_bal(&self, id: BalId, edit: &BalEdit) -> Result<BalRecord, StoreError> {
        self.edit_seen_bal(id, edit, Seen::NOTHING).await
    }

    /// The same, if it still is as it was seen. Fields that the edit does not name stay as others left them.
    pub async fn edit_seen_bal(&self, id: BalId, edit: &BalEdit, seen: Seen) -> Result<BalRecord, StoreError> {
        let change = sqlx::query_as(
            "UPDATE bal SET service = nullif(coalesce($2, service), ''),
                            description = nullif(coalesce($3, description), ''),
                            responsible = nullif(coalesce($4, responsible), ''),
                            display_name = nullif(coalesce($5, display_name), ''),
                            listing = coalesce($6, listing),
                            software = nullif(coalesce($9, software), ''),
                            nil = nullif(coalesce($10, nil), ''),
                            replies = coalesce($11, replies)
             WHERE id = $1 AND ($7::bigint IS NULL OR revision = $7) AND ($8::text IS NULL OR state = $8)
             RETURNING *",
        )
        .bind(id.0)
        .bind(&edit.service)
        .bind(&edit.description)
        .bind(&edit.responsible)
        .bind(&edit.display_name)
        .bind(edit.listing.map(Listing::word))
        .bind(seen.revision)
        .bind(seen.state.map(BalState::word))
        .bind(&edit.software)
        .bind(&edit.nil)
        .bind(edit.replies.map(Replies::word));
        self.change(id, change, Event::BalEdited, edit.for_the_trail()).await
    }

    /// A change of what is published of a BAL.
    async fn change(
        &self,
        id: BalId,
        change: QueryAs<'_, Postgres, BalRow, PgArguments>,
        event: Event,
        detail: Value,
    ) -> Result<BalRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let row = change.fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Err(missing(id, &mut transaction).await?) };
        self.trace(event).of_bal(id).with(detail).insert(&mut transaction).await?;
        publication::queue(&mut transaction, id, now).await?;
        self.notices().announce_bal(id, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bal_changed(id);
        row.try_into()
    }

    /// Sets or replaces the password hash (PHC string).
    pub async fn set_password_hash(&self, id: BalId, phc: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        let done = sqlx::query("UPDATE bal SET password_hash = $2 WHERE id = $1")
            .bind(id.0)
            .bind(phc)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NoSuchBal(id.to_string()));
        }
        self.trace(Event::BalPassword).of_bal(id).insert(&mut transaction).await?;
        self.notices().announce_bal(id, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bal_changed(id);
        Ok(())
    }

    /// The BAL of this address with its password hash, for a log-in.
    pub async fn credential(&self, login: &Address) -> Result<Option<(BalRecord, Option<String>)>, StoreError> {
        let row: Option<BalRow> = sqlx::query_as("SELECT * FROM bal WHERE address_key = $1")
            .bind(login.key())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| {
            let hash = row.password_hash.clone();
            Ok((row.try_into()?, hash))
        })
        .transpose()
    }

    /// The BALs whose registered DN is `dn_key`.
    pub async fn bals_of_certificate(&self, dn_key: &str) -> Result<Vec<BalRecord>, StoreError> {
        let rows: Vec<BalRow> = sqlx::query_as("SELECT * FROM bal WHERE certificate_dn = $1 ORDER BY address_key")
            .bind(dn_key)
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

/// Why a change found no row: the BAL is not there, or is not as it was seen.
async fn missing(id: BalId, connection: &mut PgConnection) -> Result<StoreError, StoreError> {
    let address: Option<String> =
        sqlx::query_scalar("SELECT address FROM bal WHERE id = $1").bind(id.0).fetch_optional(connection).await?;
    Ok(match address {
        Some(address) => StoreError::Overtaken(parsed(&address)?),
        None => StoreError::NoSuchBal(id.to_string()),
    })
}
