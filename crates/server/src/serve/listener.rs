//! One port: accepts, keeps to the room there is, hands over to a session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::room::{Place, Room};

/// Who talks on a port.
#[derive(Clone)]
pub(super) enum Service {
    Smtp(Arc<smtp::Service>),
    Imap(Arc<imap::Service>),
}

impl Service {
    async fn handle(self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        match self {
            Self::Smtp(service) => service.handle(stream, peer, stop).await,
            Self::Imap(service) => service.handle(stream, peer, stop).await,
        }
    }

    /// What one says in clear when there is no room; nothing where TLS comes first.
    fn no_room(&self) -> &'static [u8] {
        match self {
            Self::Smtp(service) if service.tls_start == smtp::TlsStart::Command => {
                b"421 4.3.2 too many connections, try again later\r\n"
            }
            Self::Imap(service) if service.tls_start == imap::TlsStart::Command => {
                b"* BYE [UNAVAILABLE] too many connections, try again later\r\n"
            }
            _ => b"",
        }
    }
}

/// A bound port with what happens on it.
pub(super) struct Listener {
    pub(super) name: &'static str,
    pub(super) socket: TcpListener,
    pub(super) service: Service,
    pub(super) room: Room,
}

impl Listener {
    /// Accepts until `accepting` is cancelled; `sessions` tells its connections to end.
    pub(super) async fn run(self, accepting: CancellationToken, sessions: CancellationToken, tasks: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                () = accepting.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &sessions, &tasks),
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back.
                    tracing::error!(listener = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, sessions: &CancellationToken, tasks: &TaskTracker) {
        metrics::counter!("pli_connections_total", "listener" => self.name).increment(1);
        let place = match self.room.place(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                metrics::counter!("pli_connections_refused_total", "listener" => self.name, "reason" => full.word())
                    .increment(1);
                let _ = stream.try_write(self.service.no_room());
                return;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(listener = self.name, %error, "TCP_NODELAY");
        }
        let seat = Seat::taken(self.name, place);
        let (service, stop) = (self.service.clone(), sessions.clone());
        tasks.spawn(async move {
            let _seat = seat;
            service.handle(stream, peer, stop).await;
        });
    }
}

/// Gives its room back and is counted out even if the session panics.
struct Seat {
    listener: &'static str,
    _place: Place,
}

impl Seat {
    fn taken(listener: &'static str, place: Place) -> Self {
        metrics::gauge!("pli_connections", "listener" => listener).increment(1.0);
        Self { listener, _place: place }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::gauge!("pli_connections", "listener" => self.listener).decrement(1.0);
    }
}
