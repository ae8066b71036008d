//! Where the cluster lives, who owns it, and whether that account can get there.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use nix::unistd::{User, geteuid};

use super::EmbeddedError;
use crate::keyring::hex;

/// PostgreSQL's socket in its folder.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// Most octets of a socket's path (`sun_path` with its final NUL).
const SOCKET_PATH_LIMIT: usize = 107;

/// The account that the server runs as: PostgreSQL refuses to be root.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether we are root and have to change into it.
    pub(super) other: bool,
}

impl Account {
    /// Ourselves, or `postgres` when we are root.
    pub(super) fn choose() -> Result<Self, EmbeddedError> {
        let own = geteuid();
        let (found, missing) = if own.is_root() {
            let advice = "pli runs as root, and PostgreSQL must not: there is no account `postgres` for it; make one \
                          (`useradd --system postgres`) or run pli as another user";
            (User::from_name("postgres"), advice.to_owned())
        } else {
            (User::from_uid(own), format!("the user with number {own} has no entry in the user database"))
        };
        let user = found.ok().flatten().ok_or(EmbeddedError::Folder(missing))?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), other: own.is_root() })
    }

    fn may_enter(&self, folder: &Metadata) -> bool {
        let bit = match () {
            () if folder.uid() == self.uid => 0o100,
            () if folder.gid() == self.gid => 0o010,
            () => 0o001,
        };
        folder.mode() & bit != 0
    }
}

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
        let account = Account::choose()?;
        let data_dir = make_data_dir(data_dir, &account)?;
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

    /// A short path of our own for data folders with a long one.
    fn short_folder(&self) -> PathBuf {
        let name = digest(&SHA256, self.root.as_os_str().as_encoded_bytes());
        let name = hex(&name.as_ref()[..6]);
        let parent = if self.account.other { "/run" } else { "/tmp" };
        Path::new(parent).join(format!("pli-{}-{name}", self.account.uid))
    }
}

fn failed(folder: &Path, error: &io::Error) -> EmbeddedError {
    EmbeddedError::Folder(format!("{}: {error}", folder.display()))
}

/// The data folder by its absolute path. A new one can be passed through, not listed, by the account.
fn make_data_dir(data_dir: &Path, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let mode = if account.other { 0o711 } else { 0o700 };
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
    let fail = |error| failed(folder, &error);
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => give_to(folder, account).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_shared(folder, account),
        Err(error) => Err(fail(error)),
    }
}

fn give_to(folder: &Path, account: &Account) -> io::Result<()> {
    if account.other {
        chown(folder, Some(account.uid), Some(account.gid))?;
    }
    // The mode that it was made with went through the umask.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Somebody else may have made it, to read along or to stand in for the server.
fn refuse_shared(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let metadata = fs::symlink_metadata(folder).map_err(|error| failed(folder, &error))?;
    if metadata.is_dir() && metadata.uid() == account.uid && metadata.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    let (folder, name) = (folder.display(), &account.name);
    Err(EmbeddedError::Folder(format!(
        "{folder} must be a folder of {name} that nobody else can enter; if it is yours, run \
         `chown -R {name} {folder}; chmod 700 {folder}`"
    )))
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
        let account = Account { other: false, ..Account::choose().unwrap() };
        let own = Account { uid: fs::metadata(folder.path()).unwrap().uid(), ..account };
        make_private(folder.path(), &own).unwrap();
        assert!(make_private(folder.path(), &nobody()).is_err(), "of somebody else");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let error = make_private(folder.path(), &own).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_long_data_folder_gets_a_short_folder_for_its_socket() {
        let account = Account { name: "me".into(), uid: 1, gid: 1, other: false };
        let place = Place { root: PathBuf::from("/x").join("y".repeat(120)), account };
        let socket = place.short_folder().join(SOCKET_NAME);
        assert!(socket.as_os_str().len() <= SOCKET_PATH_LIMIT, "{}", socket.display());
    }
}
