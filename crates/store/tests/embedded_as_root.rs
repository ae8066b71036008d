//! What root does to a cluster that is another account's: nothing that this account could not do, and nothing that
//! keeps it out. Without root there is nothing to try.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use store::Cluster;

const NOBODY: u32 = 65_534;
/// Tells the copy of this program that runs as the account where the cluster is.
const DATA_DIR: &str = "PLI_TEST_DATA_DIR";

fn are_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A data folder as systemd makes it for the service.
fn data_dir() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("pli-store-").tempdir_in("/tmp").unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    folder
}

/// Starts and stops the cluster as the account, in a copy of this program.
fn start_and_stop_as_nobody(data_dir: &Path) {
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = programs.path().join("as-nobody");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "the_account_starts_and_stops_its_cluster", "--include-ignored"]);
    command.env(DATA_DIR, data_dir).current_dir("/").uid(NOBODY).gid(NOBODY);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "a part of the other tests"]
async fn the_account_starts_and_stops_its_cluster() {
    let Some(folder) = std::env::var_os(DATA_DIR) else { return };
    let cluster = Cluster::start(Path::new(&folder)).await.unwrap();
    assert!(!cluster.was_running());
    cluster.stop().await.unwrap();
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], everything_in(&path)].concat() } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn a_command_of_roots_leaves_the_cluster_of_the_service_as_it_was() {
    if !are_root() {
        return;
    }
    let folder = data_dir();
    start_and_stop_as_nobody(folder.path());
    let command = Cluster::start(folder.path()).await.unwrap();
    assert!(!command.was_running());
    let beside = Cluster::start(folder.path()).await.unwrap();
    assert!(beside.was_running());
    beside.stop().await.unwrap();
    command.stop().await.unwrap();
    for path in everything_in(folder.path()) {
        assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), NOBODY, "{}", path.display());
    }
    start_and_stop_as_nobody(folder.path());
}

#[tokio::test]
async fn a_cluster_that_root_makes_for_the_service_is_the_services() {
    if !are_root() {
        return;
    }
    let folder = data_dir();
    Cluster::start(folder.path()).await.unwrap().stop().await.unwrap();
    start_and_stop_as_nobody(folder.path());
}

#[tokio::test]
async fn links_that_the_account_plants_lead_root_nowhere() {
    if !are_root() {
        return;
    }
    let (folder, roots) = (data_dir(), tempfile::tempdir_in("/tmp").unwrap());
    Cluster::start(folder.path()).await.unwrap().stop().await.unwrap();
    let victim = roots.path().join("victim");
    let absent = roots.path().join("absent");
    // The account can reach the folder, so only the rights on it and on the file protect them.
    fs::set_permissions(roots.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in [
        "server.log",
        "start.lock",
        "users.lock",
        "data/pli.conf",
        "data/pli.conf.new",
        "data/postgresql.conf",
        "data/postgresql.conf.new",
        "data/postmaster.pid",
    ] {
        let link = folder.path().join("postgresql").join(name);
        let kept = fs::read(&link).ok();
        for target in [&victim, &absent] {
            fs::write(&victim, "root's own").unwrap();
            fs::set_permissions(&victim, fs::Permissions::from_mode(0o640)).unwrap();
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            // It may start or refuse to.
            if let Ok(cluster) = Cluster::start(folder.path()).await {
                cluster.stop().await.unwrap();
            }
            let found = fs::metadata(&victim).unwrap();
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o640), "{name}");
            assert_eq!(fs::read(&victim).unwrap(), b"root's own", "{name}");
            assert!(!absent.exists(), "{name}");
        }
        let _ = fs::remove_file(&link);
        if let Some(kept) = kept {
            fs::write(&link, kept).unwrap();
            chown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
            fs::set_permissions(&link, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    let copied = everything_in(folder.path())
        .into_iter()
        .any(|path| fs::read(path).is_ok_and(|octets| octets.windows(10).any(|window| window == b"root's own")));
    assert!(!copied, "nothing of root's was copied to where the account can read it");
    start_and_stop_as_nobody(folder.path());
}
