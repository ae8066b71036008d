//! How a command ends. `[RFC3501 7.1]`, `[RFC5530 3]`

use std::borrow::Cow;
use std::io;

use store::StoreError;

/// The text of a tagged OK, with a response code in front where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done(pub(crate) Cow<'static, str>);

impl Done {
    /// OK with this text.
    pub(crate) fn text(text: &'static str) -> Self {
        Self(text.into())
    }

    /// OK with a response code.
    pub(crate) fn coded(code: &str, text: &str) -> Self {
        Self(format!("[{code}] {text}").into())
    }
}

/// Why a command was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It cannot be done: tagged NO with this text.
    No(Cow<'static, str>),
    /// The client is wrong: tagged BAD with this text.
    Bad(&'static str),
    /// The store did not do it.
    Store(StoreError),
    /// The session has to end: untagged BYE with this text.
    Bye(&'static str),
    /// The connection is broken.
    Io(io::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The text of NO for what the store says.
pub(crate) fn store_text(error: &StoreError) -> String {
    match error {
        StoreError::NoSuchFolder => "[NONEXISTENT] There is no such folder".into(),
        StoreError::FolderExists => "[ALREADYEXISTS] There is already a folder of this name".into(),
        StoreError::FolderRefused(why) => format!("[CANNOT] {why}"),
        StoreError::Unavailable(_) => "[UNAVAILABLE] The store is not available, try again later".into(),
        StoreError::Unseal(_) | StoreError::Inconsistent { .. } => {
            "[SERVERBUG] What is stored cannot be read; the administrator was told".into()
        }
        _ => "[SERVERBUG] The store refused".into(),
    }
}

/// NO for a target folder that could be created first. `[RFC3501 7.1]`
pub(crate) fn try_create() -> Failure {
    Failure::No("[TRYCREATE] There is no such folder".into())
}

/// NO to a delegate who has not the right. `[RFC5530 3]`
pub(crate) fn no_permission() -> Failure {
    Failure::No("[NOPERM] You have no right to change this mailbox".into())
}

/// NO for a name that stands for no folder.
pub(crate) fn no_such_folder() -> Failure {
    Failure::Store(StoreError::NoSuchFolder)
}
