//! Who has logged in, and on what.

use mssante::{Address, BalId};
use store::BalRecord;

/// Who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person, by the login that was typed.
    Person(Address),
    /// A piece of software, by the key of its certificate's DN.
    Software(String),
}

/// A principal with the BALs that are open to it. Only [`crate::Authenticator`] makes one.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) principal: Principal,
    pub(crate) bals: Vec<BalRecord>,
}

impl Identity {
    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The BAL that IMAP opens.
    pub fn bal(&self) -> &BalRecord {
        self.bals.first().expect("an identity is made with at least one BAL")
    }

    /// The BAL of this address, if the principal may send from it.
    pub fn may_send_as(&self, address: &Address) -> Option<BalId> {
        self.bals.iter().find(|bal| bal.address == *address).map(|bal| bal.id)
    }
}
