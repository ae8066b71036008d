//! End-to-end tests: the real binary, driven by real third-party mail clients.
//!
//! This library is the harness. It starts `pli demo`, reads its sheet, speaks raw SMTP and IMAP over TLS where a test wants to
//! misbehave in ways that no proper client can, and runs clients as child processes.

mod audit;
mod demo;
mod directory;
mod http;
mod mailbox;
mod peer;
mod postgres;
mod program;
mod publisher;
mod sheet;
mod site;
mod steps;
mod wire;

pub use audit::AuditCase;
pub use demo::{Demo, free_port_base};
pub use directory::NationalDirectory;
pub use http::http_get;
pub use mailbox::{Mailbox, Response};
pub use peer::{Conversation, Manner, Peer};
pub use postgres::PlainPostgres;
pub use program::{Exit, Program, pli, wait_until};
pub use publisher::Publisher;
pub use sheet::{Bal, Operator, Sheet};
pub use site::{DOMAIN, Identity, PASSWORD, PEER, PEER2, Server, Site};
pub use steps::Steps;
pub use wire::{Wire, client_config};
