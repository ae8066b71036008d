//! Every TLS configuration of pli, and the stream that a session runs on.
//!
//! Handshakes have no time limit of their own: the caller sets one.

mod client;
pub(crate) mod files;
pub(crate) mod judge;
mod server;
mod transport;
mod verifier;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mssante::{Clock, Refusal};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use thiserror::Error;

use crate::CertificateFault;

pub use client::{ClientTls, HopTls};
pub use server::ServerTls;
pub use transport::Transport;

/// Why a TLS configuration or a handshake failed.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or does not hold what it should.
    #[error("{file}: {why}")]
    File {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// The handshake failed; the text is rustls' and names the alert.
    #[error("TLS handshake failed: {0}")]
    Handshake(String),
    /// The certificate of the other side ended the handshake: nobody could check a signature with it, it is too large
    /// to be read, or, of software, it will not do. The text is rustls'.
    #[error("TLS handshake failed: {fault}: {text}")]
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// What the TLS library says.
        text: String,
    },
    /// A client shows no certificate where one is obligatory.
    #[error("the peer presented no certificate")]
    NoCertificate,
    /// The handshake is done, but the certificate will not do: revoked, or in doubt where one is obligatory.
    #[error("the peer's certificate will not do: {}", .0.word())]
    Distrusted(Refusal),
    /// The connection broke.
    #[error("connection lost during the TLS handshake: {0}")]
    Io(#[from] io::Error),
}

impl TlsError {
    /// Takes apart the error under which the TLS library hands out its own ones.
    fn of_handshake(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(inner) => match verifier::fault_behind(inner) {
                Some(fault) => Self::Certificate { fault, text: inner.to_string() },
                None => Self::Handshake(inner.to_string()),
            },
            None => Self::Io(error),
        }
    }

    /// The stable word for metrics and logs: that of the refusal which a session would have answered, where there is
    /// one.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File { .. } => "configuration",
            Self::Handshake(_) => "handshake-failed",
            Self::Certificate { fault, .. } => fault.refusal().word(),
            Self::NoCertificate => Refusal::CertificateMissing.word(),
            Self::Distrusted(refusal) => refusal.word(),
            Self::Io(_) => "connection-lost",
        }
    }
}

/// Where our certificate and the trust anchors are. PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Our chain, own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate of the chain.
    pub key: PathBuf,
    /// Anchors that peers and clients must chain to.
    pub anchors: PathBuf,
    /// The authorities below them whose certificates are accepted.
    pub issuers: PathBuf,
}

impl TlsFiles {
    /// Whether certificate and key can be read and belong together; nothing is said of validity or trust.
    pub fn check_pair(&self) -> Result<(), TlsError> {
        files::Identity::load(&self.certificate, &self.key).map(drop)
    }
}

/// What a listener of submission or IMAP asks of its clients; that of hops always requires a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No connection without a good one: neither revoked nor in doubt.
    Required,
    /// Asked for; judged if shown, and a bad one ends the handshake. A revoked or doubtful one counts as none.
    Requested,
    /// Not asked for.
    Off,
}

/// The clock of pli as the TLS library wants it.
pub(crate) struct ClockTime(pub(crate) Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(crate::chain::unix_time(self.0.now()))
    }
}

impl std::fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockTime")
    }
}
