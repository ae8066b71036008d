//! A listener with a BAL behind it, and a client that speaks lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::{Authenticator, Secret, hash_password};
use imap::{Limits, Service, TlsStart};
use mssante::{Address, BalId, BalKind, Clock, Quotas, Size};
use store::{NewBal, Rooms, Store};
use testkit::clock::{RealClock, TestRandom};
use testkit::pki::{Pki, ServerHolder, SoftwareHolder};
use testkit::postgres::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use trust::{ClientCertificate, ClientTls, DistinguishedName, Revocation, ServerTls, TlsFiles, Transport};

pub(crate) const BAL: &str = "dr.durand@ch.mssante.fr";
pub(crate) const PASSWORD: &str = "correct-horse-9";
pub(crate) const LIMIT: u64 = 25 * 1024 * 1024;
/// What [`BAL`] may hold: all that tests put there, but for the one about quotas.
pub(crate) const QUOTA: u64 = 1 << 30;
const HOST: &str = "imap.ch.mssante.fr";
/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A listener with its store.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) bal: BalId,
    address: SocketAddr,
    start: TlsStart,
    tls: ClientTls,
    software: ClientTls,
    stop: CancellationToken,
    _database: TestDatabase,
    _files: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(start: TlsStart) -> Self {
        let database = TestDatabase::new().await;
        let store = database.store().await;
        let bal = create_bal(&store).await;
        create_applicative_bal(&store).await;
        let files = tempfile::tempdir().unwrap();
        let (server, tls, software) = tls(files.path());
        let stop = CancellationToken::new();
        let address = serve(start, server, store.clone(), stop.clone()).await;
        Self { store, bal, address, start, tls, software, stop, _database: database, _files: files }
    }

    /// A connection, with TLS where the listener begins with it.
    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let transport = match self.start {
            TlsStart::Command => Transport::from_plain(stream),
            TlsStart::Connection => self.tls.connect(stream, HOST).await.unwrap(),
        };
        Client { transport: Some(transport), input: Vec::new(), owed: String::new() }
    }

    /// A connection that has logged in.
    pub(crate) async fn log_in(&self) -> Client {
        let mut client = self.connect().await;
        client.line().await.unwrap();
        client.command(&format!("a LOGIN {BAL} {PASSWORD}")).await;
        client
    }

    /// A connection of the software that owns the applicative BAL.
    pub(crate) async fn connect_software(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let transport = self.software.connect(stream, HOST).await.unwrap();
        Client { transport: Some(transport), input: Vec::new(), owed: String::new() }
    }

    pub(crate) async fn start_tls(&self, client: &mut Client) -> Result<(), String> {
        let stream = client.transport.take().and_then(Transport::into_plain).ok_or("TLS is active already")?;
        client.transport = Some(self.tls.connect(stream, HOST).await.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Tells the sessions to end.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client.
pub(crate) struct Client {
    transport: Option<Transport>,
    input: Vec<u8>,
    /// A literal that the server was asked to take.
    pub(crate) owed: String,
}

impl Client {
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        let transport = self.transport.as_mut().unwrap();
        // a server that has closed the connection shows in what it answers
        let _ = transport.write_all(octets).await;
        let _ = transport.flush().await;
    }

    /// The next line, left where it is.
    pub(crate) async fn peek(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                return Ok(String::from_utf8_lossy(&self.input[..end]).into_owned());
            }
            if self.read().await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }

    /// The next line without its end.
    pub(crate) async fn line(&mut self) -> Result<String, String> {
        let line = self.peek().await?;
        let end = self.input.windows(2).position(|two| two == b"\r\n").unwrap_or_default();
        self.input.drain(..end + 2);
        Ok(line)
    }

    /// Exactly these many octets.
    pub(crate) async fn octets(&mut self, n: usize) -> Vec<u8> {
        while self.input.len() < n {
            assert_ne!(self.read().await.unwrap(), 0, "the server closed the connection");
        }
        self.input.drain(..n).collect()
    }

    pub(crate) async fn expect_end(&mut self) -> Result<(), String> {
        loop {
            match self.read().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error == "nothing came" => return Err(error),
                Err(_) => break,
            }
        }
        let left = String::from_utf8_lossy(&self.input).into_owned();
        if left.is_empty() { Ok(()) } else { Err(format!("there is still '{left}'")) }
    }

    /// Sends a command with the tag `a` and gives all lines of the answer.
    pub(crate) async fn command(&mut self, command: &str) -> Vec<String> {
        self.send(format!("{command}\r\n").as_bytes()).await;
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await.unwrap());
            if lines.last().is_some_and(|line| line.starts_with("a ")) {
                return lines;
            }
        }
    }

    async fn read(&mut self) -> Result<usize, String> {
        let transport = self.transport.as_mut().unwrap();
        match tokio::time::timeout(PATIENCE, transport.read_buf(&mut self.input)).await {
            Ok(Ok(n)) => Ok(n),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("nothing came".into()),
        }
    }
}

async fn create_bal(store: &Store) -> BalId {
    let new = NewBal::new(Address::parse(BAL).unwrap(), BalKind::Nominative);
    let bal = store.create_bal(new).await.unwrap();
    let phc = hash_password(&Secret::new(PASSWORD.into()), &TestRandom::seeded(1)).unwrap();
    store.set_password_hash(bal.id, &phc).await.unwrap();
    bal.id
}

async fn create_applicative_bal(store: &Store) {
    let dn = DistinguishedName::parse(&software().dn()).unwrap().key().to_owned();
    let new = NewBal {
        certificate_dn: Some(dn),
        ..NewBal::new(Address::parse("labo@ch.mssante.fr").unwrap(), BalKind::Applicative)
    };
    store.create_bal(new).await.unwrap();
}

fn software() -> SoftwareHolder {
    SoftwareHolder {
        cn: "labo".into(),
        organisation: "CENTRE HOSPITALIER DE DEMONSTRATION".into(),
        structure: "1300000000".into(),
        department: "Gard (30)".into(),
    }
}

/// The server's side, a person's and the software's.
fn tls(folder: &std::path::Path) -> (ServerTls, ClientTls, ClientTls) {
    let clock = Arc::new(RealClock);
    let pki = Pki::new(clock.now()).unwrap();
    let holder = ServerHolder {
        cn: HOST.into(),
        organisation: "CENTRE HOSPITALIER DE DEMONSTRATION".into(),
        structure: "1300000000".into(),
        department: "Gard (30)".into(),
        extra_names: vec![HOST.into()],
    };
    let (certificate, key) = pki.server(&holder).unwrap().write(folder, "server").unwrap();
    pki.write(folder).unwrap();
    let anchors = folder.join("ca.pem");
    let files = TlsFiles { certificate, key, anchors: anchors.clone(), issuers: folder.join("issuing-ca.pem") };
    let unchecked = Revocation::unchecked(clock.clone());
    let server = ServerTls::load(files, ClientCertificate::Requested, "imap", unchecked, clock.clone()).unwrap();
    let client = ClientTls::load(&anchors, None, Some("imap"), clock.clone()).unwrap();
    let (chain, key) = pki.software(&software()).unwrap().write(folder, "software").unwrap();
    let software = ClientTls::load(&anchors, Some((&chain, &key)), Some("imap"), clock).unwrap();
    (server, client, software)
}

/// The person's BAL holds a little, that of the software as much as there is room for.
fn quotas() -> Quotas {
    Quotas { nominative: Size(QUOTA), ..Quotas::NONE }
}

async fn serve(start: TlsStart, tls: ServerTls, store: Store, stop: CancellationToken) -> SocketAddr {
    let random = Arc::new(TestRandom::seeded(2));
    let clock = Arc::new(RealClock);
    let service = Arc::new(Service {
        tls_start: start,
        hostname: HOST.into(),
        limits: Limits { message_size: LIMIT, failure_delay: Duration::ZERO, ..Limits::default() },
        tls: Arc::new(tls),
        authenticator: Arc::new(Authenticator::new(store.clone(), clock.clone(), random.clone(), 2)),
        rooms: Arc::new(Rooms::new(store.clone(), quotas()).0),
        store,
        clock,
        random,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            tokio::spawn(Arc::clone(&service).handle(stream, peer, stop.clone()));
        }
    });
    address
}
