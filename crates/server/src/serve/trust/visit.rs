//! The trust space for one command, beside or without a running server.

use std::sync::Arc;

use store::Due;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Follower, Keeper};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// Whether a command may cause traffic on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It looks at the database only.
    Database,
    /// Revocation lists that turn out to be missing are fetched meanwhile, as a server would.
    Network,
}

/// Does `work` with what the database holds in force.
pub(crate) async fn visit<T>(
    settings: &Settings,
    reach: Reach,
    work: impl AsyncFnOnce(&Arc<Keeper>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let revocation = super::revocation(settings)?;
    let space = super::space(settings, revocation);
    let (database, store) = Database::open_for_command(settings).await?;
    let keeper = Keeper::new(settings.clone(), store.clone(), space);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let result = match keeper.take_over().await {
        Ok(()) => {
            if reach == Reach::Network {
                Follower::new(Arc::clone(&keeper)).start_crls(&tasks, &stop);
            }
            work(&keeper).await
        }
        Err(error) => Err(error.into()),
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    store.close().await;
    database.stop().await.and(result)
}

/// The same for commands that judge peers: where no list was ever in force, the source is asked.
pub(crate) async fn visit_with_list<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Arc<Keeper>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    visit(settings, Reach::Network, async |keeper| {
        if keeper.space().list().is_none() {
            keeper.ask_source(Due::Now).await?;
        }
        work(keeper).await
    })
    .await
}
