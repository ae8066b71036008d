//! The stream that a session runs on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use mssante::{Permanence, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::judge::Distrust;
use crate::{CertificateFault, VerifiedPeer};

/// The octets of a session: in clear before STARTTLS, inside TLS after it.
///
/// A peer that ends the connection inside TLS without saying so is an error of kind
/// `UnexpectedEof`; only after QUIT or LOGOUT is that a plain end.
#[derive(Debug)]
pub enum Transport {
    /// In clear.
    Plain(TcpStream),
    /// Inside TLS, as server or as client.
    Tls(Box<TlsTransport>),
}

/// A connection inside TLS with what its handshake found out.
#[derive(Debug)]
pub struct TlsTransport {
    stream: TlsStream<TcpStream>,
    peer: Result<VerifiedPeer, Distrust>,
}

impl Transport {
    /// A connection in clear. Small replies are sent at once (`TCP_NODELAY`).
    pub fn from_plain(stream: TcpStream) -> Self {
        // Costs only speed if the system refuses.
        let _ = stream.set_nodelay(true);
        Self::Plain(stream)
    }

    /// A connection whose handshake is done, with the judgement on the other side.
    pub(super) fn from_tls(stream: TlsStream<TcpStream>, peer: Result<VerifiedPeer, Distrust>) -> Self {
        Self::Tls(Box::new(TlsTransport { stream, peer }))
    }

    /// The peer, if it showed a certificate that is good.
    pub fn peer(&self) -> Option<&VerifiedPeer> {
        self.judged().ok()
    }

    /// The peer, or why it is none: in clear, no certificate, a bad one, or doubt.
    pub fn judged(&self) -> Result<&VerifiedPeer, Refusal> {
        match self {
            Self::Plain(_) => Err(Refusal::TlsRequired),
            Self::Tls(tls) => tls.peer.as_ref().map_err(|distrust| distrust.refusal()),
        }
    }

    /// What is wrong with the certificate that the other side showed, more exactly than [`Self::judged`] tells: for
    /// our log, not for the peer.
    pub fn fault(&self) -> Option<CertificateFault> {
        match self {
            Self::Tls(tls) => match tls.peer {
                Err(Distrust::Fault(fault)) => Some(fault),
                _ => None,
            },
            Self::Plain(_) => None,
        }
    }

    /// Whether the other side may log in by its certificate: it is good, or in doubt, which may pass.
    pub fn offers_certificate(&self) -> bool {
        self.judged().map_or_else(|refusal| refusal.permanence() == Permanence::Temporary, |_| true)
    }

    /// The certificate that the other side showed, DER, good or bad.
    pub fn shown(&self) -> Option<&[u8]> {
        let Self::Tls(tls) = self else { return None };
        tls.stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Version and suite for traces, e.g. `TLSv1.3 TLS13_AES_256_GCM_SHA384`; none in clear.
    pub fn tls_description(&self) -> Option<String> {
        self.version_and_suite().map(|(version, suite)| format!("{version} {suite}"))
    }

    /// Version (`TLSv1.3`) and suite by its registered name; none in clear.
    pub fn version_and_suite(&self) -> Option<(&'static str, &'static str)> {
        let Self::Tls(tls) = self else { return None };
        let session = tls.stream.get_ref().1;
        let version = match session.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
            rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => "TLS",
        };
        Some((version, session.negotiated_cipher_suite()?.suite().as_str()?))
    }

    /// The bare TCP stream back, if the connection is still in clear.
    pub fn into_plain(self) -> Option<TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(_) => None,
        }
    }

    /// The TCP connection underneath, for its addresses.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.stream.get_ref().0,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(tls) => tls.stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
        }
    }
}
