//! Who is at the door: SASL mechanisms, password proofs, certificates. One implementation for
//! SMTP and IMAP.

mod authenticator;
#[cfg(test)]
mod fixture;
mod gate;
mod guesses;
mod identity;
mod memory;
mod password;
mod proofs;
mod queue;
pub mod sasl;

pub use authenticator::{AuthError, Authenticator};
pub use identity::{Identity, Principal};
pub use password::{PasswordError, Secret, hash_password, is_usable_hash};
