//! From credentials to an [`Identity`].

use std::sync::Arc;

use mssante::{Clock, Random};
use store::Store;
use thiserror::Error;
use trust::VerifiedPeer;

use crate::Identity;
use crate::sasl::Credentials;

/// Why nobody is logged in.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Wrong, unknown, suspended, of a kind that may not: nobody is told which. `word` is for
    /// traces and metrics only.
    #[error("authentication failed")]
    Refused {
        /// The real reason.
        word: &'static str,
    },
    /// The store does not answer; trying again later can help.
    #[error("authentication is not possible at the moment: {0}")]
    Unavailable(String),
}

/// Checks credentials; shared by all sessions.
pub struct Authenticator {}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

impl Authenticator {
    /// At most `hashing_jobs` password checks run at once.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, hashing_jobs: usize) -> Self {
        todo!()
    }

    /// Checks what a SASL exchange ended with; `peer` is the connection's verified certificate.
    pub async fn check(&self, credentials: Credentials, peer: Option<&VerifiedPeer>) -> Result<Identity, AuthError> {
        todo!()
    }
}
