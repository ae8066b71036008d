//! Reading messages back.

use std::collections::HashMap;

use message::{Span, Summary};

use crate::{MessageId, Store, StoreError};

impl Store {
    /// The summaries of these messages, unsealed.
    pub async fn summaries(&self, messages: &[MessageId]) -> Result<HashMap<MessageId, Summary>, StoreError> {
        todo!()
    }

    /// Starts to read a span of a message; only the chunks that it needs are fetched. The span
    /// is cut to the message's end.
    pub async fn read_body(&self, message: MessageId, span: Span) -> Result<BodyReader, StoreError> {
        todo!()
    }

    /// The first `N` octets of several messages at once: for each span its octets, in order.
    /// Meant for headers; not for whole large bodies.
    pub async fn read_spans(&self, wanted: &[(MessageId, Span)]) -> Result<Vec<Vec<u8>>, StoreError> {
        todo!()
    }
}

/// A span of a message, chunk by chunk.
pub struct BodyReader {}

impl BodyReader {
    /// Octets that are still to come.
    pub fn remaining(&self) -> u64 {
        todo!()
    }

    /// The next octets (at most one chunk, 256 KiB), `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }
}
