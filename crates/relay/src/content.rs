//! A stored message as it goes to a peer: without the Return-Path that stands on top of it in
//! our folders.

use message::Span;
use smtp::client::Content;
use store::{BodyReader, MessageId, Store, StoreError};

const RETURN_PATH: &[u8] = b"Return-Path:";

/// The octets of one stored message, chunk by chunk.
pub(crate) struct StoredContent {
    first: Option<Vec<u8>>,
    rest: BodyReader,
    size: u64,
}

impl StoredContent {
    /// Opens the message and looks at its first chunk.
    pub(crate) async fn open(store: &Store, message: MessageId, size: u64) -> Result<Self, StoreError> {
        let mut rest = store.read_body(message, Span { start: 0, len: size }).await?;
        let mut first = rest.next().await?.unwrap_or_default();
        let dropped = return_path_len(&first);
        first.drain(..dropped);
        Ok(Self { first: Some(first), rest, size: size - dropped as u64 })
    }

    /// Octets that will be sent.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Content for StoredContent {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.rest.next().await.map_err(|error| error.to_string()),
        }
    }
}

/// Length of a Return-Path field at the very top, which only final delivery may add. `[RFC5321 4.4]`
fn return_path_len(bytes: &[u8]) -> usize {
    let is_return_path = bytes.get(..RETURN_PATH.len()).is_some_and(|name| name.eq_ignore_ascii_case(RETURN_PATH));
    if !is_return_path {
        return 0;
    }
    let mut from = 0;
    while let Some(end) = memchr::memmem::find(&bytes[from..], b"\r\n") {
        from += end + 2;
        if !matches!(bytes.get(from), Some(b' ' | b'\t')) {
            return from;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_return_path_is_taken_off() {
        assert_eq!(return_path_len(b"Return-Path: <a@b.fr>\r\nReceived: x\r\n"), 23);
        assert_eq!(return_path_len(b"Return-Path:\r\n <a@b.fr>\r\nReceived: x\r\n"), 25);
        assert_eq!(return_path_len(b"Received: x\r\nReturn-Path: <a@b.fr>\r\n"), 0);
        assert_eq!(return_path_len(b""), 0);
    }
}
