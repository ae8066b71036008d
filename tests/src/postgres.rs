//! A plain PostgreSQL of a test's own, reached over TCP as an administrator's server would be.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{Program, free_port_base};

/// A running cluster with a database `pli`. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub struct PlainPostgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    url: String,
}

impl PlainPostgres {
    /// Makes and starts it, as an unprivileged user when run by root.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pli-e2e-pg-").tempdir()?;
        let port = free_port_base()? + 32;
        let url = format!("postgres://pli@127.0.0.1:{port}/postgres");
        let postgres = Self { folder, programs: programs()?, port, url };
        if nix::unistd::geteuid().is_root() {
            postgres.hand_over()?;
        }
        let data = postgres.data();
        postgres.run("initdb", &["-D", &data, "-U", "pli", "-A", "trust", "-E", "UTF8", "--locale", "C"])?;
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -k {}", postgres.folder.path().display());
        let log = postgres.folder.path().join("log").display().to_string();
        postgres.run("pg_ctl", &["-D", &data, "-w", "-l", &log, "-o", &options, "start"])?;
        Ok(postgres)
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement.
    pub fn sql(&self, statement: &str) -> Result<String> {
        let psql = self.programs.join("psql");
        Program::new(psql).args([&self.url, "-v", "ON_ERROR_STOP=1", "-At", "-c", statement]).succeed()
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// PostgreSQL refuses to run as root.
    fn hand_over(&self) -> Result<()> {
        let user = nix::unistd::User::from_name("postgres")?.context("no user `postgres`")?;
        std::os::unix::fs::chown(self.folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(self.programs.join(program));
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres")?.context("no user `postgres`")?;
            std::os::unix::process::CommandExt::uid(&mut command, user.uid.as_raw());
            std::os::unix::process::CommandExt::gid(&mut command, user.gid.as_raw());
        }
        // The server that pg_ctl leaves behind must not keep our pipes.
        let log = std::fs::File::create(self.folder.path().join(format!("{program}.out")))?;
        command.args(arguments).current_dir("/").stdout(log.try_clone()?).stderr(log);
        if !command.status()?.success() {
            let said = std::fs::read_to_string(self.folder.path().join(format!("{program}.out")))?;
            bail!("{program} on port {}: {said}", self.port);
        }
        Ok(())
    }
}

impl Drop for PlainPostgres {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

/// Where the server programs are: on PATH, or where Debian puts them.
fn programs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    folders.extend(debian.into_iter().rev());
    let complete = |folder: &&PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|name| folder.join(name).is_file());
    folders.iter().find(complete).cloned().context("no PostgreSQL programs found; `make test` installs them")
}
