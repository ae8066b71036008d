//! Reading messages back.

use std::collections::HashMap;

use aws_lc_rs::digest;
use futures_util::TryStreamExt;
use message::{Span, Summary};
use sqlx::FromRow;

use crate::seal::{MessageKey, WrappedKey};
use crate::{MessageId, Store, StoreError};

/// A row with all that opens a message's pieces.
#[derive(FromRow)]
struct KeyRow {
    id: i64,
    key_id: String,
    wrapped_key: Vec<u8>,
}

impl KeyRow {
    fn key(self, store: &Store) -> Result<MessageKey, StoreError> {
        let wrapped = WrappedKey { key_id: self.key_id, octets: self.wrapped_key };
        MessageKey::unwrap(MessageId(self.id), store.keyring(), &wrapped)
    }
}

#[derive(FromRow)]
struct SummaryRow {
    #[sqlx(flatten)]
    key: KeyRow,
    summary: Vec<u8>,
}

#[derive(FromRow)]
struct BodyRow {
    #[sqlx(flatten)]
    key: KeyRow,
    size: i64,
    chunk_size: i32,
    digest: Vec<u8>,
    /// The first chunk of the span.
    data: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct PieceRow {
    #[sqlx(flatten)]
    key: KeyRow,
    place: i64,
    size: i64,
    chunk_size: i32,
    digest: Vec<u8>,
    n: Option<i32>,
    data: Option<Vec<u8>>,
}

impl Store {
    /// The summaries of these messages, unsealed. Messages that are not stored any more are left out.
    pub async fn summaries(&self, messages: &[MessageId]) -> Result<HashMap<MessageId, Summary>, StoreError> {
        let mut rows =
            sqlx::query_as::<_, SummaryRow>("SELECT id, key_id, wrapped_key, summary FROM message WHERE id = ANY ($1)")
                .bind(numbers(messages.iter().copied()))
                .fetch(self.pool());
        let mut summaries = HashMap::with_capacity(messages.len());
        while let Some(row) = rows.try_next().await? {
            let message = MessageId(row.key.id);
            summaries.insert(message, row.key.key(self)?.open_summary(row.summary)?);
        }
        Ok(summaries)
    }

    /// Starts to read a span of a message; only the chunks that it needs are fetched. The span
    /// is cut to the message's end.
    ///
    /// The whole message is checked against the digest of what was received: the reader ends in an error if it
    /// is not the same.
    pub async fn read_body(&self, message: MessageId, span: Span) -> Result<BodyReader, StoreError> {
        let row: Option<BodyRow> = sqlx::query_as(
            "SELECT m.id, m.key_id, m.wrapped_key, m.size, m.chunk_size, m.digest, c.data
             FROM message m
             LEFT JOIN message_chunk c ON c.message_id = m.id AND c.n = $2 / m.chunk_size
             WHERE m.id = $1",
        )
        .bind(message.0)
        .bind(signed(span.start))
        .fetch_optional(self.pool())
        .await?;
        let row = row.ok_or(StoreError::NoSuchMessage(message))?;
        let size = row.size.unsigned_abs();
        let chunk_size = row.chunk_size.unsigned_abs();
        let (next, end) = (span.start.min(size), span.start.saturating_add(span.len).min(size));
        let key = row.key.key(self)?;
        let check = if (next, end) == (0, size) { Some(Check::new(&key, row.digest)?) } else { None };
        Ok(BodyReader { store: self.clone(), message, key, chunk_size, next, end, check, ready: row.data })
    }

    /// The first `N` octets of several messages at once: for each span its octets, in order.
    /// Meant for headers and short messages; not for whole large bodies. A span that is the whole message is checked
    /// as in [`Store::read_body`].
    pub async fn read_spans(&self, wanted: &[(MessageId, Span)]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut rows = sqlx::query_as::<_, PieceRow>(
            "SELECT m.id, m.key_id, m.wrapped_key, m.size, m.chunk_size, m.digest, w.place, c.n, c.data
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (id, first, after, place)
             JOIN message m ON m.id = w.id
             LEFT JOIN message_chunk c
                 ON c.message_id = m.id AND w.after > w.first
                AND c.n >= w.first / m.chunk_size AND c.n <= (w.after - 1) / m.chunk_size",
        )
        .bind(numbers(wanted.iter().map(|(message, _)| *message)))
        .bind(wanted.iter().map(|(_, span)| signed(span.start)).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, span)| signed(span.start.saturating_add(span.len))).collect::<Vec<_>>())
        .fetch(self.pool());
        let mut gathered: Vec<Gathered> = wanted.iter().map(|_| Gathered::default()).collect();
        while let Some(row) = rows.try_next().await? {
            let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
            let (Some(gathered), Some((_, span))) = (gathered.get_mut(place), wanted.get(place)) else {
                return Err(StoreError::inconsistent("message", "a span that was not asked for"));
            };
            gathered.add(row, *span, self)?;
        }
        gathered.into_iter().zip(wanted).map(|(gathered, (message, span))| gathered.octets(*message, *span)).collect()
    }
}

fn numbers(messages: impl Iterator<Item = MessageId>) -> Vec<i64> {
    messages.map(|message| message.0).collect()
}

/// An offset for SQL; beyond any message if it does not fit.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// What of a chunk lies in `start..end`.
fn cut(plain: Vec<u8>, chunk_start: u64, start: u64, end: u64) -> Vec<u8> {
    let within =
        |offset: u64| usize::try_from(offset.saturating_sub(chunk_start)).unwrap_or(usize::MAX).min(plain.len());
    let (from, to) = (within(start), within(end));
    if (from, to) == (0, plain.len()) { plain } else { plain.get(from..to).unwrap_or_default().to_vec() }
}

/// The octets of one span while its chunks come in.
#[derive(Default)]
struct Gathered {
    size: Option<u64>,
    pieces: Vec<(u32, Vec<u8>)>,
    /// When the span is the whole message.
    check: Option<Check>,
}

impl Gathered {
    fn add(&mut self, row: PieceRow, span: Span, store: &Store) -> Result<(), StoreError> {
        let size = row.size.unsigned_abs();
        let first = self.size.replace(size).is_none();
        let (Some(n), Some(data)) = (row.n, row.data) else { return Ok(()) };
        let (n, chunk_size) = (n.unsigned_abs(), row.chunk_size.unsigned_abs());
        let key = row.key.key(store)?;
        if first && span.start == 0 && span.len >= size {
            self.check = Some(Check::new(&key, row.digest)?);
        }
        let plain = key.open_chunk(n, data, chunk_size as usize)?;
        let chunk_start = u64::from(n) * u64::from(chunk_size);
        self.pieces.push((n, cut(plain, chunk_start, span.start, span.start.saturating_add(span.len))));
        Ok(())
    }

    fn octets(mut self, message: MessageId, span: Span) -> Result<Vec<u8>, StoreError> {
        let size = self.size.ok_or(StoreError::NoSuchMessage(message))?;
        self.pieces.sort_unstable_by_key(|(n, _)| *n);
        let octets: Vec<u8> = match self.pieces.len() {
            1 => self.pieces.pop().map(|(_, octets)| octets).unwrap_or_default(),
            _ => self.pieces.into_iter().flat_map(|(_, octets)| octets).collect(),
        };
        let expected = span.start.saturating_add(span.len).min(size).saturating_sub(span.start);
        if octets.len() as u64 != expected {
            return Err(missing_chunk(message));
        }
        if let Some(mut check) = self.check {
            check.running.update(&octets);
            check.finish(message)?;
        }
        Ok(octets)
    }
}

fn missing_chunk(message: MessageId) -> StoreError {
    StoreError::inconsistent("message_chunk", format!("a chunk of message {message} is missing or too short"))
}

/// A span of a message, chunk by chunk.
pub struct BodyReader {
    store: Store,
    message: MessageId,
    key: MessageKey,
    chunk_size: u32,
    next: u64,
    end: u64,
    /// When the whole message is read.
    check: Option<Check>,
    /// The next chunk, if it is here already.
    ready: Option<Vec<u8>>,
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BodyReader({}, {}..{})", self.message, self.next, self.end)
    }
}

impl BodyReader {
    /// Octets that are still to come.
    pub fn remaining(&self) -> u64 {
        self.end - self.next
    }

    /// The next octets (at most one chunk, 256 KiB), `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let number = u32::try_from(self.next / u64::from(self.chunk_size)).map_err(|_| missing_chunk(self.message))?;
        let sealed = match self.ready.take() {
            Some(sealed) => sealed,
            None => self.fetch(number).await?,
        };
        let plain = self.key.open_chunk(number, sealed, self.chunk_size as usize)?;
        let octets = cut(plain, u64::from(number) * u64::from(self.chunk_size), self.next, self.end);
        let full = self.end.min((u64::from(number) + 1) * u64::from(self.chunk_size)) - self.next;
        if octets.len() as u64 != full {
            return Err(missing_chunk(self.message));
        }
        self.next += full;
        self.verify(&octets)?;
        Ok(Some(octets))
    }

    async fn fetch(&self, number: u32) -> Result<Vec<u8>, StoreError> {
        let data: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT data FROM message_chunk WHERE message_id = $1 AND n = $2")
                .bind(self.message.0)
                .bind(number.cast_signed())
                .fetch_optional(self.store.pool())
                .await?;
        data.ok_or_else(|| missing_chunk(self.message))
    }

    /// Bytes in are bytes out: compares with what was received when the last octet is there.
    fn verify(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        if let Some(check) = &mut self.check {
            check.running.update(octets);
        }
        if self.next < self.end {
            return Ok(());
        }
        self.check.take().map_or(Ok(()), |check| check.finish(self.message))
    }
}

/// The running digest of a message that is read as a whole, and the one that it must become.
struct Check {
    running: digest::Context,
    expected: Vec<u8>,
}

impl Check {
    fn new(key: &MessageKey, sealed: Vec<u8>) -> Result<Self, StoreError> {
        Ok(Self { running: digest::Context::new(&digest::SHA256), expected: key.open_digest(sealed)? })
    }

    fn finish(self, message: MessageId) -> Result<(), StoreError> {
        if self.running.finish().as_ref() == self.expected {
            return Ok(());
        }
        let what = format!("message {message} is not what was received: its digest differs");
        Err(StoreError::inconsistent("message", what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_octets_than_were_received_are_noticed() {
        for (octets, same) in [(&b"pli"[..], true), (b"plj", false), (b"", false)] {
            let expected = digest::digest(&digest::SHA256, b"pli").as_ref().to_vec();
            let mut check = Check { running: digest::Context::new(&digest::SHA256), expected };
            check.running.update(octets);
            assert_eq!(check.finish(MessageId(1)).is_ok(), same, "{octets:?}");
        }
    }

    #[test]
    fn a_chunk_is_cut_to_the_span() {
        let chunk = || b"0123456789".to_vec();
        assert_eq!(cut(chunk(), 100, 103, 106), b"345");
        assert_eq!(cut(chunk(), 100, 0, 102), b"01");
        assert_eq!(cut(chunk(), 100, 108, u64::MAX), b"89");
        assert_eq!(cut(chunk(), 100, 0, 1_000), b"0123456789");
        assert_eq!(cut(chunk(), 100, 200, 300), b"");
    }
}
