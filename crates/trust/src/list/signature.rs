//! Who signed the list, and that all of it is signed.
//!
//! The form of the signature is narrow: one enveloped signature right below the root, over
//! the whole document, with few algorithms. Its mathematics is checked by bergshamra, the
//! signer's chain by webpki; which certificate may sign is the policy's word.

mod form;
mod signer;
mod xades;

use aws_lc_rs::digest::{SHA256, digest};
use bergshamra_dsig::{DsigContext, VerifyResult, verify};
use bergshamra_keys::KeysManager;
use bergshamra_keys::loader::load_x509_cert_der;
use time::OffsetDateTime;
use uppsala::Document;

use super::{SignaturePolicy, TrustListError};
use crate::VerifiedCertificate;

/// Whether the octets are those that the policy names, if it names any.
pub(super) fn check_octets(xml: &[u8], policy: &SignaturePolicy) -> Result<(), TrustListError> {
    let SignaturePolicy::Digest { sha256 } = policy else { return Ok(()) };
    let found = digest(&SHA256, xml);
    if found.as_ref() != sha256 {
        return Err(refused(format!(
            "its SHA-256 is {}, not {} as the configuration says",
            hexadecimal(found.as_ref()),
            hexadecimal(sha256)
        )));
    }
    Ok(())
}

/// The signer, if the document is signed as the policy wants it; nobody if it wants no signature.
pub(super) fn check(
    document: &Document<'_>,
    policy: &SignaturePolicy,
    now: OffsetDateTime,
) -> Result<Option<VerifiedCertificate>, TrustListError> {
    let (authorities, cn, ou) = match policy {
        SignaturePolicy::Required { authorities, signer_cn, signer_ou } => (authorities, signer_cn, signer_ou),
        SignaturePolicy::Digest { .. } => {
            tracing::warn!(
                "THE WHITE LIST IS TAKEN FOR ITS DIGEST ALONE, NOBODY SIGNED IT: never do this in production"
            );
            return Ok(None);
        }
        SignaturePolicy::Off => {
            tracing::warn!("THE SIGNATURE OF THE WHITE LIST IS NOT CHECKED: never do this in production");
            return Ok(None);
        }
    };
    let signature = form::only_signature(document)?;
    let parts = form::signed_parts(document, signature)?;
    let certificates = signer::certificates(document, signature)?;
    let signer = signer::named(&certificates, cn, ou.as_deref())?;
    let verified = signer::verified(signer, &certificates, authorities, now)?;
    // What the properties say is read only once it is known who wrote it.
    check_value(document, signer, &parts)?;
    if let Some(properties) = parts.properties() {
        xades::check(document, signature, properties, &verified, now)?;
    }
    Ok(Some(verified))
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
            let as_named = references.iter().map(|reference| reference.resolved_node).eq(parts.targets());
            let as_checked = everything_verified && signature_node == parts.signature && as_named;
            as_checked.then_some(()).ok_or_else(|| refused("it does not cover the parts that it names"))
        }
        VerifyResult::Invalid { reason } => Err(refused(reason)),
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |hex, octet| format!("{hex}{octet:02x}"))
}

fn refused(why: impl Into<String>) -> TrustListError {
    TrustListError::Signature(why.into())
}
