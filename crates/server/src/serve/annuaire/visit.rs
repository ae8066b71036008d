//! The directory for one command, beside or without a running server.

use std::sync::Arc;

use super::Keeper;
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// Does `work` with a keeper that has loaded nothing yet.
pub(crate) async fn visit<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Arc<Keeper>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (database, store) = Database::open_for_command(settings).await?;
    let keeper = Keeper::new(settings.clone(), store.clone());
    let result = work(&keeper).await;
    store.close().await;
    database.stop().await.and(result)
}
