//! Which BAL kind may do what, each rule with its source. Data and pure functions only.

use serde::Serialize;

use crate::{BalKind, BalState, Refusal};

/// The answer of a rule.
pub type Verdict = Result<(), Refusal>;

/// What somebody shows to prove who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A password, over TLS.
    Password,
    /// A client certificate whose DN is registered for the BAL.
    Certificate,
}

/// One rule, as `pli rules` prints it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// The kind of BAL it speaks of.
    pub kind: BalKind,
    /// How one logs in on such a BAL.
    pub credential: Credential,
    /// What the rule says, in a sentence.
    pub says: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        kind: BalKind::Nominative,
        credential: Credential::Password,
        says: "one professional's own BAL; he logs in and sends as himself only",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        kind: BalKind::Organisational,
        credential: Credential::Password,
        says: "a team's BAL; logs in with its own credential and sends as itself only",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        kind: BalKind::Applicative,
        credential: Credential::Certificate,
        says: "a piece of software's BAL; logs in by client certificate only, never by password",
        source: "[MSS1 APP.CERTIFICATE]",
    },
    Rule {
        kind: BalKind::Cabinet,
        credential: Credential::Password,
        says: "a practice's shared BAL; logs in with its own credential and sends as itself only",
        source: "[MSS1 BAL.KINDS]",
    },
];

/// All rules about kinds, for `pli rules`.
pub fn rule_table() -> &'static [Rule] {
    RULES
}

/// Whether a BAL of this kind and state opens for this kind of credential. Every refusal
/// looks the same from outside, so that nobody learns which BAL exists. `[MSS1 APP.CERTIFICATE]`
pub fn may_log_in_with(kind: BalKind, state: BalState, credential: Credential) -> Verdict {
    let fits = RULES.iter().any(|rule| rule.kind == kind && rule.credential == credential);
    if fits && state == BalState::Active { Ok(()) } else { Err(Refusal::AuthenticationFailed) }
}

/// Whether a BAL in this state takes mail.
pub fn may_receive(state: BalState) -> Verdict {
    match state {
        BalState::Active => Ok(()),
        BalState::Suspended => Err(Refusal::RecipientSuspended),
        BalState::Closed => Err(Refusal::RecipientClosed),
    }
}

/// Whether a BAL in this state may send.
pub fn may_send(state: BalState) -> Verdict {
    match state {
        BalState::Active => Ok(()),
        BalState::Suspended | BalState::Closed => Err(Refusal::SenderNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_rule() {
        for kind in BalKind::ALL {
            assert!(rule_table().iter().any(|rule| rule.kind == kind));
        }
    }

    #[test]
    fn an_applicative_bal_never_opens_with_a_password() {
        assert!(may_log_in_with(BalKind::Applicative, BalState::Active, Credential::Password).is_err());
        assert!(may_log_in_with(BalKind::Applicative, BalState::Active, Credential::Certificate).is_ok());
    }

    #[test]
    fn only_an_active_bal_opens_sends_and_receives() {
        for state in [BalState::Suspended, BalState::Closed] {
            assert!(may_log_in_with(BalKind::Nominative, state, Credential::Password).is_err());
            assert!(may_receive(state).is_err());
            assert!(may_send(state).is_err());
        }
    }
}
