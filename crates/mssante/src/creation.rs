//! What each kind of BAL comes with, as data: the attribute matrix of the ANS's guide for
//! feeding the annuaire, and the credentials that follow from the kind. `[MSS1 BAL.KINDS]`

use serde::Serialize;
use thiserror::Error;

use crate::BalKind;

/// What a BAL may be created with, beyond address, kind and shown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// RPPS number of the professional.
    Holder,
    /// The structure that answers for the BAL.
    Structure,
    /// The responsible person.
    Responsible,
    /// The subject of a client certificate.
    Certificate,
    /// A password.
    Password,
}

impl Attribute {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Structure => "structure",
            Self::Responsible => "responsible",
            Self::Certificate => "certificate",
            Self::Password => "password",
        }
    }
}

/// Whether a kind comes with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Not without it.
    Required,
    /// Not without it, unless it comes with this other one.
    RequiredUnless(Attribute),
    /// With or without it.
    Optional,
    /// Not with it.
    Forbidden,
}

/// One line of the matrix: an attribute and what each kind says to it, in the order of [`BalKind::ALL`].
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AttributeRow {
    /// The attribute.
    pub attribute: Attribute,
    /// PER, ORG, APP, CAB.
    pub presence: [Presence; 4],
    /// Why, where the guide alone does not say.
    pub remark: &'static str,
}

use Presence::{Forbidden, Optional, Required, RequiredUnless};

const MATRIX: &[AttributeRow] = &[
    AttributeRow {
        attribute: Attribute::Holder,
        presence: [RequiredUnless(Attribute::Structure), Forbidden, Forbidden, Optional],
        remark: "staff without RPPS is registered by the structure",
    },
    AttributeRow {
        attribute: Attribute::Structure,
        presence: [Optional, Required, Required, Optional],
        remark: "the guide has none for a practice; it may have a number all the same",
    },
    AttributeRow {
        attribute: Attribute::Responsible,
        presence: [Optional, Optional, Required, Optional],
        remark: "a piece of software has somebody who answers for it",
    },
    AttributeRow {
        attribute: Attribute::Certificate,
        presence: [Forbidden, Forbidden, Required, Forbidden],
        remark: "opens applicative BALs only",
    },
    AttributeRow {
        attribute: Attribute::Password,
        presence: [Optional, Optional, Forbidden, Optional],
        remark: "an applicative BAL opens by certificate",
    },
];

/// The whole matrix, for `pli rules`.
pub fn attribute_table() -> &'static [AttributeRow] {
    MATRIX
}

/// Why a BAL cannot be created with what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AttributeError {
    /// The kind needs one that was not given.
    #[error("a BAL of kind {kind} needs an attribute '{}'", .attribute.word())]
    Missing {
        /// The kind.
        kind: BalKind,
        /// What it needs.
        attribute: Attribute,
        /// What would do instead.
        instead: Option<Attribute>,
    },
    /// The kind does not come with one that was given.
    #[error("a BAL of kind {kind} has no attribute '{}': {remark}", .attribute.word())]
    Forbidden {
        /// The kind.
        kind: BalKind,
        /// What it does not come with.
        attribute: Attribute,
        /// Why.
        remark: &'static str,
    },
}

/// Whether a BAL of this kind may be created with just these attributes; the first one that
/// is wrong if not. `[MSS1 BAL.KINDS]`
pub fn may_create(kind: BalKind, given: &[Attribute]) -> Result<(), AttributeError> {
    MATRIX.iter().try_for_each(|row| row.judge(kind, given))
}

impl AttributeRow {
    /// What a kind says to this attribute.
    pub fn of(&self, kind: BalKind) -> Presence {
        match kind {
            BalKind::Nominative => self.presence[0],
            BalKind::Organisational => self.presence[1],
            BalKind::Applicative => self.presence[2],
            BalKind::Cabinet => self.presence[3],
        }
    }

    fn judge(&self, kind: BalKind, given: &[Attribute]) -> Result<(), AttributeError> {
        let attribute = self.attribute;
        let missing = |instead| Err(AttributeError::Missing { kind, attribute, instead });
        match (self.of(kind), given.contains(&attribute)) {
            (Required, false) => missing(None),
            (RequiredUnless(other), false) if !given.contains(&other) => missing(Some(other)),
            (Forbidden, true) => Err(AttributeError::Forbidden { kind, attribute, remark: self.remark }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalState, Credential, may_log_in_with};

    #[test]
    fn every_kind_must_come_with_what_identifies_it() {
        use Attribute::{Certificate, Holder, Responsible, Structure};
        for (kind, given, missing) in [
            (BalKind::Nominative, &[] as &[_], Some(Holder)),
            (BalKind::Nominative, &[Holder], None),
            (BalKind::Nominative, &[Structure], None),
            (BalKind::Organisational, &[], Some(Structure)),
            (BalKind::Organisational, &[Structure], None),
            (BalKind::Applicative, &[Structure], Some(Responsible)),
            (BalKind::Applicative, &[Structure, Responsible], Some(Certificate)),
            (BalKind::Applicative, &[Structure, Responsible, Certificate], None),
            (BalKind::Cabinet, &[], None),
        ] {
            let found = match may_create(kind, given) {
                Err(AttributeError::Missing { attribute, .. }) => Some(attribute),
                other => other.map(|()| None).unwrap(),
            };
            assert_eq!(found, missing, "{kind} {given:?}");
        }
    }

    #[test]
    fn rpps_numbers_are_those_of_persons() {
        for kind in [BalKind::Organisational, BalKind::Applicative] {
            let given = [Attribute::Holder, Attribute::Structure, Attribute::Responsible, Attribute::Certificate];
            let refused = may_create(kind, &given).unwrap_err();
            assert!(matches!(refused, AttributeError::Forbidden { attribute: Attribute::Holder, .. }), "{refused}");
        }
    }

    #[test]
    fn the_credentials_of_a_kind_are_those_by_which_it_opens() {
        for (attribute, credential) in
            [(Attribute::Certificate, Credential::Certificate), (Attribute::Password, Credential::Password)]
        {
            let row = attribute_table().iter().find(|row| row.attribute == attribute).unwrap();
            for kind in BalKind::ALL {
                let opens = may_log_in_with(kind, BalState::Active, credential).is_ok();
                assert_eq!(row.of(kind) != Presence::Forbidden, opens, "{kind} {attribute:?}");
            }
        }
    }
}
