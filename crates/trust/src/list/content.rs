//! What the list says.
//!
//! The document is parsed once. The signature is verified on that tree and the content read
//! from it, so nothing can be read that was not signed. `[RFC3275 8.1.3]`

use std::collections::HashMap;

use mssante::Domain;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uppsala::{Document, NodeId, NodeKind};

use super::{TrustList, TrustListError};
use crate::shown::shown;
use crate::{DistinguishedName, DnError};

/// A moment as lists write it.
pub(super) const EXAMPLE: &str = "2025-03-13T14:54:10Z";
const NAMESPACE: &str = "https://listeblanche.mssante.fr/schema";

/// So many unreadable entries are always put up with, and beyond them this share: one in fifty.
/// A list with more is not of the format that we know, and what is left of it would cut peers off.
const MAX_SKIPPED: usize = 10;
const MAX_SKIPPED_SHARE: usize = 50;
/// Fields of an entry; it has six.
const MOST_FIELDS: usize = 32;

/// The tree, at most 128 levels deep (the parser's own limit), with the list as its root.
pub(super) fn parse(text: &str) -> Result<Document<'_>, TrustListError> {
    let document = uppsala::parse(text).map_err(|error| format_error(shown(&error.to_string())))?;
    let encoding = document.xml_declaration.as_ref().and_then(|declaration| declaration.encoding.as_deref());
    if let Some(other) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("UTF-8")) {
        return Err(format_error(format!("it says that it is {}; only UTF-8 is read", shown(other))));
    }
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
    let elements = document.child_elements_by_name_ns(domains, NAMESPACE, "Domaine");
    let mut entries = Entries::new(document);
    for domaine in &elements {
        entries.take(*domaine);
    }
    entries.check(elements.len())?;
    let mut list = TrustList::of_entries(generated_at, entries.read)?;
    list.skipped = entries.skipped;
    list.left_out = entries.left_out;
    Ok(list)
}

fn generated_at(document: &Document<'_>, root: NodeId) -> Result<OffsetDateTime, TrustListError> {
    let text = only_child(document, root, "DateDeGeneration")
        .and_then(|child| text_of(document, child))
        .ok_or_else(|| format_error("it does not hold exactly one DateDeGeneration"))?;
    OffsetDateTime::parse(text.trim(), &Rfc3339)
        .map_err(|_| format_error(format!("DateDeGeneration '{}' is not a moment such as {EXAMPLE}", shown(&text))))
}

/// The entries that could be read, and how many could not.
struct Entries<'a> {
    document: &'a Document<'a>,
    read: Vec<(Domain, DistinguishedName)>,
    skipped: usize,
    left_out: Vec<String>,
    /// Most names stand in many entries.
    names: HashMap<String, Result<DistinguishedName, DnError>>,
}

impl<'a> Entries<'a> {
    fn new(document: &'a Document<'a>) -> Self {
        Self { document, read: Vec::new(), skipped: 0, left_out: Vec::new(), names: HashMap::new() }
    }

    fn take(&mut self, domaine: NodeId) {
        match self.entry(domaine) {
            Ok(entry) => self.read.push(entry),
            Err(why) => {
                self.skipped += 1;
                if self.skipped <= MAX_SKIPPED {
                    let line = self.document.node_line(domaine);
                    tracing::warn!(line, %why, "entry of the white list left out");
                    self.left_out.push(format!("line {line}: {why}"));
                }
            }
        }
    }

    /// An entry has its fields in any order, and none of them twice. Fields that we do not know
    /// are passed over.
    fn entry(&mut self, domaine: NodeId) -> Result<(Domain, DistinguishedName), String> {
        let fields = fields(self.document, domaine)?;
        let field = |name| {
            let found = fields.iter().find(|(known, _)| *known == name);
            found.map(|(_, node)| *node).ok_or_else(|| format!("no {name}"))
        };
        let text = |name| text_of(self.document, field(name)?).ok_or_else(|| format!("{name} holds more than text"));
        let (domain, name) = (text("Nom")?, text("DNCertificatOperateur")?);
        let domain = Domain::parse(domain.trim()).map_err(|error| format!("'{}': {error}", shown(&domain)))?;
        Ok((domain, self.name(name)?))
    }

    /// A name without a CN is no operator's.
    fn name(&mut self, text: String) -> Result<DistinguishedName, String> {
        let name = self.names.entry(text).or_insert_with_key(|text| DistinguishedName::parse(text));
        let name = name.as_ref().map_err(ToString::to_string)?;
        match name.common_name() {
            Some(cn) if !cn.trim().is_empty() => Ok(name.clone()),
            _ => Err(format!("'{}' has no CN", shown(&name.to_string()))),
        }
    }

    fn check(&self, all: usize) -> Result<(), TrustListError> {
        let skipped = self.skipped;
        if skipped > MAX_SKIPPED && skipped * MAX_SKIPPED_SHARE > all {
            return Err(format_error(format!(
                "{skipped} of its {all} entries cannot be read: has its format changed?"
            )));
        }
        if self.read.is_empty() { Err(TrustListError::Empty) } else { Ok(()) }
    }
}

/// The child elements of an entry by their name.
fn fields<'a>(document: &'a Document<'_>, domaine: NodeId) -> Result<Vec<(&'a str, NodeId)>, String> {
    let mut fields: Vec<(&str, NodeId)> = Vec::with_capacity(6);
    for child in document.children_iter(domaine) {
        let Some(element) = document.element(child) else { continue };
        let name = &*element.name.local_name;
        if !element.matches_name_ns(NAMESPACE, name) {
            continue;
        }
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(format!("more than one {}", shown(name)));
        }
        if fields.len() == MOST_FIELDS {
            return Err(format!("more than {MOST_FIELDS} fields"));
        }
        fields.push((name, child));
    }
    Ok(fields)
}

/// The text of an element that holds nothing else. Comments inside it are passed over, as the
/// signature passes over them.
fn text_of(document: &Document<'_>, element: NodeId) -> Option<String> {
    let mut text = String::new();
    for child in document.children_iter(element) {
        match document.node_kind(child)? {
            NodeKind::Text(part) | NodeKind::CData(part) => text.push_str(part),
            NodeKind::Comment(_) => {}
            _ => return None,
        }
    }
    Some(text)
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
