//! Who signed the list, and that all of it is signed.
//!
//! The form of the signature is narrow: one enveloped signature right below the root, over
//! the whole document, with few algorithms. Its mathematics is checked by bergshamra, the
//! signer's chain by webpki; which certificate may sign is the policy's word.

mod form;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bergshamra_dsig::{DsigContext, VerifyResult, verify};
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_x509_cert_der;
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use uppsala::{Document, NodeId};

use super::{SignaturePolicy, TrustListError};
use crate::chain::{self, Usage};
use crate::{Authorities, DistinguishedName, VerifiedCertificate};

/// The signer, if the document is signed as the policy wants it; nobody if it wants no signature.
pub(super) fn check(
    document: &Document<'_>,
    policy: &SignaturePolicy,
    now: OffsetDateTime,
) -> Result<Option<VerifiedCertificate>, TrustListError> {
    let SignaturePolicy::Required { authorities, signer_cn, signer_ou } = policy else {
        tracing::warn!("THE SIGNATURE OF THE WHITE LIST IS NOT CHECKED: never do this in production");
        return Ok(None);
    };
    let signature = form::only_signature(document)?;
    let parts = form::signed_parts(document, signature)?;
    let certificates = certificates(document, signature)?;
    let signer = signer(&certificates, signer_cn, signer_ou.as_deref())?;
    let verified = check_chain(signer, &certificates, authorities, now)?;
    check_key_usage(signer)?;
    check_value(document, signer, &parts)?;
    Ok(Some(verified))
}

/// The certificates that the signature brings along, in whatever order.
fn certificates(document: &Document<'_>, signature: NodeId) -> Result<Vec<CertificateDer<'static>>, TrustListError> {
    let mut certificates = Vec::new();
    for key_info in document.child_elements_by_name_ns(signature, form::DS, "KeyInfo") {
        for data in document.child_elements_by_name_ns(key_info, form::DS, "X509Data") {
            for certificate in document.child_elements_by_name_ns(data, form::DS, "X509Certificate") {
                let text: String = document.text_content_deep(certificate).split_whitespace().collect();
                let der = BASE64.decode(text).map_err(|_| refused("an X509Certificate is not base64"))?;
                certificates.push(CertificateDer::from(der));
            }
        }
    }
    if certificates.is_empty() {
        return Err(refused("it brings no certificate (KeyInfo/X509Data/X509Certificate)"));
    }
    Ok(certificates)
}

/// The certificate whose subject is the one that may sign.
fn signer<'a>(
    certificates: &'a [CertificateDer<'static>],
    cn: &str,
    ou: Option<&str>,
) -> Result<&'a CertificateDer<'static>, TrustListError> {
    let mut subjects = Vec::new();
    for certificate in certificates {
        let name = DistinguishedName::of_certificate(certificate).map_err(|error| refused(error.to_string()))?;
        let right_unit = ou.is_none_or(|ou| name.values("OU").any(|value| value == ou));
        if name.common_name() == Some(cn) && right_unit {
            return Ok(certificate);
        }
        subjects.push(name.to_string());
    }
    Err(refused(format!(
        "none of its certificates is of CN={cn}{}; it brings {}",
        ou.map(|ou| format!(",OU={ou}")).unwrap_or_default(),
        subjects.join(" and "),
    )))
}

fn check_chain(
    signer: &CertificateDer<'_>,
    certificates: &[CertificateDer<'_>],
    authorities: &Authorities,
    now: OffsetDateTime,
) -> Result<VerifiedCertificate, TrustListError> {
    authorities
        .verify(signer, certificates, Usage::Signer, chain::unix_time(now))
        .map_err(|fault| refused(format!("the signer's certificate is not trusted: {fault}")))
}

/// A certificate that says what it is for must be for signatures. `[RFC5280 4.2.1.3]`
fn check_key_usage(signer: &[u8]) -> Result<(), TrustListError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(signer).map_err(|error| refused(error.to_string()))?;
    let usage = certificate.key_usage().map_err(|error| refused(error.to_string()))?;
    if usage.is_some_and(|usage| !usage.value.digital_signature() && !usage.value.non_repudiation()) {
        return Err(refused("the signer's certificate is not for signatures (keyUsage)"));
    }
    Ok(())
}

/// The signature value and the digests, with no other key than the signer's.
fn check_value(document: &Document<'_>, signer: &[u8], parts: &form::SignedParts) -> Result<(), TrustListError> {
    let mut keys = KeysManager::new();
    keys.add_key(load_x509_cert_der(signer).map_err(|error| refused(error.to_string()))?);
    // The strict mode knows no reference into the signature itself, which XAdES needs; where
    // references may point is checked by `form` and here.
    let context = DsigContext::new(keys).with_strict_verification(false);
    let result = verify::verify_document(&context, document).map_err(|error| refused(error.to_string()))?;
    let everything_verified = result.all_reference_digests_verified();
    match result {
        VerifyResult::Valid { signature_node, references, .. } => {
            let targets: Vec<_> = references.iter().map(|reference| reference.resolved_node).collect();
            let as_checked = everything_verified && signature_node == parts.signature && targets == parts.targets;
            as_checked.then_some(()).ok_or_else(|| refused("it does not cover the parts that it names"))
        }
        VerifyResult::Invalid { reason } => Err(refused(reason)),
    }
}

fn refused(why: impl Into<String>) -> TrustListError {
    TrustListError::Signature(why.into())
}
