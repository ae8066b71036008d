//! The versions of the directory: one is in force, one may wait for an acknowledgement.
//!
//! The store does not know what a directory is: it keeps its image, packed, and hands it back.

mod image;
mod record;
mod refused;

use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::version::VersionState;
use crate::{Store, StoreError};

pub use record::{AnnuaireRecord, AnnuaireRejection};
pub use refused::AnnuaireRefused;

/// Number of a version of the directory; later versions have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnnuaireId(pub i64);

impl std::fmt::Display for AnnuaireId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a version came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnuaireKind {
    /// An extraction: all its entries are new.
    Extraction,
    /// Activities of professionals: the entries are those of the version before.
    Activities,
    /// The API of the national directory.
    Fhir,
}

impl AnnuaireKind {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Extraction => "extraction",
            Self::Activities => "activities",
            Self::Fhir => "fhir",
        }
    }

    fn of_word(word: &str) -> Result<Self, StoreError> {
        [Self::Extraction, Self::Activities, Self::Fhir]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| StoreError::inconsistent(TABLE, format_args!("kind '{word}'")))
    }
}

/// How a version came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnuaireOrigin {
    /// Fetched.
    Url,
    /// Handed in by a person.
    Import,
    /// Asked of the API, page by page.
    Api,
}

impl AnnuaireOrigin {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Import => "import",
            Self::Api => "api",
        }
    }

    fn of_word(word: &str) -> Result<Self, StoreError> {
        [Self::Url, Self::Import, Self::Api]
            .into_iter()
            .find(|origin| origin.word() == word)
            .ok_or_else(|| StoreError::inconsistent(TABLE, format_args!("origin '{word}'")))
    }
}

const TABLE: &str = "annuaire_version";

/// A version of the directory without its image.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnuaireVersion {
    /// Its number.
    pub id: AnnuaireId,
    /// Where it is in its life.
    pub state: VersionState,
    /// What it came from.
    pub kind: AnnuaireKind,
    /// How it came.
    pub origin: AnnuaireOrigin,
    /// URL or path.
    pub source: String,
    /// The date of what it came from, if it has one.
    pub generated_at: Option<OffsetDateTime>,
    /// When it was imported.
    pub received_at: OffsetDateTime,
    /// When the source of its entries last said that it is the current one.
    pub confirmed_at: OffsetDateTime,
    /// When it came into force.
    pub accepted_at: Option<OffsetDateTime>,
    /// Who imported it.
    pub received_by: Option<String>,
    /// When somebody acknowledged it, and who.
    pub acknowledged: Option<(OffsetDateTime, String)>,
    /// Why it had to wait, or was withdrawn.
    pub why: Option<String>,
    /// The report of its import.
    pub report: Value,
    /// The format of its image.
    pub format: u32,
    /// SHA-256 of its image as it is stored.
    pub sha256: Vec<u8>,
}

#[derive(FromRow)]
struct VersionRow {
    id: i64,
    state: String,
    kind: String,
    origin: String,
    source: String,
    generated_at: Option<OffsetDateTime>,
    received_at: OffsetDateTime,
    confirmed_at: OffsetDateTime,
    accepted_at: Option<OffsetDateTime>,
    received_by: Option<String>,
    acknowledged_at: Option<OffsetDateTime>,
    acknowledged_by: Option<String>,
    why: Option<String>,
    report: Value,
    format: i32,
    sha256: Vec<u8>,
}

impl TryFrom<VersionRow> for AnnuaireVersion {
    type Error = StoreError;

    fn try_from(row: VersionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: AnnuaireId(row.id),
            state: VersionState::of_word(TABLE, &row.state)?,
            kind: AnnuaireKind::of_word(&row.kind)?,
            origin: AnnuaireOrigin::of_word(&row.origin)?,
            source: row.source,
            generated_at: row.generated_at,
            received_at: row.received_at,
            confirmed_at: row.confirmed_at,
            accepted_at: row.accepted_at,
            received_by: row.received_by,
            acknowledged: row.acknowledged_at.map(|at| (at, row.acknowledged_by.unwrap_or_default())),
            why: row.why,
            report: row.report,
            format: row.format.unsigned_abs(),
            sha256: row.sha256,
        })
    }
}

impl Store {
    /// Wakes when the directory or its sources changed, by whichever process. Lags are fine: read all again.
    pub fn annuaire_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.notices().watch_annuaire()
    }

    /// The version in force.
    pub async fn annuaire_in_force(&self) -> Result<Option<AnnuaireVersion>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        in_state(&mut connection, VersionState::InForce).await
    }

    /// The version that waits for an acknowledgement.
    pub async fn pending_annuaire(&self) -> Result<Option<AnnuaireVersion>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        in_state(&mut connection, VersionState::Pending).await
    }

    /// The last versions, newest first.
    pub async fn annuaire_versions(&self, limit: u32) -> Result<Vec<AnnuaireVersion>, StoreError> {
        let rows: Vec<VersionRow> = sqlx::query_as("SELECT * FROM annuaire_version ORDER BY id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(AnnuaireVersion::try_from).collect()
    }

    /// The lines that an import passed over, in their order, at most `limit`. Those of former versions are not kept.
    pub async fn annuaire_rejections(&self, id: AnnuaireId, limit: u32) -> Result<Vec<AnnuaireRejection>, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT line, reason, detail FROM annuaire_rejection WHERE version = $1 ORDER BY line LIMIT $2",
        )
        .bind(id.0)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(AnnuaireRejection::of_row).collect())
    }
}

async fn in_state(connection: &mut PgConnection, state: VersionState) -> Result<Option<AnnuaireVersion>, StoreError> {
    let row: Option<VersionRow> = sqlx::query_as("SELECT * FROM annuaire_version WHERE state = $1")
        .bind(state.word())
        .fetch_optional(connection)
        .await?;
    row.map(AnnuaireVersion::try_from).transpose()
}
