//! The other side of a connection, after its certificate was judged.

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::{DistinguishedName, DnError};

/// What a certificate says of itself; nothing is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject.
    pub name: DistinguishedName,
    /// SHA-256 of its DER form.
    pub sha256: [u8; 32],
    /// From when it is valid.
    pub not_before: OffsetDateTime,
    /// Until when it is valid.
    pub not_after: OffsetDateTime,
}

impl CertificateFacts {
    /// Reads a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Result<Self, DnError> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| DnError::Certificate)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self {
            name: DistinguishedName::of_name(certificate.subject()),
            sha256,
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
        })
    }
}

/// A peer whose certificate chain, validity and usage were verified. Only the TLS layer of
/// this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer {
    facts: CertificateFacts,
}

impl VerifiedPeer {
    pub(crate) fn new(facts: CertificateFacts) -> Self {
        Self { facts }
    }

    /// The subject of its certificate.
    pub fn name(&self) -> &DistinguishedName {
        &self.facts.name
    }

    /// SHA-256 of its certificate in DER.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.facts.sha256
    }

    /// When its certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.facts.not_after
    }
}
