//! Mail hosts and addresses in DNS, or in a zone file where there is no DNS to ask.

mod network;
mod zone;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use self::network::Network;
use self::zone::Zone;

/// Whether answers must be signed. See docs/adr/0012-dnssec.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dnssec {
    /// Signatures are not looked at.
    #[default]
    Off,
    /// Answers whose signatures are wrong are not believed; unsigned ones are.
    Prefer,
    /// Only signed answers are believed.
    Require,
}

/// Where and how to ask.
#[derive(Debug, Clone)]
pub struct DnsRules {
    /// Servers to ask; empty: those of the machine.
    pub servers: Vec<SocketAddr>,
    /// How long one server has for one answer.
    pub timeout: Duration,
    /// Signatures.
    pub dnssec: Dnssec,
    /// DNSKEY records to believe in place of those of the root, for tests and closed networks.
    pub anchors_file: Option<PathBuf>,
    /// A master file that replaces DNS altogether. `[RFC1035 5.1]`
    pub zone_file: Option<PathBuf>,
}

impl Default for DnsRules {
    /// The machine's servers, five seconds.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            dnssec: Dnssec::Off,
            anchors_file: None,
            zone_file: None,
        }
    }
}

/// Why DNS cannot be set up.
#[derive(Debug, Error)]
pub enum DnsSetupError {
    /// A file cannot be read or understood.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The resolver cannot be made.
    #[error("the DNS resolver cannot be set up: {0}")]
    Resolver(String),
}

/// How far an answer is proven. `[RFC4035 4.3]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// Signatures were not looked at.
    Unchecked,
    /// Proven to be unsigned, or nobody can say.
    Insecure,
    /// Signed up to an anchor.
    Secure,
    /// Written down by the administrator.
    Local,
}

impl Security {
    /// The word for `pli probe` and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchecked => "not checked",
            Self::Insecure => "unsigned",
            Self::Secure => "signed",
            Self::Local => "zone file",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer<T> {
    /// What was asked for; may be empty.
    pub(crate) records: Vec<T>,
    /// How far it is proven.
    pub(crate) security: Security,
}

/// A record of a mail host: preference and host name without the final dot; the name of a null MX is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) preference: u16,
    pub(crate) host: String,
}

/// Why there is no answer. All of them may be over later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DnsError {
    /// There is no such name. `[RFC2308 2.1]`
    #[error("DNS knows no {0}")]
    NoName(String),
    /// No server gave an answer, or a broken one.
    #[error("DNS does not answer for {name}: {why}")]
    Unavailable {
        /// What was asked for.
        name: String,
        /// What happened.
        why: String,
    },
    /// Signatures are wrong or missing where the zone is signed.
    #[error("the DNSSEC signatures of the answer for {0} are not valid")]
    Bogus(String),
    /// The answer is not signed, and dns.dnssec asks for that.
    #[error("the answer for {0} is not signed, and dns.dnssec = \"require\"")]
    NotSigned(String),
}

impl DnsError {
    /// The stable word for metrics and traces.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoName(_) => "dns-no-name",
            Self::Unavailable { .. } => "dns-unavailable",
            Self::Bogus(_) => "dnssec-bogus",
            Self::NotSigned(_) => "dnssec-not-signed",
        }
    }

    /// The enhanced status code: directory server failure, or unable to route. `[RFC3463 3]`
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::NoName(_) => "4.4.4",
            Self::Unavailable { .. } | Self::Bogus(_) | Self::NotSigned(_) => "4.4.3",
        }
    }
}

/// What answers.
pub struct Dns(Source);

enum Source {
    Network(Box<Network>),
    Zone(Zone),
    /// The machine has no DNS configuration: fixed routes only.
    Nothing,
}

impl Dns {
    /// Reads the files that the rules name. A machine without DNS configuration is no error: fixed routes work there.
    pub fn open(rules: &DnsRules) -> Result<Self, DnsSetupError> {
        if let Some(file) = &rules.zone_file {
            return Ok(Self(Source::Zone(Zone::read(file)?)));
        }
        Ok(Self(match Network::open(rules)? {
            Some(network) => Source::Network(Box::new(network)),
            None => Source::Nothing,
        }))
    }

    /// The mail hosts of a domain, as they came.
    pub(crate) async fn exchanges(&self, domain: &str) -> Result<Answer<Exchange>, DnsError> {
        match &self.0 {
            Source::Network(network) => network.exchanges(domain).await,
            Source::Zone(zone) => zone.exchanges(domain),
            Source::Nothing => Err(nobody_to_ask(domain)),
        }
    }

    /// The addresses of a host, IPv6 and IPv4.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        match &self.0 {
            Source::Network(network) => network.addresses(host).await,
            Source::Zone(zone) => zone.addresses(host),
            Source::Nothing => Err(nobody_to_ask(host)),
        }
    }
}

fn nobody_to_ask(name: &str) -> DnsError {
    let why = "this machine has no DNS configuration; set dns.servers or a route in [relay.routes]".to_owned();
    DnsError::Unavailable { name: name.to_owned(), why }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Source::Network(_) => "Dns(network)",
            Source::Zone(_) => "Dns(zone file)",
            Source::Nothing => "Dns(nothing)",
        })
    }
}
