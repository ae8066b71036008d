//! Who runs a command.

use nix::unistd::{Uid, User};

/// Who runs this command, for the audit trail: the account of the process, and the one behind sudo.
pub(crate) fn who() -> String {
    // Only root is believed about somebody else; the environment of others is theirs to write.
    let uid = nix::unistd::getuid();
    let behind = std::env::var("SUDO_USER").ok().filter(|name| uid.is_root() && !name.is_empty());
    match behind {
        Some(name) => format!("{} for {name}", account(uid)),
        None => account(uid),
    }
}

fn account(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_the_system_and_not_by_the_environment() {
        assert_eq!(account(Uid::from_raw(0)), "root (uid 0)");
        assert_eq!(account(Uid::from_raw(3_999_999_999)), "uid 3999999999");
    }
}
