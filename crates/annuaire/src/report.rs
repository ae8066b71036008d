//! What an import did, for people and for the audit trail.

use mssante::Address;
use serde::{Deserialize, Serialize};

/// A line that an import passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its number, from 1; the header is line 1. Of paged sources, the number of the resource.
    pub line: u64,
    /// Why.
    pub reason: RejectionReason,
    /// What was wrong, at most 200 characters, without control characters.
    pub detail: String,
}

/// Why a line was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
    /// Not as many fields as the header has.
    Fields,
    /// Not UTF-8.
    Encoding,
    /// The address is none.
    Address,
    /// The kind is none of PER, ORG, APP, CAB.
    Kind,
    /// The identifier of the person is none.
    Person,
    /// Longer than any line can be.
    TooLong,
    /// A resource that is not of the documented shape.
    Shape,
    /// A resource refers to another one that cannot be had.
    Incomplete,
}

/// What changed between two directories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// How many addresses are new.
    pub added: u64,
    /// How many entries say something else.
    pub changed: u64,
    /// How many addresses are gone.
    pub removed: u64,
    /// The first few of each, for the report.
    pub examples: Vec<Change>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened to it.
    pub what: ChangeKind,
    /// Which BAL.
    pub address: Address,
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It is gone.
    Removed,
}
