//! The queue runner: claims work, opens hops, hands messages over, retries, reports failures.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

mod hosts;
mod runner;

pub use hosts::{Host, HostError, HostFinder};
pub use runner::{Relay, Schedule};
