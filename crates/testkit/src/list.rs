//! White lists in the observed format, signed with an enveloped signature.
//!
//! The document is written in canonical form (`[RFC3076 2]`), so that what is digested is a
//! piece of the text itself and no canonicaliser is needed. `xmlsec1` agrees (see the tests).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{KeyPair, SigningKey as _};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::pki::{Issued, PkiError, certificate_der};

const LIST: &str = "https://listeblanche.mssante.fr/schema";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MOMENT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// How much the signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureShape {
    /// One reference, to the whole document.
    XmlDsig,
    /// In addition the signing time and the signer's certificate, as XAdES Baseline-B has them.
    XadesB,
}

/// One `Domaine` of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// `Nom`
    pub domain: String,
    /// `Description`
    pub description: String,
    /// `DNCertificatOperateur`
    pub dn: String,
    /// `DateMAJ`
    pub updated: OffsetDateTime,
}

/// A white list in the making.
#[derive(Debug, Clone)]
pub struct WhiteList {
    generated_at: OffsetDateTime,
    entries: Vec<ListEntry>,
}

impl WhiteList {
    /// An empty list.
    pub fn new(generated_at: OffsetDateTime) -> Self {
        Self { generated_at, entries: Vec::new() }
    }

    /// Adds an entry; a domain with several names has several entries.
    #[must_use]
    pub fn with(mut self, domain: &str, dn: &str) -> Self {
        self.entries.push(ListEntry {
            domain: domain.to_owned(),
            description: format!("Domaine {domain}"),
            dn: dn.to_owned(),
            updated: self.generated_at,
        });
        self
    }

    /// Adds an entry with all its fields.
    pub fn push(&mut self, entry: ListEntry) {
        self.entries.push(entry);
    }

    /// The list without a signature.
    pub fn unsigned_xml(&self) -> String {
        prolog() + &self.root(None)
    }

    /// The list with an enveloped RSA-SHA256 signature by `signer`. XAdES takes the moment of
    /// signing from the date of generation.
    pub fn signed_xml(&self, signer: &ListSigner, shape: SignatureShape) -> Result<String, PkiError> {
        let signature = match shape {
            SignatureShape::XmlDsig => signer.sign(&self.root(None), None)?,
            SignatureShape::XadesB => signer.sign(&self.root(None), Some(self.generated_at))?,
        };
        Ok(prolog() + &self.root(Some(&signature)))
    }

    /// The document element. The signature stands right before its end, so that the enveloped
    /// transform leaves exactly the unsigned text.
    fn root(&self, signature: Option<&str>) -> String {
        let mut xml = format!("<ListeBlancheMSSante xmlns=\"{LIST}\">\n");
        let _ = writeln!(xml, "    <DateDeGeneration>{}</DateDeGeneration>", moment(self.generated_at));
        xml.push_str("    <ListeDomaines>\n");
        for entry in &self.entries {
            write_entry(&mut xml, entry);
        }
        xml.push_str("    </ListeDomaines>\n");
        xml.push_str(signature.unwrap_or_default());
        xml.push_str("</ListeBlancheMSSante>");
        xml
    }
}

/// A certificate and the key that signs lists.
pub struct ListSigner {
    key: KeyPair,
    chain: Vec<Vec<u8>>,
}

impl ListSigner {
    /// From what [`crate::pki::Pki::list_signer`] issues.
    pub fn new(issued: &Issued) -> Result<Self, PkiError> {
        Self::from_pem(&issued.chain_pem, &issued.key_pem)
    }

    /// From PEM texts: the signer's certificate followed by its intermediates, and its key (RSA).
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, PkiError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let chain = chain.match_indices(BEGIN).filter_map(|(at, _)| certificate_der(&chain[at..])).collect();
        Ok(Self { key: KeyPair::from_pem(key)?, chain })
    }

    /// The `ds:Signature` over a document whose canonical form is `document`.
    fn sign(&self, document: &str, signing_time: Option<OffsetDateTime>) -> Result<String, PkiError> {
        let properties = signing_time.map(|at| self.signed_properties(at));
        let signed_info = signed_info(document, properties.as_deref());
        // Canonical form outside its document: the apex element declares what was in scope.
        let in_scope = format!("<ds:SignedInfo xmlns=\"{LIST}\" xmlns:ds=\"{DS}\">");
        let canonical = signed_info.replacen("<ds:SignedInfo>", &in_scope, 1);
        let value = BASE64.encode(self.key.sign(canonical.as_bytes())?);
        let object = properties.as_deref().map(qualifying_object).unwrap_or_default();
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{DS}\" Id=\"signature\">{signed_info}\
             <ds:SignatureValue>{value}</ds:SignatureValue>{}{object}</ds:Signature>",
            self.key_info(),
        ))
    }

    fn key_info(&self) -> String {
        let mut xml = "<ds:KeyInfo><ds:X509Data>".to_owned();
        for certificate in &self.chain {
            let _ = write!(xml, "<ds:X509Certificate>{}</ds:X509Certificate>", BASE64.encode(certificate));
        }
        xml + "</ds:X509Data></ds:KeyInfo>"
    }

    fn signed_properties(&self, at: OffsetDateTime) -> String {
        let certificate = self.chain.first().map(Vec::as_slice).unwrap_or_default();
        format!(
            "<xades:SignedProperties Id=\"signed-properties\"><xades:SignedSignatureProperties>\
             <xades:SigningTime>{}</xades:SigningTime>\
             <xades:SigningCertificateV2><xades:Cert><xades:CertDigest>\
             <ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue>\
             </xades:CertDigest></xades:Cert></xades:SigningCertificateV2>\
             </xades:SignedSignatureProperties></xades:SignedProperties>",
            moment(at),
            digest(certificate),
        )
    }
}

fn prolog() -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned()
}

fn write_entry(xml: &mut String, entry: &ListEntry) {
    let fields = [
        ("Nom", entry.domain.clone()),
        ("Description", entry.description.clone()),
        ("DNCertificatOperateur", entry.dn.clone()),
        ("ResponsableContact", "contact@exemple.fr".to_owned()),
        ("SupportContact", "support@exemple.fr".to_owned()),
        ("DateMAJ", moment(entry.updated)),
    ];
    xml.push_str("        <Domaine>\n");
    for (name, value) in fields {
        let _ = writeln!(xml, "            <{name}>{}</{name}>", escaped(&value));
    }
    xml.push_str("        </Domaine>\n");
}

/// Text as canonical XML writes it. `[RFC3076 2.3]`
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

fn moment(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&MOMENT).unwrap_or_default()
}

fn digest(bytes: &[u8]) -> String {
    BASE64.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

fn signed_info(document: &str, properties: Option<&str>) -> String {
    let method = format!("<ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod>");
    let mut xml = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>\
         <ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
         <ds:Transform Algorithm=\"{C14N}\"></ds:Transform></ds:Transforms>\
         {method}<ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
        digest(document.as_bytes()),
    );
    if let Some(properties) = properties {
        let in_scope = format!("<xades:SignedProperties xmlns=\"{LIST}\" xmlns:ds=\"{DS}\" xmlns:xades=\"{XADES}\" ");
        let canonical = properties.replacen("<xades:SignedProperties ", &in_scope, 1);
        let _ = write!(
            xml,
            "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#signed-properties\">\
             <ds:Transforms><ds:Transform Algorithm=\"{C14N}\"></ds:Transform></ds:Transforms>\
             {method}<ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
            digest(canonical.as_bytes()),
        );
    }
    xml + "</ds:SignedInfo>"
}

fn qualifying_object(properties: &str) -> String {
    format!(
        "<ds:Object><xades:QualifyingProperties xmlns:xades=\"{XADES}\" Target=\"#signature\">{properties}\
         </xades:QualifyingProperties></ds:Object>"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use time::macros::datetime;

    use super::*;
    use crate::pki::Pki;

    fn list() -> WhiteList {
        WhiteList::new(datetime!(2026-11-03 08:00 UTC)).with(
            "ch-exemple.mssante.fr",
            "CN=smtp.exemple.fr,OU=10B0078671,O=CH D'ÉVREUX & Cie <30>,ST=Gard (30),C=FR",
        )
    }

    #[test]
    fn the_signature_is_the_only_difference_between_signed_and_unsigned() {
        let pki = Pki::new(datetime!(2026-11-03 08:00 UTC)).unwrap();
        let list_signer = ListSigner::new(&pki.list_signer().unwrap()).unwrap();
        let signed = list().signed_xml(&list_signer, SignatureShape::XmlDsig).unwrap();
        let (before, rest) = signed.split_once("<ds:Signature ").unwrap();
        let (_, after) = rest.split_once("</ds:Signature>").unwrap();
        assert_eq!(format!("{before}{after}"), list().unsigned_xml());
    }

    #[test]
    fn xmlsec1_verifies_both_shapes_and_refuses_a_changed_text() {
        let pki = Pki::new(datetime!(2026-11-03 08:00 UTC)).unwrap();
        let list_signer = ListSigner::new(&pki.list_signer().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        for shape in [SignatureShape::XmlDsig, SignatureShape::XadesB] {
            let xml = list().signed_xml(&list_signer, shape).unwrap();
            let Some(verdict) = xmlsec1(folder.path(), &xml) else { return };
            assert!(verdict, "{shape:?}");
            let changed = xml.replace("ch-exemple", "ch-example");
            assert_eq!(xmlsec1(folder.path(), &changed), Some(false), "{shape:?}");
        }
    }

    /// What xmlsec1 says of the list; nothing if it is not installed.
    fn xmlsec1(folder: &std::path::Path, xml: &str) -> Option<bool> {
        std::fs::write(folder.join("list.xml"), xml).unwrap();
        let output = Command::new("xmlsec1")
            .current_dir(folder)
            .args(["--verify", "--trusted-pem", "ca.pem", "--id-attr:Id"])
            .args(["http://uri.etsi.org/01903/v1.3.2#:SignedProperties", "--verification-time", "2026-11-03 08:00:00"])
            .arg("list.xml")
            .output();
        match output {
            Ok(output) => {
                println!("{}", String::from_utf8_lossy(&output.stderr));
                Some(output.status.success())
            }
            Err(error) => {
                println!("xmlsec1 was not run: {error}");
                None
            }
        }
    }
}
