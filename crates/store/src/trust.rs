//! The white list's versions, what changed between them, and the sources of lists.
//!
//! What is kept here is not believed because it is here: whoever loads a list verifies its signature again.

mod change;
mod record;
mod source;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::version::VersionState;
use crate::{Store, StoreError};

pub use change::{DomainChange, DomainChangeKind, DomainEvent};
pub use record::ListRecord;
pub use source::{Due, Source, SourceAnswer, SourceClaim, SourceKind};

/// Number of a version of the white list; later versions have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(pub i64);

impl std::fmt::Display for ListId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How a version came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrigin {
    /// Fetched.
    Url,
    /// Read from the file of the configuration.
    File,
    /// Handed in by a person.
    Import,
}

impl ListOrigin {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::File => "file",
            Self::Import => "import",
        }
    }

    fn of_word(word: &str) -> Result<Self, StoreError> {
        [Self::Url, Self::File, Self::Import]
            .into_iter()
            .find(|origin| origin.word() == word)
            .ok_or_else(|| StoreError::inconsistent("trust_list", format_args!("origin '{word}'")))
    }
}

/// A version of the white list without its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListVersion {
    /// Its number.
    pub id: ListId,
    /// Where it is in its life.
    pub state: VersionState,
    /// SHA-256 of its octets.
    pub sha256: Vec<u8>,
    /// Its own date.
    pub generated_at: OffsetDateTime,
    /// When it came and its signature was judged.
    pub received_at: OffsetDateTime,
    /// When it came into force.
    pub accepted_at: Option<OffsetDateTime>,
    /// When its source last said that it is the current one.
    pub confirmed_at: OffsetDateTime,
    /// How it came.
    pub origin: ListOrigin,
    /// URL or path.
    pub source: String,
    /// Who imported it.
    pub received_by: Option<String>,
    /// When somebody acknowledged it, and who.
    pub acknowledged: Option<(OffsetDateTime, String)>,
    /// Why it had to wait, or was withdrawn.
    pub why: Option<String>,
    /// Counts.
    pub counts: ListCounts,
}

/// How many domains a version has, and how many it changed against the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListCounts {
    /// Domains in it.
    pub domains: usize,
    /// Domains that came.
    pub added: usize,
    /// Domains that went.
    pub removed: usize,
    /// Domains whose names changed.
    pub renamed: usize,
}

/// A row of `trust_list` without its octets.
#[derive(FromRow)]
struct VersionRow {
    id: i64,
    state: String,
    sha256: Vec<u8>,
    generated_at: OffsetDateTime,
    received_at: OffsetDateTime,
    accepted_at: Option<OffsetDateTime>,
    confirmed_at: OffsetDateTime,
    origin: String,
    source: String,
    received_by: Option<String>,
    acknowledged_at: Option<OffsetDateTime>,
    acknowledged_by: Option<String>,
    why: Option<String>,
    domains: i32,
    added: i32,
    removed: i32,
    renamed: i32,
}

impl TryFrom<VersionRow> for ListVersion {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self, StoreError> {
        let count = |count: i32| usize::try_from(count).unwrap_or_default();
        Ok(Self {
            id: ListId(row.id),
            state: VersionState::of_word("trust_list", &row.state)?,
            sha256: row.sha256,
            generated_at: row.generated_at,
            received_at: row.received_at,
            accepted_at: row.accepted_at,
            confirmed_at: row.confirmed_at,
            origin: ListOrigin::of_word(&row.origin)?,
            source: row.source,
            received_by: row.received_by,
            acknowledged: row.acknowledged_at.map(|at| (at, row.acknowledged_by.unwrap_or_default())),
            why: row.why,
            counts: ListCounts {
                domains: count(row.domains),
                added: count(row.added),
                removed: count(row.removed),
                renamed: count(row.renamed),
            },
        })
    }
}

/// All columns but the octets.
macro_rules! versions {
    ($rest:literal) => {
        concat!(
            "SELECT id, state, sha256, generated_at, received_at, accepted_at, confirmed_at, origin, source, received_by, ",
            "acknowledged_at, acknowledged_by, why, domains, added, removed, renamed FROM trust_list ",
            $rest
        )
    };
}

impl Store {
    /// Wakes when lists or sources changed, by whichever process. Lags are fine: read all again.
    pub fn trust_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.notices().watch_trust()
    }

    /// The version in force.
    pub async fn list_in_force(&self) -> Result<Option<ListVersion>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        in_state(&mut connection, VersionState::InForce).await
    }

    /// The version that waits for an acknowledgement.
    pub async fn pending_list(&self) -> Result<Option<ListVersion>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        in_state(&mut connection, VersionState::Pending).await
    }

    /// One version.
    pub async fn list_version(&self, id: ListId) -> Result<Option<ListVersion>, StoreError> {
        let row: Option<VersionRow> =
            sqlx::query_as(versions!("WHERE id = $1")).bind(id.0).fetch_optional(self.pool()).await?;
        row.map(ListVersion::try_from).transpose()
    }

    /// The last versions, newest first.
    pub async fn list_versions(&self, limit: u32) -> Result<Vec<ListVersion>, StoreError> {
        let rows: Vec<VersionRow> = sqlx::query_as(versions!("ORDER BY id DESC LIMIT $1"))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(ListVersion::try_from).collect()
    }

    /// The octets of a version as they came; of versions that are neither in force nor pending they are not kept.
    pub async fn list_octets(&self, id: ListId) -> Result<Option<Vec<u8>>, StoreError> {
        let octets: Option<Option<Vec<u8>>> = sqlx::query_scalar("SELECT octets FROM trust_list WHERE id = $1")
            .bind(id.0)
            .fetch_optional(self.pool())
            .await?;
        Ok(octets.flatten())
    }
}

async fn in_state(connection: &mut PgConnection, state: VersionState) -> Result<Option<ListVersion>, StoreError> {
    let row: Option<VersionRow> =
        sqlx::query_as(versions!("WHERE state = $1")).bind(state.word()).fetch_optional(connection).await?;
    row.map(ListVersion::try_from).transpose()
}
