//! By which credential a BAL of each kind opens.

use serde::Serialize;

use crate::{BalKind, BalState, Refusal, Rule, Verdict, may_read};

/// What somebody shows to prove who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A password, over TLS.
    Password,
    /// A client certificate whose DN is registered for the BAL.
    Certificate,
}

/// One line of the table: a kind and what opens it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OpeningRow {
    /// The kind of BAL.
    pub kind: BalKind,
    /// How one logs in on it.
    pub credential: Credential,
}

const TABLE: &[OpeningRow] = &[
    OpeningRow { kind: BalKind::Nominative, credential: Credential::Password },
    OpeningRow { kind: BalKind::Organisational, credential: Credential::Password },
    OpeningRow { kind: BalKind::Applicative, credential: Credential::Certificate },
    OpeningRow { kind: BalKind::Cabinet, credential: Credential::Password },
];

/// The whole table, for `pli rules`.
pub fn opening_table() -> &'static [OpeningRow] {
    TABLE
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "PER.HOLDER",
        says: "a nominative BAL is one professional's own: he logs in and sends as himself",
        french: "Une BAL nominative appartient à un seul professionnel, qui s'y connecte et écrit en son nom.",
        source: "[MSS1 BAL.KINDS]",
    },
    Rule {
        id: "APP.CERTIFICATE",
        says: "an applicative BAL opens by client certificate only, never by password",
        french: "Une BAL applicative s'ouvre par certificat client, jamais par mot de passe.",
        source: "[MSS1 APP.CERTIFICATE]",
    },
];

/// Whether a BAL of this kind and state opens for this kind of credential. Every refusal
/// looks the same from outside, so that nobody learns which BAL exists. `[MSS1 APP.CERTIFICATE]`
pub fn may_log_in_with(kind: BalKind, state: BalState, credential: Credential) -> Verdict {
    let fits = TABLE.iter().any(|row| row.kind == kind && row.credential == credential);
    if fits { may_read(state) } else { Err(Refusal::AuthenticationFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_opens_by_something() {
        for kind in BalKind::ALL {
            assert!(opening_table().iter().any(|row| row.kind == kind));
        }
    }

    #[test]
    fn rule_per_holder_opens_by_password_and_by_no_certificate() {
        assert!(may_log_in_with(BalKind::Nominative, BalState::Active, Credential::Password).is_ok());
        assert!(may_log_in_with(BalKind::Nominative, BalState::Active, Credential::Certificate).is_err());
    }

    #[test]
    fn rule_app_certificate_never_opens_with_a_password() {
        assert!(may_log_in_with(BalKind::Applicative, BalState::Active, Credential::Password).is_err());
        assert!(may_log_in_with(BalKind::Applicative, BalState::Active, Credential::Certificate).is_ok());
    }

    #[test]
    fn a_suspended_or_closed_bal_does_not_open() {
        for state in [BalState::Suspended, BalState::Closed] {
            let refused = may_log_in_with(BalKind::Nominative, state, Credential::Password);
            assert_eq!(refused, Err(Refusal::AuthenticationFailed));
        }
    }
}
