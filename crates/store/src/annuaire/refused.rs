//! Imports that were not taken, with the lines that they passed over.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::record::{AnnuaireRejection, Columns};
use crate::{Store, StoreError};

/// An import that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AnnuaireRefused {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// URL or path.
    pub source: String,
    /// When it was refused.
    pub refused_at: OffsetDateTime,
    /// Who imported it.
    pub received_by: Option<String>,
    /// A word for why.
    pub reason: String,
    /// The same for people.
    pub why: String,
    /// Lines that were passed over until it was given up.
    pub lines: i64,
}

/// Refused imports that are remembered, one of each source.
const KEPT: i64 = 5;

impl Store {
    /// Remembers an import that was not taken, instead of the last one of its source. `reason` is a word, `why` the same for people.
    pub async fn record_refused_annuaire(
        &self,
        source: &str,
        received_by: Option<&str>,
        reason: &str,
        why: &str,
        rejections: &[AnnuaireRejection],
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        // Two that are refused at once: the one that comes later counts.
        sqlx::query("LOCK TABLE annuaire_refused IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM annuaire_refused WHERE source = $1").bind(source).execute(&mut *transaction).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO annuaire_refused (source, refused_at, received_by, reason, why)
             VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(source)
        .bind(self.clock().now())
        .bind(received_by)
        .bind(reason)
        .bind(why)
        .fetch_one(&mut *transaction)
        .await?;
        insert_lines(&mut transaction, id, rejections).await?;
        sqlx::query(
            "DELETE FROM annuaire_refused WHERE id IN (SELECT id FROM annuaire_refused ORDER BY id DESC OFFSET $1)",
        )
        .bind(KEPT)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The import that was refused last.
    pub async fn last_refused_annuaire(&self) -> Result<Option<AnnuaireRefused>, StoreError> {
        let refused = sqlx::query_as(
            "SELECT r.*, (SELECT count(*) FROM annuaire_refused_line l WHERE l.refused = r.id) AS lines
             FROM annuaire_refused r ORDER BY id DESC LIMIT 1",
        )
        .fetch_optional(self.pool())
        .await?;
        Ok(refused)
    }

    /// The lines that a refused import passed over, in their order, at most `limit`.
    pub async fn refused_annuaire_lines(&self, id: i64, limit: u32) -> Result<Vec<AnnuaireRejection>, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT line, reason, detail FROM annuaire_refused_line WHERE refused = $1 ORDER BY line LIMIT $2",
        )
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(AnnuaireRejection::of_row).collect())
    }
}

async fn insert_lines(
    connection: &mut PgConnection,
    id: i64,
    rejections: &[AnnuaireRejection],
) -> Result<(), sqlx::Error> {
    for Columns { lines, reasons, details } in Columns::batches(rejections) {
        sqlx::query(
            "INSERT INTO annuaire_refused_line (refused, line, reason, detail)
             SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(lines)
        .bind(reasons)
        .bind(details)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
