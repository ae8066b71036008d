//! The stable word of each refusal, for programs: sentences may change, these do not.

use store::StoreError;

use super::AdminError;

impl AdminError {
    /// The word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ForeignDomain(..) => "foreign-domain",
            Self::Attribute(_) => "attributes",
            Self::Key(_) => "identifier-key",
            Self::Field { .. } => "field",
            Self::Forward(_) => "forward-forbidden",
            Self::Delegation(_) => "delegation-forbidden",
            Self::OwnBal(_) => "own-bal",
            Self::EndedAlready => "period-over",
            Self::NoSuchPerson(_) => "no-such-person",
            Self::NoPassword(_) => "no-password",
            Self::NoPharmacy(_) => "no-pharmacy",
            Self::NoSuchBal(_) => "no-such-bal",
            Self::List { .. } => "list-problems",
            Self::NotText(_) => "not-text",
            Self::File(_) => "file",
            Self::Alias { .. } => "alias",
            Self::ForwardToItself(_) => "forward-to-itself",
            Self::ForwardCircle { .. } => "forward-circle",
            Self::NoSuchForward { .. } => "no-such-forward",
            Self::Store(error) => of_store(error),
            Self::Internal(_) => "internal",
        }
    }
}

fn of_store(error: &StoreError) -> &'static str {
    use StoreError as E;
    match error {
        E::Unavailable(_) => "database-unavailable",
        E::SchemaTooNew { .. } | E::ServerTooOld(_) | E::Unseal(_) => "configuration",
        E::BalExists(_) => "bal-exists",
        E::AliasExists(_) => "alias-exists",
        E::NoSuchAlias(_) => "no-such-alias",
        E::ForwardCircle { .. } => "forward-circle",
        E::NoSuchForward { .. } => "no-such-forward",
        E::NoSuchBal(_) => "no-such-bal",
        E::Overtaken(_) | E::PersonOvertaken(_) | E::DelegationOvertaken => "overtaken",
        E::PersonExists(_) => "person-exists",
        E::NoSuchPerson(_) => "no-such-person",
        E::NoSuchDelegation => "no-such-delegation",
        E::Inconsistent { .. } => "internal",
        _ => "refused",
    }
}
