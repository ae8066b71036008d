//! The directory and the resolver: what the server knows of an address, answered from memory.
//!
//! The resolver holds the local BALs; which peer domains exist is asked of the trust list,
//! which is handed in, so that this crate knows neither files nor certificates.

mod clean;
mod directory;
mod entry;
mod extraction;
pub mod fhir;
pub mod publication;
mod report;
mod resolver;

pub use directory::{
    Answers, Compared, Comparison, Directory, DirectoryBuilder, DirectoryCounts, Extent, Found, Hit, ImageError, Put,
    Query,
};
pub use entry::{Activity, Coded, Entry, Paperless, Person, Structure};
pub use extraction::{
    Extraction, ExtractionError, ExtractionKind, Item, Progress, ReadingLimits, Summary, generated_at_by_name,
};
pub use report::{Change, ChangeKind, Changes, Rejection, RejectionReason};
pub use resolver::{
    Asked, Delivery, Forward, Learned, LocalBal, LocalTable, PatientAddress, PeerRecipients, Resolver, ResolverRules,
    Route, Skipped, Standing, Step, Ticket,
};
