//! What an administrator can ask for, as it comes from options, from JSON or from a line of a file.

use std::fmt;

use auth::Secret;
use mssante::{
    Address, Adeli, Attribute, BalKind, BalState, Credential, ForwardCopy, KeyCheck, Listing, OtherPerson, PersonId,
    QuotaChoice, Random as _, Replies, Rpps, StructureId, may_change, may_create, may_log_in_with,
};
use serde::{Deserialize, Deserializer};
use store::{BalEdit, BalRecord, NewBal};
use trust::DistinguishedName;
use utoipa::ToSchema;

use super::{AdminError, Field, Rules};
use crate::ambient::SystemRandom;

/// A BAL to create.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBal)]
pub(crate) struct CreateBal {
    /// Its address, in one of our domains; never changes.
    #[schema(value_type = String)]
    pub(crate) address: Address,
    /// Its kind; never changes.
    #[schema(value_type = String)]
    pub(crate) kind: BalKind,
    /// Name shown to people.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// RPPS number of the holder (PER).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) rpps: Option<Rpps>,
    /// ADELI number of a holder without RPPS number (PER).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) adeli: Option<Adeli>,
    /// The number of a holder without either in the register of the structure (PER).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) local_id: Option<OtherPerson>,
    /// The structure that answers for it: 1 and its FINESS, or 3 and its SIRET.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) structure: Option<StructureId>,
    /// The responsible person (ORG, APP).
    #[serde(default)]
    pub(crate) responsible: Option<String>,
    /// Service de rattachement.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// What it is for, for directories.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// Name of the software (APP).
    #[serde(default)]
    pub(crate) software: Option<String>,
    /// Number of the software in the national register, NIL (APP).
    #[serde(default)]
    pub(crate) nil: Option<String>,
    /// Whether people may write to it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) replies: Option<Replies>,
    /// What it may hold: a size such as "2 GiB", "default" (as much as its kind), "none".
    #[serde(default)]
    #[schema(value_type = String, example = "default")]
    pub(crate) quota: QuotaChoice,
    /// Whether it shows in directories.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) listing: Option<Listing>,
    /// Subject of the certificate that opens an APP BAL.
    #[serde(default)]
    pub(crate) certificate_dn: Option<String>,
    /// The password that opens it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<Password>,
}

/// Something to look at again that does not stand in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning(pub(crate) String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CreateBal {
    /// What a BAL of its kind must come with. `[MSS1 BAL.KINDS]`
    pub(crate) fn check(&self, rules: &Rules) -> Result<Vec<Warning>, AdminError> {
        let warnings = self.check_fields(rules)?;
        self.check_attributes()?;
        Ok(warnings)
    }

    /// Each field for itself, whether the BAL is there already or not.
    pub(super) fn check_fields(&self, rules: &Rules) -> Result<Vec<Warning>, AdminError> {
        if !rules.domains.contains(self.address.domain()) {
            return Err(AdminError::ForeignDomain(self.address.clone(), "a BAL"));
        }
        self.certificate_key()?;
        self.check_key(rules)
    }

    /// Whether all is given that a new BAL of its kind needs, and nothing that it must not have.
    pub(super) fn check_attributes(&self) -> Result<(), AdminError> {
        Ok(may_create(self.kind, &self.given())?)
    }

    /// Whether a BAL of its kind may have a password, which somebody may be asked for after this.
    pub(crate) fn check_password_allowed(&self) -> Result<(), AdminError> {
        match may_log_in_with(self.kind, BalState::Active, Credential::Password) {
            Ok(()) => Ok(()),
            Err(_) => Err(AdminError::NoPassword(self.kind)),
        }
    }

    /// A mistyped number would publish the BAL under somebody else's name. `[MSS1 ID.KEYS]`
    fn check_key(&self, rules: &Rules) -> Result<Vec<Warning>, AdminError> {
        let doubtful = |person: PersonId, register: &str, number: &str| {
            Ok::<_, AdminError>(match rules.unconfirmed_keys.judge(&person)? {
                KeyCheck::Doubtful => {
                    vec![Warning(format!("the key of the {register} number {number} does not fit; look at it again"))]
                }
                _ => Vec::new(),
            })
        };
        let mut warnings = match (self.rpps, self.adeli) {
            (Some(rpps), _) => doubtful(PersonId::Rpps(rpps), "RPPS", rpps.as_str())?,
            (None, Some(adeli)) => doubtful(PersonId::Adeli(adeli), "ADELI", adeli.as_str())?,
            (None, None) => Vec::new(),
        };
        if let Some(structure) = &self.structure
            && rules.unconfirmed_keys.judge_structure(structure)? == KeyCheck::Doubtful
        {
            warnings
                .push(Warning(format!("the key of the structure's number {structure} does not fit; look at it again")));
        }
        Ok(warnings)
    }

    fn given(&self) -> Vec<Attribute> {
        let said = |text: &Option<String>| text.as_deref().is_some_and(says_something);
        let given = [
            (Attribute::Holder, self.rpps.is_some() || self.adeli.is_some()),
            (Attribute::LocalId, self.local_id.is_some()),
            (Attribute::Structure, self.structure.is_some()),
            (Attribute::Responsible, said(&self.responsible)),
            (Attribute::Service, said(&self.service)),
            (Attribute::Description, said(&self.description)),
            (Attribute::Software, said(&self.software)),
            (Attribute::Nil, said(&self.nil)),
            (Attribute::Certificate, self.certificate_dn.is_some()),
            (Attribute::Password, self.password.is_some()),
        ];
        given.into_iter().filter(|(_, present)| *present).map(|(attribute, _)| attribute).collect()
    }

    /// Who holds it, if he has no RPPS number.
    pub(super) fn identity(&self) -> Option<PersonId> {
        self.adeli.map(PersonId::Adeli).or_else(|| self.local_id.clone().map(PersonId::Other))
    }

    /// The DN under which the store looks a certificate up.
    fn certificate_key(&self) -> Result<Option<String>, AdminError> {
        let Some(text) = &self.certificate_dn else { return Ok(None) };
        let name = DistinguishedName::parse(text)
            .map_err(|error| AdminError::Field { field: Field::CertificateDn, why: error.to_string() })?;
        Ok(Some(name.key().to_owned()))
    }

    /// What the store is told, with the hash of the password or one that was made elsewhere.
    pub(super) fn into_new(self, password_hash: Option<String>) -> Result<NewBal, AdminError> {
        let (certificate_dn, identity) = (self.certificate_key()?, self.identity());
        let text = |text: Option<String>| text.filter(|text| says_something(text));
        Ok(NewBal {
            address: self.address,
            kind: self.kind,
            display_name: text(self.name),
            holder: self.rpps,
            identity,
            structure: self.structure,
            responsible: text(self.responsible),
            certificate_dn,
            listing: self.listing.unwrap_or_default(),
            service: text(self.service),
            description: text(self.description),
            password_hash,
            software: text(self.software),
            nil: text(self.nil),
            replies: self.replies.unwrap_or_default(),
            quota: self.quota,
        })
    }
}

/// A text of blanks is none.
fn says_something(text: &str) -> bool {
    !text.trim().is_empty()
}

/// What is said anew of a BAL. What is left out stays as it is; an empty text takes it away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = BalChange)]
pub(crate) struct ChangeBal {
    /// Name shown to people.
    pub(crate) name: Option<String>,
    /// Whether it shows in directories (liste rouge).
    #[schema(value_type = Option<String>)]
    pub(crate) listing: Option<Listing>,
    /// Service de rattachement.
    pub(crate) service: Option<String>,
    /// What it is for, for directories.
    pub(crate) description: Option<String>,
    /// The responsible person.
    pub(crate) responsible: Option<String>,
    /// Name of the software (APP).
    pub(crate) software: Option<String>,
    /// Number of the software in the national register, NIL (APP).
    pub(crate) nil: Option<String>,
    /// Whether people may write to it: accept or refuse.
    #[schema(value_type = Option<String>)]
    pub(crate) replies: Option<Replies>,
}

/// Whether a BAL may be changed so: what its kind must come with is not taken away, and nothing is said that it may not
/// have. To take away what cannot be there is no mistake. `[MSS1 BAL.KINDS]`
pub(super) fn check_edit(bal: &BalRecord, edit: &BalEdit) -> Result<(), AdminError> {
    let texts = [
        (Attribute::Responsible, &edit.responsible, &bal.responsible),
        (Attribute::Service, &edit.service, &bal.service),
        (Attribute::Description, &edit.description, &bal.description),
        (Attribute::Software, &edit.software, &bal.software),
        (Attribute::Nil, &edit.nil, &bal.nil),
    ];
    let said = texts.iter().filter(|(_, anew, _)| anew.is_some()).map(|(attribute, ..)| *attribute);
    let there = |anew: &Option<String>, present: &Option<String>| match anew {
        Some(text) => says_something(text),
        None => present.is_some(),
    };
    let after = texts.iter().filter(|(_, anew, present)| there(anew, present)).map(|(attribute, ..)| *attribute);
    Ok(may_change(bal.kind, &after.collect::<Vec<_>>(), &said.collect::<Vec<_>>())?)
}

impl From<ChangeBal> for BalEdit {
    fn from(change: ChangeBal) -> Self {
        let ChangeBal { name, listing, service, description, responsible, software, nil, replies } = change;
        Self { display_name: name, listing, service, description, responsible, software, nil, replies }
    }
}

/// A step in the life of a BAL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveBal {
    /// Why, for the audit trail.
    pub(crate) reason: String,
}

/// Mail of one BAL that is to go to another.
#[derive(Debug, Clone)]
pub(crate) struct SetForward {
    /// Whose mail.
    pub(crate) from: Address,
    /// To whom.
    pub(crate) to: Address,
    /// What stays.
    pub(crate) copy: ForwardCopy,
}

/// A password that somebody chose; no log and no `Debug` shows it.
#[derive(Debug, Clone)]
pub(crate) struct Password(pub(crate) Secret);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Password {
    /// One that was chosen before.
    pub(crate) fn of(text: &str) -> Self {
        Self(Secret::new(text.to_owned()))
    }

    /// Its hash, made where it holds up nobody else.
    pub(super) async fn hash(self) -> Result<String, AdminError> {
        let work = move || self.hash_here();
        tokio::task::spawn_blocking(work).await.map_err(|error| AdminError::Internal(error.to_string()))?
    }

    /// Its hash; slow on purpose.
    pub(super) fn hash_here(&self) -> Result<String, AdminError> {
        let hashed = auth::hash_password(&self.0, &SystemRandom);
        hashed.map_err(|error| AdminError::Field { field: Field::Password, why: error.to_string() })
    }

    /// One for a first log-in: 100 bits in groups that can be read out, without letters that look alike.
    pub(super) fn generate() -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut octets = [0; 20];
        SystemRandom.fill(&mut octets);
        let letters = octets.map(|octet| char::from(LETTERS[usize::from(octet % 32)]));
        let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
        Self(Secret::new(groups.join("-")))
    }

    /// The password itself, for the file of its administrator.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}
