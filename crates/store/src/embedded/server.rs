//! The server process: making its cluster, starting it, telling whether it lives, stopping it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::account::Account;
use super::place::Place;
use super::programs::Programs;
use super::{ClusterProfile, EmbeddedError};
use crate::rights::NO_LINK;

/// The role that owns everything in the cluster.
pub(super) const ROLE: &str = "pli";
/// How long a start may take; recovery after a crash replays up to `max_wal_size`.
const START_LIMIT: Duration = Duration::from_mins(3);
/// How long a fast shutdown may take.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// How long one connection may take to be answered.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// How long the database may take to be made.
const MAKE_LIMIT: Duration = Duration::from_mins(1);
/// Between two looks at something that we wait for.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Runs `initdb` in a folder of its own and moves the result into place.
pub(super) async fn make_cluster(place: &Place, programs: &Programs) -> Result<(), EmbeddedError> {
    // C.UTF-8 sorts by code points and knows upper and lower case; some systems lack it.
    if let Err(error) = initdb(place, programs, "C.UTF-8").await {
        tracing::debug!(%error, "no locale C.UTF-8, taking C");
        initdb(place, programs, "C").await?;
    }
    let moved = place.account.work(|| fs::rename(place.unfinished(), place.data()));
    moved.map_err(|error| folder_error(&place.data(), &error))
}

async fn initdb(place: &Place, programs: &Programs, locale: &str) -> Result<(), EmbeddedError> {
    let target = place.unfinished();
    match place.account.work(|| fs::remove_dir_all(&target)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(folder_error(&target, &error)),
        _ => {}
    }
    let mut command = as_account(&programs.folder.join("initdb"), place);
    command.arg("--pgdata").arg(&target).args(["--username", ROLE, "--encoding", "UTF8", "--data-checksums"]);
    command.args(["--auth-local", "trust", "--auth-host", "reject", "--locale", locale]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("Command::output does not panic");
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(EmbeddedError::Program {
            program: "initdb".into(),
            output: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned(),
        }),
        Err(error) => Err(EmbeddedError::Program { program: "initdb".into(), output: error.to_string() }),
    }
}

/// A command that runs as the account, in a process group of its own: a Ctrl-C meant for pli must not reach
/// PostgreSQL before pli has drained.
fn as_account(program: &Path, place: &Place) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&place.root).stdin(Stdio::null()).process_group(0);
    // Nothing of our environment (PGDATA, PGOPTIONS…) shall change what it does.
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    if place.account.other {
        // Leaves the supplementary groups of root behind as well.
        command.uid(place.account.uid).gid(place.account.gid);
    }
    command
}

/// Starts the server and waits until it answers.
pub(super) async fn start(
    place: &Place,
    programs: &Programs,
    sockets: &Path,
    profile: ClusterProfile,
) -> Result<(), EmbeddedError> {
    clear_stale_pid(place)?;
    let written = place.account.work(|| write_settings(place, profile));
    written.map_err(|error| folder_error(&place.data(), &error))?;
    let log_error = |error: io::Error| folder_error(&place.server_log(), &error);
    let log = place.account.open(&place.server_log(), OpenOptions::new().read(true).append(true)).map_err(log_error)?;
    let mark = log.metadata().map_or(0, |metadata| metadata.len());
    let (output, errors) = (log.try_clone().map_err(log_error)?, log.try_clone().map_err(log_error)?);
    let mut command = as_account(&programs.folder.join("postgres"), place);
    command.arg("-D").arg(place.data()).arg("-k").arg(sockets).args(["-c", "listen_addresses="]);
    command.stdout(output).stderr(errors);
    let program = |output: String| EmbeddedError::Program { program: "postgres".into(), output };
    let mut child = command.spawn().map_err(|error| program(error.to_string()))?;
    let deadline = Instant::now() + START_LIMIT;
    while !answers(sockets).await {
        let ended = !matches!(child.try_wait(), Ok(None));
        if ended || Instant::now() > deadline {
            return Err(program(format!("{}\n(see {})", since(log, mark), place.server_log().display())));
        }
        sleep(TICK).await;
    }
    reap(child).map_err(|error| program(error.to_string()))
}

/// Waits for the server's end in a thread of its own: without, a dead server would stay in the process table as long as
/// pli lives, and be taken for a running one.
fn reap(mut child: Child) -> io::Result<()> {
    std::thread::Builder::new().name("postgres-reaper".into()).spawn(move || child.wait())?;
    Ok(())
}

/// Whether a server on this socket takes connections. One that takes it and then says nothing does not.
pub(super) async fn answers(sockets: &Path) -> bool {
    let probe = async { PgConnection::connect_with(&options(sockets, "postgres")).await?.close().await };
    matches!(timeout(PROBE_LIMIT, probe).await, Ok(Ok(())))
}

pub(super) fn options(sockets: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(sockets).port(5432).username(ROLE).database(database)
}

/// Makes the database `pli` if it is missing.
pub(super) async fn make_database(sockets: &Path) -> Result<(), EmbeddedError> {
    let output = match timeout(MAKE_LIMIT, try_make_database(sockets)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", MAKE_LIMIT.as_secs()),
    };
    Err(EmbeddedError::Program { program: "CREATE DATABASE pli".into(), output })
}

async fn try_make_database(sockets: &Path) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options(sockets, "postgres")).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'pli')")
        .fetch_one(&mut connection)
        .await?;
    if !exists {
        sqlx::query("CREATE DATABASE pli").execute(&mut connection).await?;
    }
    connection.close().await
}

/// The process number in `postmaster.pid`.
pub(super) fn recorded_pid(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether a server runs already: also waits for one that is still recovering, and for what a killed
/// postmaster left behind.
pub(super) async fn is_running(place: &Place, sockets: &Path) -> Result<bool, EmbeddedError> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if answers(sockets).await {
            return Ok(true);
        }
        let processes = processes_in(&place.data());
        if processes.is_empty() {
            return Ok(false);
        }
        if Instant::now() > deadline {
            let output =
                format!("processes {processes:?} work in {} and do not answer; end them", place.data().display());
            return Err(EmbeddedError::Program { program: "postgres".into(), output });
        }
        sleep(TICK).await;
    }
}

/// Removes a `postmaster.pid` whose number now belongs to some other program (common in containers): PostgreSQL
/// would take that for a running server. The caller knows that none of PostgreSQL's processes works here. A number that
/// belongs to nobody is left to PostgreSQL, which then also checks for shared memory in use.
fn clear_stale_pid(place: &Place) -> Result<(), EmbeddedError> {
    let data = place.data();
    if recorded_pid(&data).is_some_and(exists) {
        let file = data.join("postmaster.pid");
        place.account.work(|| fs::remove_file(&file)).map_err(|error| folder_error(&file, &error))?;
    }
    Ok(())
}

/// PostgreSQL's processes have the cluster as their working folder.
fn processes_in(data: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_server =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres");
    let works_here = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data);
    pids.filter(|pid| is_server(pid) && works_here(pid)).collect()
}

fn is_alive(pid: u32) -> bool {
    let zombie = fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')));
    !zombie && exists(pid)
}

/// Whether it is in the process table, dead or alive: PostgreSQL looks no further.
fn exists(pid: u32) -> bool {
    unix_pid(pid).is_some_and(|pid| kill(pid, None) != Err(nix::errno::Errno::ESRCH))
}

fn unix_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Whether the process is the account's own: the number comes from a file that the account writes, and root must not
/// be made to end other processes.
fn is_of(pid: u32, account: &Account) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let owner = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
    owner == Some(account.uid)
}

/// Fast shutdown: sessions are ended, everything is written, then the server ends.
pub(super) async fn stop(place: &Place) -> Result<(), EmbeddedError> {
    let Some(pid) = recorded_pid(&place.data()).filter(|pid| is_of(*pid, &place.account)) else { return Ok(()) };
    let failed = |output: String| EmbeddedError::Program { program: "postgres".into(), output };
    let target = unix_pid(pid).ok_or_else(|| failed(format!("no process number: {pid}")))?;
    match kill(target, Signal::SIGINT) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => return Err(failed(format!("cannot be stopped: {error}"))),
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while is_alive(pid) {
        if Instant::now() > deadline {
            return Err(failed(format!("process {pid} did not stop within {} s", STOP_LIMIT.as_secs())));
        }
        sleep(TICK).await;
    }
    Ok(())
}

const INCLUDE: &str = "include_if_exists = 'pli.conf'";

/// Settings for a mail store on a small machine. They stand in a file of their own that `postgresql.conf` includes
/// first, so that an administrator's lines in `postgresql.conf` win.
fn write_settings(place: &Place, profile: ClusterProfile) -> io::Result<()> {
    let main = place.data().join("postgresql.conf");
    let mut text = String::new();
    OpenOptions::new().read(true).custom_flags(NO_LINK).open(&main)?.read_to_string(&mut text)?;
    if !text.starts_with(INCLUDE) {
        replace(&main, &format!("{INCLUDE}  # written by pli at each start; put your own settings below\n{text}"))?;
    }
    replace(&place.data().join("pli.conf"), &settings(profile, total_memory()))
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let temporary = PathBuf::from(format!("{}.new", file.display()));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A new file, so never one behind a link.
    let mut handle = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(&temporary, file)
}

fn settings(profile: ClusterProfile, memory: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    // pli and PostgreSQL together stay below 400 MB: few buffers (the system's page cache backs them), nothing that
    // grows with the size of a table, no parallel workers (every statement finds its rows by keys).
    let buffers = (memory / 8 / MIB).clamp(32, 64);
    let common = format!(
        "shared_buffers = {buffers}MB\n\
         wal_buffers = 4MB\n\
         work_mem = 4MB\n\
         maintenance_work_mem = 16MB\n\
         autovacuum_max_workers = 2\n\
         max_parallel_workers_per_gather = 0\n\
         max_parallel_maintenance_workers = 0\n\
         jit = off\n\
         wal_compression = on\n\
         random_page_cost = 1.1\n\
         checkpoint_timeout = 15min\n\
         max_wal_size = 2GB\n\
         autovacuum_naptime = 20s\n\
         autovacuum_vacuum_scale_factor = 0.05\n\
         autovacuum_vacuum_insert_scale_factor = 0.2\n\
         log_timezone = 'UTC'\n\
         timezone = 'UTC'\n\
         log_line_prefix = '%m [%p] '\n\
         log_min_error_statement = panic\n"
    );
    match profile {
        ClusterProfile::Durable => format!("{common}max_connections = 100\nfsync = on\nsynchronous_commit = on\n"),
        ClusterProfile::Scratch => {
            format!(
                "{common}max_connections = 300\nfsync = off\nfull_page_writes = off\nautovacuum = off\nmax_wal_size = 1GB\n"
            )
        }
    }
}

/// Octets of memory of this machine, as far as it can be told.
fn total_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.map_or(1 << 30, |kib| kib * 1024)
}

/// The end of what was logged since `mark`.
fn since(mut log: File, mark: u64) -> String {
    let mut text = Vec::new();
    let read = log.seek(SeekFrom::Start(mark)).and_then(|_| log.take(8_192).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(error) => error.to_string(),
    }
}

fn folder_error(folder: &Path, error: &io::Error) -> EmbeddedError {
    EmbeddedError::Folder(format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_stay_small_on_any_machine() {
        assert!(settings(ClusterProfile::Durable, 256 << 20).contains("shared_buffers = 32MB"));
        assert!(settings(ClusterProfile::Durable, 64 << 30).contains("shared_buffers = 64MB"));
    }

    #[test]
    fn only_the_scratch_profile_gives_durability_up() {
        assert!(settings(ClusterProfile::Durable, 1 << 30).contains("fsync = on"));
        assert!(settings(ClusterProfile::Scratch, 1 << 30).contains("fsync = off"));
    }

    #[test]
    fn dead_processes_are_told_from_living_ones() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(0) && !is_alive(u32::MAX));
    }

    #[tokio::test]
    async fn a_server_that_takes_connections_and_says_nothing_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let silent = std::os::unix::net::UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        assert!(!answers(folder.path()).await);
        drop(silent);
    }
}
