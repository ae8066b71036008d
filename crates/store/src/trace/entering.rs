//! Entering what waits in the inbox into the chain: numbers, digests, a signed link, and the counters of indicators, all
//! in one transaction.

use mssante::{Domain, Random};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::count::{self, Counts};
use super::line::{Content, Hash, Head, Line, SALT, canonical_json};
use super::links::{self, Link};
use crate::{Store, StoreError};

/// Held by the node that enters, until its transaction ends: when it dies, another one goes on.
const ENTERING_LOCK: i64 = 0x706c_6961;
/// Lines that one link holds at most.
const LINK_LIMIT: i64 = 5_000;

/// What one entering did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Another node is at it.
    Elsewhere,
    /// So many lines; there may be more.
    Some(u64),
    /// So many lines, and then nothing waited any more.
    All(u64),
}

/// A line as it waits.
#[derive(FromRow)]
struct Waiting {
    id: i64,
    at: OffsetDateTime,
    event: String,
    actor: String,
    delegated: Option<String>,
    message_id: Option<i64>,
    bal_id: Option<i64>,
    peer: Option<String>,
    detail: Option<String>,
}

impl Waiting {
    fn entered(self, number: i64, salt: [u8; SALT]) -> Line {
        let head = Head { number, at: self.at, event: self.event };
        let content = Content {
            salt,
            actor: self.actor,
            delegated: self.delegated,
            message: self.message_id,
            bal: self.bal_id,
            peer: self.peer,
            detail: self.detail.as_deref().map(canonical_json),
        };
        Line::new(head, content)
    }
}

impl Store {
    /// Enters some of what waits; `patients` are the domains of patients, for the indicators. Any number of nodes may
    /// ask at the same time: one does it.
    pub async fn enter_traces(&self, patients: &[Domain]) -> Result<Entered, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(ENTERING_LOCK)
            .fetch_one(&mut *transaction)
            .await?;
        if !ours {
            return Ok(Entered::Elsewhere);
        }
        let waiting = take(&mut transaction).await?;
        let count = waiting.len() as u64;
        if count > 0 {
            let (number, hash) = end(&mut transaction).await?;
            let lines = numbered(waiting, number, self.random());
            self.chain(&mut transaction, &lines, hash).await?;
            let mut counts = Counts::new();
            for line in &lines {
                count::count(line, patients, &mut counts);
            }
            add(&mut transaction, &counts).await?;
        }
        transaction.commit().await?;
        Ok(if count < LINK_LIMIT.unsigned_abs() { Entered::All(count) } else { Entered::Some(count) })
    }

    /// Gives the space of entered lines back to the inbox, which has no index that would need it.
    pub async fn tidy_inbox(&self) -> Result<(), StoreError> {
        sqlx::query("VACUUM (TRUNCATE false, INDEX_CLEANUP off) trace_inbox").execute(self.pool()).await?;
        Ok(())
    }

    async fn chain(&self, connection: &mut PgConnection, lines: &[Line], previous: Hash) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let hash = lines.iter().fold(previous, |hash, line| line.chained(&hash));
        let now = whole_micros(self.clock().now());
        let link = Link::sign(first.head.number, last.head.number, now, hash, self.keyring());
        write_lines(connection, lines).await?;
        write_link(connection, &link).await?;
        write_end(connection, &links::Head::sign(link.last, hash, self.keyring())).await
    }
}

/// Takes lines out of the inbox, in the order in which they came as far as they are taken together. Of a backlog, lines
/// that took the space of others may be entered before older ones: numbers follow time roughly, and nothing rests on
/// more. To sort all that waits each time would cost most when there is most to do.
async fn take(connection: &mut PgConnection) -> Result<Vec<Waiting>, StoreError> {
    let mut waiting: Vec<Waiting> = sqlx::query_as(
        "DELETE FROM trace_inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM trace_inbox LIMIT $1))
         RETURNING id, at, event, actor, delegated, message_id, bal_id, peer, detail",
    )
    .bind(LINK_LIMIT)
    .fetch_all(connection)
    .await?;
    waiting.sort_unstable_by_key(|line| line.id);
    Ok(waiting)
}

/// The last number and the hash of the chain.
async fn end(connection: &mut PgConnection) -> Result<(i64, Hash), StoreError> {
    let (number, hash): (i64, Vec<u8>) =
        sqlx::query_as("SELECT number, hash FROM trace_head FOR UPDATE").fetch_one(connection).await?;
    let hash = hash.try_into().map_err(|_| StoreError::inconsistent("trace_head", "a hash of another length"))?;
    Ok((number, hash))
}

fn numbered(waiting: Vec<Waiting>, after: i64, random: &dyn Random) -> Vec<Line> {
    let mut salts = vec![0; SALT * waiting.len()];
    random.fill(&mut salts);
    let (salts, _) = salts.as_chunks::<SALT>();
    waiting.into_iter().zip(salts).zip(after + 1..).map(|((line, salt), number)| line.entered(number, *salt)).collect()
}

/// PostgreSQL keeps no finer times, and what is signed has to be what is read again.
pub(super) fn whole_micros(at: OffsetDateTime) -> OffsetDateTime {
    at.truncate_to_microsecond()
}

/// One column of the contents of all lines.
fn column<'a, T>(lines: &'a [Line], value: impl Fn(&'a Content) -> Option<T>) -> Vec<Option<T>> {
    lines.iter().map(|line| line.content.as_ref().and_then(&value)).collect()
}

async fn write_lines(connection: &mut PgConnection, lines: &[Line]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO trace_line
             (number, at, event, digest, salt, actor, delegated, message_id, bal_id, peer, detail)
         SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bytea[], $5::bytea[], $6::text[],
                              $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])",
    )
    .bind(lines.iter().map(|line| line.head.number).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.head.at).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.head.event.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.digest.as_slice()).collect::<Vec<_>>())
    .bind(column(lines, |content| Some(content.salt.as_slice())))
    .bind(column(lines, |content| Some(content.actor.as_str())))
    .bind(column(lines, |content| content.delegated.as_deref()))
    .bind(column(lines, |content| content.message))
    .bind(column(lines, |content| content.bal))
    .bind(column(lines, |content| content.peer.as_deref()))
    .bind(column(lines, |content| content.detail.as_deref()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_link(connection: &mut PgConnection, link: &Link) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO trace_link (first, last, at, hash, key_id, mac) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(link.first)
        .bind(link.last)
        .bind(link.at)
        .bind(link.hash.as_slice())
        .bind(&link.key_id)
        .bind(&link.mac)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_end(connection: &mut PgConnection, head: &links::Head) -> Result<(), StoreError> {
    let (key_id, mac) = head.signed.as_ref().map(|(id, mac)| (id.as_str(), mac.as_slice())).unzip();
    sqlx::query("UPDATE trace_head SET number = $1, hash = $2, key_id = $3, mac = $4")
        .bind(head.number)
        .bind(head.hash.as_slice())
        .bind(key_id)
        .bind(mac)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds to the counters.
async fn add(connection: &mut PgConnection, counts: &Counts) -> Result<(), StoreError> {
    if counts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO indicator_day AS d (day, bal_id, direction, patient, xdm, ins, software, messages, octets)
         SELECT * FROM unnest($1::date[], $2::bigint[], $3::text[], $4::boolean[], $5::boolean[], $6::text[],
                              $7::text[], $8::bigint[], $9::bigint[])
         ON CONFLICT (day, bal_id, direction, patient, xdm, ins, software)
         DO UPDATE SET messages = d.messages + excluded.messages, octets = d.octets + excluded.octets",
    )
    .bind(counts.keys().map(|counter| counter.day).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.bal).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.direction.word()).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.patient).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.xdm).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.ins).collect::<Vec<_>>())
    .bind(counts.keys().map(|counter| counter.software.as_str()).collect::<Vec<_>>())
    .bind(counts.values().map(|(messages, _)| *messages).collect::<Vec<_>>())
    .bind(counts.values().map(|(_, octets)| *octets).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
