//! From what a BAL is, and what is published of it, to what is to be done.

use std::str::FromStr;

use mssante::{Address, BalKind, BalState, Listing, Rpps, Shown, StructureId, UnknownWord};
use serde::{Deserialize, Serialize};

/// What a BAL is, as far as publication is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
    /// The professional who holds it.
    pub holder: Option<Rpps>,
    /// The structure that answers for it.
    pub structure: Option<StructureId>,
    /// Whether it is on the liste rouge.
    pub listing: Listing,
    /// What it is for.
    pub description: Option<String>,
    /// Service de rattachement.
    pub service: Option<String>,
    /// Who is responsible for it.
    pub responsible: Option<String>,
}

/// The resource of the directory that carries a BAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "resource", content = "id")]
pub enum Owner {
    /// A professional.
    Practitioner(Rpps),
    /// A structure.
    Organization(StructureId),
}

/// What is published of a BAL. What the directory has no field for, by the kind, is empty. `[MSS1 ANN.PUBLISH]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: BalKind,
    /// Who carries it.
    pub owner: Owner,
    /// Whether it is on the liste rouge: it is published all the same, with the mark, so that the directory knows and
    /// hides it. `[MSS1 ANN.UNLISTED]`
    pub listing: Listing,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Service de rattachement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Who is responsible for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<String>,
}

/// What the directory is known to have of a BAL. It is written down before the directory is told anything, so that it
/// is right whatever happens meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "known", content = "card", rename_all = "lowercase")]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// Perhaps this, or what was there before: it was told, and the answer is not known.
    Perhaps(Box<Card>),
    /// This.
    Surely(Box<Card>),
}

impl Known {
    /// What it may have.
    pub fn card(&self) -> Option<&Card> {
        match self {
            Self::Nothing => None,
            Self::Perhaps(card) | Self::Surely(card) => Some(card),
        }
    }

    /// What a target may have of a BAL of which another one, which has this, was told. It may have it as well: files
    /// are carried to the same directory, and whoever goes back to a former target told it before. Of a BAL that is
    /// closed the target must hear, too.
    #[must_use]
    pub fn at_another_target(self, facts: &Facts) -> Self {
        match self {
            Self::Perhaps(card) | Self::Surely(card) => Self::Perhaps(card),
            Self::Nothing => Card::of(facts).map_or(Self::Nothing, |card| Self::Perhaps(Box::new(card))),
        }
    }
}

/// What is done to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It gets to know the BAL.
    Insert,
    /// What it says of the BAL changes; never address and kind.
    Replace,
    /// It forgets the BAL.
    Delete,
}

impl Operation {
    /// The word in the database, in files and in FHIR Patch.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for Operation {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Insert, Self::Replace, Self::Delete]
            .into_iter()
            .find(|operation| operation.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "insert, replace, delete" })
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What.
    pub operation: Operation,
    /// With which BAL, as it is to be published; of one to delete as it was.
    pub card: Card,
}

/// What follows for a BAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// What is published is what it is.
    Nothing,
    /// This is to be done, and then to be planned again.
    Do(Box<Task>),
    /// It cannot be published; the sentence says what is missing.
    Refused(&'static str),
}

/// What is to be done so that the directory says of a BAL what it is. A suspended BAL stays published: its address
/// is not free, and it will be back. `[MSS1 ANN.PUBLISH]`
pub fn plan(facts: &Facts, known: &Known) -> Plan {
    let task = |operation, card: &Card| Plan::Do(Box::new(Task { operation, card: card.clone() }));
    if facts.state.row().shown == Shown::Withdrawn {
        return known.card().map_or(Plan::Nothing, |card| task(Operation::Delete, card));
    }
    let wanted = match Card::of(facts) {
        Ok(wanted) => wanted,
        Err(why) => return Plan::Refused(why),
    };
    match known {
        // Address and kind cannot be changed, and a carrier has its own list: first away, then anew.
        Known::Perhaps(card) | Known::Surely(card) if card.is_elsewhere(&wanted) => task(Operation::Delete, card),
        // An insertion takes away what may be there.
        Known::Nothing | Known::Perhaps(_) => task(Operation::Insert, &wanted),
        Known::Surely(card) if **card == wanted => Plan::Nothing,
        Known::Surely(_) => task(Operation::Replace, &wanted),
    }
}

const NO_RPPS: &str = "it has no RPPS number: the directory carries a BAL of this kind on a professional; \
                       only boxes of professionals who have one can be published";
const NO_STRUCTURE: &str =
    "it has no structure: the directory carries a BAL of this kind on a structure (FINESS or SIRET)";

impl Card {
    fn of(facts: &Facts) -> Result<Self, &'static str> {
        use BalKind::{Applicative, Cabinet, Nominative, Organisational};
        let owner = match facts.kind {
            Nominative | Cabinet => facts.holder.map(Owner::Practitioner).ok_or(NO_RPPS),
            Organisational | Applicative => facts.structure.clone().map(Owner::Organization).ok_or(NO_STRUCTURE),
        }?;
        let of_team = matches!(facts.kind, Organisational | Applicative);
        let only = |has: bool, text: &Option<String>| text.clone().filter(|text| has && !text.trim().is_empty());
        Ok(Self {
            address: facts.address.clone(),
            kind: facts.kind,
            owner,
            listing: facts.listing,
            description: only(facts.kind != Nominative, &facts.description),
            service: only(of_team, &facts.service),
            responsible: only(of_team, &facts.responsible),
        })
    }

    fn is_elsewhere(&self, other: &Self) -> bool {
        self.owner != other.owner || self.kind != other.kind || self.address != other.address
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::publication) fn facts(kind: BalKind) -> Facts {
        Facts {
            address: "secretariat@ch.mssante.fr".parse().unwrap(),
            kind,
            state: BalState::Active,
            holder: Some("10003461033".parse().unwrap()),
            structure: Some("318751275100020".parse().unwrap()),
            listing: Listing::Listed,
            description: Some("Secrétariat".to_owned()),
            service: Some("Cardiologie".to_owned()),
            responsible: Some("Mme Martin, 0102030405".to_owned()),
        }
    }

    pub(in crate::publication) fn card(kind: BalKind) -> Card {
        Card::of(&facts(kind)).unwrap()
    }

    fn surely(card: Card) -> Known {
        Known::Surely(Box::new(card))
    }

    fn operation(plan: &Plan) -> Option<Operation> {
        match plan {
            Plan::Do(task) => Some(task.operation),
            _ => None,
        }
    }

    #[test]
    fn persons_carry_theirs_and_structures_carry_those_of_teams_and_software() {
        for kind in BalKind::ALL {
            let of_person = matches!(kind, BalKind::Nominative | BalKind::Cabinet);
            assert_eq!(matches!(card(kind).owner, Owner::Practitioner(_)), of_person, "{kind}");
        }
    }

    #[test]
    fn a_kind_shows_only_what_the_directory_has_a_field_for() {
        let has = |kind| {
            let card = card(kind);
            [card.description.is_some(), card.service.is_some(), card.responsible.is_some()]
        };
        assert_eq!(has(BalKind::Nominative), [false, false, false]);
        assert_eq!(has(BalKind::Cabinet), [true, false, false]);
        assert_eq!(has(BalKind::Organisational), [true, true, true]);
        assert_eq!(has(BalKind::Applicative), [true, true, true]);
    }

    #[test]
    fn a_bal_that_nothing_carries_is_refused_with_what_is_missing() {
        let nobodys = Facts { holder: None, ..facts(BalKind::Nominative) };
        assert!(matches!(plan(&nobodys, &Known::Nothing), Plan::Refused(why) if why.contains("RPPS")));
        let nowhere = Facts { structure: None, ..facts(BalKind::Applicative) };
        assert!(matches!(plan(&nowhere, &Known::Nothing), Plan::Refused(why) if why.contains("structure")));
    }

    #[test]
    fn what_is_to_be_done_follows_from_what_is_published() {
        let facts = facts(BalKind::Organisational);
        let published = surely(card(BalKind::Organisational));
        assert_eq!(operation(&plan(&facts, &Known::Nothing)), Some(Operation::Insert));
        assert_eq!(plan(&facts, &published), Plan::Nothing);
        let unlisted = Facts { listing: Listing::Unlisted, ..facts.clone() };
        assert_eq!(operation(&plan(&unlisted, &published)), Some(Operation::Replace));
        let suspended = Facts { state: BalState::Suspended, ..facts.clone() };
        assert_eq!(plan(&suspended, &published), Plan::Nothing);
        let closed = Facts { state: BalState::Closed, ..facts };
        assert_eq!(operation(&plan(&closed, &published)), Some(Operation::Delete));
        assert_eq!(plan(&closed, &Known::Nothing), Plan::Nothing);
    }

    #[test]
    fn address_kind_and_carrier_are_never_replaced() {
        let facts = facts(BalKind::Organisational);
        let published = card(BalKind::Organisational);
        for elsewhere in [
            Card { kind: BalKind::Applicative, ..published.clone() },
            Card { address: "accueil@ch.mssante.fr".parse().unwrap(), ..published.clone() },
            Card { owner: Owner::Organization("10B0078671".parse().unwrap()), ..published },
        ] {
            let Plan::Do(task) = plan(&facts, &surely(elsewhere.clone())) else { panic!("nothing to do") };
            assert_eq!((task.operation, task.card), (Operation::Delete, elsewhere));
        }
    }

    #[test]
    fn a_closed_bal_that_could_not_be_published_today_is_still_withdrawn() {
        let closed = Facts { state: BalState::Closed, holder: None, ..facts(BalKind::Nominative) };
        assert_eq!(operation(&plan(&closed, &surely(card(BalKind::Nominative)))), Some(Operation::Delete));
    }

    #[test]
    fn what_may_have_been_told_is_told_again_and_never_taken_for_granted() {
        let facts = facts(BalKind::Organisational);
        let perhaps = Known::Perhaps(Box::new(card(BalKind::Organisational)));
        assert_eq!(operation(&plan(&facts, &perhaps)), Some(Operation::Insert));
        let closed = Facts { state: BalState::Closed, ..facts };
        assert_eq!(operation(&plan(&closed, &perhaps)), Some(Operation::Delete));
    }

    #[test]
    fn another_target_is_told_again_and_of_what_was_withdrawn_elsewhere() {
        let facts = facts(BalKind::Organisational);
        let there = surely(card(BalKind::Organisational)).at_another_target(&facts);
        assert_eq!(operation(&plan(&facts, &there)), Some(Operation::Insert));
        let closed = Facts { state: BalState::Closed, ..facts };
        let withdrawn = Known::Nothing.at_another_target(&closed);
        assert_eq!(operation(&plan(&closed, &withdrawn)), Some(Operation::Delete));
    }

    #[test]
    fn cards_are_kept_as_json() {
        let card = card(BalKind::Nominative);
        let json = serde_json::to_value(&card).unwrap();
        assert_eq!(json["owner"], serde_json::json!({ "resource": "Practitioner", "id": "10003461033" }));
        assert_eq!(serde_json::from_value::<Card>(json).unwrap(), card);
        for known in [Known::Nothing, Known::Perhaps(Box::new(card.clone())), surely(card)] {
            let json = serde_json::to_value(&known).unwrap();
            assert_eq!(serde_json::from_value::<Known>(json).unwrap(), known);
        }
    }
}
