//! The life of a BAL: its states, what each means, and the moves between them. `[MSS1 BAL.LIFE]`

use serde::Serialize;
use thiserror::Error;

use crate::{BalState, Refusal, Rule, Verdict};

/// What directories have of a BAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// It is there, unless it is on the liste rouge.
    Published,
    /// It is taken away.
    Withdrawn,
}

/// One line of the table: a state and what it means. `None` is "yes".
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StateRow {
    /// The state.
    pub state: BalState,
    /// How mail for the BAL is refused.
    pub receiving: Option<Refusal>,
    /// How mail from the BAL is refused.
    pub sending: Option<Refusal>,
    /// How a log-in, and with it reading, is refused. Nobody is told why, so that nobody learns which BAL exists.
    pub reading: Option<Refusal>,
    /// What directories have of it.
    pub shown: Shown,
}

const STATES: &[StateRow] = &[
    StateRow { state: BalState::Created, receiving: None, sending: None, reading: None, shown: Shown::Published },
    StateRow { state: BalState::Active, receiving: None, sending: None, reading: None, shown: Shown::Published },
    StateRow {
        state: BalState::Suspended,
        receiving: Some(Refusal::RecipientSuspended),
        sending: Some(Refusal::SenderNotAllowed),
        reading: Some(Refusal::AuthenticationFailed),
        // Its address is not free, and it will be back.
        shown: Shown::Published,
    },
    StateRow {
        state: BalState::Closed,
        receiving: Some(Refusal::RecipientClosed),
        sending: Some(Refusal::SenderNotAllowed),
        reading: Some(Refusal::AuthenticationFailed),
        shown: Shown::Withdrawn,
    },
];

/// What each state means, for `pli rules`.
pub fn state_table() -> &'static [StateRow] {
    STATES
}

impl BalState {
    /// What it means.
    pub fn row(self) -> &'static StateRow {
        STATES.iter().find(|row| row.state == self).expect("a test finds a row for every state")
    }
}

/// Whether a BAL in this state takes mail.
pub fn may_receive(state: BalState) -> Verdict {
    state.row().receiving.map_or(Ok(()), Err)
}

/// Whether a BAL in this state may send.
pub fn may_send(state: BalState) -> Verdict {
    state.row().sending.map_or(Ok(()), Err)
}

/// Whether a BAL in this state is read by those who have a right to it.
pub fn may_read(state: BalState) -> Verdict {
    state.row().reading.map_or(Ok(()), Err)
}

/// Who moves a BAL from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mover {
    /// The first log-in.
    FirstLogIn,
    /// An administrator, with a reason.
    Administrator,
    /// pli itself, after a warning that nobody heeded.
    Inactivity,
}

impl Mover {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstLogIn => "first-log-in",
            Self::Administrator => "administrator",
            Self::Inactivity => "inactivity",
        }
    }
}

/// A move that is allowed. All others are not.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MoveRow {
    /// From this state.
    pub from: BalState,
    /// To this one.
    pub to: BalState,
    /// By these.
    pub by: &'static [Mover],
}

use BalState::{Active, Closed, Created, Suspended};

const MOVES: &[MoveRow] = &[
    MoveRow { from: Created, to: Active, by: &[Mover::FirstLogIn, Mover::Administrator] },
    MoveRow { from: Created, to: Suspended, by: &[Mover::Administrator] },
    MoveRow { from: Created, to: Closed, by: &[Mover::Administrator, Mover::Inactivity] },
    MoveRow { from: Active, to: Suspended, by: &[Mover::Administrator] },
    MoveRow { from: Active, to: Closed, by: &[Mover::Administrator, Mover::Inactivity] },
    MoveRow { from: Suspended, to: Active, by: &[Mover::Administrator] },
    MoveRow { from: Suspended, to: Closed, by: &[Mover::Administrator] },
    MoveRow { from: Closed, to: Active, by: &[Mover::Administrator] },
];

/// The moves that are allowed, for `pli rules`.
pub fn move_table() -> &'static [MoveRow] {
    MOVES
}

/// Why a BAL stays in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoveError {
    /// It is there already.
    #[error("the BAL is {0} already")]
    Already(BalState),
    /// No such move.
    #[error("a BAL that is {from} does not become {to}; `pli rules` prints the moves that there are")]
    NotAllowed {
        /// Where it is.
        from: BalState,
        /// Where it was to go.
        to: BalState,
    },
}

/// Whether a BAL may go from one state to another. `[MSS1 BAL.LIFE]`
pub fn may_move(from: BalState, to: BalState, by: Mover) -> Result<(), MoveError> {
    if from == to {
        return Err(MoveError::Already(from));
    }
    let allowed = MOVES.iter().any(|row| row.from == from && row.to == to && row.by.contains(&by));
    if allowed { Ok(()) } else { Err(MoveError::NotAllowed { from, to }) }
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "LIFE.CREATED",
        says: "a BAL that nobody has opened yet takes mail; the first log-in makes it active",
        french: "Une BAL que personne n'a encore ouverte reçoit du courrier ; la première connexion la rend active.",
        source: "ours",
    },
    Rule {
        id: "LIFE.SUSPENDED",
        says: "a suspended BAL refuses mail for now, sends nothing and opens for nobody; nothing of it is lost",
        french: "Une BAL suspendue refuse le courrier pour le moment, n'envoie rien et ne s'ouvre pour personne ; rien n'est perdu.",
        source: "ours",
    },
    Rule {
        id: "LIFE.CLOSED",
        says: "a closed BAL refuses mail for good, sends nothing, opens for nobody and leaves the directories",
        french: "Une BAL fermée refuse définitivement le courrier, n'envoie rien, ne s'ouvre pour personne et quitte les annuaires.",
        source: "ours",
    },
    Rule {
        id: "LIFE.MOVES",
        says: "a BAL goes from one state to another only by the moves of the table",
        french: "Une BAL ne change d'état que par les passages du tableau.",
        source: "ours",
    },
    Rule {
        id: "LIFE.RETENTION",
        says: "a closed BAL keeps its content for bal.closed_retention; then it is emptied, with a trace",
        french: "Une BAL fermée garde son contenu pendant bal.closed_retention ; elle est ensuite vidée, avec une trace.",
        source: "ours",
    },
    Rule {
        id: "LIFE.INACTIVE",
        says: "a BAL that nobody opens is closed, but only some time after it was warned",
        french: "Une BAL que personne n'ouvre est fermée, mais seulement quelque temps après un avertissement.",
        source: "ours",
    },
    Rule {
        id: "BAL.IMMUTABLE",
        says: "address and kind of a BAL never change",
        french: "L'adresse et le type d'une BAL ne changent jamais.",
        source: "[MSS1 BAL.KINDS]",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalKind, Credential, may_log_in_with};

    fn means(state: BalState) -> [bool; 4] {
        let row = state.row();
        let opens = may_log_in_with(BalKind::Cabinet, state, Credential::Password).is_ok();
        assert_eq!(opens, may_read(state).is_ok());
        [may_receive(state).is_ok(), may_send(state).is_ok(), opens, row.shown == Shown::Published]
    }

    #[test]
    fn every_state_has_a_row_and_every_row_a_state() {
        assert_eq!(BalState::ALL.map(|state| state.row().state), BalState::ALL);
        assert_eq!(state_table().len(), BalState::ALL.len());
    }

    #[test]
    fn rule_life_created_is_open_for_everything() {
        assert_eq!(means(BalState::Created), [true; 4]);
        assert_eq!(means(BalState::Active), [true; 4]);
        assert_eq!(may_move(Created, Active, Mover::FirstLogIn), Ok(()));
    }

    #[test]
    fn rule_life_suspended_refuses_for_now() {
        assert_eq!(means(BalState::Suspended), [false, false, false, true]);
        let refusal = may_receive(BalState::Suspended).unwrap_err();
        assert_eq!(refusal.permanence(), crate::Permanence::Temporary);
    }

    #[test]
    fn rule_life_closed_refuses_for_good() {
        assert_eq!(means(BalState::Closed), [false; 4]);
        let refusal = may_receive(BalState::Closed).unwrap_err();
        assert_eq!((refusal.permanence(), refusal.row().enhanced), (crate::Permanence::Permanent, "5.2.1"));
    }

    #[test]
    fn rule_life_moves_are_those_of_the_table() {
        let moves = |by| {
            let pairs = BalState::ALL.into_iter().flat_map(|from| BalState::ALL.map(|to| (from, to)));
            pairs.filter(|(from, to)| may_move(*from, *to, by).is_ok()).collect::<Vec<_>>()
        };
        assert_eq!(moves(Mover::FirstLogIn), [(Created, Active)]);
        assert_eq!(moves(Mover::Inactivity), [(Created, Closed), (Active, Closed)]);
        let administrator = moves(Mover::Administrator);
        assert_eq!(administrator.len(), 8);
        assert!(administrator.contains(&(Closed, Active)), "reopened");
        assert!(BalState::ALL.into_iter().all(|from| !administrator.contains(&(from, Created))), "nothing is undone");
        assert_eq!(may_move(Closed, Closed, Mover::Administrator), Err(MoveError::Already(Closed)));
        assert_eq!(
            may_move(Closed, Suspended, Mover::Administrator),
            Err(MoveError::NotAllowed { from: Closed, to: Suspended })
        );
    }
}
