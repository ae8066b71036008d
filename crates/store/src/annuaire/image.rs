//! Images of the directory on their way into the database and out of it: packed, and never whole in memory.
//!
//! The side that knows what an image is works on a thread of its own, since packing and reading take seconds; a few
//! chunks at a time go over to the side that talks to the database.

use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zstd::stream::{read::Decoder, write::Encoder};

use super::{AnnuaireId, AnnuaireVersion};
use crate::{Store, StoreError};

/// Octets in a chunk.
const CHUNK: usize = 1 << 20;
/// Chunks between the two sides.
const WAITING: usize = 4;
/// Packs a hundred megabytes in a second, to less than half.
const LEVEL: i32 = 3;

impl Store {
    /// Hands the image of a version to `read`, on a thread of its own, and returns what that made of it. None if the
    /// image is not kept any more: the version is neither in force nor pending.
    pub async fn read_annuaire<T: Send + 'static>(
        &self,
        version: &AnnuaireVersion,
        read: impl FnOnce(&mut dyn Read) -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let mut chunks = sqlx::query_scalar("SELECT data FROM annuaire_chunk WHERE version = $1 ORDER BY n")
            .bind(version.id.0)
            .fetch(self.pool());
        let Some(first) = chunks.try_next().await? else { return Ok(None) };
        let (sender, receiver) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || unpack(receiver, read));
        let mut chunk = Some(first);
        while let Some(octets) = chunk {
            if sender.send(octets).await.is_err() {
                break;
            }
            chunk = chunks.try_next().await?;
        }
        drop((chunks, sender));
        let (done, sha256) = joined(reading).await?;
        if sha256 == version.sha256 {
            return Ok(Some(done));
        }
        Err(StoreError::inconsistent("annuaire_chunk", "the image is not the one that was written (SHA-256)"))
    }
}

/// Writes what `write` writes as the image of a version, and returns its SHA-256.
pub(super) async fn insert(
    connection: &mut PgConnection,
    version: AnnuaireId,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Vec<u8>, StoreError> {
    let (sender, mut chunks) = mpsc::channel::<Vec<u8>>(WAITING);
    let writing = tokio::task::spawn_blocking(move || pack(sender, write));
    let mut sha256 = Context::new(&SHA256);
    let mut n = 0_i32;
    while let Some(chunk) = chunks.recv().await {
        sha256.update(&chunk);
        sqlx::query("INSERT INTO annuaire_chunk (version, n, data) VALUES ($1, $2, $3)")
            .bind(version.0)
            .bind(n)
            .bind(chunk)
            .execute(&mut *connection)
            .await?;
        n += 1;
    }
    joined(writing).await?;
    Ok(sha256.finish().as_ref().to_vec())
}

/// What a thread came to; that it cannot write or read an image is nobody's fault but the machine's.
async fn joined<T>(thread: JoinHandle<io::Result<T>>) -> Result<T, StoreError> {
    let result = thread.await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    result.map_err(|error| StoreError::Unavailable(format!("the image of the directory: {error}")))
}

fn pack(chunks: mpsc::Sender<Vec<u8>>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut packer = Encoder::new(Chunks { chunks, gathered: Vec::new() }, LEVEL)?;
    write(&mut packer)?;
    packer.finish()?.send()
}

/// Gathers octets to chunks.
struct Chunks {
    chunks: mpsc::Sender<Vec<u8>>,
    gathered: Vec<u8>,
}

impl Chunks {
    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.gathered);
        if chunk.is_empty() {
            return Ok(());
        }
        self.chunks.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunks {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len().min(CHUNK - self.gathered.len());
        self.gathered.extend_from_slice(&octets[..taken]);
        if self.gathered.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `read` made of the chunks, and their SHA-256.
fn unpack<T>(chunks: mpsc::Receiver<Vec<u8>>, read: impl FnOnce(&mut dyn Read) -> T) -> io::Result<(T, Vec<u8>)> {
    let mut octets = Octets { chunks, chunk: Vec::new(), at: 0, sha256: Context::new(&SHA256) };
    let done = read(&mut Decoder::new(&mut octets)?);
    // All of it counts, also what nobody wanted to read.
    io::copy(&mut octets, &mut io::sink())?;
    Ok((done, octets.sha256.finish().as_ref().to_vec()))
}

/// Chunks as a stream of octets.
struct Octets {
    chunks: mpsc::Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    sha256: Context,
}

impl Read for Octets {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            let Some(chunk) = self.chunks.blocking_recv() else { return Ok(0) };
            self.sha256.update(&chunk);
            (self.chunk, self.at) = (chunk, 0);
        }
        let taken = into.len().min(self.chunk.len() - self.at);
        into[..taken].copy_from_slice(&self.chunk[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
