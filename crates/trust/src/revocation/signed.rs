//! Authorities as signers of revocation lists and OCSP answers.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{Reader, SEQUENCE, Unexpected};
use crate::Authority;
use crate::certificate::form;

/// Octets with a signature over them, and the algorithm it claims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    /// What is signed, tag and length included.
    pub(super) content: &'a [u8],
    /// `AlgorithmIdentifier` without its outer tag and length.
    pub(super) algorithm: &'a [u8],
    /// The signature.
    pub(super) signature: &'a [u8],
}

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureFault {
    /// With an algorithm that is not believed any more, or not one for this key.
    Algorithm,
    /// By somebody else, or over something else.
    Wrong,
}

/// A public key as certificates carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// `AlgorithmIdentifier` without its outer tag and length.
    algorithm: Vec<u8>,
    /// Octets of the bit string.
    octets: Vec<u8>,
}

impl Key {
    /// Reads `SubjectPublicKeyInfo`.
    pub(super) fn of_spki(spki: &[u8]) -> Result<Self, Unexpected> {
        const WHAT: &str = "a public key";
        let mut spki = Reader::only(spki, SEQUENCE, WHAT)?;
        let algorithm = spki.take(SEQUENCE, WHAT)?.content.to_vec();
        Ok(Self { algorithm, octets: spki.octets_of_bits(WHAT)?.to_vec() })
    }

    /// Whether it has signed; with the algorithms of our connections only: SHA-256 and better,
    /// RSA from 2048 bits.
    pub(super) fn verify(&self, signed: Signed<'_>) -> Result<(), SignatureFault> {
        let algorithms = default_provider().signature_verification_algorithms.all;
        let fitting = algorithms.iter().filter(|algorithm| {
            algorithm.signature_alg_id().as_ref() == signed.algorithm
                && algorithm.public_key_alg_id().as_ref() == self.algorithm
        });
        let mut fault = SignatureFault::Algorithm;
        for algorithm in fitting {
            match algorithm.verify_signature(&self.octets, signed.content, signed.signature) {
                Ok(()) => return Ok(()),
                Err(_) => fault = SignatureFault::Wrong,
            }
        }
        Err(fault)
    }

    /// Its identifier in OCSP, where SHA-1 tells keys apart and protects nothing. `[RFC6960 4.1.1]`
    pub(super) fn sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.octets).as_ref().to_vec()
    }

    /// Octets of the bit string.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// One of our authorities with what its lists are judged by.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    pub(super) authority: Arc<Authority>,
    /// Its name, DER.
    pub(super) subject: Vec<u8>,
    /// Who issued it, DER.
    pub(super) issuer: Vec<u8>,
    /// Content octets of its serial number.
    pub(super) serial: Vec<u8>,
    pub(super) key: Key,
    /// Whether its key usage, if it has one, includes cRLSign. `[RFC5280 4.2.1.3]`
    pub(super) signs_lists: bool,
    /// Where lists of its issuer are.
    pub(super) crl_urls: Vec<String>,
}

impl Signer {
    /// Nothing if the certificate cannot be read: then it has not vouched for anybody either.
    pub(super) fn of(authority: &Arc<Authority>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(authority.der()).ok()?;
        let usage = certificate.key_usage().ok()?;
        Some(Self {
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: certificate.raw_serial().to_vec(),
            key: Key::of_spki(certificate.public_key().raw).ok()?,
            signs_lists: usage.is_none_or(|usage| usage.value.crl_sign()),
            crl_urls: form::crl_urls(&certificate),
            authority: Arc::clone(authority),
        })
    }

    /// Whether it issued this authority, by name and signature.
    pub(super) fn issued(&self, other: &Self) -> bool {
        let Ok(signed) = certificate(other.authority.der()) else { return false };
        self.subject == other.issuer && self.key.verify(signed).is_ok()
    }

    /// Whether both are the same authority: a certificate may be renewed with the same key.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.subject == other.subject && self.key == other.key
    }
}

/// A certificate as something signed.
fn certificate(der: &[u8]) -> Result<Signed<'_>, Unexpected> {
    signed(Reader::only(der, SEQUENCE, "a certificate")?, "a certificate")
}

/// The form that certificates and revocation lists share: content, algorithm, signature.
pub(super) fn signed<'a>(mut outer: Reader<'a>, what: &'static str) -> Result<Signed<'a>, Unexpected> {
    let content = outer.take(SEQUENCE, what)?.whole;
    let algorithm = outer.take(SEQUENCE, what)?.content;
    let signature = outer.octets_of_bits(what)?;
    outer.end(what)?;
    Ok(Signed { content, algorithm, signature })
}
