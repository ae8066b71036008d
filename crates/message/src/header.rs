//! The header of a message that is being taken in: what the rules need of it.

use mssante::Address;
use thiserror::Error;

/// Why a header block is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// No From field, or several. `[RFC5322 3.6]`
    #[error("exactly one From field is needed")]
    From,
    /// A field that holds addresses cannot be read.
    #[error("the {0} field cannot be read")]
    Field(&'static str),
}

/// What submission and the hop check in the header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderBlock {
    /// The authors. `[RFC5322 3.6.2]`
    pub from: Vec<Address>,
    /// The Sender field.
    pub sender: Option<Address>,
    /// Whether there is a Message-ID field.
    pub has_message_id: bool,
    /// Whether there is a Date field.
    pub has_date: bool,
    /// How many Received fields. `[RFC5321 6.3]`
    pub received: usize,
}

impl HeaderBlock {
    /// Reads the header block `bytes` (with or without the empty line at its end).
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        todo!()
    }
}
