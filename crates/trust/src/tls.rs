//! Every TLS configuration of pli, and the stream that a session runs on.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mssante::Clock;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::VerifiedPeer;

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
    /// The peer shows no certificate where one is obligatory.
    #[error("the peer presented no certificate")]
    NoCertificate,
    /// The connection broke.
    #[error("connection lost during the TLS handshake: {0}")]
    Io(#[from] std::io::Error),
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
}

/// What a listener asks of its clients. `[MSS1 HOP.MTLS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// No handshake without one.
    Required,
    /// Asked for; judged if shown.
    Requested,
    /// Not asked for.
    Off,
}

/// The TLS side of a listener; its files can be read again while it serves.
#[derive(Debug)]
pub struct ServerTls {}

impl ServerTls {
    /// Reads the files. `protocol` is the ALPN name (`smtp` or `imap`): clients that offer
    /// ALPN without it are refused.
    pub fn load(
        files: TlsFiles,
        client: ClientCertificate,
        protocol: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        todo!()
    }

    /// Reads the files again; on error the old configuration stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        todo!()
    }

    /// The server side of a handshake.
    pub async fn accept(&self, stream: TcpStream) -> Result<Transport, TlsError> {
        todo!()
    }
}

/// The client side of operator hops; always presents our certificate, never resumes a session.
#[derive(Debug)]
pub struct HopTls {}

impl HopTls {
    /// Reads the files.
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        todo!()
    }

    /// Reads the files again; on error the old configuration stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        todo!()
    }

    /// The client side of a handshake with `host` (for SNI; the DN decides, see [`crate::TrustSpace`]).
    pub async fn connect(&self, stream: TcpStream, host: &str) -> Result<Transport, TlsError> {
        todo!()
    }
}

/// The client side of submission and IMAP, as mail clients do it: the host name must be in the
/// certificate. For the CLI, the demo, the load generator and tests.
#[derive(Debug)]
pub struct ClientTls {}

impl ClientTls {
    /// Trusts the certificates of the file `anchors`; presents `identity` (chain and key files)
    /// if there is one. `protocol` is the ALPN name to offer, if any.
    pub fn load(
        anchors: &Path,
        identity: Option<(&Path, &Path)>,
        protocol: Option<&'static str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        todo!()
    }

    /// The client side of a handshake with `host`, a DNS name or an IP address that the
    /// certificate must carry.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> Result<Transport, TlsError> {
        todo!()
    }
}

/// The octets of a session: in clear before STARTTLS, inside TLS after it.
#[derive(Debug)]
pub enum Transport {
    /// In clear.
    Plain(TcpStream),
}

impl Transport {
    /// A connection in clear.
    pub fn from_plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    /// The peer, if it showed a certificate that was verified.
    pub fn peer(&self) -> Option<&VerifiedPeer> {
        todo!()
    }

    /// Version and suite for traces, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; none in clear.
    pub fn tls_description(&self) -> Option<String> {
        todo!()
    }

    /// The bare TCP stream back, if the connection is still in clear.
    pub fn into_plain(self) -> Option<TcpStream> {
        todo!()
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        todo!()
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        todo!()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        todo!()
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        todo!()
    }
}
