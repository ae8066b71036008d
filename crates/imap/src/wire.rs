//! The connection: octets in through the framer, octets out through one buffer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use trust::Transport;

use crate::framer::{Bounds, Frame, Framer};

/// Octets of output that are collected before they are written.
const OUT: usize = 32 * 1024;
/// Octets of room for reading: little while the client is silent, more while a message comes.
const IN: usize = 2 * 1024;
const IN_MESSAGE: usize = 64 * 1024;

/// A connection with its buffers.
pub(crate) struct Wire {
    transport: Transport,
    framer: Framer,
    /// Responses that are not written yet; written by [`Wire::flush`].
    pub(crate) out: Vec<u8>,
    /// How long the other side may take in the middle of something.
    patience: Duration,
}

impl Wire {
    pub(crate) fn new(transport: Transport, patience: Duration) -> Self {
        Self { transport, framer: Framer::default(), out: Vec::new(), patience }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The bare connection, for TLS to begin; none if the client sent more in clear already.
    pub(crate) fn into_transport(self) -> Option<Transport> {
        self.framer.is_empty().then_some(self.transport)
    }

    /// Whether the client has sent more than was read.
    pub(crate) fn has_input(&self) -> bool {
        !self.framer.is_empty()
    }

    /// The next frame of what is there.
    pub(crate) fn next(&mut self, bounds: Bounds) -> Frame {
        self.framer.next(bounds)
    }

    /// The next line of what is there.
    pub(crate) fn next_line(&mut self, bounds: Bounds) -> io::Result<Option<Vec<u8>>> {
        self.framer.next_line(bounds).map_err(io::Error::other)
    }

    /// Waits for more octets; 0 at the end. Nothing is lost if this is dropped half way.
    pub(crate) async fn read(&mut self) -> io::Result<usize> {
        self.framer.release();
        self.framer.input().reserve(IN);
        self.transport.read_buf(self.framer.input()).await
    }

    /// A line, waiting for it.
    pub(crate) async fn line(&mut self, bounds: Bounds) -> io::Result<Vec<u8>> {
        loop {
            if let Some(line) = self.next_line(bounds)? {
                return Ok(line);
            }
            if timed(self.patience, self.read()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next octets of a message, at most `max`, waiting for them.
    pub(crate) async fn message(&mut self, max: u64) -> io::Result<bytes::BytesMut> {
        loop {
            let piece = self.framer.take_message(max);
            if !piece.is_empty() || max == 0 {
                return Ok(piece);
            }
            self.framer.input().reserve(IN_MESSAGE);
            if timed(self.patience, self.transport.read_buf(self.framer.input())).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes if much has been collected, so that memory stays bounded and a slow client slows us.
    pub(crate) async fn flush_if_full(&mut self) -> io::Result<()> {
        if self.out.len() >= OUT { self.write().await } else { Ok(()) }
    }

    /// Writes all that was collected.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.write().await?;
        self.out = Vec::new();
        timed(self.patience, self.transport.flush()).await
    }

    /// Ends the connection in order.
    pub(crate) async fn close(&mut self) {
        // the client may be gone already
        let _ = self.flush().await;
        let _ = timed(Duration::from_secs(5), self.transport.shutdown()).await;
    }

    async fn write(&mut self) -> io::Result<()> {
        timed(self.patience, self.transport.write_all(&self.out)).await?;
        self.out.clear();
        Ok(())
    }
}

async fn timed<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
