//! IMAP: the session state machine, and the connection around it.
//!
//! Pure: `framer` (octets to commands), `codec`, `view` (what the client knows of a folder),
//! `plan` and `section` (what FETCH asks), `search`, `listing`, `render`. The `session` ties
//! them to the store; `wire` is the only one that touches a socket.

mod codec;
mod framer;
mod listing;
mod names;
mod pattern;
mod plan;
mod render;
mod reply;
mod search;
mod section;
mod service;
mod session;
mod sets;
mod view;
mod wire;

pub use service::{Limits, Service, TlsStart};
