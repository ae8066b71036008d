//! The queue runner: claims work, opens hops, hands messages over, retries, reports failures.

mod attempt;
mod content;
mod health;
mod hosts;
mod lease;
mod report;
mod runner;
mod settlement;

pub use hosts::{Host, HostError, HostFinder};
pub use runner::{Relay, Schedule};
