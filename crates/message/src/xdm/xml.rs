//! XML of strangers, walked within bounds: no document type, no entities, no deep nesting.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Elements that may lie in one another.
const MAX_DEPTH: usize = 64;

/// Why a document is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XmlFault {
    /// Not well-formed.
    Malformed,
    /// A document type declaration, or an entity that only one could declare.
    Doctype,
    /// Deeper than any document of ours.
    TooDeep,
}

/// A step of the walk.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Open(Element<'a>),
    Text(Cow<'a, str>),
    Close,
}

/// A start tag whose attributes were found well-formed.
#[derive(Debug)]
pub(super) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of an attribute that has no prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok()??;
        Some(attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.trim().to_owned())
    }

    fn check(&self) -> Result<(), XmlFault> {
        for attribute in self.0.attributes() {
            let attribute = attribute.map_err(|_| XmlFault::Malformed)?;
            if attribute.value.contains('<') {
                return Err(XmlFault::Malformed);
            }
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlFault::Doctype)?;
        }
        Ok(())
    }
}

/// Walks one document.
pub(super) struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    /// Elements that are open.
    depth: usize,
    /// Whether the document's one element has begun.
    begun: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0, begun: false }
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The next step; `None` at the end of a well-formed document.
    pub(super) fn step(&mut self) -> Result<Option<Node<'a>>, XmlFault> {
        loop {
            match self.reader.read_event().map_err(|_| XmlFault::Malformed)? {
                Event::Start(tag) => return self.open(Element(tag)).map(Some),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Node::Close));
                }
                Event::Text(text) => {
                    if let Some(node) = self.text(text.into_inner())? {
                        return Ok(Some(node));
                    }
                }
                Event::CData(text) if self.depth > 0 => return Ok(Some(Node::Text(text.into_inner()))),
                Event::GeneralRef(name) if self.depth > 0 => return resolved(&name).map(Some),
                Event::DocType(_) => return Err(XmlFault::Doctype),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if self.depth == 0 && self.begun => return Ok(None),
                // Empty elements come as two events, so that this is text outside of the element, or too early an end.
                Event::Empty(_) | Event::CData(_) | Event::GeneralRef(_) | Event::Eof => {
                    return Err(XmlFault::Malformed);
                }
            }
        }
    }

    fn open(&mut self, element: Element<'a>) -> Result<Node<'a>, XmlFault> {
        if self.depth == 0 && std::mem::replace(&mut self.begun, true) {
            return Err(XmlFault::Malformed);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(XmlFault::TooDeep);
        }
        element.check()?;
        Ok(Node::Open(element))
    }

    fn text(&self, text: Cow<'a, str>) -> Result<Option<Node<'a>>, XmlFault> {
        match (self.depth, text.trim().is_empty()) {
            (0, true) => Ok(None),
            (0, false) => Err(XmlFault::Malformed),
            _ => Ok(Some(Node::Text(text))),
        }
    }
}

/// The character that a reference stands for; all entities but five would have to be declared.
fn resolved(name: &quick_xml::events::BytesRef<'_>) -> Result<Node<'static>, XmlFault> {
    if let Some(character) = name.resolve_char_ref().map_err(|_| XmlFault::Malformed)? {
        return Ok(Node::Text(Cow::Owned(character.to_string())));
    }
    let text = quick_xml::escape::resolve_predefined_entity(name).ok_or(XmlFault::Doctype)?;
    Ok(Node::Text(Cow::Borrowed(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(document: &str) -> Result<String, XmlFault> {
        let mut walk = Walk::new(document);
        let mut all = String::new();
        while let Some(node) = walk.step()? {
            if let Node::Text(text) = node {
                all.push_str(&text);
            }
        }
        Ok(all)
    }

    #[test]
    fn a_well_formed_document_is_walked_to_its_end() {
        let document = "\u{feff}<?xml version=\"1.0\"?>\n<!-- x --><a b='1&amp;2'>t&lt;&#233;<c/><![CDATA[<x>]]></a>\n";
        assert_eq!(text_of(document).unwrap(), "t<é<x>");
        let mut walk = Walk::new("<p:a xmlns:p='u' value=' x&amp;y '/>");
        let Ok(Some(Node::Open(element))) = walk.step() else { panic!("an element") };
        assert_eq!((element.name(), element.attribute("value").as_deref()), ("a", Some("x&y")));
    }

    #[test]
    fn what_is_not_well_formed_is_malformed() {
        for document in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<a b='<'/>",
            "<a>&#0;</a>",
            "<a>&</a>",
            "<a",
            "&amp;<a/>",
        ] {
            assert_eq!(text_of(document), Err(XmlFault::Malformed), "{document}");
        }
    }

    #[test]
    fn document_types_and_their_entities_are_refused_before_they_can_grow() {
        for document in [
            "<!DOCTYPE a [<!ENTITY b 'x'>]><a>&b;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&b;</a>",
            "<a b='&c;'/>",
        ] {
            assert_eq!(text_of(document), Err(XmlFault::Doctype), "{document}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(text_of(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(text_of(&nested(MAX_DEPTH + 1)), Err(XmlFault::TooDeep));
        assert_eq!(text_of(&nested(200_000)), Err(XmlFault::TooDeep));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_walk_fail_otherwise(document in "[<>/a-c=&;#!\\[\\]'\" \\n-]{0,80}") {
            let _ = text_of(&document);
        }
    }
}
