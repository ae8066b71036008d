//! Who is at the door: SASL mechanisms, password proofs, certificates. One implementation for
//! SMTP and IMAP.

#![allow(clippy::todo, clippy::unused_async, unused_variables, dead_code, reason = "interface first; bodies follow")]

mod authenticator;
mod identity;
mod password;
pub mod sasl;

pub use authenticator::{AuthError, Authenticator};
pub use identity::{Identity, Principal};
pub use password::{PasswordError, Secret, hash_password};
