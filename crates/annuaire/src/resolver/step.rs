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
    /// A forward that is not followed.
    ForwardSkipped {
        /// From which BAL.
        from: BalId,
        /// To which.
        to: BalId,
        /// Why not.
        why: Skipped,
    },
    /// The domain is one of patients; whether the address is an INS with its key.
    Patient(PatientAddress),
    /// What the trust list says of the domain.
    Listed(Result<bool, Refusal>),
    /// What the directory says of the address.
    Directory(Asked),
    /// The domain in question is another operator's.
    OtherDomain(Domain),
}

/// Why a forward is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The target takes no mail, or is gone.
    TakesNoMail,
    /// The message came by the target: it would go in a circle.
    Circle,
    /// It was handed on too often, or to too many.
    TooMany,
}

/// What came of asking the directory for another operator's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It has it.
    Known,
    /// It has the domain, but not the address.
    Unknown,
    /// It does not have the domain at all.
    UnknownDomain,
    /// There is none, or none that is young enough.
    NoDirectory,
    /// Nobody asked: `annuaire.peer_recipients` is off.
    NotAsked,
}

impl Asked {
    /// What follows.
    pub fn standing(self) -> Standing {
        match self {
            Self::Known => Standing::Known,
            Self::Unknown => Standing::Unknown,
            Self::UnknownDomain | Self::NoDirectory | Self::NotAsked => Standing::NotJudged,
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Known => "the annuaire has the address",
            Self::Unknown => {
                "the annuaire has the domain but not the address: it is wrong, or not published (liste rouge)"
            }
            Self::UnknownDomain => "the annuaire does not have the domain, so it says nothing of its addresses",
            Self::NoDirectory => "no annuaire is in force that is young enough",
            Self::NotAsked => "the annuaire is not asked (annuaire.peer_recipients is off)",
        }
    }
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

impl Step {
    /// The step in a sentence; `name` is how a BAL is called.
    pub fn told(&self, name: impl Fn(BalId) -> String) -> String {
        match self {
            Self::Compared(key) => format!("compares as {key}"),
            Self::OurDomain => "the domain is ours".to_owned(),
            Self::Found { bal, state } => format!("leads to {}, which is {state}", name(*bal)),
            Self::NotFound => "no BAL has this address".to_owned(),
            Self::Forward { from, to, copy } => {
                let copy = match copy {
                    ForwardCopy::Keep => ", a copy stays",
                    ForwardCopy::Move => "",
                };
                format!("{} hands on to {}{copy}", name(*from), name(*to))
            }
            Self::ForwardSkipped { from, to, why } => {
                let why = match why {
                    Skipped::TakesNoMail => "it takes no mail",
                    Skipped::Circle => "the message came that way",
                    Skipped::TooMany => "there are too many hand-overs",
                };
                format!("{} cannot hand on to {}: {why}", name(*from), name(*to))
            }
            Self::Patient(PatientAddress::Valid) => {
                "the domain is that of patients, and the INS has its key".to_owned()
            }
            Self::Patient(PatientAddress::Invalid) => {
                "the domain is that of patients, but the part before the @ is no INS with its key".to_owned()
            }
            Self::OtherDomain(domain) => format!("{domain} is not one of our domains"),
            Self::Listed(Ok(true)) => "the trust list has the domain".to_owned(),
            Self::Listed(Ok(false)) => "the trust list does not have the domain".to_owned(),
            Self::Listed(Err(doubt)) => format!("the trust list cannot be relied on ({})", doubt.word()),
            Self::Directory(asked) => asked.told().to_owned(),
        }
    }
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
        f.write_str(&self.told(|bal| format!("BAL {bal}")))
    }
}
