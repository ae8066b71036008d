//! The store: PostgreSQL, the only crate that contains SQL. Seals what it keeps.
//!
//! It knows BALs, folders, messages, the queue and traces, and no protocol.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

mod bal;
mod database;
mod embedded;
mod error;
mod folder;
mod intake;
mod keyring;
mod notices;
mod queue;
mod reading;
mod schema;
mod trace;

pub use bal::{BalFilter, BalRecord, NewBal};
pub use database::{DatabaseSettings, Store, StoreParts};
pub use embedded::{Cluster, ClusterProfile, EmbeddedError};
pub use error::StoreError;
pub use folder::{
    Changes, Copied, Entry, FlagChange, Flags, Folder, FolderId, FolderStatus, Modseq, Opened, SpecialUse, Uid,
    UidValidity,
};
pub use intake::{
    Acceptance, Appended, Intake, LocalDelivery, MessageId, QueueId, RelayRequest, SealedMessage, Source,
};
pub use keyring::{KeyRing, KeyRingError};
pub use queue::{Claimed, DsnNotify, DsnParameters, Outcome, QueueStatus};
pub use reading::BodyReader;
pub use schema::{migrate, schema_fingerprint};
