//! Another operator's receiving server, which takes everything and remembers what it heard: for what pli does, and
//! does not do, as a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::Identity;

/// A client that says nothing for so long is left.
const SILENCE: Duration = Duration::from_secs(30);

/// What a peer remembers of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Commands before TLS.
    pub in_clear: Vec<String>,
    /// Whether a handshake was completed.
    pub tls: bool,
    /// The certificate that the client showed, DER.
    pub certificate: Option<Vec<u8>>,
    /// Commands inside TLS; the content of messages is left out.
    pub inside: Vec<String>,
    /// Contents of messages, with their dots.
    pub messages: Vec<String>,
}

/// How a peer takes STARTTLS, where it has an identity to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Proper,
    /// Says that it cannot.
    Refuses,
    /// Says that it is ready, and then what is no TLS.
    Garbles,
}

/// A running peer. Dropping it ends it.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Conversation>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port of 127.0.0.1. Without an identity it does not offer STARTTLS. Certificates of clients
    /// that chain to `anchors` are taken, and none.
    pub fn start(identity: Option<&Identity>, anchors: &Path) -> Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), Manner::Proper, identity, anchors)
    }

    /// The same at an address of the loopback network, with a manner of its own.
    pub fn start_at(address: SocketAddr, manner: Manner, identity: Option<&Identity>, anchors: &Path) -> Result<Self> {
        let config = identity.map(|identity| server_config(identity, anchors)).transpose()?;
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (heard, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (memory, end) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&listener, manner, config.as_ref(), &memory, &end));
        Ok(Self { address, heard, stop, thread: Some(thread) })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it heard in connections that have ended.
    pub fn heard(&self) -> Vec<Conversation> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn server_config(identity: &Identity, anchors: &Path) -> Result<Arc<ServerConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(anchors)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let chain = CertificateDer::pem_file_iter(&identity.certificate)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&identity.key)?)?;
    Ok(Arc::new(config))
}

/// One connection after the other.
fn serve(
    listener: &TcpListener,
    manner: Manner,
    config: Option<&Arc<ServerConfig>>,
    memory: &Mutex<Vec<Conversation>>,
    end: &AtomicBool,
) {
    for stream in listener.incoming() {
        if end.load(Ordering::Relaxed) {
            return;
        }
        let mut conversation = Conversation::default();
        // What the client breaks off is remembered all the same.
        let _ =
            stream.map_err(anyhow::Error::from).and_then(|stream| converse(stream, manner, config, &mut conversation));
        memory.lock().unwrap_or_else(PoisonError::into_inner).push(conversation);
    }
}

fn converse(
    mut stream: TcpStream,
    manner: Manner,
    config: Option<&Arc<ServerConfig>>,
    heard: &mut Conversation,
) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.write_all(b"220 peer.test ESMTP\r\n")?;
    let offer = if config.is_some() { "250-peer.test\r\n250 STARTTLS\r\n" } else { "250 peer.test\r\n" };
    let mut clear = BufReader::new(stream);
    let start_tls = if manner == Manner::Refuses { "454 4.7.0 not today\r\n" } else { "220 go\r\n" };
    let end = dialogue(&mut clear, offer, start_tls, &mut heard.in_clear, &mut heard.messages)?;
    let (Some(config), End::StartTls) = (config, end) else { return Ok(()) };
    let mut stream = clear.into_inner();
    if manner == Manner::Garbles {
        return garble(stream, heard);
    }
    let mut tls = ServerConnection::new(Arc::clone(config))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).context("TLS handshake")?;
    }
    heard.tls = true;
    heard.certificate = tls.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec());
    let offer = "250-peer.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n";
    let mut inside = BufReader::new(StreamOwned::new(tls, stream));
    dialogue(&mut inside, offer, "503 5.5.1 once is enough\r\n", &mut heard.inside, &mut heard.messages).map(drop)
}

/// Answers the handshake with a reply in clear, and keeps what comes then.
fn garble(mut stream: TcpStream, heard: &mut Conversation) -> Result<()> {
    stream.write_all(b"454 4.7.0 not today\r\n")?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    heard.in_clear.push(String::from_utf8_lossy(&rest).into_owned());
    Ok(())
}

/// How a dialogue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client wants TLS.
    StartTls,
    /// The client has gone.
    Gone,
}

/// Answers commands until STARTTLS, if that is offered, or the end.
fn dialogue<S: Read + Write>(
    stream: &mut BufReader<S>,
    offer: &str,
    start_tls: &str,
    commands: &mut Vec<String>,
    messages: &mut Vec<String>,
) -> Result<End> {
    while let Some(command) = line(stream)? {
        let verb = command.split(' ').next().unwrap_or_default().to_owned();
        commands.push(command);
        match verb.as_str() {
            "STARTTLS" if offer.contains("STARTTLS") => {
                say(stream, start_tls)?;
                if start_tls.starts_with("220") {
                    return Ok(End::StartTls);
                }
            }
            "DATA" => {
                say(stream, "354 go\r\n")?;
                messages.push(content(stream)?);
                say(stream, "250 2.0.0 accepted\r\n")?;
            }
            "EHLO" => say(stream, offer)?,
            "QUIT" => say(stream, "221 bye\r\n")?,
            _ => say(stream, "250 ok\r\n")?,
        }
    }
    Ok(End::Gone)
}

fn say<S: Read + Write>(stream: &mut BufReader<S>, reply: &str) -> Result<()> {
    stream.get_mut().write_all(reply.as_bytes())?;
    Ok(stream.get_mut().flush()?)
}

fn line(stream: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    Ok((stream.read_line(&mut line)? > 0).then(|| line.trim_end().to_owned()))
}

fn content(stream: &mut impl BufRead) -> Result<String> {
    let mut content = String::new();
    while !content.ends_with("\r\n.\r\n") {
        if stream.read_line(&mut content)? == 0 {
            bail!("the content has no end");
        }
    }
    Ok(content)
}
