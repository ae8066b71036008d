//! A client that sends exactly the bytes that a test wants, in the clear and then over TLS.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// A server that says nothing for so long is stuck.
const SILENCE: Duration = Duration::from_secs(30);

/// A TLS configuration that trusts `ca_file` only and shows the given certificate and key, if any.
pub fn client_config(ca_file: &Path, identity: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file)? {
        roots.add(certificate?)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
    };
    // Every connection makes a full handshake, as those of distinct clients do.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// While TLS is being put on.
    Between,
}

/// One connection to 127.0.0.1.
pub struct Wire {
    stream: Stream,
    received: Vec<u8>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("received", &String::from_utf8_lossy(&self.received)).finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects in the clear.
    pub fn connect(port: u16) -> Result<Self> {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("connect to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Self { stream: Stream::Plain(stream), received: Vec::new() })
    }

    /// Connects with TLS from the first byte on.
    pub fn connect_tls(port: u16, config: Arc<ClientConfig>) -> Result<Self> {
        let mut wire = Self::connect(port)?;
        wire.start_tls(config)?;
        Ok(wire)
    }

    /// Connects to an SMTP port, greets, puts on TLS by STARTTLS and greets again.
    pub fn smtp(port: u16, config: Arc<ClientConfig>) -> Result<Self> {
        let mut wire = Self::connect(port)?;
        wire.expect("220")?;
        wire.command("EHLO client.test", "250")?;
        wire.command("STARTTLS", "220")?;
        wire.start_tls(config)?;
        wire.command("EHLO client.test", "250")?;
        Ok(wire)
    }

    /// As [`Wire::smtp`], and logs in with a password.
    pub fn submission(port: u16, config: Arc<ClientConfig>, login: &str, password: &str) -> Result<Self> {
        let mut wire = Self::smtp(port, config)?;
        let response = STANDARD.encode(format!("\0{login}\0{password}"));
        wire.command(&format!("AUTH PLAIN {response}"), "235")?;
        Ok(wire)
    }

    /// Does the TLS handshake on the open connection.
    pub fn start_tls(&mut self, config: Arc<ClientConfig>) -> Result<()> {
        let Stream::Plain(mut tcp) = std::mem::replace(&mut self.stream, Stream::Between) else {
            bail!("TLS is on already");
        };
        let mut tls = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).context("TLS handshake")?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(tls, tcp)));
        Ok(())
    }

    /// The certificate that the server showed, DER.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Tls(tls) => Some(tls.conn.peer_certificates()?.first()?.to_vec()),
            Stream::Plain(_) | Stream::Between => None,
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes)?,
            Stream::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()?;
            }
            Stream::Between => bail!("no connection"),
        }
        Ok(())
    }

    /// Sends a line with its CRLF.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// One line without its CRLF; `None` when the server has closed the connection.
    pub fn read_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).take(end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if !self.fill()? {
                ensure!(self.received.is_empty(), "closed in the middle of a line: {self:?}");
                return Ok(None);
            }
        }
    }

    /// Exactly so many bytes, such as an IMAP literal.
    pub fn read_exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.received.len() < count {
            ensure!(self.fill()?, "closed after {} of {count} bytes", self.received.len());
        }
        Ok(self.received.drain(..count).collect())
    }

    /// An SMTP reply, all its lines.
    pub fn reply(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.read_line()? else { bail!("closed by the server after {lines:?}") };
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return Ok(lines);
            }
        }
    }

    /// An SMTP reply that begins as told.
    pub fn expect(&mut self, beginning: &str) -> Result<Vec<String>> {
        let lines = self.reply()?;
        ensure!(lines[0].starts_with(beginning), "expected {beginning}, got {lines:?}");
        Ok(lines)
    }

    /// Sends a command and expects a reply that begins as told.
    pub fn command(&mut self, command: &str, beginning: &str) -> Result<Vec<String>> {
        self.line(command)?;
        self.expect(beginning).with_context(|| format!("after {}", command.get(..40).unwrap_or(command)))
    }

    /// Waits until the server closes; returns what it still said.
    pub fn until_closed(&mut self) -> Result<String> {
        while self.fill()? {}
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned())
    }

    /// Ends the connection without a word: no QUIT, no TLS close.
    pub fn cut(self) {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
            Stream::Between => return,
        };
        let _ = tcp.shutdown(Shutdown::Both);
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let outcome = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(&mut buffer),
            Stream::Tls(tls) => tls.read(&mut buffer),
            Stream::Between => bail!("no connection"),
        };
        match outcome {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(count > 0)
            }
            Err(error) if is_close(&error) => Ok(false),
            Err(error) => Err(error).context("reading"),
        }
    }
}

/// A connection that ends without a TLS `close_notify` or with a reset is closed all the same.
fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}
