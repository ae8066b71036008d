//! File work with the rights of another account, when we are root.

use std::io;
use std::thread;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

/// For `custom_flags`: a symbolic link at the end of the path is refused.
pub(crate) const NO_LINK: i32 = OFlag::O_NOFOLLOW.bits();

/// Does `work` in a thread of its own whose file accesses have the rights of this user and group, and no more: what it
/// makes belongs to them, and a link that they planted leads nowhere they could not go themselves.
pub(crate) fn as_account<T: Send>(uid: u32, gid: u32, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    thread::scope(|scope| {
        let worker = scope.spawn(move || take_on(uid, gid).and_then(|()| work()));
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Linux keeps these numbers per thread, and takes root's rights over files away with them.
fn take_on(uid: Uid, gid: Gid) -> io::Result<()> {
    setfsgid(gid);
    setfsuid(uid);
    // The calls do not say whether they worked; they only say what was in force before.
    if setfsgid(gid) == gid && setfsuid(uid) == uid {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("cannot work as user {uid}, group {gid}")))
    }
}
