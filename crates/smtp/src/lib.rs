//! SMTP: the receiving session as a state machine without I/O, the connection around it, and
//! the sending client.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

pub mod client;
mod service;

pub use service::{Limits, Role, Service, TlsStart};
