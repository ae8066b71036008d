//! Who has logged in, on what, and with which rights.

use mssante::{Address, BalId, Right, Rights};
use store::{Actor, BalRecord, DelegateName, DelegationId};
use time::OffsetDateTime;

/// Who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Whoever knows the credential of this BAL: its holder, or somebody of the team.
    Person(Address),
    /// Somebody on a BAL that is not his own: a person without a BAL, or the holder of another one.
    Delegate(DelegateName),
    /// A piece of software, by the key of its certificate's DN.
    Software(String),
}

impl Principal {
    /// As the audit trail names him.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Person(address) | Self::Delegate(DelegateName::Holder(address)) => Actor::Bal(address.to_string()),
            Self::Delegate(DelegateName::Person(login)) => Actor::Person(login.to_string()),
            Self::Software(key) => Actor::Software(key.clone()),
        }
    }

    /// The address that readers know this principal by.
    fn address(&self) -> Option<&Address> {
        match self {
            Self::Person(address) | Self::Delegate(DelegateName::Holder(address)) => Some(address),
            Self::Delegate(DelegateName::Person(_)) | Self::Software(_) => None,
        }
    }
}

/// Why a BAL is open to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// By the BAL's own credential.
    Own,
    /// Somebody opened it to him.
    Delegation {
        /// Which delegation.
        id: DelegationId,
        /// What he may do.
        rights: Rights,
        /// Until when.
        until: Option<OffsetDateTime>,
    },
}

/// A BAL that is open to somebody at this moment.
#[derive(Debug, Clone)]
pub struct Access {
    /// The BAL.
    pub bal: BalRecord,
    /// Why it is open.
    pub ground: Ground,
}

impl Access {
    /// What he may do on it.
    pub fn rights(&self) -> Rights {
        match self.ground {
            Ground::Own => Rights::ALL,
            Ground::Delegation { rights, .. } => rights,
        }
    }

    /// Whether this stands for that: the same BAL for the same reason.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.bal.id == other.bal.id && self.ground == other.ground
    }
}

/// What the Sender field of a letter has to say. `[RFC5322 3.6.2]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderField {
    /// Nothing, or the BAL.
    Bal,
    /// The delegate's own address; it is added if it is missing. `[RFC6409 8.1]`
    Delegate(Address),
    /// Nothing, the BAL, or the delegate's own address if he wants to be seen.
    BalOrDelegate {
        /// That address.
        own: Address,
        /// The right under which he is seen.
        seen: Right,
    },
}

/// How somebody sends from a BAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRight {
    /// The BAL.
    pub bal: BalId,
    /// What readers are told of who sends.
    pub sender: SenderField,
    /// By which delegation, if the BAL is not his own.
    pub delegation: Option<DelegationId>,
}

/// A principal with the BALs that are open to it. Only [`crate::Authenticator`] makes one.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) principal: Principal,
    /// At least one.
    pub(crate) accesses: Vec<Access>,
}

impl Identity {
    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What was logged in to: the BAL that IMAP opens.
    pub fn access(&self) -> &Access {
        self.accesses.first().expect("an identity is made with at least one BAL")
    }

    /// The BAL that IMAP opens.
    pub fn bal(&self) -> &BalRecord {
        &self.access().bal
    }

    /// All BALs that are open: the one that was logged in to, then those that others opened to its holder.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// The same with this access as the one that was logged in to, if it is still there.
    pub(crate) fn opened_by(mut self, access: &Access) -> Option<Self> {
        let place = self.accesses.iter().position(|one| one.is(access))?;
        self.accesses[..=place].rotate_right(1);
        Some(self)
    }

    /// How the principal may send from the BAL of this address, if at all.
    pub fn may_send_as(&self, address: &Address) -> Option<SendRight> {
        let access = self.accesses.iter().find(|access| access.bal.address == *address)?;
        let own = self.principal.address().cloned();
        let (sender, delegation) = match access.ground {
            Ground::Own => (SenderField::Bal, None),
            Ground::Delegation { id, rights, .. } => (sender_field(rights, own)?, Some(id)),
        };
        Some(SendRight { bal: access.bal.id, sender, delegation })
    }
}

fn sender_field(rights: Rights, own: Option<Address>) -> Option<SenderField> {
    match (rights.has(Right::SendAs), rights.has(Right::SendOnBehalf), own) {
        (true, true, Some(own)) => Some(SenderField::BalOrDelegate { own, seen: Right::SendOnBehalf }),
        (true, false, Some(own)) => Some(SenderField::BalOrDelegate { own, seen: Right::SendAs }),
        (true, _, None) => Some(SenderField::Bal),
        (false, true, Some(own)) => Some(SenderField::Delegate(own)),
        (false, ..) => None,
    }
}

#[cfg(test)]
mod tests {
    use mssante::{BalKind, BalState};

    use super::*;
    use crate::fixture::bal;

    fn holder(rights: &str) -> Identity {
        let delegated = Access {
            bal: bal("chief@b.fr", BalKind::Nominative, BalState::Active),
            ground: Ground::Delegation { id: DelegationId(7), rights: rights.parse().unwrap(), until: None },
        };
        let own = Access { bal: bal("a@b.fr", BalKind::Nominative, BalState::Active), ground: Ground::Own };
        Identity { principal: Principal::Person(address("a@b.fr")), accesses: vec![own, delegated] }
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn sender(identity: &Identity, from: &str) -> Option<SenderField> {
        identity.may_send_as(&address(from)).map(|right| right.sender)
    }

    #[test]
    fn everybody_sends_as_his_own_bal_and_as_no_other() {
        let holder = holder("read");
        assert_eq!(sender(&holder, "A@b.fr"), Some(SenderField::Bal));
        assert_eq!(sender(&holder, "x@b.fr"), None);
    }

    #[test]
    fn rule_deleg_send_needs_one_of_the_two_rights_to_send() {
        let seen = |seen| Some(SenderField::BalOrDelegate { own: address("a@b.fr"), seen });
        for (rights, expected) in [
            ("read,write", None),
            ("read,send-on-behalf", Some(SenderField::Delegate(address("a@b.fr")))),
            ("send-as", seen(Right::SendAs)),
            ("send-as,send-on-behalf", seen(Right::SendOnBehalf)),
        ] {
            assert_eq!(sender(&holder(rights), "chief@b.fr"), expected, "{rights}");
        }
    }

    #[test]
    fn what_was_logged_in_to_stays_in_front_as_long_as_it_is_open_for_the_same_reason() {
        let chief = holder("read").accesses.remove(1);
        let again = holder("read").opened_by(&chief).unwrap();
        let order: Vec<_> = again.accesses().iter().map(|access| access.bal.address.to_string()).collect();
        assert_eq!(order, ["chief@b.fr", "a@b.fr"]);
        assert!(holder("read,write").opened_by(&chief).is_none());
    }

    #[test]
    fn a_person_without_address_sends_as_the_bal_only() {
        let mut person = holder("send-as");
        person.principal = Principal::Delegate(DelegateName::Person("martin".parse().unwrap()));
        assert_eq!(sender(&person, "chief@b.fr"), Some(SenderField::Bal));
        let mut person = holder("send-on-behalf");
        person.principal = Principal::Delegate(DelegateName::Person("martin".parse().unwrap()));
        assert_eq!(sender(&person, "chief@b.fr"), None);
    }
}
