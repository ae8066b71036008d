//! People who have no BAL and open those of others.

use std::fmt;

use mssante::{Login, PersonId, PersonState};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};
use time::OffsetDateTime;

use crate::bal::parsed;
use crate::error::violates;
use crate::trace::Event;
use crate::{Store, StoreError};

/// The number of a person in the store. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PersonNumber(pub i64);

impl fmt::Display for PersonNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A person to register.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Under which he logs in; never changes.
    pub login: Login,
    /// Name shown to people.
    pub name: String,
    /// Who he is, for the audit trail.
    pub identifier: Option<PersonId>,
}

/// A person as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonRecord {
    /// His number.
    pub id: PersonNumber,
    /// Under which he logs in.
    pub login: Login,
    /// Name shown to people.
    pub name: String,
    /// Who he is.
    pub identifier: Option<PersonId>,
    /// Whether he may log in.
    pub state: PersonState,
    /// Why.
    pub state_reason: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub state_since: OffsetDateTime,
    /// Whether a password is set.
    pub has_password: bool,
    /// Grows with each change that an administrator makes.
    pub revision: i64,
    /// When he was registered.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

#[derive(FromRow)]
struct PersonRow {
    id: i64,
    login: String,
    name: String,
    identifier: Option<String>,
    password_hash: Option<String>,
    state: String,
    state_reason: Option<String>,
    state_since: OffsetDateTime,
    revision: i64,
    created_at: OffsetDateTime,
}

impl TryFrom<PersonRow> for PersonRecord {
    type Error = StoreError;

    fn try_from(row: PersonRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: PersonNumber(row.id),
            login: parsed(&row.login)?,
            name: row.name,
            identifier: row.identifier.as_deref().map(parsed).transpose()?,
            state: parsed(&row.state)?,
            state_reason: row.state_reason,
            state_since: row.state_since,
            has_password: row.password_hash.is_some(),
            revision: row.revision,
            created_at: row.created_at,
        })
    }
}

impl Store {
    /// Registers a person, who can do nothing yet: there is no password and nothing is delegated.
    pub async fn create_person(&self, new: NewPerson) -> Result<PersonRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let row: PersonRow = sqlx::query_as(
            "INSERT INTO person (login, name, identifier, state, state_since, created_at)
             VALUES ($1, $2, $3, 'active', $4, $4) RETURNING *",
        )
        .bind(new.login.as_str())
        .bind(&new.name)
        .bind(new.identifier.as_ref().map(ToString::to_string))
        .bind(now)
        .fetch_one(&mut *transaction)
        .await
        .map_err(|error| taken(error, &new.login))?;
        let detail = json!({ "person": new.login, "name": new.name, "identifier": new.identifier });
        self.trace(Event::PersonCreated).with(detail).insert(&mut transaction).await?;
        transaction.commit().await?;
        row.try_into()
    }

    /// The person of this login.
    pub async fn person(&self, login: &Login) -> Result<Option<PersonRecord>, StoreError> {
        Ok(self.person_credential(login).await?.map(|(person, _)| person))
    }

    /// All people, by login; those in this state only, if one is given.
    pub async fn list_people(&self, state: Option<PersonState>) -> Result<Vec<PersonRecord>, StoreError> {
        let rows: Vec<PersonRow> =
            sqlx::query_as("SELECT * FROM person WHERE $1::text IS NULL OR state = $1 ORDER BY login")
                .bind(state.map(PersonState::word))
                .fetch_all(self.pool())
                .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The person of this login with his password hash, for a log-in.
    pub async fn person_credential(&self, login: &Login) -> Result<Option<(PersonRecord, Option<String>)>, StoreError> {
        let row: Option<PersonRow> = sqlx::query_as("SELECT * FROM person WHERE login = $1")
            .bind(login.as_str())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| {
            let hash = row.password_hash.clone();
            Ok((row.try_into()?, hash))
        })
        .transpose()
    }

    /// Lets a person log in, or does not any more; his open sessions end.
    pub async fn set_person_state(
        &self,
        login: &Login,
        state: PersonState,
        reason: &str,
    ) -> Result<PersonRecord, StoreError> {
        self.move_person(login, state, reason, None).await
    }

    /// The same, if he still is at the revision at which he was seen.
    pub async fn move_person(
        &self,
        login: &Login,
        state: PersonState,
        reason: &str,
        revision: Option<i64>,
    ) -> Result<PersonRecord, StoreError> {
        let change = sqlx::query_as(
            "UPDATE person SET state = $2, state_reason = $3, state_since = CASE state WHEN $2 THEN state_since ELSE $4 END
             WHERE login = $1 AND ($5::bigint IS NULL OR revision = $5) RETURNING *",
        )
        .bind(login.as_str().to_owned())
        .bind(state.word())
        .bind(reason.to_owned())
        .bind(self.clock().now())
        .bind(revision);
        let detail = json!({ "person": login, "state": state, "reason": reason });
        self.change_person(login, change, Event::PersonState, detail).await
    }

    /// Sets or replaces the password hash (PHC string) of a person; his open sessions end.
    pub async fn set_person_password(&self, login: &Login, phc: &str) -> Result<PersonRecord, StoreError> {
        let change = sqlx::query_as("UPDATE person SET password_hash = $2 WHERE login = $1 RETURNING *")
            .bind(login.as_str().to_owned())
            .bind(phc.to_owned());
        self.change_person(login, change, Event::PersonPassword, json!({ "person": login })).await
    }

    async fn change_person(
        &self,
        login: &Login,
        change: QueryAs<'_, Postgres, PersonRow, PgArguments>,
        event: Event,
        detail: Value,
    ) -> Result<PersonRecord, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let row = change.fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Err(self.missing_person(login).await?) };
        self.trace(event).with(detail).insert(&mut transaction).await?;
        // No BAL changed, but sessions look again whether they may go on.
        self.notices().announce_bals(&[], &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed(&[]);
        row.try_into()
    }

    /// Why a change found no row: the person is not there, or is not as he was seen.
    async fn missing_person(&self, login: &Login) -> Result<StoreError, StoreError> {
        Ok(match self.person(login).await? {
            Some(person) => StoreError::PersonOvertaken(person.login),
            None => StoreError::NoSuchPerson(login.clone()),
        })
    }
}

fn taken(error: sqlx::Error, login: &Login) -> StoreError {
    if violates(&error, "person_login_key") { StoreError::PersonExists(login.clone()) } else { error.into() }
}
