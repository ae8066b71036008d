//! Password hashing with argon2id, off the runtime's threads.

use mssante::Random;
use thiserror::Error;

/// Octets that are never printed and are wiped by nobody but also shown to nobody.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a password is not taken.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Too short to be one.
    #[error("a password has at least {0} characters")]
    TooShort(usize),
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// The PHC string of a password with a fresh salt. Slow on purpose.
pub fn hash_password(password: &Secret, random: &dyn Random) -> Result<String, PasswordError> {
    todo!()
}
