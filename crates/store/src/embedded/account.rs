//! Which account the server runs as, and file work with that account's rights.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

use super::EmbeddedError;
use crate::rights::{self, NO_LINK};

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
    /// Ourselves. When we are root: whoever the cluster belongs to, or the data folder if there is no cluster yet, so
    /// that a command of the administrator's works on what the service made; `postgres` if both are root's.
    pub(super) fn choose(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let own = geteuid();
        if !own.is_root() {
            return Self::of(own).ok_or_else(|| no_entry("pli runs as", own));
        }
        let cluster = data_dir.join("postgresql");
        if let Some((folder, owner)) = [cluster.as_path(), data_dir].into_iter().find_map(owned_by_another) {
            return Self::of(owner).ok_or_else(|| no_entry(&format!("{} belongs to", folder.display()), owner));
        }
        let postgres = User::from_name("postgres").ok().flatten();
        postgres.map(Self::from).ok_or_else(|| {
            EmbeddedError::Folder(
                "pli runs as root, and PostgreSQL must not: there is no account `postgres` for it; make one \
                 (`useradd --system postgres`) or run pli as another user"
                    .to_owned(),
            )
        })
    }

    fn of(uid: Uid) -> Option<Self> {
        User::from_uid(uid).ok().flatten().map(Self::from)
    }

    pub(super) fn may_enter(&self, folder: &Metadata) -> bool {
        let bit = match () {
            () if folder.uid() == self.uid => 0o100,
            () if folder.gid() == self.gid => 0o010,
            () => 0o001,
        };
        folder.mode() & bit != 0
    }

    /// Does file work with the account's rights: it can put links into its folders, and root would follow them to
    /// where the account itself cannot go. All work below `data_dir/postgresql` that makes, changes or removes
    /// something goes through here.
    pub(super) fn work<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        if self.other { rights::as_account(self.uid, self.gid, work) } else { work() }
    }

    /// Opens a file of the account's that is no link; made if missing.
    pub(super) fn open(&self, file: &Path, how: &OpenOptions) -> io::Result<File> {
        let how = how.clone().create(true).mode(0o600).custom_flags(NO_LINK).to_owned();
        self.work(|| how.open(file))
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), other: geteuid().is_root() }
    }
}

fn no_entry(who: &str, uid: Uid) -> EmbeddedError {
    EmbeddedError::Folder(format!("{who} the user with number {uid}, who has no entry in the user database"))
}

/// The owner of a folder that exists and is not root's.
fn owned_by_another(folder: &Path) -> Option<(&Path, Uid)> {
    let owner = Uid::from_raw(fs::symlink_metadata(folder).ok()?.uid());
    (!owner.is_root()).then_some((folder, owner))
}
