//! Small mail clients: SMTP and IMAP, line by line. For the demo, the load generator and
//! end-to-end tests, which want to see every reply and to do what a good client never does.

mod imap;
mod smtp;

use std::net::SocketAddr;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use trust::{ClientTls, TlsError, Transport};

pub use imap::{ImapClient, Untagged};
pub use smtp::{Reply, SmtpClient};

/// Why a client did not get what it wanted.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The connection broke or could not be made.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// The TLS handshake failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What came is not the protocol.
    #[error("not the protocol: {0}")]
    Protocol(String),
    /// The server said something else than what was needed.
    #[error("{asked}: {answer}")]
    Refused {
        /// The command, without secrets.
        asked: String,
        /// What the server said.
        answer: String,
    },
}

/// Most octets of a line or a literal, so that a broken server cannot fill the memory.
const MOST: usize = 64 * 1024 * 1024;

/// Buffered lines and octets over clear text or TLS.
#[derive(Debug)]
struct Wire {
    stream: BufReader<Transport>,
}

impl Wire {
    async fn plain(address: SocketAddr) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Transport::from_plain(stream)))
    }

    async fn tls(address: SocketAddr, tls: &ClientTls, host: &str) -> Result<Self, ClientError> {
        Self::plain(address).await?.start_tls(tls, host).await
    }

    fn over(transport: Transport) -> Self {
        Self { stream: BufReader::with_capacity(16 * 1024, transport) }
    }

    /// The handshake; nothing may be waiting to be read in clear.
    async fn start_tls(self, tls: &ClientTls, host: &str) -> Result<Self, ClientError> {
        if !self.stream.buffer().is_empty() {
            return Err(ClientError::Protocol("octets in clear after the answer to STARTTLS".to_owned()));
        }
        let stream = self.stream.into_inner().into_plain();
        let stream = stream.ok_or_else(|| ClientError::Protocol("TLS inside TLS".to_owned()))?;
        Ok(Self::over(tls.connect(stream, host).await?))
    }

    /// Sends all of it at once.
    async fn send(&mut self, octets: &[u8]) -> Result<(), ClientError> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next line without its CR LF.
    async fn line(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        match line.strip_suffix(b"\r\n") {
            Some(content) => Ok(content.to_vec()),
            None if line.is_empty() => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            None => Err(ClientError::Protocol(format!("a line that does not end in CR LF: {}", lossy(&line)))),
        }
    }

    async fn octets(&mut self, count: usize) -> Result<Vec<u8>, ClientError> {
        if count > MOST {
            return Err(ClientError::Protocol(format!("a literal of {count} octets")));
        }
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets).await?;
        Ok(octets)
    }
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
