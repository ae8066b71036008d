//! BALs and their credentials.

use mssante::{Address, BalId, BalKind, BalState, Rpps, StructureId};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// A BAL to create.
#[derive(Debug, Clone)]
pub struct NewBal {
    /// Its address; never changes.
    pub address: Address,
    /// Its kind; never changes.
    pub kind: BalKind,
    /// Name shown to people.
    pub display_name: Option<String>,
    /// The professional who holds a nominative BAL.
    pub holder: Option<Rpps>,
    /// The structure that answers for it.
    pub structure: Option<StructureId>,
    /// The responsible person of an organisational or applicative BAL.
    pub responsible: Option<String>,
    /// The DN (as `trust::DistinguishedName::key` writes it) whose certificate opens an applicative BAL.
    pub certificate_dn: Option<String>,
}

/// A BAL as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BalRecord {
    /// Its number.
    pub id: BalId,
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// Name shown to people.
    pub display_name: Option<String>,
    /// The professional who holds it.
    pub holder: Option<Rpps>,
    /// The structure that answers for it.
    pub structure: Option<StructureId>,
    /// The responsible person.
    pub responsible: Option<String>,
    /// The DN that opens it.
    pub certificate_dn: Option<String>,
    /// Whether a password is set.
    pub has_password: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Which BALs to list.
#[derive(Debug, Clone, Default)]
pub struct BalFilter {
    /// Of this kind only.
    pub kind: Option<BalKind>,
    /// In this state only.
    pub state: Option<BalState>,
}

impl Store {
    /// Creates a BAL with INBOX and the default folders Sent, Drafts, Trash, Junk, Archive.
    pub async fn create_bal(&self, new: NewBal) -> Result<BalRecord, StoreError> {
        todo!()
    }

    /// The BAL of this address.
    pub async fn bal(&self, address: &Address) -> Result<Option<BalRecord>, StoreError> {
        todo!()
    }

    /// All BALs that the filter lets through, by address.
    pub async fn list_bals(&self, filter: &BalFilter) -> Result<Vec<BalRecord>, StoreError> {
        todo!()
    }

    /// Moves a BAL through its life, with a reason for the audit trail.
    pub async fn set_bal_state(&self, id: BalId, state: BalState, reason: &str) -> Result<BalRecord, StoreError> {
        todo!()
    }

    /// Sets or replaces the password hash (PHC string).
    pub async fn set_password_hash(&self, id: BalId, phc: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// The BAL of this address with its password hash, for a log-in.
    pub async fn credential(&self, login: &Address) -> Result<Option<(BalRecord, Option<String>)>, StoreError> {
        todo!()
    }

    /// The BALs whose registered DN is `dn_key`.
    pub async fn bals_of_certificate(&self, dn_key: &str) -> Result<Vec<BalRecord>, StoreError> {
        todo!()
    }
}
