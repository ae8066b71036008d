//! What a version changed, domain by domain.

use mssante::Domain;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::{ListCounts, ListId};
use crate::{Store, StoreError};

/// What happened to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainChangeKind {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It stayed under other names.
    Renamed,
}

impl DomainChangeKind {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
        }
    }

    fn of_word(word: &str) -> Result<Self, StoreError> {
        [Self::Added, Self::Removed, Self::Renamed]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| StoreError::inconsistent("trust_change", format_args!("change '{word}'")))
    }
}

/// What a version changed for one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainChange {
    /// Which domain.
    pub domain: Domain,
    /// What happened.
    pub kind: DomainChangeKind,
    /// Names that it has now and had not before, as the list writes them.
    pub names_added: Vec<String>,
    /// Names that it had.
    pub names_removed: Vec<String>,
}

/// A change with the version that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEvent {
    /// Which version.
    pub version: ListId,
    /// The date of that version.
    pub generated_at: OffsetDateTime,
    /// When it came into force.
    pub accepted_at: OffsetDateTime,
    /// What it changed.
    pub change: DomainChange,
}

#[derive(FromRow)]
struct ChangeRow {
    domain: String,
    change: String,
    names_added: Vec<String>,
    names_removed: Vec<String>,
}

impl TryFrom<ChangeRow> for DomainChange {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        let domain = Domain::parse(&row.domain)
            .map_err(|error| StoreError::inconsistent("trust_change", format_args!("domain: {error}")))?;
        let kind = DomainChangeKind::of_word(&row.change)?;
        Ok(Self { domain, kind, names_added: row.names_added, names_removed: row.names_removed })
    }
}

#[derive(FromRow)]
struct EventRow {
    version: i64,
    generated_at: OffsetDateTime,
    accepted_at: OffsetDateTime,
    #[sqlx(flatten)]
    change: ChangeRow,
}

impl Store {
    /// What a version changed, in the order of domains.
    pub async fn list_changes(&self, id: ListId) -> Result<Vec<DomainChange>, StoreError> {
        let rows: Vec<ChangeRow> = sqlx::query_as(
            "SELECT domain, change, names_added, names_removed FROM trust_change WHERE version = $1 ORDER BY domain",
        )
        .bind(id.0)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(DomainChange::try_from).collect()
    }

    /// What versions that came into force changed for a domain, newest first, at most `limit`.
    pub async fn domain_history(&self, domain: &Domain, limit: u32) -> Result<Vec<DomainEvent>, StoreError> {
        let rows: Vec<EventRow> = sqlx::query_as(
            "SELECT c.version, l.generated_at, l.accepted_at, c.domain, c.change, c.names_added, c.names_removed
             FROM trust_change c JOIN trust_list l ON l.id = c.version
             WHERE c.domain = $1 AND l.accepted_at IS NOT NULL
             ORDER BY c.version DESC LIMIT $2",
        )
        .bind(domain.to_string())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                let (generated_at, accepted_at) = (row.generated_at, row.accepted_at);
                let change = row.change.try_into()?;
                Ok(DomainEvent { version: ListId(row.version), generated_at, accepted_at, change })
            })
            .collect()
    }
}

/// Replaces what is written down for a version.
pub(super) async fn write(
    connection: &mut PgConnection,
    version: ListId,
    changes: &[DomainChange],
) -> Result<ListCounts, sqlx::Error> {
    sqlx::query("DELETE FROM trust_change WHERE version = $1").bind(version.0).execute(&mut *connection).await?;
    // Lists of lists do not pass through unnest: names travel as JSON.
    let names = |names: fn(&DomainChange) -> &[String]| {
        changes.iter().map(|change| serde_json::Value::from(names(change).to_vec())).collect::<Vec<_>>()
    };
    sqlx::query(
        "INSERT INTO trust_change (version, domain, change, names_added, names_removed)
         SELECT $1, domain, change,
                ARRAY(SELECT jsonb_array_elements_text(came)), ARRAY(SELECT jsonb_array_elements_text(went))
         FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::jsonb[]) AS c (domain, change, came, went)",
    )
    .bind(version.0)
    .bind(changes.iter().map(|change| change.domain.to_string()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.kind.word()).collect::<Vec<_>>())
    .bind(names(|change| &change.names_added))
    .bind(names(|change| &change.names_removed))
    .execute(connection)
    .await?;
    Ok(counts(changes))
}

/// How many of each kind.
pub(super) fn counts(changes: &[DomainChange]) -> ListCounts {
    let of = |kind| changes.iter().filter(|change| change.kind == kind).count();
    ListCounts {
        domains: 0,
        added: of(DomainChangeKind::Added),
        removed: of(DomainChangeKind::Removed),
        renamed: of(DomainChangeKind::Renamed),
    }
}
