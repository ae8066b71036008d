//! The streaming MIME scanner: octets in, [`Summary`] out, memory bounded by the headers.

use crate::Summary;

/// Reads a message piece by piece.
#[derive(Debug, Default)]
pub struct Scanner {}

impl Scanner {
    /// A scanner at the first octet of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        todo!()
    }

    /// The message has ended.
    pub fn finish(self) -> Summary {
        todo!()
    }
}
