//! White lists in the observed format, signed with an enveloped signature.
//!
//! The document is written in canonical form (`[RFC3076 2]`), so that what is digested is a
//! piece of the text itself and no canonicaliser is needed. `xmlsec1` agrees (see the tests).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use trust::DistinguishedName;

use crate::pki::{Issued, PkiError, certificate_der};

const LIST: &str = "https://listeblanche.mssante.fr/schema";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const MOMENT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// How much the signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureShape {
    /// One reference, to the whole document.
    XmlDsig,
    /// In addition the signing time and the signer's certificate, as XAdES Baseline-B has them.
    XadesB,
    /// The same as the first edition of XAdES wrote it: issuer and serial number in clear.
    XadesFirstEdition,
}

/// Which hash is used, for signature and digests alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Hash {
    /// Identifier of the digest method. `[RFC9231 2.1]`
    fn uri(self) -> &'static str {
        match self {
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Sha256 => 256,
            Self::Sha384 => 384,
            Self::Sha512 => 512,
        }
    }

    fn algorithm(self) -> MessageDigest {
        match self {
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    fn digest(self, octets: &[u8]) -> Result<String, PkiError> {
        Ok(BASE64.encode(openssl::hash::hash(self.algorithm(), octets)?))
    }
}

/// Which canonical form is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canonical {
    /// Canonical XML 1.0: a piece of a document declares all namespaces that are in scope.
    Inclusive,
    /// Exclusive: it declares those that it uses.
    Exclusive,
}

impl Canonical {
    fn uri(self) -> &'static str {
        match self {
            Self::Inclusive => "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            Self::Exclusive => "http://www.w3.org/2001/10/xml-exc-c14n#",
        }
    }

    /// The canonical form of a `ds:SignedInfo` outside its document.
    fn signed_info(self, text: &str) -> String {
        match self {
            Self::Inclusive => declaring(text, "ds:SignedInfo", &format!("xmlns=\"{LIST}\" xmlns:ds=\"{DS}\"")),
            Self::Exclusive => declaring(text, "ds:SignedInfo", &format!("xmlns:ds=\"{DS}\"")),
        }
    }

    /// The canonical form of `xades:SignedProperties` outside its document.
    fn properties(self, text: &str) -> String {
        let own = format!("xmlns:xades=\"{XADES}\"");
        let foreign = format!("xmlns:ds=\"{DS}\"");
        match self {
            Self::Inclusive => declaring(text, "xades:SignedProperties", &format!("xmlns=\"{LIST}\" {foreign} {own}")),
            Self::Exclusive => ["ds:DigestMethod", "ds:DigestValue", "ds:X509IssuerName", "ds:X509SerialNumber"]
                .iter()
                .fold(declaring(text, "xades:SignedProperties", &own), |text, element| {
                    declaring(&text, element, &foreign)
                }),
        }
    }
}

/// The text with namespace declarations in front of the attributes of this element.
fn declaring(text: &str, element: &str, declarations: &str) -> String {
    text.replace(&format!("<{element} "), &format!("<{element} {declarations} "))
        .replace(&format!("<{element}>"), &format!("<{element} {declarations}>"))
}

/// Everything about a signature that a signer may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureProfile {
    /// How much it says.
    pub shape: SignatureShape,
    /// The hash.
    pub hash: Hash,
    /// The canonical form.
    pub canonical: Canonical,
}

impl SignatureProfile {
    /// SHA-256 and inclusive canonical form.
    pub fn usual(shape: SignatureShape) -> Self {
        Self { shape, hash: Hash::Sha256, canonical: Canonical::Inclusive }
    }
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

    /// Its entries.
    pub fn entries(&self) -> &[ListEntry] {
        &self.entries
    }

    /// The list without a signature.
    pub fn unsigned_xml(&self) -> String {
        prolog() + &self.root(None)
    }

    /// The list with an enveloped signature by `signer` with SHA-256. XAdES takes the moment of
    /// signing from the date of generation.
    pub fn signed_xml(&self, signer: &ListSigner, shape: SignatureShape) -> Result<String, PkiError> {
        self.signed_xml_as(signer, SignatureProfile::usual(shape))
    }

    /// The same with a choice of algorithms.
    pub fn signed_xml_as(&self, signer: &ListSigner, profile: SignatureProfile) -> Result<String, PkiError> {
        self.signed_xml_saying(signer, profile, |properties| properties)
    }

    /// The same, and the signer says of himself what `alter` makes of the signed properties, in canonical form.
    pub fn signed_xml_saying(
        &self,
        signer: &ListSigner,
        profile: SignatureProfile,
        alter: impl FnOnce(String) -> String,
    ) -> Result<String, PkiError> {
        let properties = signer.properties(profile, self.generated_at)?.map(alter);
        let signature = signer.sign(&self.root(None), profile, properties.as_deref())?;
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
    key: PKey<Private>,
    chain: Vec<Vec<u8>>,
}

impl ListSigner {
    /// From what [`crate::pki::Pki::list_signer`] issues.
    pub fn new(issued: &Issued) -> Result<Self, PkiError> {
        Self::from_pem(&issued.chain_pem, &issued.key_pem)
    }

    /// From PEM texts: the signer's certificate followed by its intermediates, and its key (RSA or ECDSA).
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, PkiError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let chain = chain.match_indices(BEGIN).filter_map(|(at, _)| certificate_der(&chain[at..])).collect();
        Ok(Self { key: PKey::private_key_from_pem(key.as_bytes())?, chain })
    }

    /// What the signer says of himself, if the shape has such a thing.
    fn properties(&self, profile: SignatureProfile, at: OffsetDateTime) -> Result<Option<String>, PkiError> {
        Ok(match profile.shape {
            SignatureShape::XmlDsig => None,
            SignatureShape::XadesB => Some(signed_properties(at, &self.second_edition(profile.hash)?)),
            SignatureShape::XadesFirstEdition => Some(signed_properties(at, &self.first_edition(profile.hash)?)),
        })
    }

    /// The `ds:Signature` over a document whose canonical form is `document`.
    fn sign(&self, document: &str, profile: SignatureProfile, properties: Option<&str>) -> Result<String, PkiError> {
        let signed_info = self.signed_info(document, properties, profile)?;
        let value = self.value(profile.canonical.signed_info(&signed_info).as_bytes(), profile.hash)?;
        let object = properties.map(qualifying_object).unwrap_or_default();
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{DS}\" Id=\"signature\">{signed_info}\
             <ds:SignatureValue>{}</ds:SignatureValue>{}{object}</ds:Signature>",
            BASE64.encode(value),
            self.key_info(),
        ))
    }

    /// The octets of the signature: of ECDSA, both numbers one after the other. `[RFC9231 2.3]`
    fn value(&self, octets: &[u8], hash: Hash) -> Result<Vec<u8>, PkiError> {
        let value = Signer::new(hash.algorithm(), &self.key)?.sign_oneshot_to_vec(octets)?;
        let Ok(key) = self.key.ec_key() else { return Ok(value) };
        let size = i32::try_from(key.group().degree().div_ceil(8)).unwrap_or_default();
        let pair = EcdsaSig::from_der(&value)?;
        Ok([pair.r().to_vec_padded(size)?, pair.s().to_vec_padded(size)?].concat())
    }

    fn signed_info(
        &self,
        document: &str,
        properties: Option<&str>,
        profile: SignatureProfile,
    ) -> Result<String, PkiError> {
        let SignatureProfile { hash, canonical, .. } = profile;
        let family = if self.key.ec_key().is_ok() { "ecdsa" } else { "rsa" };
        let (bits, c14n) = (hash.bits(), canonical.uri());
        let method = format!("<ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod>", hash.uri());
        let mut xml = format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{c14n}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{family}-sha{bits}\">\
             </ds:SignatureMethod><ds:Reference URI=\"\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"{c14n}\"></ds:Transform></ds:Transforms>\
             {method}<ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
            hash.digest(document.as_bytes())?,
        );
        if let Some(properties) = properties {
            let _ = write!(
                xml,
                "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#signed-properties\">\
                 <ds:Transforms><ds:Transform Algorithm=\"{c14n}\"></ds:Transform></ds:Transforms>\
                 {method}<ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
                hash.digest(canonical.properties(properties).as_bytes())?,
            );
        }
        Ok(xml + "</ds:SignedInfo>")
    }

    fn key_info(&self) -> String {
        let mut xml = "<ds:KeyInfo><ds:X509Data>".to_owned();
        for certificate in &self.chain {
            let _ = write!(xml, "<ds:X509Certificate>{}</ds:X509Certificate>", BASE64.encode(certificate));
        }
        xml + "</ds:X509Data></ds:KeyInfo>"
    }

    fn certificate(&self) -> &[u8] {
        self.chain.first().map(Vec::as_slice).unwrap_or_default()
    }

    fn second_edition(&self, hash: Hash) -> Result<String, PkiError> {
        let digest = certificate_digest(self.certificate(), hash)?;
        Ok(format!("<xades:SigningCertificateV2><xades:Cert>{digest}</xades:Cert></xades:SigningCertificateV2>"))
    }

    fn first_edition(&self, hash: Hash) -> Result<String, PkiError> {
        let digest = certificate_digest(self.certificate(), hash)?;
        let certificate = X509::from_der(self.certificate())?;
        let issuer = DistinguishedName::of_certificate(self.chain.last().map(Vec::as_slice).unwrap_or_default());
        Ok(format!(
            "<xades:SigningCertificate><xades:Cert>{digest}<xades:IssuerSerial>\
             <ds:X509IssuerName>{}</ds:X509IssuerName><ds:X509SerialNumber>{}</ds:X509SerialNumber>\
             </xades:IssuerSerial></xades:Cert></xades:SigningCertificate>",
            escaped(&issuer.map(|name| name.to_string()).unwrap_or_default()),
            certificate.serial_number().to_bn()?.to_dec_str()?,
        ))
    }
}

fn signed_properties(at: OffsetDateTime, certificate: &str) -> String {
    format!(
        "<xades:SignedProperties Id=\"signed-properties\"><xades:SignedSignatureProperties>\
         <xades:SigningTime>{}</xades:SigningTime>{certificate}\
         </xades:SignedSignatureProperties></xades:SignedProperties>",
        moment(at),
    )
}

fn certificate_digest(certificate: &[u8], hash: Hash) -> Result<String, PkiError> {
    Ok(format!(
        "<xades:CertDigest><ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod>\
         <ds:DigestValue>{}</ds:DigestValue></xades:CertDigest>",
        hash.uri(),
        hash.digest(certificate)?,
    ))
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
    use crate::pki::{Pki, SignerKey};

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
    fn xmlsec1_verifies_every_shape_and_algorithm_and_refuses_a_changed_text() {
        let pki = Pki::new(datetime!(2026-11-03 08:00 UTC)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        for key in [SignerKey::Rsa, SignerKey::P256, SignerKey::P384] {
            let signer = ListSigner::new(&pki.list_signer_of(key).unwrap()).unwrap();
            for profile in profiles() {
                let xml = list().signed_xml_as(&signer, profile).unwrap();
                let Some(verdict) = xmlsec1(folder.path(), &xml) else { return };
                assert!(verdict, "{key:?} {profile:?}");
                let changed = xml.replace("ch-exemple", "ch-example");
                assert_eq!(xmlsec1(folder.path(), &changed), Some(false), "{key:?} {profile:?}");
            }
        }
    }

    fn profiles() -> impl Iterator<Item = SignatureProfile> {
        let shapes = [SignatureShape::XmlDsig, SignatureShape::XadesB, SignatureShape::XadesFirstEdition];
        shapes.into_iter().flat_map(|shape| {
            let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
            hashes.into_iter().flat_map(move |hash| {
                [Canonical::Inclusive, Canonical::Exclusive].map(|canonical| SignatureProfile {
                    shape,
                    hash,
                    canonical,
                })
            })
        })
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
