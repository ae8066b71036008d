//! Who signed the list, and that all of it is signed.
//!
//! The form of the signature is narrow: one enveloped signature right below the root, over
//! the whole document, with few algorithms. Canonical forms are bergshamra's, signature values
//! and the signer's chain are checked by webpki; which certificate may sign is the policy's word.

mod algorithm;
mod der;
mod form;
mod signer;
mod value;
mod xades;

use aws_lc_rs::digest::{SHA256, digest};
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
            mssante::hex(found.as_ref()),
            mssante::hex(sha256)
        )));
    }
    Ok(())
}

/// The signer, if the document is signed as the policy wants it; nobody if it wants no signature.
///
/// What is signed stays in the document, the signature does not.
pub(super) fn check(
    document: &mut Document<'_>,
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
    value::check(document, signer, &parts)?;
    if let Some((properties, _)) = &parts.properties {
        xades::check(document, signature, *properties, &verified, now)?;
    }
    Ok(Some(verified))
}

fn refused(why: impl Into<String>) -> TrustListError {
    TrustListError::Signature(why.into())
}
