//! What the checks of a hop add to a mutual TLS handshake.
//!
//! Both sides run in one thread, whose CPU time is taken from the first octet of TLS until both sides know whom they talk
//! to and may name a sender and a recipient. The kinds of handshake take turns, so that whatever else the machine does
//! hits all of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pair::{Pair, connection, listener};
use crate::cpu::{median, spent};
use crate::figure::{Figure, most};

const ROUNDS: usize = 300;
const WARM_UP: usize = 20;

/// How a side does its handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// TLS alone.
    Bare,
    /// As pli does it, with every check.
    Checked,
}

/// What the turns of one version of TLS need.
struct Bench {
    pair: Pair,
    listener: TcpListener,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// Measures both versions.
pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut figures = of_tls13(case).await?;
        figures.extend(of_tls12(case).await?);
        Ok(figures)
    })
}

/// Both sides of ours speak TLS 1.3 with each other.
async fn of_tls13(case: &'static str) -> Result<Vec<Figure>> {
    let bench = Bench::new(&TLS13).await?;
    let [bare, checked] = bench.turns([(Side::Bare, Side::Bare), (Side::Checked, Side::Checked)]).await?;
    Ok(vec![
        Figure::new(case, "TLS 1.3 alone, both sides, CPU", microseconds(bare), "µs", None),
        Figure::new(case, "TLS 1.3 with all checks, both sides, CPU", microseconds(checked), "µs", None),
        Figure::new(case, "TLS 1.3: with all checks to alone", ratio(checked, bare), "×", most(1.3)),
    ])
}

/// Ours speak TLS 1.2 only with peers that know nothing newer, so each side is measured against a bare one.
async fn of_tls12(case: &'static str) -> Result<Vec<Figure>> {
    let bench = Bench::new(&TLS12).await?;
    let kinds = [(Side::Bare, Side::Bare), (Side::Checked, Side::Bare), (Side::Bare, Side::Checked)];
    let [bare, server, client] = bench.turns(kinds).await?;
    let both = (server + client).saturating_sub(bare);
    Ok(vec![
        Figure::new(case, "TLS 1.2 alone, both sides, CPU", microseconds(bare), "µs", None),
        Figure::new(case, "TLS 1.2 with all checks of the server, CPU", microseconds(server), "µs", None),
        Figure::new(case, "TLS 1.2 with all checks of the client, CPU", microseconds(client), "µs", None),
        Figure::new(case, "TLS 1.2: with the checks of both to alone", ratio(both, bare), "×", most(1.3)),
    ])
}

impl Bench {
    async fn new(version: &'static SupportedProtocolVersion) -> Result<Self> {
        let pair = Pair::new()?;
        let (server, client) = (pair.bare_server(version)?, pair.bare_client(version)?);
        Ok(Self { pair, listener: listener().await?, server: Arc::new(server), client: Arc::new(client) })
    }

    /// The median CPU time of each kind of handshake (server, client).
    async fn turns<const N: usize>(&self, kinds: [(Side, Side); N]) -> Result<[Duration; N]> {
        let mut samples = kinds.map(|_| Vec::new());
        for round in 0..WARM_UP + ROUNDS {
            for (kind, samples) in kinds.iter().zip(&mut samples) {
                let took = self.handshake(*kind).await?;
                if round >= WARM_UP {
                    samples.push(took);
                }
            }
        }
        Ok(samples.map(median))
    }

    async fn handshake(&self, (server, client): (Side, Side)) -> Result<Duration> {
        let (to_server, to_client) = connection(&self.listener).await?;
        let before = spent()?;
        let both = tokio::try_join!(self.accept(server, to_client), self.connect(client, to_server))?;
        let took = spent()?.saturating_sub(before);
        drop(both);
        Ok(took)
    }

    /// The server's side: at the end it would answer MAIL. The connection is handed back, so that its end is not measured.
    async fn accept(&self, side: Side, stream: TcpStream) -> Result<Box<dyn std::any::Any>> {
        if side == Side::Bare {
            return Ok(Box::new(TlsAcceptor::from(Arc::clone(&self.server)).accept(stream).await?));
        }
        let transport = self.pair.server.accept(stream).await?;
        let peer = transport.judged().map_err(refused)?;
        self.pair.space.judge_sender(&self.pair.sender, peer).map_err(refused)?;
        Ok(Box::new(transport))
    }

    /// The client's side: at the end it would send MAIL.
    async fn connect(&self, side: Side, stream: TcpStream) -> Result<Box<dyn std::any::Any>> {
        if side == Side::Bare {
            let connector = TlsConnector::from(Arc::clone(&self.client));
            return Ok(Box::new(connector.connect(ServerName::try_from("localhost")?, stream).await?));
        }
        let transport = self.pair.client.connect(stream, "localhost").await?;
        let peer = transport.judged().map_err(refused)?;
        self.pair.space.judge_recipient(&self.pair.recipient, peer).map_err(refused)?;
        Ok(Box::new(transport))
    }
}

fn refused(refusal: mssante::Refusal) -> anyhow::Error {
    anyhow!("the peer was refused: {}", refusal.word())
}

fn ratio(time: Duration, of: Duration) -> f64 {
    time.as_secs_f64() / of.as_secs_f64()
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
