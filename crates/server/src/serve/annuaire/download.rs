//! Bringing a file here: from a URL into an unnamed file in data.dir, or from where somebody put it.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use trust::{Described, Downloaded, FetchError, FetchRules, Fetcher, Validators};

use super::import::Brought;
use crate::ambient::SystemClock;
use crate::config::Settings;

/// Octets of the largest file that is fetched; `PS_LibreAcces` has about a hundred million.
const LIMIT: u64 = 1 << 30;
/// A file of a hundred megabytes takes longer than a list.
const PATIENCE: u32 = 10;

/// A file that was fetched, and what is to be said next time.
pub(super) struct Arrived {
    pub(super) brought: Brought,
    pub(super) sha256: [u8; 32],
    pub(super) validators: Validators,
}

/// Asks the servers of the directory.
pub(super) struct Downloader<'a> {
    settings: &'a Settings,
    fetcher: Fetcher,
}

impl<'a> Downloader<'a> {
    /// Made anew for each use, so that new anchors count at once.
    pub(super) fn new(settings: &'a Settings) -> Result<Self, FetchError> {
        let anchors = settings.annuaire.anchors_file.as_ref().unwrap_or(&settings.tls.anchors_file);
        let rules = settings.fetch.rules();
        let rules = FetchRules { timeout: rules.timeout * PATIENCE, ..rules };
        Ok(Self { settings, fetcher: Fetcher::load(anchors, &rules, Arc::new(SystemClock))? })
    }

    /// What the server has, without its octets; nothing said by servers that know no HEAD.
    pub(super) async fn probe(&self, url: &str) -> Result<Described, FetchError> {
        let limit = self.settings.fetch.timeout;
        match tokio::time::timeout(limit, self.fetcher.head(url)).await {
            Ok(Err(FetchError::Status { status: 405 | 501, .. })) => Ok(Described::default()),
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Connection {
                url: url.to_owned(),
                why: format!("no answer to HEAD within {} s; check network, firewall and proxy", limit.as_secs()),
            }),
        }
    }

    /// The file, unless it is what `known` stands for.
    pub(super) async fn fetch(&self, url: &str, known: &Validators) -> Result<Option<Arrived>, FetchError> {
        let mut file = tokio::fs::File::from_std(self.room(url)?);
        let downloaded = self.fetcher.download(url, known, LIMIT, &mut file).await?;
        let Downloaded::Whole { described, sha256, .. } = downloaded else { return Ok(None) };
        let name = described.file_name.unwrap_or_else(|| last_segment(url).to_owned());
        let (source, file) = (url.to_owned(), file.into_std().await);
        let brought = Brought { file, name, source, sha256: mssante::hex(&sha256) };
        Ok(Some(Arrived { brought, sha256, validators: described.validators }))
    }

    /// A file that is gone when nobody has it open any more, also after a crash.
    fn room(&self, url: &str) -> Result<File, FetchError> {
        let dir = &self.settings.data.dir;
        tempfile::tempfile_in(dir).map_err(|error| FetchError::NotKept {
            url: url.to_owned(),
            why: format!("data.dir = \"{}\": {error}", dir.display()),
        })
    }
}

/// What a file in a folder is.
pub(super) fn look_at(path: &Path) -> Result<Brought, String> {
    // Looked at before it is opened: opening a pipe waits for somebody to write into it.
    let what = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if what.is_dir() {
        return Err("it is a folder; name the file in it".to_owned());
    }
    if !what.is_file() {
        return Err(
            "it is a pipe or a device, and a file is read more than once; write it into a file first".to_owned()
        );
    }
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut digest = Digest(Context::new(&SHA256));
    std::io::copy(&mut file, &mut digest).map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = mssante::hex(digest.0.finish().as_ref());
    Ok(Brought { file, name, source: path.display().to_string(), sha256 })
}

struct Digest(Context);

impl std::io::Write for Digest {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.update(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn last_segment(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}
