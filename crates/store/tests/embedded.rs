//! The private cluster: made, started, taken over, stopped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use sqlx::{Connection, PgConnection};
use store::Cluster;

async fn number(cluster: &Cluster, sql: &'static str) -> i64 {
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

/// A data folder that the account of the server can reach.
fn data_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("pli-store-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn is_running(data_dir: &Path) -> bool {
    data_dir.join("postgresql/data/postmaster.pid").exists()
}

#[tokio::test]
async fn a_cluster_outlives_a_killed_pli_and_is_taken_over() {
    let folder = data_dir();
    let first = Cluster::start(folder.path()).await.unwrap();
    assert!(!first.was_running());
    assert_eq!(number(&first, "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'").await, 1);
    assert_eq!(
        number(&first, "SELECT count(*) FROM pg_settings WHERE name = 'data_checksums' AND setting = 'on'").await,
        1
    );
    assert_eq!(
        number(&first, "SELECT count(*) FROM pg_settings WHERE name = 'listen_addresses' AND setting = ''").await,
        1
    );
    let pid = first.pid();
    // What is left of a pli that was killed: the server, and no lock.
    drop(first);
    let second = Cluster::start(folder.path()).await.unwrap();
    assert!(second.was_running());
    assert_eq!(second.pid(), pid);
    second.stop().await.unwrap();
    assert!(!is_running(folder.path()));
}

#[tokio::test]
async fn the_last_user_stops_the_cluster() {
    let folder = data_dir();
    let serve = Cluster::start(folder.path()).await.unwrap();
    let cli = Cluster::start(folder.path()).await.unwrap();
    assert!(cli.was_running());
    cli.stop().await.unwrap();
    assert_eq!(number(&serve, "SELECT 1::bigint").await, 1, "the other user still has its server");
    serve.stop().await.unwrap();
    assert!(!is_running(folder.path()));
}

#[tokio::test]
async fn processes_that_start_at_the_same_moment_share_one_server() {
    let folder = data_dir();
    let (one, two) = tokio::join!(Cluster::start(folder.path()), Cluster::start(folder.path()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.pid(), two.pid());
    assert!(one.was_running() != two.was_running());
    one.stop().await.unwrap();
    two.stop().await.unwrap();
    assert!(!is_running(folder.path()));
}

#[tokio::test]
async fn a_stale_pid_file_and_an_interrupted_initdb_do_not_stop_the_start() {
    let folder = data_dir();
    Cluster::start(folder.path()).await.unwrap().stop().await.unwrap();
    let data = folder.path().join("postgresql/data");
    // The number of a process that lives and is no PostgreSQL: ours.
    let text = format!("{}\n{}\n0\n5432\n\n\n\n", std::process::id(), data.display());
    std::fs::write(data.join("postmaster.pid"), text).unwrap();
    std::fs::create_dir(folder.path().join("postgresql/data.new")).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    assert_ne!(cluster.pid(), Some(std::process::id()));
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_data_folder_with_a_long_path_works() {
    let folder = data_dir();
    let long = folder.path().join("x".repeat(100));
    let cluster = Cluster::start(&long).await.unwrap();
    assert_eq!(number(&cluster, "SELECT 1::bigint").await, 1);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_what_was_committed() {
    let folder = data_dir();
    let first = Cluster::start(folder.path()).await.unwrap();
    let mut connection = PgConnection::connect(&first.url()).await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 7::bigint AS number").execute(&mut connection).await.unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(first.pid().unwrap()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let second = Cluster::start(folder.path()).await.unwrap();
    assert!(!second.was_running());
    assert_eq!(number(&second, "SELECT number FROM kept").await, 7);
    drop(first);
    second.stop().await.unwrap();
    assert!(!is_running(folder.path()));
}
