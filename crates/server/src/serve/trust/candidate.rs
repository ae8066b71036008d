//! A list that might come into force, and reading files of which nobody knows how long they are.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use store::ListOrigin;
use time::OffsetDateTime;
use trust::TrustList;

/// Octets that claim to be the white list.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// As they came.
    pub(crate) octets: Vec<u8>,
    /// How they came.
    pub(crate) origin: ListOrigin,
    /// URL or path.
    pub(crate) source: String,
    /// Who imported it.
    pub(crate) received_by: Option<String>,
    /// When its source said that it is the current one.
    pub(crate) confirmed_at: OffsetDateTime,
    /// What vouches for it instead of a signature.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// Tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: OffsetDateTime,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// Of the file that is there now.
    pub(super) fn of(file: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(file)?;
        Ok(Self { modified: metadata.modified()?.into(), length: metadata.len(), inode: metadata.ino() })
    }

    /// When somebody brought it.
    pub(super) fn modified(self) -> OffsetDateTime {
        self.modified
    }
}

/// The octets of a list in a file, and when the file was modified.
pub(crate) fn read_list(file: &Path) -> Result<(Vec<u8>, OffsetDateTime), String> {
    let modified = Stamp::of(file).map_err(|error| error.to_string())?.modified();
    Ok((read_file(file, TrustList::MAX_OCTETS)?, modified))
}

/// The octets of a file that should not have more than `limit`.
pub(super) fn read_file(file: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let file = File::open(file).map_err(|error| error.to_string())?;
    file.take(limit as u64 + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() > limit { Err(format!("it has more than {limit} octets")) } else { Ok(octets) }
}
