//! How a hand-over can fail, and whether trying again can help.

use mssante::{Permanence, Refusal};
use thiserror::Error;
use trust::TlsError;

use super::Reply;

/// Where in the dialog it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for `220`.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The content.
    DataBlock,
    /// The reply to the final dot: after it, whether the peer has the message is unknown. `[RFC1047]`
    DataEnd,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl Phase {
    /// The phase as a word for replies and traces.
    pub fn word(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Handshake => "TLS handshake",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::DataBlock => "content",
            Self::DataEnd => "end of content",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Why nothing was handed over.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The connection broke.
    #[error("connection lost at {0}: {1}")]
    Io(Phase, std::io::Error),
    /// The peer was silent for too long.
    #[error("no answer in time at {0}")]
    Timeout(Phase),
    /// The peer does not speak SMTP as it should.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The peer refused.
    #[error("refused at {0}: {1}")]
    Refused(Phase, Reply),
    /// The peer offers no TLS; mail never travels in clear.
    #[error("the peer does not offer STARTTLS")]
    NoStartTls,
    /// The handshake failed, or the peer refused our certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer's certificate is not good, or doubtful.
    #[error("{}: {}", .0.word(), .0.row().english)]
    Distrusted(Refusal),
    /// The peer lacks an extension that this message needs.
    #[error("the peer does not offer {0}, which this message needs")]
    PeerLacks(&'static str),
    /// The message is larger than the peer takes.
    #[error("the message is larger than the {0} octets that the peer takes")]
    PeerLimit(u64),
    /// Our own store did not give the content.
    #[error("the message could not be read: {0}")]
    Content(String),
}

impl ClientError {
    /// Whether the same message can succeed later. Trust in doubt is temporary.
    pub fn permanence(&self) -> Permanence {
        match self {
            Self::Refused(Phase::Mail | Phase::Data, reply) if reply.code() >= 500 => Permanence::Permanent,
            Self::PeerLacks(_) | Self::PeerLimit(_) => Permanence::Permanent,
            _ => Permanence::Temporary,
        }
    }

    /// Whether the hop itself is as good as before: the peer refused this envelope, or was not
    /// even asked. `421` ends the hop. `[RFC5321 3.8]`
    pub(super) fn is_about_the_message(&self) -> bool {
        match self {
            Self::Refused(Phase::Mail | Phase::Data, reply) => reply.code() != 421,
            Self::PeerLacks(what) => *what == "SMTPUTF8",
            Self::PeerLimit(_) => true,
            _ => false,
        }
    }

    /// The enhanced status code for reports. `[RFC3463 3]`
    pub fn status(&self) -> String {
        match self {
            Self::Refused(_, reply) => reply.status(),
            Self::PeerLacks(_) => "5.6.3".to_owned(),
            Self::PeerLimit(_) => "5.3.4".to_owned(),
            Self::NoStartTls | Self::Tls(_) | Self::Distrusted(_) => "4.7.0".to_owned(),
            _ => "4.4.2".to_owned(),
        }
    }

    /// What a person is told of it in our own words, where it is about trust.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::NoStartTls | Self::Refused(Phase::StartTls, _) => Some(Refusal::PeerWithoutTls),
            Self::Tls(_) | Self::Io(Phase::Handshake, _) | Self::Timeout(Phase::Handshake) => {
                Some(Refusal::HandshakeFailed)
            }
            Self::Distrusted(refusal) => Some(*refusal),
            _ => None,
        }
    }

    /// The stable word for metrics and traces.
    pub fn word(&self) -> &'static str {
        match (self.refusal(), self) {
            (Some(refusal), _) => refusal.word(),
            (None, Self::Timeout(_)) => "no-answer",
            (None, Self::Protocol(_)) => "protocol-broken",
            (None, Self::Refused(..)) => "refused-by-peer",
            (None, Self::PeerLacks(_)) => "extension-missing",
            (None, Self::PeerLimit(_)) => "message-too-large",
            (None, Self::Content(_)) => "content-unreadable",
            (None, _) => "connection-lost",
        }
    }

    /// An end of the connection right after the handshake is the peer's refusal of our
    /// certificate: TLS 1.3 tells it that late.
    pub(super) fn after_handshake(self) -> Self {
        match self {
            Self::Io(_, error) => {
                Self::Tls(TlsError::Handshake(format!("the peer closed after the handshake: {error}")))
            }
            other => other,
        }
    }
}
