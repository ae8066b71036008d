//! Files that are written whole or not at all, and whose predecessors are kept.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::failure::Failure;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Its owner, and the group that could read its predecessor.
    Secret,
    /// Everybody.
    Public,
}

impl Secrecy {
    fn mode(self) -> u32 {
        match self {
            Self::Secret => 0o600,
            Self::Public => 0o644,
        }
    }

    /// What remains of the mode of a predecessor.
    fn mask(self) -> u32 {
        match self {
            Self::Secret => 0o770,
            Self::Public => 0o777,
        }
    }
}

/// Writes a file that is not there yet.
pub(super) fn create_new(file: &Path, octets: &[u8], secrecy: Secrecy) -> Result<(), Failure> {
    write_new(file, octets, secrecy.mode())
        .map_err(|error| Failure::Refused(format!("{} cannot be written: {error}", file.display())))
}

/// New content for a file.
pub(super) struct Replacement<'a> {
    pub(super) file: &'a Path,
    pub(super) octets: &'a [u8],
    pub(super) secrecy: Secrecy,
}

/// Puts all of them in place, or none. Predecessors stay beside them as `NAME.old-<moment>`; their
/// owners and modes are taken over. Returns where the predecessors are.
pub(super) fn replace(replacements: &[Replacement<'_>], now: OffsetDateTime) -> Result<Vec<PathBuf>, Failure> {
    let stamp = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap_or_default();
    let mut staged = Vec::new();
    for replacement in replacements {
        match Staged::new(replacement, &stamp) {
            Ok(file) => staged.push(file),
            Err(error) => {
                staged.iter().for_each(Staged::discard);
                let file = replacement.file.display();
                return Err(Failure::Refused(format!("{file} cannot be replaced: {error}; nothing was changed")));
            }
        }
    }
    for (at, file) in staged.iter().enumerate() {
        if let Err(error) = fs::rename(&file.new, &file.target) {
            staged[..at].iter().for_each(Staged::undo);
            staged[at..].iter().for_each(Staged::discard);
            let file = file.target.display();
            return Err(Failure::Refused(format!("{file} cannot be replaced: {error}; the old files are in place")));
        }
    }
    staged.iter().for_each(Staged::sync_folder);
    Ok(staged.into_iter().filter_map(|file| file.old).collect())
}

/// A replacement that is written beside the file that it will be.
struct Staged {
    /// The file itself, symbolic links followed.
    target: PathBuf,
    new: PathBuf,
    /// The predecessor under its other name; none if there was no such file.
    old: Option<PathBuf>,
}

impl Staged {
    fn new(replacement: &Replacement<'_>, stamp: &str) -> io::Result<Self> {
        let Replacement { file, octets, secrecy } = replacement;
        let target = file.canonicalize().unwrap_or_else(|_| (*file).to_owned());
        let beside = |ending: &str| {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            target.with_file_name(format!("{name}.{ending}"))
        };
        let (new, old) = (beside(&format!("new-{stamp}")), beside(&format!("old-{stamp}")));
        let before = fs::metadata(&target).ok();
        let mode = before.as_ref().map_or(secrecy.mode(), |before| before.mode() & secrecy.mask());
        write_new(&new, octets, mode)?;
        let staged = Self { target, new, old: before.as_ref().map(|_| old) };
        match staged.keep(before.as_ref()) {
            Ok(()) => Ok(staged),
            Err(error) => {
                staged.discard();
                Err(error)
            }
        }
    }

    /// The new file gets the owner of the old one, which gets a second name.
    fn keep(&self, before: Option<&fs::Metadata>) -> io::Result<()> {
        let Some(before) = before else { return Ok(()) };
        let written = fs::metadata(&self.new)?;
        if (written.uid(), written.gid()) != (before.uid(), before.gid()) {
            chown(&self.new, Some(before.uid()), Some(before.gid())).map_err(|error| {
                io::Error::other(format!("its owner cannot be kept ({error}); run this as root or as the owner"))
            })?;
        }
        let Some(old) = &self.old else { return Ok(()) };
        fs::hard_link(&self.target, old)
    }

    /// Before it was put in place.
    fn discard(&self) {
        let _ = fs::remove_file(&self.new);
        if let Some(old) = &self.old {
            let _ = fs::remove_file(old);
        }
    }

    /// After it was put in place.
    fn undo(&self) {
        let _ = match &self.old {
            Some(old) => fs::rename(old, &self.target),
            None => fs::remove_file(&self.target),
        };
    }

    /// So that the new name is there after a power cut.
    fn sync_folder(&self) {
        if let Some(folder) = self.target.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
    }
}

fn write_new(file: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(file)?;
    // The umask may have taken bits away that a predecessor had.
    out.set_permissions(Permissions::from_mode(mode))?;
    out.write_all(octets)?;
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 03:15:00 UTC);

    fn replacement<'a>(file: &'a Path, octets: &'a [u8], secrecy: Secrecy) -> Replacement<'a> {
        Replacement { file, octets, secrecy }
    }

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().mode() & 0o777
    }

    #[test]
    fn a_pair_is_replaced_and_its_predecessor_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
        fs::write(&certificate, "old certificate").unwrap();
        fs::write(&key, "old key").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let pair = [
            replacement(&key, b"new key", Secrecy::Secret),
            replacement(&certificate, b"new certificate", Secrecy::Public),
        ];
        let kept = replace(&pair, NOW).unwrap();
        assert_eq!(kept[0], folder.path().canonicalize().unwrap().join("server.key.old-20261122T031500Z"));
        assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "old key");
        assert_eq!(fs::read_to_string(&kept[1]).unwrap(), "old certificate");
        assert_eq!(fs::read_to_string(&key).unwrap(), "new key");
        assert_eq!(fs::read_to_string(&certificate).unwrap(), "new certificate");
        assert_eq!(mode(&key), 0o640, "the group keeps its right, everybody loses his");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left behind");
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, nowhere] = ["server.pem", "missing/server.key"].map(|name| folder.path().join(name));
        fs::write(&certificate, "old").unwrap();
        let pair = [replacement(&certificate, b"new", Secrecy::Public), replacement(&nowhere, b"new", Secrecy::Secret)];
        assert!(replace(&pair, NOW).unwrap_err().to_string().contains("nothing was changed"));
        assert_eq!(fs::read_to_string(&certificate).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_first_key_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("server.key");
        assert_eq!(replace(&[replacement(&key, b"key", Secrecy::Secret)], NOW).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(mode(&key), 0o600);
        assert!(create_new(&key, b"other", Secrecy::Secret).is_err(), "what is there is not overwritten");
        assert_eq!(fs::read_to_string(&key).unwrap(), "key");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [real, link] = ["real.pem", "link.pem"].map(|name| folder.path().join(name));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&[replacement(&link, b"new", Secrecy::Public)], NOW).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
