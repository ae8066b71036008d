//! What can go wrong in the store, and whose fault it is.

use mssante::{Address, BalId, Login, MoveError};
use thiserror::Error;

use crate::MessageId;

/// Why the store did not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database does not answer or refused; trying again later can help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The schema was made by a newer pli.
    #[error(
        "the database schema (version {found}) is newer than this pli knows ({known}); install a newer pli or use another database"
    )]
    SchemaTooNew {
        /// Newest migration applied in the database.
        found: i64,
        /// Newest migration that this binary has.
        known: i64,
    },
    /// The PostgreSQL server is too old.
    #[error("PostgreSQL {0} is too old; pli needs 14 or newer")]
    ServerTooOld(String),
    /// The address is taken.
    #[error("there is already a BAL {0}")]
    BalExists(Address),
    /// The address is another BAL's alias.
    #[error("{0} is an alias already; `pli bal alias list` shows of which BAL")]
    AliasExists(Address),
    /// There is no such alias.
    #[error("there is no alias {0}")]
    NoSuchAlias(Address),
    /// Mail would go in a circle.
    #[error("BAL {to} hands its mail on to BAL {from} already, directly or by others: mail would go in a circle")]
    ForwardCircle {
        /// Whose mail.
        from: BalId,
        /// To whom.
        to: BalId,
    },
    /// There is no such forward.
    #[error("BAL {from} does not forward to BAL {to}")]
    NoSuchForward {
        /// Whose mail.
        from: BalId,
        /// To whom.
        to: BalId,
    },
    /// A BAL that the message was for was closed or suspended meanwhile.
    #[error("a BAL that the message is for takes no mail any more")]
    TakesNoMail,
    /// There is no such BAL.
    #[error("there is no BAL {0}")]
    NoSuchBal(String),
    /// The BAL is not any more as it was seen.
    #[error("somebody changed BAL {0} meanwhile: look at it again, and ask again if the change is still right")]
    Overtaken(Address),
    /// The person is not any more as he was seen.
    #[error("somebody changed the person {0} meanwhile: look at him again, and ask again if the change is still right")]
    PersonOvertaken(Login),
    /// What somebody may do on a BAL is not any more as it was seen.
    #[error(
        "somebody changed this delegation meanwhile: look at it again (`pli bal delegations`), and ask again if the change \
         is still right"
    )]
    DelegationOvertaken,
    /// The login is taken.
    #[error("there is already a person {0}")]
    PersonExists(Login),
    /// There is no such person.
    #[error("there is no person {0}; `pli person list` shows who there is")]
    NoSuchPerson(Login),
    /// Nothing to end.
    #[error("there is no such delegation; `pli bal delegations` shows which there are")]
    NoSuchDelegation,
    /// The BAL does not go from its state to that one.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// A folder of this name exists.
    #[error("there is already a folder of this name")]
    FolderExists,
    /// There is no such folder.
    #[error("there is no such folder")]
    NoSuchFolder,
    /// The folder cannot be changed in this way (INBOX, or it has children), or its name is not one.
    #[error("{0}")]
    FolderRefused(&'static str),
    /// The message was removed, and its body swept.
    #[error("message {0} is not stored any more")]
    NoSuchMessage(MessageId),
    /// An acceptance without any recipient: a defect of the caller.
    #[error("a message without recipients was handed over for acceptance")]
    NoRecipient,
    /// What was stored cannot be opened: wrong key ring or damaged octets.
    #[error("stored data cannot be unsealed: {0}")]
    Unseal(String),
    /// A file of the audit trail cannot be written or read; the text names it and says why.
    #[error("{0}")]
    Export(String),
    /// Rows contradict each other.
    #[error("inconsistent data in {table}: {what}")]
    Inconsistent {
        /// Where.
        table: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl StoreError {
    pub(crate) fn inconsistent(table: &'static str, what: impl std::fmt::Display) -> Self {
        Self::Inconsistent { table, what: what.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => {
                Self::Inconsistent { table: "a row", what: format!("column {index}: {source}") }
            }
            // Never the statement's parameters: they can hold addresses.
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Whether `error` is the violation of this constraint.
pub(crate) fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) == Some(constraint)
}

/// Whether the same statement can succeed a moment later.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => true,
        // Connection lost, server stopping, serialisation failure or deadlock.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "57P", "40"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// Whether somebody else held a lock for longer than the statement was to wait.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("55P03")
}
