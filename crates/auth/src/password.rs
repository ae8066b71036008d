//! Password hashing with argon2id.

use argon2::{Argon2, PasswordHash, PasswordHasher};
use mssante::Random;
use thiserror::Error;

/// Fewest characters of a password.
const SHORTEST: usize = 12;
/// Most octets of a password, so that hashing one is never the work of many.
const LONGEST: usize = 1024;

/// A password: kept out of every log and every `Debug`.
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
    /// Longer than anybody types.
    #[error("a password has at most {0} octets")]
    TooLong(usize),
    /// Holds a character that no SASL mechanism can carry.
    #[error("a password holds no control characters")]
    ControlCharacter,
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// The PHC string of a password with a fresh salt. Slow on purpose: about 20 MiB and 50 ms.
pub fn hash_password(password: &Secret, random: &dyn Random) -> Result<String, PasswordError> {
    check_policy(password)?;
    hash(password.expose().as_bytes(), random)
}

/// Whether this is a hash (PHC string) that log-ins are checked against as against our own: argon2id with parameters that
/// one log-in can afford.
pub fn is_usable_hash(phc: &str) -> bool {
    const MOST_KIBIBYTES: u32 = 64 * 1024;
    const MOST_ROUNDS: u32 = 10;
    let Ok(hash) = PasswordHash::new(phc) else { return false };
    let Ok(parameters) = argon2::Params::try_from(&hash) else { return false };
    hash.algorithm == argon2::Algorithm::Argon2id.ident()
        && hash.hash.is_some()
        && hash.salt.is_some()
        && parameters.m_cost() <= MOST_KIBIBYTES
        && parameters.t_cost() <= MOST_ROUNDS
}

fn check_policy(password: &Secret) -> Result<(), PasswordError> {
    let text = password.expose();
    if text.chars().count() < SHORTEST {
        return Err(PasswordError::TooShort(SHORTEST));
    }
    if text.len() > LONGEST {
        return Err(PasswordError::TooLong(LONGEST));
    }
    if text.chars().any(char::is_control) {
        return Err(PasswordError::ControlCharacter);
    }
    Ok(())
}

pub(crate) fn hash(password: &[u8], random: &dyn Random) -> Result<String, PasswordError> {
    let mut salt = [0; argon2::RECOMMENDED_SALT_LEN];
    random.fill(&mut salt);
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password, &salt)
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Counting;

    #[test]
    fn a_hash_is_argon2id() {
        let phc = hash_password(&Secret::new("correct horse battery".into()), &Counting::default()).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    }

    #[test]
    fn the_same_password_never_has_the_same_hash() {
        let random = Counting::default();
        let password = Secret::new("correct horse battery".into());
        assert_ne!(hash_password(&password, &random).unwrap(), hash_password(&password, &random).unwrap());
    }

    #[test]
    fn weak_and_impossible_passwords_are_not_taken() {
        let refused = |text: &str| hash_password(&Secret::new(text.into()), &Counting::default()).unwrap_err();
        assert!(matches!(refused("éééééé12345"), PasswordError::TooShort(12)));
        assert!(matches!(refused(&"x".repeat(LONGEST + 1)), PasswordError::TooLong(_)));
        assert!(matches!(refused("abcdefgh\0ijkl"), PasswordError::ControlCharacter));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(..)");
    }
}
