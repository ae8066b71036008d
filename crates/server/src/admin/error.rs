//! Why something was not done, and what to do about it: the same sentence at the command line and in the API.

use mssante::{
    Address, Attribute, AttributeError, BalKind, DelegationForbidden, ForwardForbidden, IdentifierError, Login,
};
use store::StoreError;
use thiserror::Error;

use crate::failure::Failure;

/// Why an administrator's request was not done. Each sentence says what to do.
#[derive(Debug, Error)]
pub(crate) enum AdminError {
    /// The address belongs to a domain of others.
    #[error("{0} is not in one of operator.domains; {1} is created in our own domains")]
    ForeignDomain(Address, &'static str),
    /// The kind does not go with what was given.
    #[error("{}", explain(.0))]
    Attribute(#[from] AttributeError),
    /// An identifier whose key does not fit, and the configuration does not let that pass.
    #[error("{0} (annuaire.unconfirmed_keys)")]
    Key(#[from] IdentifierError),
    /// A field that cannot be read.
    #[error("{field}: {why}", field = .field.word())]
    Field {
        /// Which.
        field: Field,
        /// What is wrong with it, and what to write.
        why: String,
    },
    /// The kinds do not hand on to each other.
    #[error(transparent)]
    Forward(#[from] ForwardForbidden),
    /// The BAL is not opened to others in this way.
    #[error(transparent)]
    Delegation(#[from] DelegationForbidden),
    /// A BAL would be opened to its own holder.
    #[error("{0} is the delegate's own BAL; he has every right on it")]
    OwnBal(Address),
    /// Something would end before it begins, or has ended already.
    #[error("the delegation would have ended already: --until has to lie after --from and in the future")]
    EndedAlready,
    /// Nobody has this login.
    #[error("there is no person {0}; `pli person list` shows who there is")]
    NoSuchPerson(Login),
    /// The kind opens otherwise.
    #[error("a BAL of kind {0} has no password; it opens by certificate")]
    NoPassword(BalKind),
    /// The kind is never a pharmacy's.
    #[error("a BAL of kind {0} is not a pharmacy's: prescriptions go to a BAL of kind ORG or APP")]
    NoPharmacy(BalKind),
    /// Nothing is there under this address.
    #[error("there is no BAL {0}; `pli bal search` finds BALs by a part of their address or name")]
    NoSuchBal(Address),
    /// A list of BALs with mistakes.
    #[error(
        "the list has {problems} problem{}; nothing was changed: correct them, or have the other lines \
         done without them (skip-invalid)", if *.problems == 1 { "" } else { "s" }
    )]
    List {
        /// How many.
        problems: usize,
    },
    /// A list that cannot be read at all.
    #[error("{0}")]
    NotText(String),
    /// A file of ours that cannot be written or read.
    #[error("{0}")]
    File(String),
    /// What was named is another address of a BAL.
    #[error("{alias} is an alias of the BAL {bal}; give the address of the BAL itself")]
    Alias {
        /// What was named.
        alias: Address,
        /// Where it leads.
        bal: Address,
    },
    /// A BAL cannot hand its mail on to itself.
    #[error("{0} cannot forward to itself, mail would go in a circle; name another BAL")]
    ForwardToItself(Address),
    /// Mail would go in a circle.
    #[error(
        "{to} hands its mail on to {from} already, directly or by others: mail would go in a circle; see \
         `pli bal forward list`, and end one with `pli bal forward remove`"
    )]
    ForwardCircle {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// There is no such forward.
    #[error("{from} does not forward to {to}; `pli bal forward list {from}` lists where its mail goes")]
    NoSuchForward {
        /// Whose mail.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of ours.
    #[error("it could not be done: {0}")]
    Internal(String),
}

/// Whose matter a failure is; everything outside follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was asked for cannot be read or lacks something.
    Invalid,
    /// The rules do not allow it.
    Refused,
    /// It is not there.
    NotFound,
    /// Something is there already that stands against it.
    Exists,
    /// It is not any more as it was seen.
    Overtaken,
    /// A service does not answer; trying again later can help.
    Unavailable,
    /// A file or a setting is wrong.
    Configuration,
    /// Our own fault.
    Internal,
}

impl Kind {
    /// The word in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
            Self::Exists => "exists",
            Self::Overtaken => "overtaken",
            Self::Unavailable => "unavailable",
            Self::Configuration => "configuration",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Refused => 422,
            Self::NotFound => 404,
            Self::Exists => 409,
            Self::Overtaken => 412,
            Self::Unavailable => 503,
            Self::Configuration | Self::Internal => 500,
        }
    }
}

impl AdminError {
    /// Whose matter it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Field { .. } | Self::List { .. } | Self::NotText(_) => Kind::Invalid,
            Self::ForeignDomain(..)
            | Self::Attribute(_)
            | Self::Key(_)
            | Self::Forward(_)
            | Self::Delegation(_)
            | Self::OwnBal(_)
            | Self::EndedAlready
            | Self::NoPassword(_)
            | Self::NoPharmacy(_)
            | Self::Alias { .. }
            | Self::ForwardToItself(_)
            | Self::File(_) => Kind::Refused,
            Self::ForwardCircle { .. } => Kind::Exists,
            Self::NoSuchBal(_) | Self::NoSuchForward { .. } | Self::NoSuchPerson(_) => Kind::NotFound,
            Self::Store(error) => of_store(error),
            Self::Internal(_) => Kind::Internal,
        }
    }

    /// The field that is wrong, if it is one.
    pub(crate) fn field(&self) -> Option<Field> {
        match self {
            Self::ForeignDomain(..) => Some(Field::Address),
            Self::Attribute(
                AttributeError::Missing { attribute, .. } | AttributeError::Forbidden { attribute, .. },
            ) => Some(Field::of(*attribute)),
            Self::Key(_) => Some(Field::Rpps),
            Self::Field { field, .. } => Some(*field),
            _ => None,
        }
    }
}

fn of_store(error: &StoreError) -> Kind {
    use StoreError as E;
    match error {
        E::Unavailable(_) => Kind::Unavailable,
        E::SchemaTooNew { .. } | E::ServerTooOld(_) | E::Unseal(_) => Kind::Configuration,
        E::BalExists(_) | E::AliasExists(_) | E::PersonExists(_) | E::ForwardCircle { .. } => Kind::Exists,
        E::Overtaken(_) | E::PersonOvertaken(_) | E::DelegationOvertaken => Kind::Overtaken,
        E::NoSuchAlias(_) | E::NoSuchForward { .. } | E::NoSuchBal(_) | E::NoSuchPerson(_) | E::NoSuchDelegation => {
            Kind::NotFound
        }
        E::Inconsistent { .. } => Kind::Internal,
        _ => Kind::Refused,
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match (error.kind(), error) {
            (_, AdminError::Store(error)) => error.into(),
            (Kind::Unavailable, error) => Self::Unavailable(error.to_string()),
            (Kind::Configuration, error) => Self::Configuration(error.to_string()),
            (_, error) => Self::Refused(error.to_string()),
        }
    }
}

/// A field of a request: an option of the command line and a member of a JSON object of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// The BAL's address.
    Address,
    /// RPPS number of the holder.
    Rpps,
    /// The number of the holder in the structure's register.
    LocalId,
    /// The structure.
    Structure,
    /// The responsible person.
    Responsible,
    /// Service de rattachement.
    Service,
    /// What it is for.
    Description,
    /// Name of the software.
    Software,
    /// Number of the software.
    Nil,
    /// The DN of a certificate.
    CertificateDn,
    /// A password.
    Password,
}

impl Field {
    /// Its name in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rpps => "rpps",
            Self::LocalId => "local_id",
            Self::Service => "service",
            Self::Description => "description",
            Self::Software => "software",
            Self::Nil => "nil",
            Self::Structure => "structure",
            Self::Responsible => "responsible",
            Self::CertificateDn => "certificate_dn",
            Self::Password => "password",
        }
    }

    /// The field by which an attribute is given.
    pub(crate) fn of(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Holder => Self::Rpps,
            Attribute::LocalId => Self::LocalId,
            Attribute::Service => Self::Service,
            Attribute::Description => Self::Description,
            Attribute::Software => Self::Software,
            Attribute::Nil => Self::Nil,
            Attribute::Structure => Self::Structure,
            Attribute::Responsible => Self::Responsible,
            Attribute::Certificate => Self::CertificateDn,
            Attribute::Password => Self::Password,
        }
    }

    /// What a person calls it, with the option of the command line.
    fn named(self) -> &'static str {
        match self {
            Self::Address => "an address",
            Self::Rpps => "the holder's RPPS or ADELI number (--rpps, --adeli)",
            Self::LocalId => "a number of the structure's register (--local-id)",
            Self::Service => "a service (--service)",
            Self::Description => "a description (--description)",
            Self::Software => "the name of its software (--software)",
            Self::Nil => "the number of its software (--nil)",
            Self::Structure => "its structure (--structure)",
            Self::Responsible => "a responsible person (--responsible)",
            Self::CertificateDn => "a certificate (--certificate or --certificate-dn)",
            Self::Password => "a password (--password-stdin)",
        }
    }
}

/// The rule in words that fit an option as well as a field or a column.
fn explain(error: &AttributeError) -> String {
    match error {
        AttributeError::Missing { kind, attribute, instead } => {
            let or = instead.map_or_else(String::new, |other| format!(", or {}", Field::of(other).named()));
            let needed = Field::of(*attribute).named();
            format!("a BAL of kind {kind} needs {needed}{or}; `pli rules` prints what each kind comes with")
        }
        AttributeError::Forbidden { kind, attribute, remark } => {
            format!("a BAL of kind {kind} comes without {}: {remark}", Field::of(*attribute).named())
        }
    }
}
