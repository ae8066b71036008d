//! IMAP: the session state machine, and the connection around it.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

mod codec;
mod framer;
mod names;
mod pattern;
mod render;
mod section;
mod service;
mod sets;
mod view;

pub use service::{Limits, Service, TlsStart};
