//! What the list says.
//!
//! The document is parsed once. The signature is verified on that tree and the content read
//! from it, so nothing can be read that was not signed. `[RFC3275 8.1.3]`

use mssante::Domain;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uppsala::{Document, NodeId};

use super::{TrustList, TrustListError};
use crate::DistinguishedName;

const NAMESPACE: &str = "https://listeblanche.mssante.fr/schema";

/// The octets as text, if they are not too many and declare no document type: no list needs
/// one, and every attack by entities does.
pub(super) fn checked_text(xml: &[u8]) -> Result<&str, TrustListError> {
    if xml.len() > TrustList::MAX_OCTETS {
        return Err(format_error(format!("more than {} octets", TrustList::MAX_OCTETS)));
    }
    let text = std::str::from_utf8(xml).map_err(|_| format_error("not UTF-8"))?;
    if text.contains("<!DOCTYPE") || text.contains("<!ENTITY") {
        return Err(format_error("it declares a document type (DOCTYPE), which is not allowed"));
    }
    Ok(text)
}

/// The tree, at most 128 levels deep (the parser's own limit), with the list as its root.
pub(super) fn parse(text: &str) -> Result<Document<'_>, TrustListError> {
    let document = uppsala::parse(text).map_err(|error| format_error(error.to_string()))?;
    let root = root(&document)?;
    match document.element(root) {
        Some(element) if element.matches_name_ns(NAMESPACE, "ListeBlancheMSSante") => Ok(document),
        _ => Err(format_error(format!("its root is not ListeBlancheMSSante of {NAMESPACE}"))),
    }
}

pub(super) fn root(document: &Document<'_>) -> Result<NodeId, TrustListError> {
    document.document_element().ok_or_else(|| format_error("no root element"))
}

pub(super) fn read(document: &Document<'_>) -> Result<TrustList, TrustListError> {
    let root = root(document)?;
    let generated_at = generated_at(document, root)?;
    let domains = only_child(document, root, "ListeDomaines")
        .ok_or_else(|| format_error("it does not hold exactly one ListeDomaines"))?;
    let mut skipped = 0;
    let mut entries = Vec::new();
    for domaine in document.child_elements_by_name_ns(domains, NAMESPACE, "Domaine") {
        match entry(document, domaine) {
            Ok(entry) => entries.push(entry),
            Err(why) => {
                skipped += 1;
                tracing::warn!(line = document.node_line(domaine), %why, "entry of the white list left out");
            }
        }
    }
    if entries.is_empty() {
        return Err(TrustListError::Empty);
    }
    let mut list = TrustList::of_entries(generated_at, entries);
    list.skipped = skipped;
    Ok(list)
}

fn generated_at(document: &Document<'_>, root: NodeId) -> Result<OffsetDateTime, TrustListError> {
    let text = text_of(document, root, "DateDeGeneration")
        .ok_or_else(|| format_error("it does not hold exactly one DateDeGeneration"))?;
    OffsetDateTime::parse(&text, &Rfc3339)
        .map_err(|_| format_error(format!("DateDeGeneration '{text}' is not a moment such as 2025-03-13T14:54:10Z")))
}

fn entry(document: &Document<'_>, domaine: NodeId) -> Result<(Domain, DistinguishedName), String> {
    let field = |name| text_of(document, domaine, name).ok_or_else(|| format!("not exactly one {name}"));
    let domain = field("Nom")?;
    let domain = Domain::parse(&domain).map_err(|error| format!("'{domain}': {error}"))?;
    let name = DistinguishedName::parse(&field("DNCertificatOperateur")?).map_err(|error| error.to_string())?;
    Ok((domain, name))
}

/// The text of the only child of this name. Comments inside it are passed over, as the
/// signature passes over them.
fn text_of(document: &Document<'_>, parent: NodeId, name: &str) -> Option<String> {
    let child = only_child(document, parent, name)?;
    Some(document.text_content_deep(child).trim().to_owned())
}

fn only_child(document: &Document<'_>, parent: NodeId, name: &str) -> Option<NodeId> {
    match document.child_elements_by_name_ns(parent, NAMESPACE, name)[..] {
        [child] => Some(child),
        _ => None,
    }
}

fn format_error(why: impl Into<String>) -> TrustListError {
    TrustListError::Format(why.into())
}
