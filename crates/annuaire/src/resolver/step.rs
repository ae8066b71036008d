//! The steps of a decision, for people who ask why.

use std::fmt;

use mssante::{BalId, BalState, Domain, ForwardCopy, Refusal};

/// One step from an address to its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The form in which the address compares.
    Compared(String),
    /// The domain is one of ours.
    OurDomain,
    /// It leads to a BAL, directly or as an alias.
    Found {
        /// Which.
        bal: BalId,
        /// Where it is in its life.
        state: BalState,
    },
    /// No BAL has this address.
    NotFound,
    /// Mail goes on to another BAL.
    Forward {
        /// From which BAL.
        from: BalId,
        /// To which.
        to: BalId,
        /// What stays.
        copy: ForwardCopy,
    },
    /// A forward that is not followed: the target takes no mail, or it was handed on too often.
    ForwardSkipped {
        /// From which BAL.
        from: BalId,
        /// To which.
        to: BalId,
    },
    /// The domain is one of patients; whether the address is an INS with its key.
    Patient(PatientAddress),
    /// What the trust list says of the domain.
    Listed(Result<bool, Refusal>),
    /// What the directory says of the address.
    Directory(Standing),
    /// The domain in question is another operator's.
    OtherDomain(Domain),
}

/// Whether the part before the @ can be a patient's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatientAddress {
    /// An INS with its key.
    Valid,
    /// Something else.
    Invalid,
}

/// What the directory says of another operator's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has it.
    Known,
    /// It has the domain, but not the address: an error, or a BAL that is not published.
    Unknown,
    /// It cannot tell: nobody asked, there is none that is young enough, or it does not have the domain at all.
    NotJudged,
}

impl Standing {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::NotJudged => "not judged",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compared(key) => write!(f, "compares as {key}"),
            Self::OurDomain => f.write_str("the domain is ours"),
            Self::Found { bal, state } => write!(f, "leads to BAL {bal}, which is {state}"),
            Self::NotFound => f.write_str("no BAL has this address"),
            Self::Forward { from, to, copy: ForwardCopy::Keep } => {
                write!(f, "BAL {from} hands on to BAL {to}, a copy stays")
            }
            Self::Forward { from, to, copy: ForwardCopy::Move } => write!(f, "BAL {from} hands on to BAL {to}"),
            Self::ForwardSkipped { from, to } => {
                write!(f, "BAL {from} cannot hand on to BAL {to}: it takes no mail, or there are too many hand-overs")
            }
            Self::Patient(PatientAddress::Valid) => {
                f.write_str("the domain is that of patients, and the INS has its key")
            }
            Self::Patient(PatientAddress::Invalid) => {
                f.write_str("the domain is that of patients, but the part before the @ is no INS with its key")
            }
            Self::OtherDomain(domain) => write!(f, "{domain} is not one of our domains"),
            Self::Listed(Ok(true)) => f.write_str("the trust list has the domain"),
            Self::Listed(Ok(false)) => f.write_str("the trust list does not have the domain"),
            Self::Listed(Err(doubt)) => write!(f, "the trust list cannot be relied on ({})", doubt.word()),
            Self::Directory(Standing::Known) => f.write_str("the annuaire has the address"),
            Self::Directory(Standing::Unknown) => f.write_str(
                "the annuaire has the domain but not the address: it is wrong, or not published (liste rouge)",
            ),
            Self::Directory(Standing::NotJudged) => {
                f.write_str("the annuaire is not asked, is too old, or does not have the domain")
            }
        }
    }
}
