//! A private PostgreSQL cluster in the data folder, when no URL is configured.
//!
//! ```text
//! data_dir/postgresql/        belongs to the server's account, mode 0700, and so does all of it
//!     data/                   the cluster
//!     s/                      its socket (or a short folder elsewhere, if this path is too long for one)
//!     server.log              what the server says
//!     start.lock              held while somebody starts or stops the server
//!     users.lock              held, shared, by each process that uses it
//! ```

mod account;
mod place;
mod programs;
mod server;

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use place::Place;
use programs::Programs;
use thiserror::Error;
use tokio::time::sleep;

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
    /// The cluster was made by another version than those on this machine.
    #[error(
        "the cluster in the data folder was made by PostgreSQL {cluster}, and this machine has only: {found}; install version {cluster}, or upgrade the cluster with pg_upgrade"
    )]
    WrongVersion {
        /// The cluster's major version.
        cluster: u32,
        /// The versions found, divided by commas.
        found: String,
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

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterProfile {
    /// Mail: what is committed survives a loss of power.
    Durable,
    /// Tests: fast, many connections, and nothing is flushed to disk.
    Scratch,
}

/// A running private cluster. Dropping it does not stop it; [`Cluster::stop`] does.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    sockets: PathBuf,
    was_running: bool,
    /// Its shared lock says that we use the cluster; a killed process lets go of it by itself.
    users: File,
}

impl Cluster {
    /// Starts the cluster in `data_dir/postgresql`, making it first if needed; takes over one
    /// that a killed pli left running.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        Self::start_as(data_dir, ClusterProfile::Durable).await
    }

    /// As [`Cluster::start`], for another purpose than mail.
    pub async fn start_as(data_dir: &Path, profile: ClusterProfile) -> Result<Self, EmbeddedError> {
        let place = Place::prepare(data_dir)?;
        let _starting = lock(&place, "start.lock", File::try_lock).await?;
        let users = lock(&place, "users.lock", File::try_lock_shared).await?;
        let sockets = place.sockets()?;
        let was_running = server::is_running(&place, &sockets).await?;
        if !was_running {
            launch(&place, &sockets, profile).await?;
        }
        let cluster = Self { place, sockets, was_running, users };
        match server::make_database(&cluster.sockets).await {
            Ok(()) => Ok(cluster),
            Err(error) if was_running => Err(error),
            Err(error) => cluster.end().await.and(Err(error)),
        }
    }

    /// A connection URL for its database `pli` over the unix socket.
    pub fn url(&self) -> String {
        self.url_of("pli")
    }

    /// A connection URL for another of its databases.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{}@localhost/{database}?host={}", server::ROLE, escaped(&self.sockets))
    }

    /// Whether `start` found it running.
    pub fn was_running(&self) -> bool {
        self.was_running
    }

    /// The process id of its postmaster.
    pub fn pid(&self) -> Option<u32> {
        server::recorded_pid(&self.place.data())
    }

    /// Stops it cleanly (`fast` mode) and waits. While another process uses it, it is left running: the last one
    /// stops it.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let _stopping = lock(&self.place, "start.lock", File::try_lock).await?;
        let others = self.users.unlock().is_ok() && matches!(self.users.try_lock(), Err(TryLockError::WouldBlock));
        if others { Ok(()) } else { self.end().await }
    }

    /// Stops it whoever uses it.
    pub async fn stop_for_all(self) -> Result<(), EmbeddedError> {
        let _stopping = lock(&self.place, "start.lock", File::try_lock).await?;
        self.end().await
    }

    async fn end(self) -> Result<(), EmbeddedError> {
        server::stop(&self.place).await?;
        if !self.sockets.starts_with(&self.place.root) {
            // Empty by now; if it is not, it does no harm.
            let _ = self.place.account.work(|| std::fs::remove_dir(&self.sockets));
        }
        Ok(())
    }
}

async fn launch(place: &Place, sockets: &Path, profile: ClusterProfile) -> Result<(), EmbeddedError> {
    let version = place.cluster_version();
    let programs = Programs::find(version)?;
    if version.is_none() {
        server::make_cluster(place, &programs).await?;
    }
    server::start(place, &programs, sockets, profile).await
}

/// Waits for a lock on a file of the cluster's, made if missing; it is held until the file is closed. Waiting can be
/// given up at any time, and nothing of it stays.
async fn lock(place: &Place, name: &str, how: fn(&File) -> Result<(), TryLockError>) -> Result<File, EmbeddedError> {
    let path = place.root.join(name);
    let failed = |error: std::io::Error| {
        let (file, name) = (path.display(), &place.account.name);
        let advice = match error.kind() {
            ErrorKind::PermissionDenied => format!("; it must belong to {name}: run `chown -h {name} {file}`"),
            _ => String::new(),
        };
        EmbeddedError::Folder(format!("{file}: {error}{advice}"))
    };
    let file = place.account.open(&path, OpenOptions::new().write(true)).map_err(failed)?;
    loop {
        match how(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(server::TICK).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// A path as it may stand in the query of a URL.
fn escaped(path: &Path) -> String {
    let octets = path.as_os_str().as_encoded_bytes().iter();
    octets.fold(String::new(), |mut text, octet| {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => text.push(char::from(*octet)),
            octet => write!(text, "%{octet:02X}").expect("writing to a String cannot fail"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_in_urls() {
        assert_eq!(escaped(Path::new("/var/lib/a b%/é")), "/var/lib/a%20b%25/%C3%A9");
    }
}
