//! The signature value and the digests.

use rustls_pki_types::CertificateDer;
use uppsala::{Document, NodeId};

use super::form::{PartDigest, SignedParts, base64_of, only};
use super::refused;
use crate::TrustListError;
use crate::list::content::root;

/// Whether the signer's key signed what the parts say, and their digests are right. The value
/// comes first: no digest of somebody else's list is computed. `[RFC3275 3.2]`
///
/// The signature is then no part of the document any more: what is left of it is, to the octet of
/// its canonical form, what was signed, and there is nothing else to read.
pub(super) fn check(
    document: &mut Document<'_>,
    signer: &CertificateDer<'_>,
    parts: &SignedParts,
) -> Result<(), TrustListError> {
    let root = root(document)?;
    let aside = set_aside(document, root, parts.signature);
    let signed_info = parts.canonical.of_element(document, parts.signed_info)?;
    let value = only(document, parts.signature, "SignatureValue")?;
    let value = base64_of(document, value, "the signature value")?;
    if !parts.scheme.verifies(signer, &signed_info, &value) {
        return Err(refused("the signature value is not the signer's"));
    }
    if let Some((properties, digest)) = &parts.properties {
        check_digest("its properties", &digest.canonical.of_element(document, *properties)?, digest)?;
    }
    document.detach(parts.signature);
    for child in aside {
        document.append_child(root, child);
    }
    check_digest("the list", &parts.list.canonical.of_document(document)?, &parts.list)
}

/// Takes what stands beside the signature out of the tree: nobody needs to walk through the whole list to bring a
/// part of the signature into canonical form, which depends on nothing but the elements around it.
fn set_aside(document: &mut Document<'_>, root: NodeId, signature: NodeId) -> Vec<NodeId> {
    let aside: Vec<_> = document.children_iter(root).filter(|child| *child != signature).collect();
    for child in &aside {
        document.detach(*child);
    }
    aside
}

fn check_digest(what: &str, octets: &[u8], digest: &PartDigest) -> Result<(), TrustListError> {
    let is_right = digest.hash.is_of(octets, &digest.value);
    let error = || refused(format!("the digest of {what} is another: something was changed after it was signed"));
    is_right.then_some(()).ok_or_else(error)
}
