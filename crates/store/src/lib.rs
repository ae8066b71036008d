//! The store: PostgreSQL, the only crate that contains SQL. Seals what it keeps.
//!
//! It knows BALs, folders, messages, the queue, traces and the versions of the white list, and no protocol.

mod acceptance;
mod bal;
mod committer;
mod database;
mod doubt;
mod embedded;
mod error;
mod folder;
mod intake;
mod keyring;
mod landing;
mod lane;
mod notices;
mod numbers;
mod publication;
mod queue;
mod reading;
mod rights;
mod schema;
mod seal;
mod sweeper;
mod trace;
mod transport;
mod trust;

pub use acceptance::{Acceptance, Appended, LocalDelivery, RelayRequest, Source};
pub use bal::{AliasRecord, BalEdit, BalFilter, BalRecord, ForwardRecord, NewBal, Ways};
pub use database::{DatabaseSettings, Store, StoreParts};
pub use embedded::{Cluster, ClusterProfile, EmbeddedError};
pub use error::StoreError;
pub use folder::{
    Changes, Copied, Entry, FlagChange, Flags, Folder, FolderId, FolderStatus, Modseq, Opened, SpecialUse, Uid,
    UidValidity,
};
pub use intake::{Intake, MessageId, QueueId, SealedMessage};
pub use keyring::{KeyRing, KeyRingError};
pub use publication::{Publication, PublicationClaim, PublicationResult, PublicationState};
pub use queue::{Claimed, DsnNotify, DsnParameters, HopFacts, Outcome, QueueStatus, Setback};
pub use reading::BodyReader;
pub use schema::{migrate, schema_fingerprint};
pub use sweeper::Swept;
pub use trust::{
    DomainChange, DomainChangeKind, DomainEvent, Due, ListCounts, ListId, ListOrigin, ListRecord, ListState,
    ListVersion, Placing, Recorded, Source as TrustSource, SourceAnswer, SourceClaim, SourceKind,
};
