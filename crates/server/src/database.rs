//! The database that the configuration asks for: our own cluster, or somebody's server.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use store::{Actor, Cluster, DatabaseSettings, KeyRing, Store, StoreParts};

use crate::ambient::{SystemClock, SystemRandom};
use crate::cli::who;
use crate::config::{Settings, exposed};
use crate::failure::Failure;

/// Where the store's rows are.
#[derive(Debug)]
pub(crate) struct Database {
    /// Our private cluster; none with `database.url`.
    cluster: Option<Cluster>,
    url: String,
}

impl Database {
    /// Starts our cluster if we run one, and says where the database is.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        make_data_dir(&settings.data.dir)?;
        if let Some(url) = settings.database_url()? {
            return Ok(Self { cluster: None, url: exposed(&url) });
        }
        let cluster = Cluster::start(&settings.data.dir).await?;
        Ok(Self { url: cluster.url(), cluster: Some(cluster) })
    }

    /// The store in it.
    pub(crate) async fn open(&self, settings: &Settings, connections: u32) -> Result<Store, Failure> {
        let file = settings.keyring_file();
        let was_there = file.exists();
        let keyring = KeyRing::open_or_create(&file, &SystemRandom)?;
        let parts =
            StoreParts { keyring: Arc::new(keyring), clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
        let opened = Store::open(&DatabaseSettings { url: self.url.clone(), connections }, parts).await;
        if opened.is_err()
            && !was_there
            && let Err(error) = std::fs::remove_file(&file)
        {
            // A fresh ring that opens nothing must not be taken for the right one by a backup.
            tracing::warn!(file = %file.display(), %error, "a key ring that seals nothing could not be removed");
        }
        Ok(opened?)
    }

    /// Database and store for one command beside or without a running server. The audit trail names who runs it.
    pub(crate) async fn open_for_command(settings: &Settings) -> Result<(Self, Store), Failure> {
        let database = Self::start(settings).await?;
        match database.open(settings, settings.database.connections.min(2)).await {
            Ok(store) => Ok((database, store.acting_as(Actor::Administrator(who())))),
            Err(failure) => {
                database.stop().await?;
                Err(failure)
            }
        }
    }

    /// The end of serving, or of one command. Our cluster is stopped unless another process uses it: which of them
    /// started it does not matter.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }

    /// Brings our cluster back if its processes died; nothing to do for somebody's server.
    pub(crate) async fn revive(&mut self, data_dir: &Path) -> Result<(), Failure> {
        if self.cluster.is_none() {
            return Ok(());
        }
        let cluster = Cluster::start(data_dir).await?;
        if !cluster.was_running() {
            tracing::warn!(pid = cluster.pid(), "the private PostgreSQL cluster had died and was started again");
            metrics::counter!("pli_database_restarts_total").increment(1);
        }
        self.cluster = Some(cluster);
        Ok(())
    }

    /// The process id of our cluster.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.cluster.as_ref().and_then(Cluster::pid)
    }
}

/// Others may pass through (the cluster's user must), but not look.
fn make_data_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
        .map_err(|error| Failure::Configuration(format!("data.dir = \"{}\" cannot be made: {error}", dir.display())))
}
