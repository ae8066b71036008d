//! A private PostgreSQL cluster in the data folder, when no URL is configured.

use std::path::Path;

use thiserror::Error;

/// Why there is no private cluster; every text says what to do.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// No PostgreSQL server programs on this machine.
    #[error(
        "no PostgreSQL server programs found (looked for `initdb` and `postgres` on PATH and in {looked}); install them, e.g. `apt-get install postgresql`, or set database.url"
    )]
    NoPrograms {
        /// Where we looked.
        looked: String,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        output: String,
    },
    /// A folder cannot be made or entered.
    #[error("{0}")]
    Folder(String),
}

/// A running private cluster. Dropping it does not stop it; [`Cluster::stop`] does.
#[derive(Debug)]
pub struct Cluster {}

impl Cluster {
    /// Starts the cluster in `data_dir/postgresql`, making it first if needed; takes over one
    /// that a killed pli left running.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        todo!()
    }

    /// A connection URL for its database `pli` over the unix socket.
    pub fn url(&self) -> String {
        todo!()
    }

    /// Whether `start` found it running.
    pub fn was_running(&self) -> bool {
        todo!()
    }

    /// The process id of its postmaster.
    pub fn pid(&self) -> Option<u32> {
        todo!()
    }

    /// Stops it cleanly (`fast` mode) and waits.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        todo!()
    }
}
