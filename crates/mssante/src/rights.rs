//! What somebody may do on a BAL that is not his own, and which kinds of BAL are delegated at all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{BalKind, Rule, UnknownWord};

/// One thing that a delegate may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read what is there, and change nothing.
    Read,
    /// Flag, file, move and delete.
    Write,
    /// Send in the name of the BAL; readers see the BAL alone.
    SendAs,
    /// Send in the name of the BAL; readers see who sent. `[RFC5322 3.6.2]`
    SendOnBehalf,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::SendAs, Self::SendOnBehalf];

    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::SendAs => "send-as",
            Self::SendOnBehalf => "send-on-behalf",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Right {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|right| right.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "read, write, send-as, send-on-behalf" })
    }
}

/// A set of rights; written as its words with commas, in one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u8);

impl Rights {
    /// Whoever opens a BAL by its own credential.
    pub const ALL: Self = Self(0b1111);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Whether this right is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether one may send, as the BAL or on its behalf.
    pub fn may_send(self) -> bool {
        self.has(Right::SendAs) || self.has(Right::SendOnBehalf)
    }

    /// The rights, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.iter().map(Right::word).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Rights {
    type Err = UnknownWord;

    fn from_str(words: &str) -> Result<Self, UnknownWord> {
        words.split(',').map(|word| word.trim().parse::<Right>()).collect()
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Right>::deserialize(deserializer).map(|rights| rights.into_iter().collect())
    }
}

/// Who gives a delegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Giver {
    /// Somebody who administers the operator's BALs.
    Administrator,
}

impl Giver {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
        }
    }
}

/// What a delegate is, beside being somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelegateKind {
    /// A person whom the operator knows, without a BAL.
    Person,
    /// The holder of a BAL of this kind.
    HolderOf(BalKind),
}

/// One line of the table: a kind of BAL, and who may open it to others.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct DelegationRow {
    /// The BAL that is opened.
    pub kind: BalKind,
    /// Who may open it to others; nobody if this is empty.
    pub givers: &'static [Giver],
}

const TABLE: &[DelegationRow] = &[
    DelegationRow { kind: BalKind::Nominative, givers: &[Giver::Administrator] },
    DelegationRow { kind: BalKind::Organisational, givers: &[Giver::Administrator] },
    DelegationRow { kind: BalKind::Applicative, givers: &[] },
    DelegationRow { kind: BalKind::Cabinet, givers: &[Giver::Administrator] },
];

/// All lines, for `pli rules`.
pub fn delegation_table() -> &'static [DelegationRow] {
    TABLE
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "DELEG.PER",
        says: "a nominative BAL is opened to others (a secretary, a stand-in) by an administrator, whom its holder asks",
        french: "Une BAL nominative est ouverte à d'autres (secrétaire, remplaçant) par un administrateur, à la demande de \
                 son titulaire.",
        source: "[MSS1 BAL.DELEGATION]",
    },
    Rule {
        id: "DELEG.ORG",
        says: "an organisational BAL is opened to several people by an administrator, each with his own log-in",
        french: "Une BAL organisationnelle est ouverte à plusieurs personnes par un administrateur, chacune avec sa \
                 propre connexion.",
        source: "[MSS1 BAL.DELEGATION]",
    },
    Rule {
        id: "DELEG.CAB",
        says: "a practice's BAL is opened to the members of the practice by an administrator",
        french: "La BAL d'un cabinet est ouverte aux membres du cabinet par un administrateur.",
        source: "[MSS1 BAL.DELEGATION]",
    },
    Rule {
        id: "DELEG.APP",
        says: "an applicative BAL is never opened to people: its certificate opens it, nothing else",
        french: "Une BAL applicative n'est jamais ouverte à des personnes : seul son certificat l'ouvre.",
        source: "[MSS1 APP.CERTIFICATE]",
    },
    Rule {
        id: "DELEG.PERSON",
        says: "a delegate is a person known to the operator, or the holder of a nominative BAL; never a team or software",
        french: "Un délégataire est une personne connue de l'opérateur, ou le titulaire d'une BAL nominative ; jamais \
                 une équipe ni un logiciel.",
        source: "ours",
    },
    Rule {
        id: "DELEG.BEHALF",
        says: "who is to send on behalf of a BAL has an address of his own to show",
        french: "Qui doit écrire de la part d'une BAL a sa propre adresse à montrer.",
        source: "ours",
    },
    Rule {
        id: "DELEG.SHOWN",
        says: "From is the BAL; who sends on its behalf stands in the Sender field, and is put there if he is not",
        french: "Le champ « De » porte la BAL ; qui écrit de sa part figure dans « Sender », et y est ajouté s'il manque.",
        source: "[RFC6409 8.1]",
    },
    Rule {
        id: "DELEG.SEND",
        says: "a delegate sends from the BAL only with the right send-as or send-on-behalf",
        french: "Un délégataire n'envoie depuis la BAL qu'avec le droit send-as ou send-on-behalf.",
        source: "[RFC6409 6.1]",
    },
    Rule {
        id: "DELEG.READ",
        says: "who may read but not write opens every folder read-only and changes nothing, not even what is unread",
        french: "Qui peut lire sans écrire ouvre chaque dossier en lecture seule et ne change rien, pas même le « non lu ».",
        source: "[RFC3501 6.3.1]",
    },
    Rule {
        id: "DELEG.FILE",
        says: "who may send but not write still keeps his letters in Sent and Drafts, and in no other folder",
        french: "Qui peut envoyer sans écrire dépose quand même ses messages dans Sent et Drafts, et nulle part ailleurs.",
        source: "ours",
    },
    Rule {
        id: "DELEG.TIME",
        says: "a delegation holds from its first moment until before its last one",
        french: "Une délégation vaut de son premier instant jusqu'à son dernier, exclu.",
        source: "ours",
    },
    Rule {
        id: "DELEG.END",
        says: "a delegation that is taken away or over, or a delegate who is suspended, ends open sessions within seconds",
        french: "Une délégation retirée ou échue, ou un délégataire suspendu, met fin aux sessions ouvertes en quelques \
                 secondes.",
        source: "ours",
    },
];

/// Why a BAL is not delegated in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DelegationForbidden {
    /// Nobody but its own credential opens a BAL of this kind.
    #[error("a BAL of kind {0} is not delegated; see DELEG.{0} in `pli rules`")]
    Kind(BalKind),
    /// Teams and software do not act; people do.
    #[error("the holder of a BAL of kind {0} is no person: name a person, or the holder of a BAL of kind PER")]
    Delegate(BalKind),
    /// An empty set.
    #[error("a delegation gives at least one of the rights read, write, send-as, send-on-behalf")]
    Nothing,
    /// Who cannot see what is there cannot file it.
    #[error("the right write is of no use without read: give read,write")]
    WriteWithoutRead,
    /// There would be nothing to put into the Sender field.
    #[error(
        "send-on-behalf shows the delegate's own address to the reader, and this person has none: give send-as, or \
         create a BAL of kind PER and name its address"
    )]
    NoAddress,
}

/// Whether a BAL of this kind may be opened to this delegate with these rights. `[MSS1 BAL.DELEGATION]`
pub fn may_delegate(kind: BalKind, delegate: DelegateKind, rights: Rights) -> Result<(), DelegationForbidden> {
    let givers = TABLE.iter().find(|row| row.kind == kind).map_or(&[][..], |row| row.givers);
    if givers.is_empty() {
        return Err(DelegationForbidden::Kind(kind));
    }
    match delegate {
        DelegateKind::HolderOf(kind) if kind != BalKind::Nominative => Err(DelegationForbidden::Delegate(kind)),
        DelegateKind::Person if rights.has(Right::SendOnBehalf) => Err(DelegationForbidden::NoAddress),
        _ if rights == Rights::NONE => Err(DelegationForbidden::Nothing),
        _ if rights.has(Right::Write) && !rights.has(Right::Read) => Err(DelegationForbidden::WriteWithoutRead),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLDER: DelegateKind = DelegateKind::HolderOf(BalKind::Nominative);

    fn rights(words: &str) -> Rights {
        words.parse().unwrap()
    }

    fn given(kind: BalKind, delegate: DelegateKind, words: &str) -> Result<(), DelegationForbidden> {
        may_delegate(kind, delegate, rights(words))
    }

    #[test]
    fn every_kind_has_one_line() {
        for kind in BalKind::ALL {
            assert_eq!(delegation_table().iter().filter(|row| row.kind == kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn rule_deleg_per_is_given_by_an_administrator() {
        assert_eq!(may_delegate(BalKind::Nominative, HOLDER, Rights::ALL), Ok(()));
    }

    #[test]
    fn rule_deleg_org_is_given_to_people() {
        assert_eq!(given(BalKind::Organisational, HOLDER, "read,write,send-as"), Ok(()));
        assert_eq!(given(BalKind::Organisational, DelegateKind::Person, "read"), Ok(()));
    }

    #[test]
    fn rule_deleg_app_is_never_given() {
        let refused = given(BalKind::Applicative, HOLDER, "read");
        assert_eq!(refused, Err(DelegationForbidden::Kind(BalKind::Applicative)));
    }

    #[test]
    fn rule_deleg_cab_is_given_to_members() {
        assert_eq!(given(BalKind::Cabinet, HOLDER, "read,write,send-on-behalf"), Ok(()));
    }

    #[test]
    fn rule_deleg_person_is_no_team_and_no_software() {
        for kind in [BalKind::Organisational, BalKind::Applicative, BalKind::Cabinet] {
            let refused = given(BalKind::Organisational, DelegateKind::HolderOf(kind), "read");
            assert_eq!(refused, Err(DelegationForbidden::Delegate(kind)));
        }
    }

    #[test]
    fn rule_deleg_behalf_needs_an_address_to_show() {
        let refused = given(BalKind::Nominative, DelegateKind::Person, "read,send-on-behalf");
        assert_eq!(refused, Err(DelegationForbidden::NoAddress));
        assert_eq!(given(BalKind::Nominative, DelegateKind::Person, "read,send-as"), Ok(()));
    }

    #[test]
    fn a_delegation_gives_something_and_writing_goes_with_reading() {
        let nothing = may_delegate(BalKind::Nominative, HOLDER, Rights::NONE);
        assert_eq!(nothing, Err(DelegationForbidden::Nothing));
        let refused = given(BalKind::Nominative, HOLDER, "write,send-as");
        assert_eq!(refused, Err(DelegationForbidden::WriteWithoutRead));
    }

    #[test]
    fn rights_are_written_in_one_order_and_other_words_are_refused() {
        assert_eq!(rights("send-as, read").to_string(), "read,send-as");
        for words in ["", "all", "read,", "read;write"] {
            assert!(words.parse::<Rights>().is_err(), "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn rights_read_back_from_their_words(chosen in proptest::sample::subsequence(Right::ALL.to_vec(), 1..=4)) {
            let rights: Rights = chosen.iter().copied().collect();
            prop_assert_eq!(rights.to_string().parse::<Rights>(), Ok(rights));
            prop_assert_eq!(rights.iter().collect::<Vec<_>>(), chosen);
        }
    }
}
