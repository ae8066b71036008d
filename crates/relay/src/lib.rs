//! The queue runner: claims work, opens hops, hands messages over, retries, reports failures.

mod attempt;
mod content;
mod hosts;
mod report;
mod runner;

pub use hosts::{Host, HostError, HostFinder};
pub use runner::{Relay, Schedule};
