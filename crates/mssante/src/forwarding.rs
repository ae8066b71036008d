//! Which kind of BAL may hand its mail on to which: inside one operator only, and never what was
//! written to one professional.

use serde::Serialize;
use thiserror::Error;

use crate::{BalKind, UnknownWord};

/// What stays in a BAL whose mail is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardCopy {
    /// A copy: people read it, software too.
    Keep,
    /// Nothing, as long as a target takes it.
    Move,
}

impl ForwardCopy {
    /// The word used in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Move => "move",
        }
    }
}

impl std::str::FromStr for ForwardCopy {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Keep, Self::Move]
            .into_iter()
            .find(|copy| copy.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "keep, move" })
    }
}

/// One line of the table: a kind and the kinds to which it may hand on.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ForwardRow {
    /// Whose mail.
    pub from: BalKind,
    /// To whom.
    pub to: &'static [BalKind],
    /// Why.
    pub remark: &'static str,
    /// The same in French, for the page of the rules.
    pub french: &'static str,
}

const SHARED: &[BalKind] = &[BalKind::Organisational, BalKind::Applicative, BalKind::Cabinet];

const TABLE: &[ForwardRow] = &[
    ForwardRow {
        from: BalKind::Nominative,
        to: &[],
        remark: "a letter to one professional is for him; others read by delegation",
        french: "une lettre à un professionnel est pour lui ; d'autres la lisent par délégation",
    },
    ForwardRow {
        from: BalKind::Organisational,
        to: SHARED,
        remark: "a team's letters may be read by its software or by another team",
        french: "les lettres d'une équipe peuvent être lues par son logiciel ou par une autre équipe",
    },
    ForwardRow {
        from: BalKind::Applicative,
        to: SHARED,
        remark: "software may hand on to software and to teams",
        french: "un logiciel peut renvoyer à un logiciel et à des équipes",
    },
    ForwardRow {
        from: BalKind::Cabinet,
        to: SHARED,
        remark: "a practice's letters may be read by its software, another practice or a team of this operator",
        french: "les lettres d'un cabinet peuvent être lues par son logiciel, un autre cabinet ou une équipe de cet opérateur",
    },
];

/// All lines, for `pli rules`.
pub fn forward_table() -> &'static [ForwardRow] {
    TABLE
}

/// A BAL of this kind does not hand on to one of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a BAL of kind {from} does not forward to one of kind {to}: {remark}")]
pub struct ForwardForbidden {
    /// Whose mail.
    pub from: BalKind,
    /// To whom.
    pub to: BalKind,
    /// Why not.
    pub remark: &'static str,
}

/// Whether mail of one kind of BAL may be handed on to another. `[MSS1 BAL.FORWARD]`
pub fn may_forward(from: BalKind, to: BalKind) -> Result<(), ForwardForbidden> {
    match TABLE.iter().find(|row| row.from == from) {
        Some(row) if row.to.contains(&to) => Ok(()),
        row => Err(ForwardForbidden { from, to, remark: row.map_or("it is not in the table", |row| row.remark) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_line() {
        for kind in BalKind::ALL {
            assert_eq!(forward_table().iter().filter(|row| row.from == kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn a_team_forwards_to_its_software_and_nobody_to_or_from_a_professional() {
        assert_eq!(may_forward(BalKind::Organisational, BalKind::Applicative), Ok(()));
        for kind in BalKind::ALL {
            assert!(may_forward(BalKind::Nominative, kind).is_err(), "{kind}");
            assert!(may_forward(kind, BalKind::Nominative).is_err(), "{kind}");
        }
    }
}
