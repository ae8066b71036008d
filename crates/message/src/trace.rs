//! The fields that a server puts on top of a message. `[RFC5321 4.4]`

use mssante::ReversePath;
use time::OffsetDateTime;

/// Who handed the message over, for the Received field.
#[derive(Debug, Clone)]
pub struct ReceivedFrom {
    /// The name that the client gave in EHLO.
    pub helo: String,
    /// Its network address, as text.
    pub peer: String,
    /// `ESMTPS`, `ESMTPSA`, `UTF8SMTPS`… `[RFC3848]`, `[RFC6531 4.3]`
    pub protocol: &'static str,
    /// TLS version and suite, for the comment.
    pub tls: Option<String>,
}

/// What goes on top of a message that is being accepted.
#[derive(Debug, Clone)]
pub struct TraceFields {
    /// For Return-Path. `[RFC5321 4.4]`
    pub reverse_path: ReversePath,
    /// For Received: from whom.
    pub from: ReceivedFrom,
    /// For Received: our host name.
    pub by: String,
    /// For Received: our queue identifier.
    pub id: String,
    /// The moment of acceptance.
    pub at: OffsetDateTime,
    /// A Message-ID to add when the submitted message has none. `[RFC6409 8.3]`
    pub message_id: Option<String>,
    /// Whether to add a Date field. `[RFC6409 8.2]`
    pub add_date: bool,
}

impl TraceFields {
    /// The octets to put before the message: Return-Path, Received, then what was missing.
    pub fn render(&self) -> Vec<u8> {
        todo!()
    }
}
