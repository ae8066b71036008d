//! IMAP: the session state machine, and the connection around it.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

mod service;

pub use service::{Limits, Service, TlsStart};
