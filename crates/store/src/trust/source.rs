//! The sources of lists and of the directory: which node asks which one when, and what they answered.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// What a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The white list; its octets are kept with its versions.
    List,
    /// A revocation list.
    Crl,
    /// Where the national directory is told of our BALs.
    Publication,
    /// The extraction that the directory is made from.
    Annuaire,
    /// The activities that complete it.
    Activities,
    /// The API of the national directory.
    Fhir,
}

impl SourceKind {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Crl => "crl",
            Self::Publication => "publication",
            Self::Annuaire => "annuaire",
            Self::Activities => "activities",
            Self::Fhir => "fhir",
        }
    }
}

/// When a source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// When its time has come.
    InTime,
    /// At once, unless another process is at it: its work would be for nothing.
    WhenFree,
    /// At once, whoever else is about to.
    Now,
}

/// A source that this process is to ask, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceClaim {
    /// What it gives.
    pub kind: SourceKind,
    /// Where it is.
    pub url: String,
    /// Tells this claim from later ones.
    pub fence: i64,
    /// How often in a row it failed.
    pub failures: u32,
    /// Why it last failed, if it has not answered since.
    pub last_error: Option<String>,
    /// `ETag` of what it gave last.
    pub etag: Option<String>,
    /// `Last-Modified` of what it gave last.
    pub last_modified: Option<String>,
    /// SHA-256 of what it gave last.
    pub sha256: Option<Vec<u8>>,
    /// When the revocation list in hand ends.
    pub next_update: Option<OffsetDateTime>,
}

/// How asking ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAnswer {
    /// Octets that are used from now on. Those of a white list are kept elsewhere.
    New {
        /// The octets.
        octets: Vec<u8>,
        /// For the next request.
        etag: Option<String>,
        /// For the next request.
        last_modified: Option<String>,
        /// When a revocation list ends.
        next_update: Option<OffsetDateTime>,
    },
    /// Something that is kept elsewhere.
    Elsewhere {
        /// SHA-256 of it.
        sha256: [u8; 32],
        /// For the next request.
        etag: Option<String>,
        /// For the next request.
        last_modified: Option<String>,
    },
    /// What we hold is current.
    Same,
    /// Nothing that can be used. What we hold stays.
    Failed {
        /// Why.
        why: String,
    },
}

/// A source as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub url: String,
    /// When a node last had a use for it.
    pub wanted_at: OffsetDateTime,
    /// When it is asked next.
    pub next_attempt: OffsetDateTime,
    /// Until when another process has it, if one does.
    pub leased_until: Option<OffsetDateTime>,
    /// When it was last asked.
    pub checked_at: Option<OffsetDateTime>,
    /// When it last gave something good, or said that nothing changed.
    pub confirmed_at: Option<OffsetDateTime>,
    /// How often in a row it failed.
    pub failures: u32,
    /// Why it last failed.
    pub last_error: Option<String>,
    /// When the revocation list in hand ends.
    pub next_update: Option<OffsetDateTime>,
    /// Grows with each new body; 0 if there is none.
    pub version: i64,
}

#[derive(FromRow)]
struct ClaimRow {
    url: String,
    fence: i64,
    failures: i32,
    last_error: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
    sha256: Option<Vec<u8>>,
    next_update: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct SourceRow {
    url: String,
    wanted_at: OffsetDateTime,
    next_attempt: OffsetDateTime,
    leased_until: Option<OffsetDateTime>,
    checked_at: Option<OffsetDateTime>,
    confirmed_at: Option<OffsetDateTime>,
    failures: i32,
    last_error: Option<String>,
    next_update: Option<OffsetDateTime>,
    version: i64,
}

impl From<SourceRow> for Source {
    fn from(row: SourceRow) -> Self {
        Self {
            url: row.url,
            wanted_at: row.wanted_at,
            next_attempt: row.next_attempt,
            leased_until: row.leased_until,
            checked_at: row.checked_at,
            confirmed_at: row.confirmed_at,
            failures: row.failures.unsigned_abs(),
            last_error: row.last_error,
            next_update: row.next_update,
            version: row.version,
        }
    }
}

/// Claims rows for which a condition holds.
macro_rules! claim {
    ($due:literal, $lock:literal) => {
        concat!(
            "WITH due AS (SELECT kind, url FROM source WHERE kind = $1 AND url = ANY ($2) AND (",
            $due,
            ") ORDER BY next_attempt LIMIT $5 ",
            $lock,
            ") UPDATE source s SET fence = s.fence + 1, next_attempt = $6, leased_until = $6, checked_at = $3
             FROM due WHERE s.kind = due.kind AND s.url = due.url
             RETURNING s.url, s.fence, s.failures, s.last_error, s.etag, s.last_modified, s.sha256, s.next_update"
        )
    };
}

/// Sources that nobody wanted for so long are forgotten.
const UNWANTED: time::Duration = time::Duration::days(30);
/// Sources that nobody wanted for so long are not asked any more; what they gave stays.
const UNASKED: time::Duration = time::Duration::days(1);
/// How often it is written down that a source is still wanted.
const STILL_WANTED: time::Duration = time::Duration::hours(6);
/// A check that lies further ahead than clocks of nodes may differ was made by a clock that was wrong.
const CLOCKS_DIFFER: time::Duration = time::Duration::minutes(5);

impl Store {
    /// Sources that this process has a use for. New ones are due at once.
    pub async fn want_sources(&self, kind: SourceKind, urls: &[String]) -> Result<(), StoreError> {
        let now = self.clock().now();
        sqlx::query(
            "INSERT INTO source AS s (kind, url, wanted_at, next_attempt)
             SELECT $1, url, $3, $3 FROM unnest($2::text[]) AS url
             ON CONFLICT (kind, url) DO UPDATE SET wanted_at = $3 WHERE s.wanted_at < $4",
        )
        .bind(kind.word())
        .bind(urls)
        .bind(now)
        .bind(now - STILL_WANTED)
        .execute(self.pool())
        .await?;
        sqlx::query("DELETE FROM source WHERE kind = $1 AND wanted_at < $2 AND url <> ALL ($3)")
            .bind(kind.word())
            .bind(now - UNWANTED)
            .bind(urls)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Sources that some process has wanted within a day.
    pub async fn wanted_sources(&self, kind: SourceKind) -> Result<Vec<String>, StoreError> {
        let urls = sqlx::query_scalar("SELECT url FROM source WHERE kind = $1 AND wanted_at >= $2 ORDER BY url")
            .bind(kind.word())
            .bind(self.clock().now() - UNASKED)
            .fetch_all(self.pool())
            .await?;
        Ok(urls)
    }

    /// Claims those of `urls` that are due, at most `limit`. Nobody else asks them until `lease` is over.
    ///
    /// A source that was checked in the future is due: it was put off by a clock that was wrong.
    pub async fn claim_sources(
        &self,
        kind: SourceKind,
        urls: &[String],
        due: Due,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<SourceClaim>, StoreError> {
        let now = self.clock().now();
        let claim = match due {
            Due::InTime => claim!("next_attempt <= $3 OR checked_at > $4", "FOR UPDATE SKIP LOCKED"),
            Due::WhenFree => {
                claim!("leased_until IS NULL OR leased_until <= $3 OR checked_at > $4", "FOR UPDATE")
            }
            // Whoever holds a row has it for a moment; a person who asks must not be told nothing.
            // The condition always holds; it tells the server the type of $4.
            Due::Now => claim!("$3 <= $4", "FOR UPDATE"),
        };
        let rows: Vec<ClaimRow> = sqlx::query_as(claim)
            .bind(kind.word())
            .bind(urls)
            .bind(now)
            .bind(now + CLOCKS_DIFFER)
            .bind(i64::from(limit))
            .bind(now + lease)
            .fetch_all(self.pool())
            .await?;
        let claim = |row: ClaimRow| SourceClaim {
            kind,
            url: row.url,
            fence: row.fence,
            failures: row.failures.unsigned_abs(),
            last_error: row.last_error,
            etag: row.etag,
            last_modified: row.last_modified,
            sha256: row.sha256,
            next_update: row.next_update,
        };
        Ok(rows.into_iter().map(claim).collect())
    }

    /// Writes down how asking ended. False if another process has claimed the source since.
    pub async fn settle_source(
        &self,
        claim: &SourceClaim,
        answer: &SourceAnswer,
        next_attempt: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let settled = settle(claim, answer, next_attempt, now, &mut transaction).await?;
        if settled && let Some(given) = Given::of(claim.kind, answer) {
            keep(claim, &given, &mut transaction).await?;
        }
        match Listeners::of(claim.kind) {
            Listeners::Trust => self.notices().announce_trust(&mut transaction).await?,
            Listeners::Annuaire => self.notices().announce_annuaire(&mut transaction).await?,
            Listeners::Nobody => {}
        }
        transaction.commit().await?;
        match Listeners::of(claim.kind) {
            Listeners::Trust => self.notices().trust_changed(),
            Listeners::Annuaire => self.notices().annuaire_changed(),
            Listeners::Nobody => {}
        }
        Ok(settled)
    }

    /// Prolongs a claim. False if another process has claimed the source since.
    pub async fn renew_source(&self, claim: &SourceClaim, lease: Duration) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE source SET next_attempt = $4, leased_until = $4 WHERE kind = $1 AND url = $2 AND fence = $3",
        )
        .bind(claim.kind.word())
        .bind(&claim.url)
        .bind(claim.fence)
        .bind(self.clock().now() + lease)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives a claim back: the source is due at once. For a process that ends.
    pub async fn release_source(&self, claim: &SourceClaim) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE source SET next_attempt = $4, leased_until = NULL WHERE kind = $1 AND url = $2 AND fence = $3",
        )
        .bind(claim.kind.word())
        .bind(&claim.url)
        .bind(claim.fence)
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// All sources of a kind.
    pub async fn sources(&self, kind: SourceKind) -> Result<Vec<Source>, StoreError> {
        let rows: Vec<SourceRow> = sqlx::query_as(
            "SELECT url, wanted_at, next_attempt, leased_until, checked_at, confirmed_at, failures, last_error, next_update, version
             FROM source WHERE kind = $1 ORDER BY url",
        )
        .bind(kind.word())
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(Source::from).collect())
    }

    /// The revocation list of this source, and the version that it is.
    pub async fn revocation_list(&self, url: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        let row: Option<(i64, Option<Vec<u8>>)> =
            sqlx::query_as("SELECT version, body FROM source WHERE kind = 'crl' AND url = $1")
                .bind(url)
                .fetch_optional(self.pool())
                .await?;
        Ok(row.and_then(|(version, body)| body.map(|body| (version, body))))
    }
}

/// Who hears that a source was asked.
enum Listeners {
    /// Who keeps lists.
    Trust,
    /// Who keeps the directory.
    Annuaire,
    /// A run of publications changes nothing that nodes keep.
    Nobody,
}

impl Listeners {
    fn of(kind: SourceKind) -> Self {
        match kind {
            SourceKind::List | SourceKind::Crl => Self::Trust,
            SourceKind::Annuaire | SourceKind::Activities | SourceKind::Fhir => Self::Annuaire,
            SourceKind::Publication => Self::Nobody,
        }
    }
}

/// Whether it worked, and when it is asked again. False if the claim is no longer ours.
async fn settle(
    claim: &SourceClaim,
    answer: &SourceAnswer,
    next_attempt: OffsetDateTime,
    now: OffsetDateTime,
    connection: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let why = match answer {
        SourceAnswer::Failed { why } => Some(why),
        _ => None,
    };
    let done = sqlx::query(
        "UPDATE source
         SET next_attempt = $4, leased_until = NULL, last_error = $5, failures = CASE WHEN $5::text IS NULL THEN 0 ELSE failures + 1 END,
             confirmed_at = CASE WHEN $5::text IS NULL THEN $6 ELSE confirmed_at END
         WHERE kind = $1 AND url = $2 AND fence = $3",
    )
    .bind(claim.kind.word())
    .bind(&claim.url)
    .bind(claim.fence)
    .bind(next_attempt)
    .bind(why)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What a source gave, as its row keeps it.
struct Given<'a> {
    sha256: Vec<u8>,
    etag: &'a Option<String>,
    last_modified: &'a Option<String>,
    next_update: Option<OffsetDateTime>,
    /// Only of what is kept nowhere else.
    body: Option<&'a [u8]>,
}

impl<'a> Given<'a> {
    fn of(kind: SourceKind, answer: &'a SourceAnswer) -> Option<Self> {
        match answer {
            SourceAnswer::New { octets, etag, last_modified, next_update } => Some(Self {
                sha256: digest(&SHA256, octets).as_ref().to_vec(),
                etag,
                last_modified,
                next_update: *next_update,
                body: (kind == SourceKind::Crl).then_some(octets),
            }),
            SourceAnswer::Elsewhere { sha256, etag, last_modified } => {
                Some(Self { sha256: sha256.to_vec(), etag, last_modified, next_update: None, body: None })
            }
            SourceAnswer::Same | SourceAnswer::Failed { .. } => None,
        }
    }
}

async fn keep(claim: &SourceClaim, given: &Given<'_>, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE source
         SET version = version + 1, sha256 = $3, etag = $4, last_modified = $5, next_update = $6, body = $7
         WHERE kind = $1 AND url = $2",
    )
    .bind(claim.kind.word())
    .bind(&claim.url)
    .bind(&given.sha256)
    .bind(given.etag)
    .bind(given.last_modified)
    .bind(given.next_update)
    .bind(given.body)
    .execute(connection)
    .await?;
    Ok(())
}
