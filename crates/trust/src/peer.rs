//! The other side of a connection, after its certificate was judged.

use time::OffsetDateTime;

use crate::DistinguishedName;

/// A peer whose certificate chain, validity and usage were verified. Only the TLS layer of
/// this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer {
    pub(crate) name: DistinguishedName,
    pub(crate) sha256: [u8; 32],
    pub(crate) not_after: OffsetDateTime,
}

impl VerifiedPeer {
    /// The subject of its certificate.
    pub fn name(&self) -> &DistinguishedName {
        &self.name
    }

    /// SHA-256 of its certificate in DER.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// When its certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}
