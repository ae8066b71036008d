//! What each kind of BAL comes with, as data: the attribute matrix of the ANS's guide for
//! feeding the annuaire, and the credentials that follow from the kind. `[MSS1 BAL.KINDS]`

use serde::Serialize;
use thiserror::Error;

use crate::{BalKind, Rule};

/// What a BAL may be created with, beyond address, kind and shown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// RPPS or ADELI number of the professional.
    Holder,
    /// The number that a structure gives to one of its staff.
    LocalId,
    /// The structure that answers for the BAL.
    Structure,
    /// The responsible person.
    Responsible,
    /// Service de rattachement.
    Service,
    /// What it is for.
    Description,
    /// The name of the software.
    Software,
    /// Its number in the register of software (NIL).
    Nil,
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
            Self::LocalId => "local-id",
            Self::Structure => "structure",
            Self::Responsible => "responsible",
            Self::Service => "service",
            Self::Description => "description",
            Self::Software => "software",
            Self::Nil => "nil",
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
    /// With or without it; with it only if this other one is there as well.
    OptionalWith(Attribute),
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
    /// The same in French, for the page of the rules.
    pub french: &'static str,
}

use Presence::{Forbidden, Optional, OptionalWith, Required, RequiredUnless};

const MATRIX: &[AttributeRow] = &[
    AttributeRow {
        attribute: Attribute::Holder,
        presence: [RequiredUnless(Attribute::LocalId), Forbidden, Forbidden, Optional],
        remark: "RPPS or ADELI; staff without either is registered by the structure",
        french: "RPPS ou ADELI ; le personnel qui n'a ni l'un ni l'autre est enregistré par la structure",
    },
    AttributeRow {
        attribute: Attribute::LocalId,
        presence: [OptionalWith(Attribute::Structure), Forbidden, Forbidden, Forbidden],
        remark: "the structure that registers its staff answers for it",
        french: "la structure qui enregistre son personnel en répond",
    },
    AttributeRow {
        attribute: Attribute::Structure,
        presence: [Optional, Required, Required, Optional],
        remark: "the guide has none for a practice; it may have a number all the same",
        french: "le guide n'en prévoit pas pour un cabinet ; il peut en avoir une",
    },
    AttributeRow {
        attribute: Attribute::Responsible,
        presence: [Optional, Required, Required, Optional],
        remark: "a team and a piece of software have somebody who answers for them",
        french: "quelqu'un répond d'une équipe et d'un logiciel",
    },
    AttributeRow {
        attribute: Attribute::Service,
        presence: [Forbidden, Optional, Optional, Forbidden],
        remark: "of a structure's BALs",
        french: "pour les BAL d'une structure",
    },
    AttributeRow {
        attribute: Attribute::Description,
        presence: [Forbidden, Optional, Optional, Optional],
        remark: "a professional's own BAL needs none",
        french: "la BAL d'un professionnel s'en passe",
    },
    AttributeRow {
        attribute: Attribute::Software,
        presence: [Forbidden, Forbidden, Required, Forbidden],
        remark: "the name under which the software is known",
        french: "le nom sous lequel le logiciel est connu",
    },
    AttributeRow {
        attribute: Attribute::Nil,
        presence: [Forbidden, Forbidden, OptionalWith(Attribute::Software), Forbidden],
        remark: "the number of the software that is named",
        french: "le numéro du logiciel nommé",
    },
    AttributeRow {
        attribute: Attribute::Certificate,
        presence: [Forbidden, Forbidden, Required, Forbidden],
        remark: "opens applicative BALs only",
        french: "n'ouvre que les BAL applicatives",
    },
    AttributeRow {
        attribute: Attribute::Password,
        presence: [Optional, Optional, Forbidden, Optional],
        remark: "an applicative BAL opens by certificate",
        french: "une BAL applicative s'ouvre par certificat",
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

/// Whether a BAL of this kind may be changed so that it comes with `after`, when `said` are the attributes that are said
/// anew or taken away; the first one that is wrong if not. What an older BAL lacks and nobody touches is no mistake.
/// `[MSS1 BAL.KINDS]`
pub fn may_change(kind: BalKind, after: &[Attribute], said: &[Attribute]) -> Result<(), AttributeError> {
    let touched = |row: &&AttributeRow| match row.of(kind) {
        OptionalWith(other) | RequiredUnless(other) => said.contains(&row.attribute) || said.contains(&other),
        Required | Optional | Forbidden => said.contains(&row.attribute),
    };
    MATRIX.iter().filter(touched).try_for_each(|row| row.judge(kind, after))
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
            (OptionalWith(other), true) if !given.contains(&other) => {
                Err(AttributeError::Missing { kind, attribute: other, instead: None })
            }
            (Forbidden, true) => Err(AttributeError::Forbidden { kind, attribute, remark: self.remark }),
            _ => Ok(()),
        }
    }
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "PER.IDENTITY",
        says: "the holder of a nominative BAL has an RPPS or ADELI number, or is registered by a structure that answers for him",
        french: "Le titulaire d'une BAL nominative a un numéro RPPS ou ADELI, ou il est enregistré par une structure qui en répond.",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        id: "APP.RESPONSIBLE",
        says: "a structure and a responsible person answer for an applicative BAL",
        french: "Une structure et une personne responsable répondent d'une BAL applicative.",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        id: "APP.SOFTWARE",
        says: "an applicative BAL names its software, and its number in the national register (NIL) if there is one",
        french: "Une BAL applicative nomme son logiciel, et son numéro au registre national (NIL) s'il en a un.",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        id: "ORG.STRUCTURE",
        says: "a structure and a responsible person answer for an organisational BAL",
        french: "Une structure et une personne responsable répondent d'une BAL organisationnelle.",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        id: "BAL.REQUIRED",
        says: "what a BAL of its kind must come with can be said anew, but not taken away",
        french: "Ce que le type d'une BAL exige peut être modifié, mais pas retiré.",
        source: "[MSS1 BAL.KINDS]",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalState, Credential, may_log_in_with};

    #[test]
    fn every_kind_must_come_with_what_identifies_it() {
        use Attribute::{Certificate, Holder, LocalId, Nil, Responsible, Software, Structure};
        for (kind, given, missing) in [
            (BalKind::Nominative, &[] as &[_], Some(Holder)),
            (BalKind::Nominative, &[Holder], None),
            (BalKind::Nominative, &[Structure], Some(Holder)),
            (BalKind::Nominative, &[LocalId], Some(Structure)),
            (BalKind::Nominative, &[LocalId, Structure], None),
            (BalKind::Organisational, &[], Some(Structure)),
            (BalKind::Organisational, &[Structure], Some(Responsible)),
            (BalKind::Organisational, &[Structure, Responsible], None),
            (BalKind::Applicative, &[Structure], Some(Responsible)),
            (BalKind::Applicative, &[Structure, Responsible], Some(Software)),
            (BalKind::Applicative, &[Structure, Responsible, Software], Some(Certificate)),
            (BalKind::Applicative, &[Structure, Responsible, Software, Certificate], None),
            (BalKind::Applicative, &[Structure, Responsible, Certificate, Nil], Some(Software)),
            (BalKind::Applicative, &[Structure, Responsible, Certificate, Nil, Software], None),
            (BalKind::Cabinet, &[], None),
        ] {
            let found = match may_create(kind, given) {
                Err(AttributeError::Missing { attribute, .. }) => Some(attribute),
                other => other.map(|()| None).unwrap(),
            };
            assert_eq!(found, missing, "{kind} {given:?}");
        }
    }

    fn refused(kind: BalKind, given: &[Attribute]) -> Option<Attribute> {
        match may_create(kind, given).err()? {
            AttributeError::Missing { attribute, .. } | AttributeError::Forbidden { attribute, .. } => Some(attribute),
        }
    }

    #[test]
    fn rule_per_identity_is_a_number_or_a_structures_word() {
        assert_eq!(refused(BalKind::Nominative, &[Attribute::Structure]), Some(Attribute::Holder));
        assert_eq!(refused(BalKind::Nominative, &[Attribute::LocalId]), Some(Attribute::Structure));
        assert_eq!(refused(BalKind::Nominative, &[Attribute::Holder]), None);
    }

    #[test]
    fn rule_app_responsible_comes_with_structure_and_person() {
        use Attribute::{Certificate, Responsible, Structure};
        assert_eq!(refused(BalKind::Applicative, &[Certificate, Responsible]), Some(Structure));
        assert_eq!(refused(BalKind::Applicative, &[Certificate, Structure]), Some(Responsible));
    }

    #[test]
    fn rule_org_structure_comes_with_one() {
        assert_eq!(refused(BalKind::Organisational, &[]), Some(Attribute::Structure));
        assert_eq!(refused(BalKind::Organisational, &[Attribute::Structure]), Some(Attribute::Responsible));
    }

    #[test]
    fn rule_app_software_is_named_and_may_have_a_number() {
        use Attribute::{Certificate, Nil, Responsible, Software, Structure};
        let unnamed = [Structure, Responsible, Certificate];
        assert_eq!(refused(BalKind::Applicative, &unnamed), Some(Software));
        assert_eq!(refused(BalKind::Applicative, &[&unnamed[..], &[Software]].concat()), None);
        assert_eq!(refused(BalKind::Applicative, &[&unnamed[..], &[Software, Nil]].concat()), None);
        assert_eq!(refused(BalKind::Organisational, &[Structure, Responsible, Software]), Some(Software));
    }

    #[test]
    fn rule_bal_required_is_not_taken_away() {
        use Attribute::{Certificate, Nil, Responsible, Service, Software, Structure};
        let changed = |after: &[Attribute], said: &[Attribute]| match may_change(BalKind::Applicative, after, said) {
            Ok(()) => None,
            Err(AttributeError::Missing { attribute, .. } | AttributeError::Forbidden { attribute, .. }) => {
                Some(attribute)
            }
        };
        let whole = [Structure, Responsible, Certificate, Software, Nil];
        assert_eq!(changed(&whole, &[Responsible, Software, Nil]), None, "said anew");
        assert_eq!(changed(&[Structure, Certificate, Software, Nil], &[Responsible]), Some(Responsible));
        assert_eq!(changed(&[Structure, Responsible, Certificate, Nil], &[Software]), Some(Software));
        assert_eq!(changed(&[Structure, Responsible, Certificate, Software], &[Nil]), None);
        assert_eq!(changed(&[Structure, Certificate], &[Service]), None, "an older BAL that nobody asked for the rest");
        assert!(may_change(BalKind::Organisational, &[Structure], &[Responsible]).is_err());
    }

    #[test]
    fn what_a_kind_never_has_is_not_said_of_it_later_either() {
        let said = [Attribute::Service, Attribute::Description];
        assert_eq!(may_change(BalKind::Organisational, &said, &said), Ok(()));
        let refused = may_change(BalKind::Nominative, &said, &[Attribute::Service]).unwrap_err();
        assert!(matches!(refused, AttributeError::Forbidden { attribute: Attribute::Service, .. }), "{refused}");
        assert_eq!(may_change(BalKind::Nominative, &[], &[Attribute::Service]), Ok(()), "taken away");
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
