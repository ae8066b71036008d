//! `pli serve`: everything wired together, from the first socket to the last drained session.

pub(crate) mod annuaire;
pub(crate) mod api;
mod audit;
mod caretaker;
mod certificates;
mod directory;
mod expiry;
mod health;
mod hops;
mod http;
pub(crate) mod interface;
mod listener;
mod meanings;
mod node;
mod observe;
pub(crate) mod publication;
mod refusals;
mod room;
mod sockets;
pub(crate) mod trust;
pub(crate) mod witness;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;
use certificates::CertificateFiles;
use health::Health;
pub(crate) use hops::probe;
pub(crate) use node::resolver_rules;
use node::{Node, Tls};
use sockets::Sockets;
pub(crate) use trust::{Inspection, inspect};

/// How long sessions get to finish after SIGTERM or SIGINT.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the database is looked after.
const WATCH: Duration = Duration::from_secs(3);

/// Serves until SIGTERM or SIGINT. What can be wrong with files and ports is found before the
/// database is touched. `with_parent` asks for a SIGTERM when the parent process ends.
pub(crate) async fn serve(settings: Settings, with_parent: bool) -> Result<(), Failure> {
    let metrics = observe::begin(&settings.log)?;
    let signals = Signals::listen()?;
    if with_parent {
        end_with_parent()?;
    }
    observe::warn(&settings);
    meanings::describe();
    trust::begin_counting();
    publication::begin_counting();
    annuaire::begin_counting();
    let revocation = trust::revocation(&settings)?;
    let tls = Tls::load(&settings, &revocation)?;
    expiry::tell(&tls);
    let trust = trust::space(&settings, revocation);
    let (sockets, http_socket) = Sockets::bind(&settings).await?;
    let health = Arc::new(Health::new(trust.clone(), tls.clone()));
    let last = CancellationToken::new();
    let http = tokio::spawn(http::serve(http_socket, Arc::clone(&health), metrics, last.clone()));

    let database = Database::start(&settings).await?;
    let result = match Node::open(&settings, &database, tls, trust, &health).await {
        Ok(node) => run(settings, node, database, sockets, signals, &health).await,
        Err(failure) => database.stop().await.and(Err(failure)),
    };
    last.cancel();
    let _ = http.await;
    result
}

/// Linux sends the signal even if the parent is killed.
fn end_with_parent() -> Result<(), Failure> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)
        .map_err(|error| Failure::Refused(format!("cannot follow the parent process: {error}")))
}

/// From the first accepted connection to the stopped cluster.
async fn run(
    settings: Settings,
    node: Node,
    database: Database,
    mut sockets: Sockets,
    signals: Signals,
    health: &Arc<Health>,
) -> Result<(), Failure> {
    let (accepting, sessions) = (CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    for server in api::servers(&settings, &node, health, sockets.take_admin())? {
        tasks.spawn(server.run(accepting.clone(), sessions.clone(), tasks.clone()));
    }
    for listener in sockets.into_listeners(&settings, &node) {
        tasks.spawn(listener.run(accepting.clone(), sessions.clone(), tasks.clone()));
    }
    tasks.spawn(Arc::clone(&node.relay).run(sessions.clone()));
    tasks.spawn(Arc::clone(&node.directory).follow(sessions.clone()));
    node.trust.start(&tasks, &sessions);
    let publisher = Arc::new(publication::Publisher::new(settings.clone(), node.store.clone()));
    tasks.spawn(publisher.follow(sessions.clone()));
    node.annuaire.start(&tasks, &sessions);
    tasks.spawn(Arc::clone(&node.caretaker).follow(sessions.clone()));
    // The last of all: what the others did while they ended is entered, too.
    let clerk_stop = CancellationToken::new();
    let clerk = tokio::spawn(audit::Clerk::new(&settings, &node, health.audit()).run(clerk_stop.clone()));
    let files = CertificateFiles::new(&settings).await;
    tasks.spawn(files.follow(node.tls.clone(), node.trust.clone(), sessions.clone()));
    tasks.spawn(expiry::follow(node.tls.clone(), sessions.clone()));
    let cluster = database.pid();
    let watch = tokio::spawn(watch(settings.clone(), node.store.clone(), database, accepting.clone()));
    tracing::info!(hostname = %settings.operator.hostname, pid = std::process::id(), cluster, "serving");

    signals.until_the_end(|| node.reload(&settings)).await;
    tracing::info!(tasks = tasks.len(), "draining: no new connections");
    health.drain();
    accepting.cancel();
    sessions.cancel();
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "some sessions did not end in time and are cut off");
    }
    node.refusals.finish().await;
    clerk_stop.cancel();
    match tokio::time::timeout(audit::LAST_ENTERING, clerk).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the clerk of the audit trail"),
        Err(_) => tracing::warn!("lines of the audit trail are left for another node to enter"),
    }
    node.store.close().await;
    let database = watch.await.map_err(|error| Failure::Refused(format!("the watch over the database: {error}")))?;
    database.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Looks after the database until `stop`, then hands it back.
async fn watch(settings: Settings, store: store::Store, mut database: Database, stop: CancellationToken) -> Database {
    loop {
        tokio::select! {
            () = stop.cancelled() => return database,
            () = tokio::time::sleep(WATCH) => {}
        }
        let Err(why) = health::answers(&store).await else { continue };
        tracing::error!(%why, "the database does not answer");
        let revived = tokio::select! {
            () = stop.cancelled() => return database,
            revived = database.revive(&settings.data.dir) => revived,
        };
        if let Err(failure) = revived {
            tracing::error!(%failure, "the database cannot be brought back yet");
        }
    }
}

/// What the operating system tells us.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::Refused(format!("cannot listen to signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT; SIGHUP reloads.
    async fn until_the_end(mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}
