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

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// Of a file or folder that is there.
    pub(super) fn of(file: &Path) -> Option<Self> {
        fs::metadata(file).ok().map(|metadata| Self { uid: metadata.uid(), gid: metadata.gid() })
    }

    pub(super) fn is_root(self) -> bool {
        self.uid == 0
    }
}

/// Writes files that are not there yet: all of them, or none. Under their names they appear whole.
pub(super) fn create_new(files: &[Replacement<'_>]) -> Result<(), Failure> {
    let (mut written, mut placed) = (Vec::new(), Vec::new());
    let result = files.iter().try_for_each(|one| {
        let new = beside(one.file, "new");
        write_new(&new, one.octets, one.secrecy.mode()).map_err(|error| unwritten(one.file, &error))?;
        written.push((new, one.file));
        Ok(())
    });
    // A link, unlike a new name, never takes the place of what is there.
    let result = result.and_then(|()| {
        written.iter().try_for_each(|(new, file)| {
            fs::hard_link(new, file).map_err(|error| unwritten(file, &error))?;
            placed.push(*file);
            Ok(())
        })
    });
    if result.is_err() {
        for file in &placed {
            drop(fs::remove_file(file));
        }
    }
    for (new, _) in &written {
        drop(fs::remove_file(new));
    }
    result
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("{} cannot be written: {error}; nothing was written", file.display()))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{name}.{ending}"))
}

/// New content for a file.
pub(super) struct Replacement<'a> {
    pub(super) file: &'a Path,
    pub(super) octets: &'a [u8],
    pub(super) secrecy: Secrecy,
}

/// Puts all of them in place, or none. Predecessors stay beside them as `NAME.old-<moment>`, with a number where that
/// moment has one already; their owners and modes are taken over; a file without one becomes `first_owner`'s if that is given, which only root
/// may do. Returns where the predecessors are.
pub(super) fn replace(
    replacements: &[Replacement<'_>],
    first_owner: Option<Owner>,
    now: OffsetDateTime,
) -> Result<Vec<PathBuf>, Failure> {
    let stamp = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap_or_default();
    let mut staged = Vec::new();
    for replacement in replacements {
        match Staged::new(replacement, first_owner, &stamp) {
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
    fn new(replacement: &Replacement<'_>, first_owner: Option<Owner>, stamp: &str) -> io::Result<Self> {
        let Replacement { file, octets, secrecy } = replacement;
        let target = file.canonicalize().unwrap_or_else(|_| (*file).to_owned());
        let before = fs::metadata(&target).ok();
        let mode = before.as_ref().map_or(secrecy.mode(), |before| before.mode() & secrecy.mask());
        let new = under_free_name(&target, &format!("new-{stamp}"), |new| write_new(new, octets, mode))?;
        let mut staged = Self { target, new, old: None };
        let kept = match before.map(|before| Owner { uid: before.uid(), gid: before.gid() }) {
            Some(owner) => staged.give_to(owner).and_then(|()| staged.keep_old(stamp)),
            None => first_owner.map_or(Ok(()), |owner| staged.give_to(owner)),
        };
        match kept {
            Ok(()) => Ok(staged),
            Err(error) => {
                staged.discard();
                Err(error)
            }
        }
    }

    fn give_to(&self, owner: Owner) -> io::Result<()> {
        if Owner::of(&self.new) == Some(owner) {
            return Ok(());
        }
        chown(&self.new, Some(owner.uid), Some(owner.gid)).map_err(|error| {
            io::Error::other(format!("its owner cannot be kept ({error}); run this as root or as the owner"))
        })
    }

    /// The predecessor gets a second name, which no earlier one has.
    fn keep_old(&mut self, stamp: &str) -> io::Result<()> {
        let target = &self.target;
        self.old = Some(under_free_name(target, &format!("old-{stamp}"), |old| fs::hard_link(target, old))?);
        Ok(())
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

/// Makes a file beside another under a name that is free: `NAME.ending`, else `NAME.ending-2` and so on. Returns
/// its name.
fn under_free_name(file: &Path, ending: &str, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let numbered = (2..100).map(|number| beside(file, &format!("{ending}-{number}")));
    for name in std::iter::once(beside(file, ending)).chain(numbered) {
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| name),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "a hundred files of this second are there already"))
}

fn write_new(file: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let out = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(file)?;
    let filled = || {
        // The umask may have taken bits away that a predecessor had.
        out.set_permissions(Permissions::from_mode(mode))?;
        (&out).write_all(octets)?;
        out.sync_all()
    };
    // Half a key, on a full disk, is of no use to anybody.
    filled().inspect_err(|_| drop(fs::remove_file(file)))
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
        let kept = replace(&pair, None, NOW).unwrap();
        assert_eq!(kept[0], folder.path().canonicalize().unwrap().join("server.key.old-20261122T031500Z"));
        assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "old key");
        assert_eq!(fs::read_to_string(&kept[1]).unwrap(), "old certificate");
        assert_eq!(fs::read_to_string(&key).unwrap(), "new key");
        assert_eq!(fs::read_to_string(&certificate).unwrap(), "new certificate");
        assert_eq!(mode(&key), 0o640, "the group keeps its right, everybody loses his");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left behind");
    }

    #[test]
    fn two_replacements_within_a_second_keep_both_predecessors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        fs::write(&file, "first").unwrap();
        let keep = |octets| replace(&[replacement(&file, octets, Secrecy::Public)], None, NOW).unwrap().remove(0);
        let (first, second) = (keep(b"second"), keep(b"third"));
        assert_eq!(fs::read_to_string(&first).unwrap(), "first");
        assert_eq!(fs::read_to_string(&second).unwrap(), "second");
        assert!(second.to_string_lossy().ends_with(".old-20261122T031500Z-2"), "{}", second.display());
        // A replacement that fails takes none of them away.
        let nowhere = folder.path().join("missing/server.key");
        let pair = [replacement(&file, b"fourth", Secrecy::Public), replacement(&nowhere, b"key", Secrecy::Secret)];
        assert!(replace(&pair, None, NOW).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(fs::read_to_string(&first).unwrap(), "first");
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, nowhere] = ["server.pem", "missing/server.key"].map(|name| folder.path().join(name));
        fs::write(&certificate, "old").unwrap();
        let pair = [replacement(&certificate, b"new", Secrecy::Public), replacement(&nowhere, b"new", Secrecy::Secret)];
        assert!(replace(&pair, None, NOW).unwrap_err().to_string().contains("nothing was changed"));
        assert_eq!(fs::read_to_string(&certificate).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_first_key_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("server.key");
        assert_eq!(replace(&[replacement(&key, b"key", Secrecy::Secret)], None, NOW).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(mode(&key), 0o600);
        let request = folder.path().join("server.csr");
        let both = [replacement(&request, b"request", Secrecy::Public), replacement(&key, b"other", Secrecy::Secret)];
        assert!(create_new(&both).is_err(), "what is there is not overwritten");
        assert_eq!(fs::read_to_string(&key).unwrap(), "key");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "all or nothing");
    }

    #[test]
    fn a_first_key_belongs_to_the_account_that_is_to_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("server.key");
        // Only root can give files away; others can give them to themselves.
        let owner = match nix::unistd::geteuid() {
            root if root.is_root() => Owner { uid: 10_001, gid: 10_002 },
            _ => Owner::of(folder.path()).unwrap(),
        };
        replace(&[replacement(&key, b"key", Secrecy::Secret)], Some(owner), NOW).unwrap();
        assert_eq!(Owner::of(&key), Some(owner));
        assert_eq!(mode(&key), 0o600);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [real, link] = ["real.pem", "link.pem"].map(|name| folder.path().join(name));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&[replacement(&link, b"new", Secrecy::Public)], None, NOW).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
