//! New certificates without a restart: the files are looked at now and then, and read again once
//! they have changed and lie still. Sessions that run keep what they began with.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::expiry;
use super::node::Tls;
use super::trust::Follower;
use crate::config::Settings;

/// What `tls` names, for changes.
pub(super) struct CertificateFiles {
    files: Vec<PathBuf>,
    interval: Duration,
    state: Settling,
}

impl CertificateFiles {
    /// As they are now, and as they were read.
    pub(super) async fn new(settings: &Settings) -> Self {
        let tls = &settings.tls;
        let files = [&tls.certificate_file, &tls.key_file, &tls.anchors_file, &tls.issuers_file];
        let files: Vec<_> = files.into_iter().cloned().collect();
        let state = Settling::of(fingerprint(&files).await);
        Self { files, interval: tls.watch_interval, state }
    }

    /// Reads them again whenever they have changed, until `stop`.
    pub(super) async fn follow(mut self, tls: Tls, trust: Follower, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            if self.state.settled(fingerprint(&self.files).await) {
                tracing::info!("the files of tls have changed");
                tls.reload();
                expiry::tell(&tls);
                trust.reload();
            }
        }
    }
}

/// Stands for the content of all files. A file that cannot be read counts as empty: its owner is
/// about to replace it, or reading it will say what is wrong.
async fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        tokio::fs::read(file).await.unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}

/// Tells changes that are complete from those that are under way: a certificate and its key come
/// one after the other, and are written piece by piece.
struct Settling {
    taken: u64,
    seen: u64,
}

impl Settling {
    fn of(taken: u64) -> Self {
        Self { taken, seen: taken }
    }

    /// Whether what is there now is new, and was there at the last look, too.
    fn settled(&mut self, now: u64) -> bool {
        let lies_still = std::mem::replace(&mut self.seen, now) == now;
        lies_still && std::mem::replace(&mut self.taken, now) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_when_it_lies_still() {
        let mut files = Settling::of(1);
        assert!(!files.settled(1));
        for (now, counts) in [(2, false), (3, false), (3, true), (3, false), (1, false), (1, true), (1, false)] {
            assert_eq!(files.settled(now), counts, "{now}");
        }
    }

    #[test]
    fn a_file_that_is_gone_for_a_moment_is_no_change() {
        let mut files = Settling::of(1);
        assert!(!files.settled(0) && !files.settled(1) && !files.settled(1));
    }

    #[tokio::test]
    async fn every_octet_of_every_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("a"), folder.path().join("b")];
        let mut seen = vec![fingerprint(&files).await];
        for (file, content) in [(0, "x"), (1, "x"), (0, "xx"), (0, "xy")] {
            std::fs::write(&files[file], content).unwrap();
            seen.push(fingerprint(&files).await);
        }
        let different: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len());
    }
}
