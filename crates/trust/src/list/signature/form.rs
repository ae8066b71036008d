//! The form that a signature must have, so that its verification means what we think it does.

use uppsala::{Document, NodeId};

use super::refused;
use crate::TrustListError;
use crate::list::content::root;

pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const SIGNED_PROPERTIES: &str = "http://uri.etsi.org/01903#SignedProperties";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Canonical forms without comments. `[RFC3275 6.5]`
const CANONICAL: [&str; 2] =
    ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#"];
/// RSA and ECDSA with SHA-2. `[RFC9231 2.3]`
const SIGNATURES: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// What a signature of good form says it signs.
pub(super) struct SignedParts {
    pub(super) signature: NodeId,
    targets: Vec<Target>,
}

impl SignedParts {
    /// Where each reference must lead, in order; nothing stands for the whole document.
    pub(super) fn targets(&self) -> impl Iterator<Item = Option<NodeId>> {
        self.targets.iter().map(|target| match target {
            Target::Document(node) => *node,
            Target::Properties(node) => Some(*node),
        })
    }

    /// The XAdES properties, if it is such a signature.
    pub(super) fn properties(&self) -> Option<NodeId> {
        self.targets.iter().find_map(|target| match target {
            Target::Document(_) => None,
            Target::Properties(node) => Some(*node),
        })
    }
}

/// The one signature of the document, a child of its root. Any other, wherever it stands, is
/// a sign of wrapping. `[RFC3275 8.1.1]`
pub(super) fn only_signature(document: &Document<'_>) -> Result<NodeId, TrustListError> {
    match document.get_elements_by_tag_name_ns(DS, "Signature")[..] {
        [] => Err(refused("the list is not signed")),
        [signature] if document.parent(signature) == Some(root(document)?) => Ok(signature),
        [_] => Err(refused("the signature does not stand directly below the root")),
        _ => Err(refused("there is more than one signature")),
    }
}

/// Checks algorithms and references: one to the whole document, at most one more to the
/// XAdES properties.
pub(super) fn signed_parts(document: &Document<'_>, signature: NodeId) -> Result<SignedParts, TrustListError> {
    let signed_info = only(document, signature, "SignedInfo")?;
    allowed(document, only(document, signed_info, "CanonicalizationMethod")?, &CANONICAL)?;
    allowed(document, only(document, signed_info, "SignatureMethod")?, &SIGNATURES)?;
    let references = document.child_elements_by_name_ns(signed_info, DS, "Reference");
    let mut targets = Vec::new();
    for reference in references {
        allowed(document, only(document, reference, "DigestMethod")?, &DIGESTS)?;
        targets.push(target(document, signature, reference)?);
    }
    let of_document = targets.iter().filter(|target| matches!(target, Target::Document(_))).count();
    if of_document != 1 || targets.len() > 2 {
        return Err(refused("it must have one reference to the whole list and at most one to its own properties"));
    }
    Ok(SignedParts { signature, targets })
}

/// What one reference covers.
enum Target {
    Document(Option<NodeId>),
    Properties(NodeId),
}

fn target(document: &Document<'_>, signature: NodeId, reference: NodeId) -> Result<Target, TrustListError> {
    let uri = document.get_attribute(reference, "URI").ok_or_else(|| refused("a reference has no URI"))?;
    let transforms = transforms(document, reference)?;
    if document.get_attribute(reference, "Type") == Some(SIGNED_PROPERTIES) {
        let properties = properties(document, signature, uri)?;
        return match transforms[..] {
            [] => Ok(Target::Properties(properties)),
            [canonical] if CANONICAL.contains(&canonical) => Ok(Target::Properties(properties)),
            _ => Err(refused("the reference to the properties has transforms that are not allowed")),
        };
    }
    let node = whole_document(document, uri)?;
    match transforms[..] {
        [ENVELOPED] => Ok(Target::Document(node)),
        [ENVELOPED, canonical] if CANONICAL.contains(&canonical) => Ok(Target::Document(node)),
        _ => Err(refused("the reference to the list has other transforms than enveloped-signature and C14N")),
    }
}

/// `""` or the Id of the root; nothing else is the whole document.
fn whole_document(document: &Document<'_>, uri: &str) -> Result<Option<NodeId>, TrustListError> {
    if uri.is_empty() {
        return Ok(None);
    }
    let root = root(document)?;
    let is_root = uri.strip_prefix('#').is_some_and(|id| !id.is_empty() && has_id(document, root, id));
    if is_root { Ok(Some(root)) } else { Err(refused(format!("its reference '{uri}' is not the whole list"))) }
}

/// The XAdES properties of this signature that `uri` names.
fn properties(document: &Document<'_>, signature: NodeId, uri: &str) -> Result<NodeId, TrustListError> {
    let id = uri.strip_prefix('#').unwrap_or_default();
    let found = document.get_elements_by_tag_name_ns(XADES, "SignedProperties");
    let ours =
        found.into_iter().find(|node| has_id(document, *node, id) && document.ancestors(*node).contains(&signature));
    ours.ok_or_else(|| refused("its reference to SignedProperties leads elsewhere"))
}

fn has_id(document: &Document<'_>, element: NodeId, id: &str) -> bool {
    ["Id", "ID", "id"].into_iter().any(|name| document.get_attribute(element, name) == Some(id))
}

/// The algorithms of a reference's transforms. Anything else among them is refused.
fn transforms<'a>(document: &'a Document<'_>, reference: NodeId) -> Result<Vec<&'a str>, TrustListError> {
    if document.child_elements_by_name_ns(reference, DS, "Transforms").is_empty() {
        return Ok(Vec::new());
    }
    let mut algorithms = Vec::new();
    for child in document.children(only(document, reference, "Transforms")?) {
        let Some(element) = document.element(child) else { continue };
        if !element.matches_name_ns(DS, "Transform") {
            return Err(refused("there is something else than a Transform among the transforms"));
        }
        algorithms.push(document.get_attribute(child, "Algorithm").unwrap_or_default());
    }
    Ok(algorithms)
}

fn only(document: &Document<'_>, parent: NodeId, name: &str) -> Result<NodeId, TrustListError> {
    match document.child_elements_by_name_ns(parent, DS, name)[..] {
        [child] => Ok(child),
        _ => Err(refused(format!("it does not have exactly one {name}"))),
    }
}

fn allowed(document: &Document<'_>, method: NodeId, algorithms: &[&str]) -> Result<(), TrustListError> {
    let algorithm = document.get_attribute(method, "Algorithm").unwrap_or_default();
    let is_allowed = algorithms.contains(&algorithm);
    is_allowed.then_some(()).ok_or_else(|| refused(format!("algorithm '{algorithm}' is not allowed")))
}
