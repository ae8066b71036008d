//! One line of the directory: a BAL of the trust space, who it belongs to and where.

use mssante::{Address, BalKind, PersonId, StructureId};
use serde::{Deserialize, Serialize};

use crate::fhir::Carrier;

/// A published BAL. Texts are as the source wrote them, trimmed; an empty text is "not said".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its address: the only key that sources have.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// The professional who holds it; none for a team's or a piece of software's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The structure it belongs to; a professional's own BAL may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<Structure>,
    /// Service de rattachement, or the description of a team's BAL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Whether documents may come without paper.
    #[serde(default)]
    pub paperless: Paperless,
    /// The professionals of further lines of the same address: a BAL that several of them hold, or that is said of
    /// several. Only in what [`crate::Directory::get`] and searches answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Person>,
    /// The resource that carries it, of sources that are updated resource by resource.
    #[serde(skip)]
    pub carrier: Option<Carrier>,
}

/// A professional as the directory names him.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// National or local identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PersonId>,
    /// Civilité d'exercice: `DR`, `PR`, `M`, `MME`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub civility: String,
    /// Nom d'exercice.
    pub family_name: String,
    /// Prénom d'exercice.
    pub given_name: String,
    /// Catégorie: `C` civilian, `M` military, `E` student, with its label.
    #[serde(default)]
    pub category: Coded,
    /// Profession.
    #[serde(default)]
    pub profession: Coded,
    /// Savoir-faire (speciality).
    #[serde(default)]
    pub speciality: Coded,
}

/// A code of a national terminology with its French label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Coded {
    /// The code, such as `10`.
    #[serde(default)]
    pub code: String,
    /// The label, such as `Médecin`.
    #[serde(default)]
    pub label: String,
}

/// A structure and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Structure {
    /// National identifier, if it is one of those that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<StructureId>,
    /// Raison sociale.
    pub name: String,
    /// Enseigne commerciale.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trade_name: String,
    /// Lines between name and town: complements, number and street, lieu-dit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub street: Vec<String>,
    /// Ligne d'acheminement: `93600 AULNAY SOUS BOIS`, or the commune alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub town: String,
    /// Code postal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub postcode: String,
    /// Département, code or name as it came.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub department: String,
    /// Country, if it is not France.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
}

/// "Dématérialisation": whether the holder takes documents without paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paperless {
    /// The source does not say.
    #[default]
    NotSaid,
    /// `O`: paperless documents are taken.
    Accepted,
    /// `N`: they are not.
    NotAccepted,
}

/// Where a professional practises, from `PS_LibreAcces_Personne_activite`: it completes the
/// BALs of professionals of which the directory of BALs does not know the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Who.
    pub person: PersonId,
    /// His profession.
    pub profession: Coded,
    /// His speciality.
    pub speciality: Coded,
    /// Where.
    pub structure: Structure,
}
