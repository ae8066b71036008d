//! Where the cluster lives, and whether its account can get there.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use mssante::hex;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::EmbeddedError;
use super::account::Account;
use crate::rights::NO_LINK;

/// PostgreSQL's socket in its folder.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// Most octets of a socket's path (`sun_path` with its final NUL).
const SOCKET_PATH_LIMIT: usize = 107;

/// The folders of a cluster.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `data_dir/postgresql`: all of it.
    pub(super) root: PathBuf,
    pub(super) account: Account,
}

impl Place {
    /// Makes the folders that are missing and checks that the account can enter them.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let data_dir = make_data_dir(data_dir)?;
        let account = Account::choose(&data_dir)?;
        refuse_closed_parents(&data_dir, &account)?;
        let root = data_dir.join("postgresql");
        make_private(&root, &account)?;
        Ok(Self { root, account })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where `initdb` works; renamed when it is done, so that an interrupted one is never taken for a cluster.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("data.new")
    }

    pub(super) fn server_log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// The major version of the cluster, if there is one.
    pub(super) fn cluster_version(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The socket's folder, made if missing. Only the account (and root) can enter it: that is what stands
    /// in for passwords.
    pub(super) fn sockets(&self) -> Result<PathBuf, EmbeddedError> {
        let near = self.root.join("s");
        let folder = if near.as_os_str().len() + 1 + SOCKET_NAME.len() <= SOCKET_PATH_LIMIT {
            near
        } else {
            self.short_folder()
        };
        make_private(&folder, &self.account)?;
        Ok(folder)
    }

    /// A short path of our own for data folders with a long one; the same whether root or the account asks.
    fn short_folder(&self) -> PathBuf {
        let name = digest(&SHA256, self.root.as_os_str().as_encoded_bytes());
        let name = hex(&name.as_ref()[..6]);
        PathBuf::from(format!("/tmp/pli-{}-{name}", self.account.uid))
    }
}

fn failed(folder: &Path, error: &io::Error) -> EmbeddedError {
    EmbeddedError::Folder(format!("{}: {error}", folder.display()))
}

/// The data folder by its absolute path. A new one can be passed through, not listed, by the account.
fn make_data_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(data_dir).map_err(|error| failed(data_dir, &error))?;
    data_dir.canonicalize().map_err(|error| failed(data_dir, &error))
}

/// Says which folder above the cluster keeps the account out, before PostgreSQL fails with less to go by.
fn refuse_closed_parents(data_dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    for folder in data_dir.ancestors().filter(|_| account.other) {
        let metadata = fs::metadata(folder).map_err(|error| failed(folder, &error))?;
        if !account.may_enter(&metadata) {
            return Err(EmbeddedError::Folder(format!(
                "{} (mode {:o}) keeps the user {} out, who runs PostgreSQL for the data folder {}; run `chmod o+x {}` \
                 or choose another data.dir, e.g. /var/lib/pli",
                folder.display(),
                metadata.mode() & 0o777,
                account.name,
                data_dir.display(),
                folder.display()
            )));
        }
    }
    Ok(())
}

/// A folder that belongs to the account and that nobody else can enter: made, or checked if it is there already.
fn make_private(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let made = account.work(|| {
        DirBuilder::new().mode(0o700).create(folder)?;
        // The mode that it was made with went through the umask.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    });
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_shared(folder, account),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && account.other => {
            make_for(folder, account).map_err(|error| failed(folder, &error))
        }
        Err(error) => Err(failed(folder, &error)),
    }
}

/// Makes a folder where only root may, and hands it over.
fn make_for(folder: &Path, account: &Account) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let made = OpenOptions::new().read(true).custom_flags(NO_LINK | OFlag::O_DIRECTORY.bits()).open(folder)?;
    // Should others write in the folder above, this may have become another one.
    if made.metadata()?.uid() != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else has put another folder there"));
    }
    made.set_permissions(fs::Permissions::from_mode(0o700))?;
    fchown(&made, Some(account.uid), Some(account.gid))
}

/// Somebody else may have made it, to read along or to stand in for the server.
fn refuse_shared(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let metadata = fs::symlink_metadata(folder).map_err(|error| failed(folder, &error))?;
    if metadata.is_dir() && metadata.uid() == account.uid && metadata.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    let (name, advice) = (&account.name, advice(folder, &metadata, account));
    Err(EmbeddedError::Folder(format!(
        "{} must be a folder of {name} that nobody else can enter; {advice}",
        folder.display()
    )))
}

/// Never to change the owner of another account's folder: a server may be at work in it.
fn advice(folder: &Path, found: &Metadata, account: &Account) -> String {
    let (folder, name) = (folder.display(), &account.name);
    match found.uid() {
        _ if !found.is_dir() => "move away what is there".to_owned(),
        owner if owner == account.uid => format!("if nobody else has been there, run `chmod 700 {folder}`"),
        0 => format!("it is root's; if it is yours, run `chown -R {name} {folder}; chmod 700 {folder}`"),
        owner => format!("it belongs to the user with number {owner}: run pli as that user, or as root"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Account {
        Account { name: "nobody".into(), uid: 65_534, gid: 65_534, other: true }
    }

    #[test]
    fn a_closed_parent_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        fs::create_dir(&data_dir).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = refuse_closed_parents(&data_dir, &nobody()).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod o+x {}`", folder.path().display())), "{error}");
        assert!(error.contains("data.dir"), "{error}");
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let own = Account { uid: fs::metadata(folder.path()).unwrap().uid(), other: false, ..nobody() };
        make_private(folder.path(), &own).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let error = make_private(folder.path(), &own).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn nobody_is_told_to_take_the_folder_of_another_account() {
        let folder = tempfile::tempdir().unwrap();
        let found = fs::metadata(folder.path()).unwrap();
        let theirs = Account { uid: found.uid() + 1, ..nobody() };
        assert!(refuse_shared(folder.path(), &theirs).is_err(), "of somebody else");
        if found.uid() == 0 {
            std::os::unix::fs::chown(folder.path(), Some(65_534), None).unwrap();
        }
        let found = fs::metadata(folder.path()).unwrap();
        let advice = advice(folder.path(), &found, &Account { uid: found.uid() + 1, ..theirs });
        assert!(!advice.contains("chown") && advice.contains(&found.uid().to_string()), "{advice}");
    }

    #[test]
    fn a_long_data_folder_gets_a_short_folder_for_its_socket() {
        let account = Account { name: "me".into(), uid: 1, gid: 1, other: false };
        let place = Place { root: PathBuf::from("/x").join("y".repeat(120)), account };
        let socket = place.short_folder().join(SOCKET_NAME);
        assert!(socket.as_os_str().len() <= SOCKET_PATH_LIMIT, "{}", socket.display());
    }
}
