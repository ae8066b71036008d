//! BALs and their credentials.

mod ways;

use std::fmt::Display;
use std::str::FromStr;

use mssante::{Address, BalId, BalKind, BalState, Listing, Rpps, StructureId};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};
use time::OffsetDateTime;

use crate::trace::Event;
use crate::{SpecialUse, Store, StoreError, publication};

pub use ways::{AliasRecord, ForwardRecord, Ways};

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
}

impl NewBal {
    /// With nothing but its address and kind, and listed.
    pub fn new(address: Address, kind: BalKind) -> Self {
        Self {
            address,
            kind,
            display_name: None,
            holder: None,
            structure: None,
            responsible: None,
            certificate_dn: None,
            listing: Listing::Listed,
            service: None,
            description: None,
        }
    }
}

/// What can be said anew of a BAL; `None` leaves it as it is, an empty text takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalEdit {
    /// Service de rattachement.
    pub service: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The responsible person.
    pub responsible: Option<String>,
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
    /// Name shown to people.
    pub display_name: Option<String>,
    /// The professional who holds it.
    pub holder: Option<Rpps>,
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
    /// Whether a password is set.
    pub has_password: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
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
struct BalRow {
    id: i64,
    address: String,
    kind: String,
    state: String,
    state_reason: Option<String>,
    display_name: Option<String>,
    holder: Option<String>,
    structure: Option<String>,
    responsible: Option<String>,
    certificate_dn: Option<String>,
    password_hash: Option<String>,
    listing: String,
    service: Option<String>,
    description: Option<String>,
    created_at: OffsetDateTime,
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
            display_name: row.display_name,
            holder: row.holder.as_deref().map(parsed).transpose()?,
            structure: row.structure.as_deref().map(parsed).transpose()?,
            responsible: row.responsible,
            certificate_dn: row.certificate_dn,
            listing: parsed(&row.listing)?,
            service: row.service,
            description: row.description,
            has_password: row.password_hash.is_some(),
            created_at: row.created_at,
        })
    }
}

pub(crate) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::inconsistent("bal", error))
}

impl Store {
    /// Creates a BAL with INBOX and the default folders Sent, Drafts, Trash, Junk, Archive, all subscribed.
    pub async fn create_bal(&self, new: NewBal) -> Result<BalRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        ways::claim_address(&new.address, &mut transaction).await?;
        let row = insert_bal(&mut transaction, &new, now).await?;
        insert_default_folders(&mut transaction, row.id).await?;
        publication::queue(&mut transaction, BalId(row.id), now).await?;
        let detail = json!({ "address": new.address, "kind": new.kind });
        self.trace(Event::BalCreated).of_bal(BalId(row.id)).with(detail).insert(&mut transaction).await?;
        self.notices().announce_bals(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed();
        row.try_into()
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

    /// Moves a BAL through its life, with a reason for the audit trail.
    pub async fn set_bal_state(&self, id: BalId, state: BalState, reason: &str) -> Result<BalRecord, StoreError> {
        let change = sqlx::query_as("UPDATE bal SET state = $2, state_reason = $3 WHERE id = $1 RETURNING *")
            .bind(id.0)
            .bind(state.word())
            .bind(reason);
        self.change(id, change, Event::BalState, json!({ "state": state, "reason": reason })).await
    }

    /// Puts a BAL on the liste rouge, or takes it off. `[MSS1 ANN.UNLISTED]`
    pub async fn set_listing(&self, id: BalId, listing: Listing) -> Result<BalRecord, StoreError> {
        let change =
            sqlx::query_as("UPDATE bal SET listing = $2 WHERE id = $1 RETURNING *").bind(id.0).bind(listing.word());
        self.change(id, change, Event::BalListing, json!({ "listing": listing })).await
    }

    /// Says anew what a BAL is for, and who answers for it.
    pub async fn edit_bal(&self, id: BalId, edit: &BalEdit) -> Result<BalRecord, StoreError> {
        let change = sqlx::query_as(
            "UPDATE bal SET service = nullif(coalesce($2, service), ''),
                            description = nullif(coalesce($3, description), ''),
                            responsible = nullif(coalesce($4, responsible), '')
             WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(&edit.service)
        .bind(&edit.description)
        .bind(&edit.responsible);
        let detail =
            json!({ "service": edit.service, "description": edit.description, "responsible": edit.responsible });
        self.change(id, change, Event::BalEdited, detail).await
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
        let row = row.ok_or_else(|| StoreError::NoSuchBal(id.to_string()))?;
        self.trace(event).of_bal(id).with(detail).insert(&mut transaction).await?;
        publication::queue(&mut transaction, id, now).await?;
        self.notices().announce_bals(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed();
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
        self.notices().announce_bals(&mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed();
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

async fn insert_bal(connection: &mut PgConnection, new: &NewBal, now: OffsetDateTime) -> Result<BalRow, StoreError> {
    let row = sqlx::query_as(
        "INSERT INTO bal (address, address_key, kind, state, display_name, holder, structure, responsible,
                          certificate_dn, created_at, listing, service, description)
         VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9, $10, $11, $12)
         RETURNING *",
    )
    .bind(new.address.to_string())
    .bind(new.address.key())
    .bind(new.kind.code())
    .bind(&new.display_name)
    .bind(new.holder.as_ref().map(ToString::to_string))
    .bind(new.structure.as_ref().map(ToString::to_string))
    .bind(&new.responsible)
    .bind(&new.certificate_dn)
    .bind(now)
    .bind(new.listing.word())
    .bind(&new.service)
    .bind(&new.description)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

async fn insert_default_folders(connection: &mut PgConnection, bal: i64) -> Result<(), StoreError> {
    let names: Vec<&str> =
        std::iter::once("INBOX").chain(DEFAULT_FOLDERS.into_iter().map(SpecialUse::default_name)).collect();
    let uses: Vec<Option<&str>> =
        std::iter::once(None).chain(DEFAULT_FOLDERS.into_iter().map(|special_use| Some(special_use.word()))).collect();
    sqlx::query(
        "WITH made AS (
             INSERT INTO folder (bal_id, name, special_use)
             SELECT $1, * FROM unnest($2::text[], $3::text[])
             RETURNING name)
         INSERT INTO subscription (bal_id, name) SELECT $1, name FROM made",
    )
    .bind(bal)
    .bind(names)
    .bind(uses)
    .execute(connection)
    .await?;
    Ok(())
}
