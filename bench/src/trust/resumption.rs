//! Peers that want to go on with an old session: they are never let in without the checks, and what that costs.
//!
//! The client keeps sessions as mail servers do. It gets tickets from a bare server of the same name and key, which
//! resumes them, and shows them to pli's listener as well.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::server::ServerSessionMemoryCache;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pair::{Pair, connection, listener};
use crate::cpu::{median, spent};
use crate::figure::{Figure, exactly};

const ROUNDS: usize = 200;

/// What the rounds of one version found.
#[derive(Default)]
struct Found {
    connections: u32,
    resumed: u32,
    judged: u32,
    full: Vec<Duration>,
    /// At the bare server.
    bare_resumed: Vec<Duration>,
}

/// Measures both versions.
pub(super) fn measure(case: &'static str) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut figures = Vec::new();
        for (name, version) in [("TLS 1.3", &TLS13), ("TLS 1.2", &TLS12)] {
            figures.extend(of_version(case, name, version).await?);
        }
        Ok(figures)
    })
}

async fn of_version(case: &'static str, name: &str, version: &'static SupportedProtocolVersion) -> Result<Vec<Figure>> {
    let pair = Pair::new()?;
    let (bare, client) = resuming(&pair, version)?;
    let listener = listener().await?;
    let mut found = Found::default();
    for _ in 0..ROUNDS {
        found.bare(&listener, &bare, &client).await?;
        found.ours(&listener, &pair, &client).await?;
    }
    let connections = f64::from(found.connections);
    Ok(vec![
        Figure::new(case, format!("{name}: connections that offer a session"), connections, "", None),
        Figure::new(case, format!("{name}: of these resumed"), f64::from(found.resumed), "", exactly(0.0)),
        Figure::new(case, format!("{name}: of these judged"), f64::from(found.judged), "", exactly(connections)),
        Figure::new(
            case,
            format!("{name}: CPU of such a connection, both sides"),
            microseconds(found.full),
            "µs",
            None,
        ),
        Figure::new(
            case,
            format!("{name}: CPU if it were resumed, by a bare server"),
            microseconds(found.bare_resumed),
            "µs",
            None,
        ),
    ])
}

/// A bare server that resumes, and a client that always tries to.
fn resuming(pair: &Pair, version: &'static SupportedProtocolVersion) -> Result<(Arc<ServerConfig>, Arc<ClientConfig>)> {
    let (mut server, mut client) = (pair.bare_server(version)?, pair.bare_client(version)?);
    server.session_storage = ServerSessionMemoryCache::new(64);
    server.send_tls13_tickets = 2;
    client.resumption = Resumption::in_memory_sessions(8);
    Ok((Arc::new(server), Arc::new(client)))
}

impl Found {
    /// At the bare server: resumed from the second time on, which shows that the client offers its session, and a
    /// fresh ticket for the next time.
    async fn bare(
        &mut self,
        listener: &TcpListener,
        server: &Arc<ServerConfig>,
        client: &Arc<ClientConfig>,
    ) -> Result<()> {
        let (to_server, to_client) = connection(listener).await?;
        let before = spent()?;
        let accept = async { Ok(TlsAcceptor::from(Arc::clone(server)).accept(to_client).await?) };
        let (mut accepted, mut connected) = tokio::try_join!(accept, connect(client, to_server))?;
        let took = spent()?.saturating_sub(before);
        if connected.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.bare_resumed.push(took);
        }
        // Tickets of TLS 1.3 come with the first data.
        accepted.write_all(b"220").await?;
        accepted.flush().await?;
        connected.read_exact(&mut [0; 3]).await?;
        Ok(())
    }

    /// At pli's listener, with the session of the bare one.
    async fn ours(&mut self, listener: &TcpListener, pair: &Pair, client: &Arc<ClientConfig>) -> Result<()> {
        let (to_server, to_client) = connection(listener).await?;
        let before = spent()?;
        let accept = async { pair.server.accept(to_client).await.context("the listener of hops") };
        let (transport, connected) = tokio::try_join!(accept, connect(client, to_server))?;
        let judged = transport.judged().is_ok_and(|peer| pair.space.judge_sender(&pair.sender, peer).is_ok());
        self.full.push(spent()?.saturating_sub(before));
        self.connections += 1;
        self.judged += u32::from(judged);
        self.resumed += u32::from(connected.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed));
        Ok(())
    }
}

async fn connect(
    client: &Arc<ClientConfig>,
    stream: tokio::net::TcpStream,
) -> Result<TlsStream<tokio::net::TcpStream>> {
    Ok(TlsConnector::from(Arc::clone(client)).connect(ServerName::try_from("localhost")?, stream).await?)
}

fn microseconds(samples: Vec<Duration>) -> f64 {
    median(samples).as_secs_f64() * 1e6
}
