//! The head of a CDA document: its code and whose it is. The body is not read.

use mssante::{Ins, InsOid};

use super::xml::{Element, Node, Walk, XmlFault};

/// Octets of a document in which its head is looked for.
pub(super) const MAX_HEAD: usize = 256 * 1024;

/// What the head of a CDA says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CdaHead {
    /// The kind of document, mostly of LOINC.
    pub(super) code: Option<String>,
    /// The patient's number under an OID of the INS, as written.
    pub(super) ins: Option<String>,
}

impl CdaHead {
    /// Whether it names another INS than this one.
    pub(super) fn is_of_another(&self, ins: Ins) -> bool {
        self.ins.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(ins.as_str()))
    }
}

/// Reads the first octets of a document, all of it unless `cut`. `Ok(None)` if it is no CDA.
pub(super) fn read(head: &[u8], cut: bool) -> Result<Option<CdaHead>, XmlFault> {
    // What is looked for is ASCII in every encoding of a document; the rest is not looked at.
    let text = String::from_utf8_lossy(head);
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Ok(None);
    }
    let mut walk = Walk::new(&text);
    let mut path = Vec::new();
    let mut found = CdaHead::default();
    loop {
        match walk.step() {
            Ok(Some(Node::Open(element))) => {
                path.push(element.name().to_owned());
                match look_at(&element, &path, &mut found) {
                    Look::Further => {}
                    Look::NoCda => return Ok(None),
                    Look::HeadEnds => return Ok(Some(found)),
                }
            }
            Ok(Some(Node::Close)) => {
                path.pop();
            }
            Ok(Some(Node::Text(_))) => {}
            Ok(None) => return Ok(Some(found)),
            Err(XmlFault::Malformed) if cut && !path.is_empty() => return Ok(Some(found)),
            // Not every document in an archive is one of XML.
            Err(fault) => return if is_named_cda(&text) { Err(fault) } else { Ok(None) },
        }
    }
}

enum Look {
    Further,
    NoCda,
    HeadEnds,
}

fn look_at(element: &Element<'_>, path: &[String], found: &mut CdaHead) -> Look {
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ClinicalDocument"] => Look::Further,
        [_] => Look::NoCda,
        [_, "component"] => Look::HeadEnds,
        [_, "code"] if found.code.is_none() => {
            found.code = element.attribute("code").filter(|code| !code.is_empty());
            Look::Further
        }
        [_, "recordTarget", "patientRole", "id"] if found.ins.is_none() => {
            let of_ins = element.attribute("root").is_some_and(|root| root.parse::<InsOid>().is_ok());
            found.ins = if of_ins { element.attribute("extension") } else { None };
            Look::Further
        }
        _ => Look::Further,
    }
}

fn is_named_cda(text: &str) -> bool {
    text.contains("ClinicalDocument")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDA: &str = "<?xml version='1.0'?><h:ClinicalDocument xmlns:h='urn:hl7-org:v3'><h:id/>\
        <h:code code='34112-3'/><h:author><h:code code='author'/></h:author>\
        <h:recordTarget><h:patientRole><h:id root='1.2.250.1.999' extension='IPP'/>\
        <h:id root='1.2.250.1.213.1.4.8' extension='256037599999903'/></h:patientRole></h:recordTarget>\
        <h:component><unclosed></h:component>";

    #[test]
    fn the_head_tells_the_code_and_the_ins_and_the_body_is_not_read() {
        let head = read(CDA.as_bytes(), false).unwrap().unwrap();
        let expected = CdaHead { code: Some("34112-3".into()), ins: Some("256037599999903".into()) };
        assert_eq!(head, expected);
        assert!(!head.is_of_another("256037599999903".parse().unwrap()));
        assert!(head.is_of_another("279035121518989".parse().unwrap()));
    }

    #[test]
    fn a_head_that_was_cut_tells_what_it_has() {
        let head = read(&CDA.as_bytes()[..120], true).unwrap().unwrap();
        assert_eq!(head, CdaHead { code: Some("34112-3".into()), ins: None });
        assert_eq!(read(&CDA.as_bytes()[..120], false), Err(XmlFault::Malformed));
    }

    #[test]
    fn other_documents_are_no_cda() {
        for document in ["%PDF-1.4", "<html><body/></html>", "", "<a", "PK\u{3}\u{4}"] {
            assert_eq!(read(document.as_bytes(), false), Ok(None), "{document}");
        }
    }

    #[test]
    fn a_cda_with_a_document_type_is_not_read() {
        let document = format!("<!DOCTYPE ClinicalDocument>{CDA}");
        assert_eq!(read(document.as_bytes(), false), Err(XmlFault::Doctype));
    }
}
