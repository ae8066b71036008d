//! METADATA.XML: the submission set in ebRIM, as far as it is held against the archive. `[MSS2 XDM.METADATA]`

use std::collections::BTreeSet;

use mssante::{Ins, InsOid};

use super::XdmVerdict;
use super::xml::{Element, Node, Walk, XmlFault};

/// Octets of the file: about a thousand documents.
pub(super) const MAX_SIZE: u64 = 4 * 1024 * 1024;
/// Documents that an archive may describe.
pub(super) const MAX_DOCUMENTS: usize = 1_000;
/// Patients that are told apart: one is right.
const MAX_PATIENTS: usize = 16;
/// The schemes under which it names the patient: of a document, of the submission set, of a folder.
const PATIENT_SCHEMES: [&str; 3] = [
    "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a",
];

/// What a submission set says of itself.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) documents: Vec<Document>,
    /// Every patientId that stands in it, each once.
    pub(super) patients: BTreeSet<String>,
    /// Whether each document that tells of the patient's identity gives all four traits.
    pub(super) traits: Traits,
}

/// A document that the metadata describe.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) uri: Option<String>,
    /// In hexadecimal digits.
    pub(super) hash: Option<String>,
    /// In octets, as written.
    pub(super) size: Option<String>,
}

/// Which of the four traits stand in `sourcePatientInfo`. `[MSS2 ECO.2.4.2]`
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Traits {
    name: bool,
    birth: bool,
    sex: bool,
}

impl Traits {
    pub(super) fn are_complete(self) -> bool {
        self.name && self.birth && self.sex
    }

    /// One line of HL7's PID segment: family and first name, birth date, sex.
    fn take(&mut self, line: &str) {
        let Some((field, value)) = line.trim().split_once('|') else { return };
        match field {
            "PID-5" => {
                let mut names = value.split('^').map(str::trim);
                self.name |= names.next().is_some_and(|name| !name.is_empty())
                    && names.next().is_some_and(|name| !name.is_empty());
            }
            "PID-7" => self.birth |= !value.trim().is_empty(),
            "PID-8" => self.sex |= !value.trim().is_empty(),
            _ => {}
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.name |= other.name;
        self.birth |= other.birth;
        self.sex |= other.sex;
    }
}

/// Which value of a document is being read.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Uri,
    Hash,
    Size,
    PatientInfo,
}

impl Slot {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "URI" => Some(Self::Uri),
            "hash" => Some(Self::Hash),
            "size" => Some(Self::Size),
            "sourcePatientInfo" => Some(Self::PatientInfo),
            _ => None,
        }
    }
}

/// Reads the file.
pub(super) fn read(octets: &[u8]) -> Result<Metadata, XdmVerdict> {
    let text = std::str::from_utf8(octets).map_err(|_| XdmVerdict::MetadataMalformed)?;
    let mut reader = MetadataReader { walk: Walk::new(text), metadata: Metadata::default(), place: Place::default() };
    reader.read()?;
    Ok(reader.metadata)
}

struct MetadataReader<'a> {
    walk: Walk<'a>,
    metadata: Metadata,
    place: Place,
}

/// Where the reader is.
#[derive(Debug, Default)]
struct Place {
    /// The document that is open, with the depth of its element.
    document: Option<(usize, Document)>,
    slot: Option<(usize, Slot)>,
    /// The value that is open.
    value: Option<String>,
}

impl MetadataReader<'_> {
    fn read(&mut self) -> Result<(), XdmVerdict> {
        while let Some(node) = self.walk.step().map_err(verdict)? {
            match node {
                Node::Open(element) => self.open(&element)?,
                Node::Text(text) => {
                    if let Some(value) = &mut self.place.value {
                        value.push_str(&text);
                    }
                }
                Node::Close => self.close(),
            }
        }
        Ok(())
    }

    fn open(&mut self, element: &Element<'_>) -> Result<(), XdmVerdict> {
        let depth = self.walk.depth();
        match element.name() {
            "ExtrinsicObject" if self.place.document.is_none() => {
                if self.metadata.documents.len() >= MAX_DOCUMENTS {
                    return Err(XdmVerdict::MetadataTooComplex);
                }
                self.place.document = Some((depth, Document::default()));
            }
            "ExternalIdentifier" => self.identifier(element),
            // Classifications have slots of their own, which are not the document's.
            "Slot" if self.place.document.as_ref().is_some_and(|(at, _)| at + 1 == depth) => {
                self.place.slot =
                    element.attribute("name").and_then(|name| Slot::of_name(&name)).map(|slot| (depth, slot));
            }
            "Value" if self.place.slot.is_some() => self.place.value = Some(String::new()),
            _ => {}
        }
        Ok(())
    }

    fn identifier(&mut self, element: &Element<'_>) {
        let scheme = element.attribute("identificationScheme").unwrap_or_default();
        if PATIENT_SCHEMES.contains(&scheme.as_str()) {
            let value = element.attribute("value").unwrap_or_default();
            if !value.is_empty() && self.metadata.patients.len() < MAX_PATIENTS {
                self.metadata.patients.insert(value);
            }
        }
    }

    fn close(&mut self) {
        let depth = self.walk.depth();
        if let Some(value) = self.place.value.take() {
            self.take(value.trim());
        }
        self.place.slot.take_if(|(at, _)| *at > depth);
        if let Some((_, document)) = self.place.document.take_if(|(at, _)| *at > depth) {
            self.metadata.documents.push(document);
        }
    }

    fn take(&mut self, value: &str) {
        let (Some((_, slot)), Some((_, document))) = (self.place.slot, &mut self.place.document) else { return };
        let place = match slot {
            Slot::PatientInfo => return self.metadata.traits.take(value),
            Slot::Uri => &mut document.uri,
            Slot::Hash => &mut document.hash,
            Slot::Size => &mut document.size,
        };
        if !value.is_empty() {
            place.get_or_insert_with(|| value.to_owned());
        }
    }
}

fn verdict(fault: XmlFault) -> XdmVerdict {
    match fault {
        XmlFault::Malformed => XdmVerdict::MetadataMalformed,
        XmlFault::Doctype => XdmVerdict::MetadataDoctype,
        XmlFault::TooDeep => XdmVerdict::MetadataTooComplex,
    }
}

/// How a patient is named: `number^^^&OID&ISO^NH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatientId {
    pub(super) number: String,
    pub(super) kind: PatientIdKind,
}

/// What the number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatientIdKind {
    /// An INS with its key.
    Ins(Ins),
    /// Under an OID of the INS, but none.
    InvalidIns,
    /// Under another OID.
    Other,
}

impl PatientId {
    /// Reads what stands in the metadata. `[MSS1 INS.KEY]`
    pub(super) fn read(text: &str) -> Self {
        let mut parts = text.split('^');
        let number = parts.next().unwrap_or_default().trim().to_owned();
        let oid = parts.nth(2).and_then(|authority| authority.split('&').nth(1)).unwrap_or_default();
        let kind = match (oid.trim().parse::<InsOid>(), number.parse::<Ins>()) {
            (Err(_), _) => PatientIdKind::Other,
            (Ok(_), Ok(ins)) => PatientIdKind::Ins(ins),
            (Ok(_), Err(_)) => PatientIdKind::InvalidIns,
        };
        Self { number, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "<SubmitObjectsRequest xmlns='urn:x'><RegistryObjectList>";
    const END: &str = "</RegistryObjectList></SubmitObjectsRequest>";

    fn of(inside: &str) -> Metadata {
        read(format!("{START}{inside}{END}").as_bytes()).unwrap()
    }

    #[test]
    fn documents_are_read_with_their_own_slots_only() {
        let metadata = of(
            "<rim:ExtrinsicObject xmlns:rim='urn:y'><Slot name='URI'><ValueList><Value> DOC1.XML </Value></ValueList></Slot>\
             <Slot name='hash'><ValueList><Value>ab<![CDATA[cd]]></Value></ValueList></Slot>\
             <Classification><Slot name='size'><ValueList><Value>7</Value></ValueList></Slot></Classification>\
             </rim:ExtrinsicObject><ExtrinsicObject/>",
        );
        let [one, two] = metadata.documents.as_slice() else { panic!("two documents") };
        assert_eq!(
            (one.uri.as_deref(), one.hash.as_deref(), one.size.as_deref()),
            (Some("DOC1.XML"), Some("abcd"), None)
        );
        assert!(two.uri.is_none());
    }

    #[test]
    fn every_patient_is_named_once_however_often_he_stands_there() {
        let identifier = |scheme: usize, value: &str| {
            format!("<ExternalIdentifier identificationScheme='{}' value='{value}'/>", PATIENT_SCHEMES[scheme])
        };
        let other = "<ExternalIdentifier identificationScheme='urn:uuid:other' value='z'/>";
        let all = [identifier(0, "a^^^&amp;1"), identifier(1, "a^^^&amp;1"), identifier(2, "b"), other.to_owned()];
        assert_eq!(of(&all.concat()).patients.into_iter().collect::<Vec<_>>(), ["a^^^&1", "b"]);
    }

    #[test]
    fn traits_are_complete_with_names_birth_and_sex() {
        let mut traits = Traits::default();
        for line in ["PID-5|TESTARD^Camille^^^^^L", "PID-7|19560312", "PID-8|"] {
            traits.take(line);
        }
        assert!(!traits.are_complete());
        traits.take("PID-8|F");
        assert!(traits.are_complete());
        let mut nameless = Traits::default();
        for line in ["PID-5|TESTARD^", "PID-7|1", "PID-8|F"] {
            nameless.take(line);
        }
        assert!(!nameless.are_complete());
    }

    #[test]
    fn a_patient_id_is_an_ins_a_wrong_one_or_another_number() {
        let kind = |text: &str| PatientId::read(text).kind;
        let ins = "256037599999903";
        assert_eq!(kind(&format!("{ins}^^^&1.2.250.1.213.1.4.8&ISO^NH")), PatientIdKind::Ins(ins.parse().unwrap()));
        assert_eq!(
            kind(&format!("{ins}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS")),
            PatientIdKind::Ins(ins.parse().unwrap())
        );
        assert_eq!(kind("256037599999904^^^&1.2.250.1.213.1.4.8&ISO^NH"), PatientIdKind::InvalidIns);
        for other in ["4711^^^&1.2.250.1.999&ISO^PI", "4711", "", "^^^", "256037599999903"] {
            assert_eq!(kind(other), PatientIdKind::Other, "{other}");
        }
    }

    #[test]
    fn what_is_no_xml_in_utf_8_is_malformed() {
        assert_eq!(read(b"<a>\xe9</a>").unwrap_err(), XdmVerdict::MetadataMalformed);
        assert_eq!(read(b"PK").unwrap_err(), XdmVerdict::MetadataMalformed);
        assert_eq!(read(b"<!DOCTYPE a><a/>").unwrap_err(), XdmVerdict::MetadataDoctype);
    }

    #[test]
    fn documents_are_counted_before_they_fill_the_memory() {
        let many = format!("{START}{}{END}", "<ExtrinsicObject/>".repeat(MAX_DOCUMENTS + 1));
        assert_eq!(read(many.as_bytes()).unwrap_err(), XdmVerdict::MetadataTooComplex);
    }
}
