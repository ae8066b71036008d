//! The form that a signature must have, so that its verification means what we think it does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uppsala::{Document, Element, NodeId, NodeKind};

use super::algorithm::{Canonical, Hash, Scheme};
use super::refused;
use crate::TrustListError;
use crate::list::content::root;
use crate::shown::shown;

pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const SIGNED_PROPERTIES: &str = "http://uri.etsi.org/01903#SignedProperties";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// What a signature of good form says it signs, and how.
pub(super) struct SignedParts {
    pub(super) signature: NodeId,
    /// What the signature value covers, in this form.
    pub(super) signed_info: NodeId,
    pub(super) canonical: Canonical,
    pub(super) scheme: Scheme,
    /// The digest of the document without its signature.
    pub(super) list: PartDigest,
    /// The XAdES properties and their digest, if it is such a signature.
    pub(super) properties: Option<(NodeId, PartDigest)>,
}

/// The digest of one part in canonical form.
pub(super) struct PartDigest {
    pub(super) canonical: Canonical,
    pub(super) hash: Hash,
    pub(super) value: Vec<u8>,
}

/// The one signature of the document, a child of its root. Any other, wherever it stands, is
/// a sign of wrapping. `[RFC3275 8.1.1]`
pub(super) fn only_signature(document: &Document<'_>) -> Result<NodeId, TrustListError> {
    let signatures: Vec<_> = elements(document)
        .filter(|(_, element)| element.matches_name_ns(DS, "Signature"))
        .map(|(node, _)| node)
        .take(2)
        .collect();
    match signatures[..] {
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
    let canonical = Canonical::of(document, only(document, signed_info, "CanonicalizationMethod")?)?;
    let scheme = Scheme::of(document, only(document, signed_info, "SignatureMethod")?)?;
    let (mut list, mut properties) = (Vec::new(), Vec::new());
    for node in document.child_elements_by_name_ns(signed_info, DS, "Reference") {
        if document.get_attribute(node, "Type") == Some(SIGNED_PROPERTIES) {
            properties.push(reference_to_properties(document, signature, node)?);
        } else {
            list.push(reference_to_list(document, node)?);
        }
    }
    match (<[_; 1]>::try_from(list), properties.len()) {
        (Ok([list]), ..2) => {
            Ok(SignedParts { signature, signed_info, canonical, scheme, list, properties: properties.pop() })
        }
        _ => Err(refused("it must have one reference to the whole list and at most one to its own properties")),
    }
}

fn reference_to_list(document: &Document<'_>, node: NodeId) -> Result<PartDigest, TrustListError> {
    check_whole_document(document, uri(document, node)?)?;
    match &transforms(document, node)?[..] {
        [enveloped, canonical @ ..] if is_enveloped(document, *enveloped) => part_digest(document, node, canonical),
        _ => Err(refused("the reference to the list has other transforms than enveloped-signature and C14N")),
    }
}

fn reference_to_properties(
    document: &Document<'_>,
    signature: NodeId,
    node: NodeId,
) -> Result<(NodeId, PartDigest), TrustListError> {
    let target = properties(document, signature, uri(document, node)?)?;
    Ok((target, part_digest(document, node, &transforms(document, node)?)?))
}

fn part_digest(document: &Document<'_>, node: NodeId, transforms: &[NodeId]) -> Result<PartDigest, TrustListError> {
    let hash = Hash::of(document, only(document, node, "DigestMethod")?)?;
    let value = base64_of(document, only(document, node, "DigestValue")?, "a digest")?;
    Ok(PartDigest { canonical: canonical_form(document, transforms)?, hash, value })
}

fn uri<'a>(document: &'a Document<'_>, reference: NodeId) -> Result<&'a str, TrustListError> {
    document.get_attribute(reference, "URI").ok_or_else(|| refused("a reference has no URI"))
}

fn is_enveloped(document: &Document<'_>, transform: NodeId) -> bool {
    document.get_attribute(transform, "Algorithm") == Some(ENVELOPED)
}

/// What the transforms, except the enveloped one, make of a part. What none has brought into
/// canonical form has that of the first edition. `[RFC3275 4.3.3.2]`
fn canonical_form(document: &Document<'_>, transforms: &[NodeId]) -> Result<Canonical, TrustListError> {
    match transforms {
        [] => Ok(Canonical::inclusive()),
        [canonical] => Canonical::of(document, *canonical),
        _ => Err(refused("a reference has other transforms than enveloped-signature and one C14N")),
    }
}

/// `""` or the Id of the root; nothing else is the whole document.
fn check_whole_document(document: &Document<'_>, uri: &str) -> Result<(), TrustListError> {
    if uri.is_empty() {
        return Ok(());
    }
    let found = uri.strip_prefix('#').map(|id| element_of_id(document, id)).transpose()?.flatten();
    if found == Some(root(document)?) {
        return Ok(());
    }
    Err(refused(format!("its reference '{}' is not the whole list", shown(uri))))
}

/// The XAdES properties of this signature that `uri` names.
fn properties(document: &Document<'_>, signature: NodeId, uri: &str) -> Result<NodeId, TrustListError> {
    let named = uri.strip_prefix('#').map(|id| element_of_id(document, id)).transpose()?.flatten();
    let is_ours = |node: &NodeId| {
        let element = document.element(*node);
        element.is_some_and(|element| element.matches_name_ns(XADES, "SignedProperties"))
            && document.ancestors(*node).contains(&signature)
    };
    named.filter(is_ours).ok_or_else(|| refused("its reference to SignedProperties leads elsewhere"))
}

/// The element with this Id, in whatever case and namespace the attribute is written. There must
/// not be another: verifiers could disagree on which is meant.
fn element_of_id(document: &Document<'_>, id: &str) -> Result<Option<NodeId>, TrustListError> {
    let is_named = |element: &Element<'_>| {
        let mut attributes = element.attributes.iter();
        attributes.any(|attribute| attribute.name.local_name.eq_ignore_ascii_case("Id") && attribute.value == id)
    };
    let mut named = elements(document).filter(|(_, element)| is_named(element)).map(|(node, _)| node);
    let first = named.next();
    match named.next() {
        None => Ok(first.filter(|_| !id.is_empty())),
        Some(_) => Err(refused(format!("duplicate Id '{}'", shown(id)))),
    }
}

/// All elements of a document as it was parsed, one after the other as they lie in memory: several times as fast as
/// along the branches of the tree.
fn elements<'a>(document: &'a Document<'_>) -> impl Iterator<Item = (NodeId, &'a Element<'a>)> {
    let nodes = (0..).map(NodeId::new).map_while(|node| Some((node, document.node_kind(node)?)));
    nodes.filter_map(|(node, kind)| match kind {
        NodeKind::Element(element) => Some((node, element)),
        _ => None,
    })
}

/// The transforms of a reference. Anything else among them is refused.
fn transforms(document: &Document<'_>, reference: NodeId) -> Result<Vec<NodeId>, TrustListError> {
    if document.child_elements_by_name_ns(reference, DS, "Transforms").is_empty() {
        return Ok(Vec::new());
    }
    let mut transforms = Vec::new();
    for child in document.children(only(document, reference, "Transforms")?) {
        let Some(element) = document.element(child) else { continue };
        if !element.matches_name_ns(DS, "Transform") {
            return Err(refused("there is something else than a Transform among the transforms"));
        }
        transforms.push(child);
    }
    Ok(transforms)
}

pub(super) fn only(document: &Document<'_>, parent: NodeId, name: &str) -> Result<NodeId, TrustListError> {
    match document.child_elements_by_name_ns(parent, DS, name)[..] {
        [child] => Ok(child),
        _ => Err(refused(format!("it does not have exactly one {name}"))),
    }
}

/// The octets that an element holds as base64.
pub(super) fn base64_of(document: &Document<'_>, element: NodeId, what: &str) -> Result<Vec<u8>, TrustListError> {
    let text: String = document.text_content_deep(element).split_whitespace().collect();
    BASE64.decode(text).map_err(|_| refused(format!("{what} is not base64")))
}
