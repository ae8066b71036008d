//! The sending side: one SMTP connection over TLS that pipelines the envelope.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to log in after TLS.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// Not at all: an operator hop.
    None,
    /// By the TLS certificate.
    External,
    /// By password.
    Plain { login: String, password: String },
}

/// What every connection of a case needs.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) login: Login,
    pub(crate) sender: String,
}

/// An open SMTP connection, ready for `MAIL`.
pub(crate) struct Sender {
    stream: BufReader<TlsStream<TcpStream>>,
    from: String,
}

impl Sender {
    /// Connects, puts on TLS, greets, logs in.
    pub(crate) async fn open(target: &Target) -> Result<Self> {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, target.port)).await?;
        tcp.set_nodelay(true)?;
        let mut plain = BufReader::new(tcp);
        expect(&mut plain, "220").await?;
        plain.write_all(b"EHLO bench.test\r\n").await?;
        expect(&mut plain, "250").await?;
        plain.write_all(b"STARTTLS\r\n").await?;
        expect(&mut plain, "220").await?;
        let connector = TlsConnector::from(Arc::clone(&target.tls));
        let stream = connector.connect(ServerName::try_from("localhost")?, plain.into_inner()).await?;
        let mut sender = Self { stream: BufReader::new(stream), from: target.sender.clone() };
        sender.command("EHLO bench.test", "250").await?;
        match &target.login {
            Login::None => {}
            Login::External => sender.command("AUTH EXTERNAL =", "235").await?,
            Login::Plain { login, password } => {
                let response = STANDARD.encode(format!("\0{login}\0{password}"));
                sender.command(&format!("AUTH PLAIN {response}"), "235").await?;
            }
        }
        Ok(sender)
    }

    /// Sends one message. Returns the time from the last octet of the content to the `250`.
    pub(crate) async fn send(&mut self, to: &str, header: &str, body: Bytes) -> Result<Duration> {
        let envelope = format!("MAIL FROM:<{}>\r\nRCPT TO:<{to}>\r\nDATA\r\n", self.from);
        self.write(envelope.as_bytes()).await?;
        expect(&mut self.stream, "250").await.context("MAIL")?;
        expect(&mut self.stream, "250").await.context("RCPT")?;
        expect(&mut self.stream, "354").await.context("DATA")?;
        self.stream.write_all(header.as_bytes()).await?;
        self.write(&body).await?;
        let sent = Instant::now();
        expect(&mut self.stream, "250").await.context("end of data")?;
        Ok(sent.elapsed())
    }

    /// Says goodbye.
    pub(crate) async fn quit(mut self) -> Result<()> {
        self.command("QUIT", "221").await
    }

    async fn command(&mut self, command: &str, beginning: &str) -> Result<()> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        let verb = command.split(' ').next().unwrap_or_default();
        expect(&mut self.stream, beginning).await.with_context(|| verb.to_owned())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }
}

async fn expect(stream: &mut (impl AsyncBufRead + Unpin), beginning: &str) -> Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            bail!("closed by the server");
        }
        ensure!(line.starts_with(beginning), "expected {beginning}, got {}", line.trim_end());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}
