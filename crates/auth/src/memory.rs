//! Password checks in memory that is used again: each takes 19 MiB, and an allocator that is
//! asked for such blocks from many threads keeps several times that for itself.

use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::Secret;

/// Work areas of argon2id; as many as checks ever ran at once.
#[derive(Default)]
pub(crate) struct HashingMemory(Mutex<Vec<Vec<Block>>>);

impl HashingMemory {
    /// Whether the password is that of the hash (a PHC string); as slow as hashing.
    pub(crate) fn verifies(&self, password: &Secret, phc: &str) -> bool {
        let mut area = self.lock().pop().unwrap_or_default();
        let proven = compute(password, phc, &mut area).unwrap_or(false);
        self.lock().push(area);
        proven
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` if the hash is not one that argon2 could have made.
fn compute(password: &Secret, phc: &str, area: &mut Vec<Block>) -> Option<bool> {
    let hash = PasswordHash::new(phc).ok()?;
    let (salt, expected) = (hash.salt?, hash.hash?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let params = Params::try_from(&hash).ok()?;
    area.resize(params.block_count(), Block::default());
    let mut found = vec![0; expected.len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.expose().as_bytes(), salt.as_ref(), &mut found, area)
        .ok()?;
    Some(verify_slices_are_equal(&found, expected.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Counting;
    use crate::hash_password;

    #[test]
    fn a_hash_opens_only_with_its_password_also_in_memory_that_was_used_before() {
        let memory = HashingMemory::default();
        let right = Secret::new("correct horse battery".into());
        let wrong = Secret::new("correct horse batterY".into());
        let phc = hash_password(&right, &Counting::default()).unwrap();
        for _ in 0..2 {
            assert!(memory.verifies(&right, &phc));
            assert!(!memory.verifies(&wrong, &phc));
        }
        assert_eq!(memory.lock().len(), 1, "one check at a time needs one area");
    }

    #[test]
    fn what_is_no_hash_opens_for_nobody() {
        let memory = HashingMemory::default();
        for phc in ["", "not a hash", "$argon2id$v=19$m=19456,t=2,p=1", "$5$rounds=5000$salt$hash"] {
            assert!(!memory.verifies(&Secret::new("correct horse battery".into()), phc), "{phc}");
        }
    }
}
