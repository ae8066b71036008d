//! Taking a message in: sealed chunk by chunk as it arrives.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest;
use message::Summary;
use tokio::sync::mpsc;

use crate::seal::{CHUNK_SIZE, MessageKey, WrappedKey};
use crate::{Store, StoreError};

/// The number of a stored message. Never reused; its text form is the queue identifier in
/// replies, traces and Received fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{:X}", self.0)
    }
}

/// The number of a queue entry: one message for one remote recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub i64);

/// A message on its way in. Dropped before [`Intake::finish`] it leaves nothing behind.
/// Memory is bounded by about two chunks (512 KiB), whatever the message's size.
pub struct Intake {
    store: Store,
    key: MessageKey,
    wrapped: WrappedKey,
    digest: digest::Context,
    size: u64,
    /// What is not sealed yet: the last chunk stays here, so that a short message needs no write before its acceptance.
    plain: Vec<u8>,
    /// Chunks that are sealed and stored.
    chunks: u32,
    staging: Staging,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intake({})", self.id())
    }
}

impl Store {
    /// Starts to take a message in; draws its number and its data key.
    pub async fn begin_intake(&self) -> Result<Intake, StoreError> {
        let id = self.next_message_id().await?;
        let (key, wrapped) = MessageKey::draw(id, self.keyring(), self.random());
        Ok(Intake {
            key,
            wrapped,
            digest: digest::Context::new(&digest::SHA256),
            size: 0,
            plain: Vec::new(),
            chunks: 0,
            staging: Staging { id, staged: false, discards: self.discards().clone() },
            store: self.clone(),
        })
    }
}

impl Intake {
    /// The message's number.
    pub fn id(&self) -> MessageId {
        self.staging.id
    }

    /// Takes the next octets, cut anywhere.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.plain.len() == CHUNK_SIZE {
                self.stage().await?;
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK_SIZE - self.plain.len()));
            self.plain.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    /// Stores a full chunk ahead of the acceptance.
    async fn stage(&mut self) -> Result<(), StoreError> {
        let sealed = self.key.seal_chunk(self.chunks, &self.plain);
        self.staging.staged = true;
        // Not flushed on its own: the commit of the acceptance comes later in the same write-ahead log and flushes
        // what is before it. The marker is renewed, so that a slow intake is not taken for a dead one; only the first
        // chunk makes it, because a marker that is gone was swept, and the chunks before with it.
        let statement = if self.chunks == 0 {
            "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
                  marker AS (INSERT INTO staged_message (id, touched_at) SELECT $1, $4 FROM quick RETURNING id)
             INSERT INTO message_chunk (message_id, n, data) SELECT id, $2, $3 FROM marker"
        } else {
            "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
                  marker AS (UPDATE staged_message SET touched_at = $4 FROM quick WHERE id = $1 RETURNING id)
             INSERT INTO message_chunk (message_id, n, data) SELECT id, $2, $3 FROM marker"
        };
        let stored = sqlx::query(statement)
            .bind(self.id().0)
            .bind(self.chunks.cast_signed())
            .bind(sealed)
            .bind(self.store.clock().now())
            .execute(self.store.pool())
            .await?;
        if stored.rows_affected() != 1 {
            let what = format!("the intake of {} took too long; its chunks were swept", self.id());
            return Err(StoreError::inconsistent("staged_message", what));
        }
        self.chunks += 1;
        self.plain.clear();
        Ok(())
    }

    /// What was taken in, from `offset` on to the end of its chunk: at least one octet (256 KiB at most), unless the
    /// offset is that of the end or beyond.
    pub async fn octets_from(&self, offset: u64) -> Result<Cow<'_, [u8]>, StoreError> {
        let (number, start) = (offset / CHUNK_SIZE as u64, usize::try_from(offset % CHUNK_SIZE as u64).unwrap_or(0));
        match u32::try_from(number) {
            Ok(number) if number < self.chunks => Ok(Cow::Owned(self.staged(number).await?.split_off(start))),
            Ok(number) if number == self.chunks => Ok(Cow::Borrowed(self.plain.get(start..).unwrap_or_default())),
            _ => Ok(Cow::Borrowed(&[])),
        }
    }

    /// The plain octets of a chunk that is stored.
    async fn staged(&self, number: u32) -> Result<Vec<u8>, StoreError> {
        let data: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT data FROM message_chunk WHERE message_id = $1 AND n = $2")
                .bind(self.id().0)
                .bind(number.cast_signed())
                .fetch_optional(self.store.pool())
                .await?;
        let swept = || StoreError::inconsistent("message_chunk", format!("chunk {number} of {} is gone", self.id()));
        self.key.open_chunk(number, data.ok_or_else(swept)?, CHUNK_SIZE)
    }

    /// All octets are in; `summary` describes them.
    #[expect(
        clippy::unused_async,
        reason = "storing the last chunk here must stay possible without a change for callers"
    )]
    pub async fn finish(self, summary: Summary) -> Result<SealedMessage, StoreError> {
        if summary.size != self.size {
            let what = format!("the summary of {} tells of {} octets, not {}", self.id(), summary.size, self.size);
            return Err(StoreError::inconsistent("message", what));
        }
        let last_chunk = (!self.plain.is_empty()).then(|| (self.chunks, self.key.seal_chunk(self.chunks, &self.plain)));
        Ok(SealedMessage {
            size: self.size,
            header_size: summary.root.header.len,
            summary: self.key.seal_summary(&summary),
            digest: self.key.seal_digest(self.digest.finish().as_ref()),
            wrapped: self.wrapped,
            last_chunk,
            staged_chunks: self.chunks,
            staging: self.staging,
        })
    }
}

/// Whether chunks are stored already; dropped while they are only staged, it has them removed.
struct Staging {
    id: MessageId,
    staged: bool,
    discards: mpsc::UnboundedSender<MessageId>,
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.staged {
            // After the store was closed the next process's sweeper does it.
            let _ = self.discards.send(self.id);
        }
    }
}

/// A message that is complete and sealed but not accepted yet. Dropped, it leaves nothing behind.
pub struct SealedMessage {
    pub(crate) size: u64,
    pub(crate) header_size: u64,
    pub(crate) summary: Vec<u8>,
    pub(crate) wrapped: WrappedKey,
    /// Sealed.
    pub(crate) digest: Vec<u8>,
    /// Number and sealed octets of the last chunk; the others are staged. An empty message has none.
    pub(crate) last_chunk: Option<(u32, Vec<u8>)>,
    /// How many chunks are stored ahead of the acceptance.
    pub(crate) staged_chunks: u32,
    staging: Staging,
}

impl fmt::Debug for SealedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedMessage({})", self.id())
    }
}

impl SealedMessage {
    /// The message's number.
    pub fn id(&self) -> MessageId {
        self.staging.id
    }

    /// Whether chunks of it are stored already.
    pub(crate) fn is_staged(&self) -> bool {
        self.staging.staged
    }

    /// It is accepted: its chunks stay.
    pub(crate) fn keep(mut self) {
        self.staging.staged = false;
    }
}
