//! The other side of a connection, after its certificate was judged.

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::{DistinguishedName, DnError, VerifiedCertificate};

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

/// A peer whose certificate was verified: chain, issuer, validity, usage and, at the moment of
/// the handshake, revocation. Only the TLS layer of this crate makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer {
    certificate: VerifiedCertificate,
    key: String,
}

impl VerifiedPeer {
    pub(crate) fn new(certificate: VerifiedCertificate) -> Self {
        let key = certificate.facts().name.key().to_owned();
        Self { certificate, key }
    }

    /// The subject of its certificate.
    pub fn name(&self) -> &DistinguishedName {
        &self.certificate.facts().name
    }

    /// The key of its name, see [`DistinguishedName::key`].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// SHA-256 of its certificate in DER.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.certificate.facts().sha256
    }

    /// When its certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.certificate.facts().not_after
    }

    /// Whether its certificate carries this host name or address among its alternative names. The common name does
    /// not count. `[RFC9525 6.3]`
    pub fn carries_name(&self, host: &str) -> bool {
        self.certificate.names_host(host)
    }

    /// Its certificate.
    pub fn certificate(&self) -> &VerifiedCertificate {
        &self.certificate
    }
}
