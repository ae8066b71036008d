//! The store: PostgreSQL, the only crate that contains SQL. Seals what it keeps.
//!
//! It knows BALs, folders, messages, the queue, traces, the versions of the white list and of the directory, and no protocol.

mod acceptance;
mod annuaire;
mod bal;
mod committer;
mod database;
mod delegation;
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
mod patients;
mod person;
mod publication;
mod queue;
mod reading;
mod refused;
mod rights;
mod room;
mod schema;
mod seal;
mod sweeper;
mod trace;
mod transport;
mod trust;
mod version;

pub use acceptance::{Acceptance, Appended, LocalDelivery, RelayRequest, Source};
pub use annuaire::{
    AnnuaireId, AnnuaireKind, AnnuaireOrigin, AnnuaireRecord, AnnuaireRefused, AnnuaireRejection, AnnuaireVersion,
};
pub use bal::{
    AliasRecord, BalEdit, BalFilter, BalPage, BalRecord, BalSearch, BalWay, ForwardRecord, InactiveCounts, NearlyFull,
    NewBal, Seen, SeenEdit, Usage, Ways,
};
pub use database::{DatabaseSettings, Store, StoreParts};
pub use delegation::{
    Delegate, DelegateName, Delegated, DelegationFilter, DelegationId, DelegationRecord, Filing, NewDelegation,
    SeenDelegation,
};
pub use embedded::{Cluster, ClusterProfile, EmbeddedError};
pub use error::StoreError;
pub use folder::{
    Changes, Copied, Entry, FlagChange, Flags, Folder, FolderId, FolderStatus, Modseq, Opened, SpecialUse, Uid,
    UidValidity,
};
pub use intake::{Intake, MessageId, QueueId, SealedMessage};
pub use keyring::{KeyRing, KeyRingError};
pub use notices::{BalChange, BalNews};
pub use patients::LetterToPatients;
pub use person::{NewPerson, PersonNumber, PersonRecord};
pub use publication::{Publication, PublicationClaim, PublicationFilter, PublicationResult, PublicationState};
pub use queue::{Claimed, DsnNotify, DsnParameters, HopFacts, Outcome, QueueStatus, Setback};
pub use reading::BodyReader;
pub use refused::{MailRefusal, Refusee};
pub use room::Rooms;
pub use schema::{migrate, schema_fingerprint};
pub use sweeper::Swept;
pub use trace::{
    Actor, Entered, Event, EventClass, ExportedTraces, Fault, Finding, Followed, Indicators, MonthCount, Retained,
    Retentions, SoftwareCount, Trace, TraceFilter, TraceFormat, TraceRecord, Verification, Witness, check_export,
};
pub use trust::{
    DomainChange, DomainChangeKind, DomainEvent, Due, ListCounts, ListId, ListOrigin, ListRecord, ListVersion,
    Source as TrustSource, SourceAnswer, SourceClaim, SourceKind,
};
pub use version::{Placing, Recorded, VersionState};
