//! The few algorithms that a signature may use. `[RFC9231 2.1]` `[RFC9231 2.3]`

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use bergshamra_c14n::{C14nMode, canonicalize_doc};
use bergshamra_xml::NodeSet;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use uppsala::{Document, NodeId};
use webpki::EndEntityCert;
use webpki::aws_lc_rs as webpki_algorithms;

use super::{der, refused};
use crate::TrustListError;
use crate::shown::shown;

/// SHA-2.
#[derive(Clone, Copy)]
pub(super) struct Hash(&'static digest::Algorithm);

impl Hash {
    /// The one that a `ds:DigestMethod` names.
    pub(super) fn of(document: &Document<'_>, method: NodeId) -> Result<Self, TrustListError> {
        match identifier(document, method) {
            "http://www.w3.org/2001/04/xmlenc#sha256" => Ok(Self(&SHA256)),
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Ok(Self(&SHA384)),
            "http://www.w3.org/2001/04/xmlenc#sha512" => Ok(Self(&SHA512)),
            other => Err(not_allowed(other)),
        }
    }

    pub(super) fn is_of(self, octets: &[u8], value: &[u8]) -> bool {
        digest::digest(self.0, octets).as_ref() == value
    }
}

/// A canonical form without comments. `[RFC3275 6.5]`
pub(super) struct Canonical {
    mode: C14nMode,
    /// Namespaces that the exclusive form treats as the inclusive one does.
    prefixes: Vec<String>,
}

impl Canonical {
    pub(super) fn inclusive() -> Self {
        Self { mode: C14nMode::Inclusive, prefixes: Vec::new() }
    }

    /// The one that a `ds:CanonicalizationMethod` or `ds:Transform` names.
    pub(super) fn of(document: &Document<'_>, method: NodeId) -> Result<Self, TrustListError> {
        let mode = match identifier(document, method) {
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" => C14nMode::Inclusive,
            "http://www.w3.org/2001/10/xml-exc-c14n#" => C14nMode::Exclusive,
            other => return Err(not_allowed(other)),
        };
        let mut prefixes = Vec::new();
        for child in document.children(method) {
            let Some(element) = document.element(child) else { continue };
            if mode != C14nMode::Exclusive || !element.matches_name_ns(mode.uri(), "InclusiveNamespaces") {
                return Err(refused("a canonical form has parameters that are not allowed"));
            }
            let list = element.get_attribute("PrefixList").unwrap_or_default();
            prefixes.extend(list.split_whitespace().map(str::to_owned));
        }
        Ok(Self { mode, prefixes })
    }

    /// The form of an element outside its document.
    pub(super) fn of_element(&self, document: &Document<'_>, element: NodeId) -> Result<Vec<u8>, TrustListError> {
        let subset = NodeSet::tree_without_comments(element, document);
        canonicalize_doc(document, self.mode, Some(&subset), &self.prefixes)
            .map_err(|error| refused(shown(&error.to_string())))
    }

    /// The form of a whole document.
    pub(super) fn of_document(&self, document: &Document<'_>) -> Result<Vec<u8>, TrustListError> {
        canonicalize_doc(document, self.mode, None, &self.prefixes).map_err(|error| refused(shown(&error.to_string())))
    }
}

/// RSA PKCS#1 1.5 with keys of 2,048 bits or more, or ECDSA on P-256, P-384 or P-521.
pub(super) enum Scheme {
    Rsa(&'static dyn SignatureVerificationAlgorithm),
    /// By curve, of which the key is of one.
    Ecdsa([&'static dyn SignatureVerificationAlgorithm; 3]),
}

impl Scheme {
    /// The one that a `ds:SignatureMethod` names.
    pub(super) fn of(document: &Document<'_>, method: NodeId) -> Result<Self, TrustListError> {
        use webpki_algorithms as known;
        let identifier = identifier(document, method);
        Ok(match identifier.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#") {
            Some("rsa-sha256") => Self::Rsa(known::RSA_PKCS1_2048_8192_SHA256),
            Some("rsa-sha384") => Self::Rsa(known::RSA_PKCS1_2048_8192_SHA384),
            Some("rsa-sha512") => Self::Rsa(known::RSA_PKCS1_2048_8192_SHA512),
            Some("ecdsa-sha256") => {
                Self::Ecdsa([known::ECDSA_P256_SHA256, known::ECDSA_P384_SHA256, known::ECDSA_P521_SHA256])
            }
            Some("ecdsa-sha384") => {
                Self::Ecdsa([known::ECDSA_P256_SHA384, known::ECDSA_P384_SHA384, known::ECDSA_P521_SHA384])
            }
            Some("ecdsa-sha512") => {
                Self::Ecdsa([known::ECDSA_P256_SHA512, known::ECDSA_P384_SHA512, known::ECDSA_P521_SHA512])
            }
            _ => return Err(not_allowed(identifier)),
        })
    }

    /// Whether `value` is the signature of these octets by the key of this certificate.
    pub(super) fn verifies(&self, certificate: &CertificateDer<'_>, octets: &[u8], value: &[u8]) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
        match self {
            Self::Rsa(algorithm) => certificate.verify_signature(*algorithm, octets, value).is_ok(),
            Self::Ecdsa(curves) => der::ecdsa_signature(value).is_some_and(|value| {
                curves.iter().any(|curve| certificate.verify_signature(*curve, octets, &value).is_ok())
            }),
        }
    }
}

fn identifier<'a>(document: &'a Document<'_>, method: NodeId) -> &'a str {
    document.get_attribute(method, "Algorithm").unwrap_or_default()
}

fn not_allowed(algorithm: &str) -> TrustListError {
    refused(format!("algorithm '{}' is not allowed", shown(algorithm)))
}
