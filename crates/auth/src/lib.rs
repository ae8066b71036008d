//! Who is at the door: SASL mechanisms, password proofs, certificates. One implementation for
//! SMTP and IMAP.

mod authenticator;
mod claim;
#[cfg(test)]
mod fixture;
mod gate;
mod guesses;
mod identity;
mod log_ins;
mod memory;
mod password;
mod proofs;
mod queue;
pub mod sasl;
mod standing;

pub use authenticator::{AuthError, Authenticator, LogInsDue};
pub use identity::{Access, Ground, Identity, Principal, SendRight, SenderField};
pub use log_ins::Door;
pub use password::{PasswordError, Secret, hash_password, is_usable_hash};
pub use standing::Standing;
