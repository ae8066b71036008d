//! A certificate that was judged: accepted with what later checks need, or refused for one reason.

pub(crate) mod form;

use std::sync::Arc;

use mssante::Refusal;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;

use crate::chain::Usage;
use crate::{Authority, CertificateFacts};

/// Why a certificate is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateFault {
    /// It cannot be read, or breaks the rules of its form.
    #[error("the certificate cannot be read, or breaks the rules of its form")]
    Malformed,
    /// Its subject names nobody or is no text: empty, NUL or other control characters, no UTF-8.
    #[error("the subject of the certificate is malformed: it is empty, or holds control characters or what is no text")]
    MalformedName,
    /// It does not chain to an anchor of ours.
    #[error("the certificate does not chain to an anchor of ours")]
    Untrusted,
    /// It chains to an anchor, but another authority than the accepted ones issued it.
    #[error("the certificate was issued by an authority that is not among the accepted ones")]
    IssuerNotAccepted,
    /// Its time is over. `[MSS2 ECO.1.1.5]`
    #[error("the certificate has expired")]
    Expired,
    /// Its time has not come, says our clock. Doubt: a temporary refusal.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// A key or a signature of the chain can be forged, or is of a kind that nobody can check.
    #[error("a key or a signature of the chain is too weak (RSA from 2048 bits, P-256, P-384, SHA-2)")]
    Weak,
    /// Key usage or extended key usage is for something else.
    #[error("the certificate is not made for this use")]
    WrongUsage,
    /// It is on its issuer's revocation list, or its responder says so.
    #[error("the certificate is revoked")]
    Revoked,
    /// Nobody can say whether it is revoked. Doubt: a temporary refusal.
    #[error("whether the certificate is revoked cannot be established")]
    RevocationUnknown,
}

impl CertificateFault {
    /// What a session answers.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Malformed | Self::MalformedName | Self::Untrusted | Self::IssuerNotAccepted => {
                Refusal::CertificateUntrusted
            }
            Self::Expired => Refusal::CertificateExpired,
            Self::NotYetValid => Refusal::CertificateNotYetValid,
            Self::Weak => Refusal::CertificateWeak,
            Self::WrongUsage => Refusal::CertificateUnusable,
            Self::Revoked => Refusal::CertificateRevoked,
            Self::RevocationUnknown => Refusal::RevocationUnknown,
        }
    }
}

/// A certificate whose chain, issuer, validity and usage were verified; revocation was not
/// looked at. Only [`crate::Authorities`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate {
    pub(crate) facts: CertificateFacts,
    /// The certificate, DER.
    pub(crate) der: Arc<[u8]>,
    /// Content octets of the serial number, as DER has them.
    pub(crate) serial: Arc<[u8]>,
    /// Who issued it.
    pub(crate) issuer: Arc<Authority>,
    /// Where its issuer's revocation lists are (CRL distribution points, http only).
    pub(crate) crl_urls: Vec<String>,
    /// Where its issuer's OCSP responders are (authority information access, http only).
    pub(crate) ocsp_urls: Vec<String>,
}

/// The same for a certificate that was not verified.
pub(crate) fn names_host(der: &[u8], host: &str) -> bool {
    let der = CertificateDer::from(der);
    let name = ServerName::try_from(host.trim_end_matches('.'));
    let (Ok(certificate), Ok(name)) = (webpki::EndEntityCert::try_from(&der), name) else { return false };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

#[cfg(test)]
impl VerifiedCertificate {
    /// One that nobody issued, for tests of what looks at names only.
    pub(crate) fn named(dn: &str, not_after: time::OffsetDateTime) -> Self {
        let name = crate::DistinguishedName::parse(dn).unwrap();
        let not_before = time::OffsetDateTime::UNIX_EPOCH;
        let issuer = Arc::new(Authority::nobody());
        let facts = CertificateFacts { name, sha256: [0; 32], not_before, not_after };
        Self { facts, der: [].into(), serial: [1].into(), issuer, crl_urls: Vec::new(), ocsp_urls: Vec::new() }
    }
}

impl VerifiedCertificate {
    /// Takes what later checks need from a certificate whose chain was verified, and looks at what
    /// the chain does not tell: form, strength of its key, key usage.
    pub(crate) fn read(
        leaf: &CertificateDer<'_>,
        issuer: Arc<Authority>,
        usage: Usage,
    ) -> Result<Self, CertificateFault> {
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf).map_err(|_| CertificateFault::Malformed)?;
        form::check(&certificate)?;
        form::check_strength(&certificate)?;
        form::check_key_usage(&certificate, usage)?;
        Ok(Self {
            facts: CertificateFacts::of_certificate(leaf).map_err(|_| CertificateFault::Malformed)?,
            der: leaf.as_ref().into(),
            serial: certificate.raw_serial().into(),
            issuer,
            crl_urls: form::crl_urls(&certificate),
            ocsp_urls: form::ocsp_urls(&certificate),
        })
    }

    /// Whether the server of this certificate may call itself `host` (a DNS name or an IP address),
    /// by its alternative names; the CN is not looked at. `[RFC9525 6.3]`
    pub fn names_host(&self, host: &str) -> bool {
        names_host(&self.der, host)
    }

    /// What it says of itself.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Authority {
        &self.issuer
    }

    /// Content octets of its serial number, as DER has them.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// CRL distribution points (http and https only).
    pub fn crl_urls(&self) -> &[String] {
        &self.crl_urls
    }

    /// OCSP responders (http and https only).
    pub fn ocsp_urls(&self) -> &[String] {
        &self.ocsp_urls
    }
}
