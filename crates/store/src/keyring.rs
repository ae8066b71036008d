//! The key ring: keys that wrap the data key of each message.

use std::path::Path;

use mssante::Random;
use thiserror::Error;

/// Why there is no key ring.
#[derive(Debug, Error)]
#[error("{file}: {why}")]
pub struct KeyRingError {
    /// Which file.
    pub file: String,
    /// What is wrong and what to do.
    pub why: String,
}

/// Several 256-bit keys, one of them active.
pub struct KeyRing {}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

impl KeyRing {
    /// Reads the file, or makes one (mode 0600) with a fresh key if there is none.
    pub fn open_or_create(file: &Path, random: &dyn Random) -> Result<Self, KeyRingError> {
        todo!()
    }
}
