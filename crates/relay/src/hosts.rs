//! Where a domain's operator listens: fixed routes first, then MX records.

use std::collections::HashMap;

use mssante::Domain;
use thiserror::Error;

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name (for SNI) or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// Why no host is known.
#[derive(Debug, Clone, Error)]
pub enum HostError {
    /// DNS does not answer; later.
    #[error("DNS does not answer for {0}")]
    Temporary(Domain),
    /// The domain takes no mail.
    #[error("{0} has no mail host in DNS")]
    NoHost(Domain),
}

/// Finds the hosts of a domain.
#[derive(Debug)]
pub struct HostFinder {}

impl HostFinder {
    /// Fixed routes (`domain -> host:port`); everything else by MX in DNS, port `port`.
    pub fn new(routes: HashMap<Domain, Host>, port: u16) -> Self {
        todo!()
    }

    /// The hosts to try, in order. `[RFC5321 5.1]`
    pub async fn find(&self, domain: &Domain) -> Result<Vec<Host>, HostError> {
        todo!()
    }
}
