//! The ports of the API.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trust::ServerTls;

use super::state::{Caller, Shared};

/// For the handshake and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(15);

/// A port of the API.
pub(in crate::serve) struct Server {
    socket: TcpListener,
    door: Door,
    router: Router,
    room: Arc<Semaphore>,
}

/// What a port asks of whoever comes.
#[derive(Clone)]
enum Door {
    /// A token in each request.
    Token,
    /// A certificate with one of these subjects (keys).
    Certificate(Arc<ServerTls>, Arc<HashSet<String>>),
}

impl Server {
    /// On the loopback address.
    pub(in crate::serve) fn plain(socket: TcpListener, shared: Shared, room: &Arc<Semaphore>) -> Self {
        Self { socket, door: Door::Token, router: super::router(shared), room: Arc::clone(room) }
    }

    /// Anywhere, for these subjects.
    pub(in crate::serve) fn tls(
        socket: TcpListener,
        tls: Arc<ServerTls>,
        subjects: HashSet<String>,
        shared: Shared,
        room: &Arc<Semaphore>,
    ) -> Self {
        let door = Door::Certificate(tls, Arc::new(subjects));
        Self { socket, door, router: super::router(shared), room: Arc::clone(room) }
    }

    /// Accepts until `accepting` is cancelled.
    pub(in crate::serve) async fn run(self, accepting: CancellationToken, stop: CancellationToken, tasks: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                () = accepting.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
                metrics::counter!("pli_connections_refused_total", "listener" => "admin", "reason" => "full")
                    .increment(1);
                continue;
            };
            let (door, router, stop) = (self.door.clone(), self.router.clone(), stop.clone());
            tasks.spawn(async move {
                let _place = place;
                door.open(stream, router, stop).await;
            });
        }
    }
}

impl Door {
    async fn open(self, stream: TcpStream, router: Router, stop: CancellationToken) {
        match self {
            Self::Token => talk(stream, router, Caller(None), stop).await,
            Self::Certificate(tls, subjects) => {
                let Ok(Ok(transport)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await else {
                    metrics::counter!("pli_admin_refused_total").increment(1);
                    return;
                };
                let Some(peer) = transport.peer().filter(|peer| subjects.contains(peer.key())) else {
                    metrics::counter!("pli_admin_refused_total").increment(1);
                    tracing::warn!(
                        "a certificate that admin.certificates does not name was shown to the administrators' API"
                    );
                    return;
                };
                let caller = Caller(Some(peer.name().to_string()));
                talk(transport, router, caller, stop).await;
            }
        }
    }
}

/// One connection; who talks on it stands in each of its requests.
async fn talk<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: T,
    router: Router,
    caller: Caller,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router.layer(axum::Extension(caller)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => { let _ = ended; }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
