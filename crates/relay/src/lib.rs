//! The queue runner: claims work, opens hops, hands messages over, retries, reports failures.

mod attempt;
mod content;
mod dns;
mod health;
mod hop;
mod hosts;
mod journal;
mod lease;
mod probe;
mod report;
mod runner;
mod settlement;
mod trouble;

pub use dns::{Dns, DnsError, DnsRules, DnsSetupError, Dnssec, Security};
pub use hop::{Hops, HostNameCheck};
pub use hosts::{Host, HostError, HostFinder};
pub use journal::{Step, Verdict};
pub use probe::Probe;
pub use runner::{Relay, Schedule};
