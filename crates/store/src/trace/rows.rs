//! Reading the chain's rows.

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _, ValueRef as _};
use time::OffsetDateTime;

use super::check::Findings;
use super::emptied::Announced;
use super::event::Event;
use super::line::{Content, Hash, Head, Line};
use super::links::{self, Link};
use super::removal::Removal;
use crate::{KeyRing, StoreError};

/// A hash as the column has it.
fn hash(octets: &[u8], table: &'static str) -> Result<Hash, StoreError> {
    octets.try_into().map_err(|_| StoreError::inconsistent(table, "a hash of another length than 32 octets"))
}

/// First and last number, time, hash, key, signature.
type LinkRow = (i64, i64, OffsetDateTime, Vec<u8>, String, Vec<u8>);

/// All links that end in these numbers, in order.
pub(super) async fn links(connection: &mut PgConnection, from: i64, to: i64) -> Result<Vec<Link>, StoreError> {
    let rows: Vec<LinkRow> = sqlx::query_as(
        "SELECT first, last, at, hash, key_id, mac FROM trace_link WHERE last BETWEEN $1 AND $2 ORDER BY last",
    )
    .bind(from)
    .bind(to)
    .fetch_all(connection)
    .await?;
    let link = |(first, last, at, octets, key_id, mac): LinkRow| {
        Ok(Link { first, last, at, hash: hash(&octets, "trace_link")?, key_id, mac })
    };
    rows.into_iter().map(link).collect()
}

/// The end of the chain, as it is said to be.
pub(super) async fn end(connection: &mut PgConnection) -> Result<links::Head, StoreError> {
    let (number, octets, key_id, mac): (i64, Vec<u8>, Option<String>, Option<Vec<u8>>) =
        sqlx::query_as("SELECT number, hash, key_id, mac FROM trace_head").fetch_one(connection).await?;
    Ok(links::Head { number, hash: hash(&octets, "trace_head")?, signed: key_id.zip(mac) })
}

/// What the trail says may be gone, and which lines say so without being pli's. The lines that say it are never emptied
/// themselves, and are checked with the others.
pub(super) async fn announced(
    connection: &mut PgConnection,
    ring: &KeyRing,
) -> Result<(Announced, Findings), StoreError> {
    let rows: Vec<(i64, OffsetDateTime, String)> = sqlx::query_as(
        "SELECT number, at, detail FROM trace_line WHERE event = 'audit.removal' AND detail IS NOT NULL ORDER BY number",
    )
    .fetch_all(connection)
    .await?;
    let (mut announced, mut findings) = (Announced::default(), Findings::default());
    for (number, at, detail) in rows {
        match Removal::read(&detail, at, ring) {
            Ok(removal) => announced.announce(removal.class, removal.before),
            Err(fault) => findings.push(number, fault),
        }
    }
    Ok((announced, findings))
}

/// The word of that announcement stands in SQL.
const _: Event = Event::AuditRemoval;

/// Gives each line of these numbers to `take`, in order, as it comes.
pub(super) async fn lines(
    connection: &mut PgConnection,
    from: i64,
    to: i64,
    mut take: impl FnMut(&Line),
) -> Result<u64, StoreError> {
    let mut rows = sqlx::query(
        "SELECT number, at, event, digest, salt, actor, delegated, message_id, bal_id, peer, detail
         FROM trace_line WHERE number BETWEEN $1 AND $2 ORDER BY number",
    )
    .bind(from)
    .bind(to)
    .fetch(connection);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        take(&line(&row)?);
        count += 1;
    }
    Ok(count)
}

/// The same without their contents, which who follows the chain does not need.
pub(super) async fn heads(
    connection: &mut PgConnection,
    from: i64,
    to: i64,
    mut take: impl FnMut(&Line),
) -> Result<(), StoreError> {
    let sql = "SELECT number, at, event, digest FROM trace_line WHERE number BETWEEN $1 AND $2 ORDER BY number";
    let mut rows = sqlx::query(sql).bind(from).bind(to).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let head = Head { number: row.try_get(0)?, at: row.try_get(1)?, event: row.try_get(2)? };
        let digest = row.try_get::<&[u8], _>(3)?.try_into().unwrap_or_default();
        take(&Line { head, digest, content: None });
    }
    Ok(())
}

/// Columns by place: looking names up costs more than the digest.
fn line(row: &PgRow) -> Result<Line, StoreError> {
    let head = Head { number: row.try_get(0)?, at: row.try_get(1)?, event: row.try_get(2)? };
    // A digest of another length is nobody's.
    let digest = row.try_get::<&[u8], _>(3)?.try_into().unwrap_or_default();
    let salt = row.try_get::<Option<&[u8]>, _>(4)?;
    if salt.is_none() && is_empty(row)? {
        return Ok(Line { head, digest, content: None });
    }
    let content = Content {
        // Of content without a salt, or with one of another length, no digest is right.
        salt: salt.and_then(|salt| salt.try_into().ok()).unwrap_or_default(),
        actor: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
        delegated: row.try_get(6)?,
        message: row.try_get(7)?,
        bal: row.try_get(8)?,
        peer: row.try_get(9)?,
        detail: row.try_get(10)?,
    };
    Ok(Line { head, digest, content: Some(content) })
}

/// Whether all of the content is gone. What stands beside a missing salt was written there by somebody.
fn is_empty(row: &PgRow) -> Result<bool, StoreError> {
    for place in 5..=10 {
        if !row.try_get_raw(place)?.is_null() {
            return Ok(false);
        }
    }
    Ok(true)
}
