//! SASL exchanges without I/O. `[RFC4422]`

use crate::Secret;

/// Mechanisms that pli speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// `[RFC4616]`
    Plain,
    /// Two prompts; for Outlook.
    Login,
    /// By client certificate. `[RFC4422 A]`
    External,
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        todo!()
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        todo!()
    }
}

/// What an exchange ends with.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A login name and a password.
    Password {
        /// As typed.
        login: String,
        /// As typed.
        password: Secret,
    },
    /// The connection's certificate.
    Certificate {
        /// The BAL asked for, if the client named one.
        bal: Option<String>,
    },
}

/// What the server does next.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge (raw; the protocol encodes it).
    Challenge(Vec<u8>),
    /// The client has said all.
    Done(Credentials),
    /// What the client sent makes no sense.
    Malformed,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {}

impl Exchange {
    /// Starts; `initial` is the client's initial response, decoded.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        todo!()
    }

    /// Takes the client's answer to the last challenge, decoded.
    pub fn answer(&mut self, response: &[u8]) -> Step {
        todo!()
    }
}
