//! Requests for certificates (PKCS#10) with the names of IGC-Santé.

use mssante::{Domain, StructureId};
use openssl::asn1::Asn1Type;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::extension::{ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509Extension, X509Name, X509Req, X509ReqBuilder};
use x509_parser::prelude::FromDer;

use super::{ChoreError, KeyPem};
use crate::DistinguishedName;

/// Most characters of CN, O and OU. `[RFC5280 A.1]`
const UB_NAME: usize = 64;
/// Most characters of ST. `[RFC5280 A.1]`
const UB_STATE: usize = 128;

/// The subject of an operator's server certificate. `[MSS1 DN.LAYOUT]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrSubject {
    cn: String,
    structure: StructureId,
    organisation: String,
    department: String,
}

impl CsrSubject {
    /// `cn` is the full name of the server, `organisation` the legal name, `department` the
    /// department with its number, such as `Gard (30)`.
    pub fn new(cn: &str, structure: StructureId, organisation: &str, department: &str) -> Result<Self, ChoreError> {
        let cn = host_name("common name", cn)?;
        at_most("common name", &cn, UB_NAME)?;
        if !structure.may_hold_certificates() {
            return Err(ChoreError::Input(format!(
                "structure '{structure}': a certificate bears 1 and a FINESS, or 3 and a SIRET"
            )));
        }
        let organisation = text("organisation", organisation, UB_NAME)?;
        let department = text("department", department, UB_STATE)?;
        if !is_department(&department) {
            return Err(ChoreError::Input(format!(
                "department '{department}': write its name and its number, such as 'Gard (30)', 'Haute-Corse (2B)' or \
                 'Guadeloupe (971)'"
            )));
        }
        Ok(Self { cn, structure, organisation, department })
    }

    /// The subject as the white list writes it, to be handed in with the request for the entry.
    pub fn name(&self) -> Result<DistinguishedName, ChoreError> {
        let der = self.x509()?.to_der()?;
        let (_, name) = x509_parser::x509::X509Name::from_der(&der)
            .map_err(|error| ChoreError::Library(format!("the name cannot be read back: {error}")))?;
        Ok(DistinguishedName::of_name(&name))
    }

    /// Least specific attribute first, as certificates write it.
    fn x509(&self) -> Result<X509Name, ChoreError> {
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid_with_type(Nid::COUNTRYNAME, "FR", Asn1Type::PRINTABLESTRING)?;
        for (kind, value) in [
            (Nid::STATEORPROVINCENAME, &self.department),
            (Nid::ORGANIZATIONNAME, &self.organisation),
            (Nid::ORGANIZATIONALUNITNAME, &self.structure.to_string()),
            (Nid::COMMONNAME, &self.cn),
        ] {
            name.append_entry_by_nid_with_type(kind, value, Asn1Type::UTF8STRING)?;
        }
        Ok(name.build())
    }
}

/// What kind of key a certificate is requested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    #[default]
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// ECDSA on the curve P-256.
    P256,
}

impl KeyKind {
    /// A new key; its randomness is OpenSSL's own.
    fn generate(self) -> Result<PKey<Private>, ChoreError> {
        Ok(match self {
            Self::Rsa2048 => PKey::from_rsa(Rsa::generate(2048)?)?,
            Self::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?)?,
            Self::P256 => PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?,
        })
    }

    /// RSA keys decrypt in old cipher suites, which authorities expect to see requested; ECDSA keys only sign.
    fn usage(self) -> KeyUsage {
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        if self != Self::P256 {
            usage.key_encipherment();
        }
        usage
    }
}

/// A request with the key that it was made with.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    /// The new private key.
    pub key: KeyPem,
    /// The request, PKCS#10 in PEM.
    pub csr_pem: Vec<u8>,
}

impl CertificateRequest {
    /// Makes a key and a request signed with it (SHA-256) for a server certificate. `[RFC2986 4]`
    ///
    /// `dns_names` are further names of the server beside the common name. serverAuth is
    /// requested, as the offer SERV SSL has it; operators show such a certificate on hops both ways.
    pub fn new(subject: &CsrSubject, dns_names: &[String], kind: KeyKind) -> Result<Self, ChoreError> {
        let names = names(subject, dns_names)?;
        let key = kind.generate()?;
        let mut request = X509Req::builder()?;
        request.set_version(0)?;
        request.set_subject_name(&*subject.x509()?)?;
        request.set_pubkey(&key)?;
        request.add_extensions(&*extensions(&request, &names, kind)?)?;
        request.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key: KeyPem::of(&key)?, csr_pem: request.build().to_pem()? })
    }
}

fn extensions(request: &X509ReqBuilder, names: &[String], kind: KeyKind) -> Result<Stack<X509Extension>, ChoreError> {
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        alternative.dns(name);
    }
    let mut extensions = Stack::new()?;
    extensions.push(kind.usage().build()?)?;
    extensions.push(ExtendedKeyUsage::new().server_auth().build()?)?;
    extensions.push(alternative.build(&request.x509v3_context(None))?)?;
    Ok(extensions)
}

/// The names that the certificate carries: the common name first, each once.
fn names(subject: &CsrSubject, others: &[String]) -> Result<Vec<String>, ChoreError> {
    let mut names = vec![subject.cn.clone()];
    for other in others {
        let name = host_name("DNS name", other)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn host_name(what: &str, name: &str) -> Result<String, ChoreError> {
    let wrong = || {
        ChoreError::Input(format!(
            "{what} '{name}': a full host name such as smtp.ch-exemple.fr is expected, without a final dot or a star"
        ))
    };
    Domain::parse(name).map(String::from).map_err(|_| wrong())
}

/// A value of a name: something, no control characters, not too long. Spaces at its ends and runs
/// of them would make two spellings of one name.
fn text(what: &str, value: &str, limit: usize) -> Result<String, ChoreError> {
    let tidy = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if tidy.is_empty() || value.chars().any(char::is_control) {
        return Err(ChoreError::Input(format!("{what} '{}': empty or with control characters", value.escape_debug())));
    }
    at_most(what, &tidy, limit)?;
    Ok(tidy)
}

fn at_most(what: &str, value: &str, limit: usize) -> Result<(), ChoreError> {
    let length = value.chars().count();
    if length <= limit {
        return Ok(());
    }
    Err(ChoreError::Input(format!("{what} '{value}' has {length} characters; a certificate takes {limit} at most")))
}

/// `NAME (NUMBER)`, where the number has two digits, 2A or 2B, or three digits overseas.
fn is_department(text: &str) -> bool {
    let Some((name, number)) = text.strip_suffix(')').and_then(|text| text.split_once(" (")) else { return false };
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    let numbered = matches!(number, "2A" | "2B") || (digits && number.len() == 2) || (digits && is_overseas(number));
    let lettered = name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '\'' | '’'));
    numbered && lettered && name.chars().any(char::is_alphabetic)
}

fn is_overseas(number: &str) -> bool {
    number.len() == 3 && (number.starts_with("97") || number.starts_with("98"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(cn: &str, organisation: &str, department: &str) -> Result<CsrSubject, ChoreError> {
        CsrSubject::new(cn, "1300000015".parse().unwrap(), organisation, department)
    }

    #[test]
    fn the_subject_is_laid_out_as_igc_sante_does_and_signed_with_the_key() {
        let subject = subject("SMTP.ch-exemple.fr", "CENTRE  HOSPITALIER D'ÉVREUX ", "Eure (27)").unwrap();
        let dns_names = ["mx2.ch-exemple.fr".to_owned(), "smtp.ch-exemple.fr".to_owned()];
        for kind in [KeyKind::Rsa2048, KeyKind::Rsa3072, KeyKind::P256] {
            let made = CertificateRequest::new(&subject, &dns_names, kind).unwrap();
            let request = X509Req::from_pem(&made.csr_pem).unwrap();
            let key = PKey::private_key_from_pem(made.key.as_bytes()).unwrap();
            assert!(request.verify(&key).unwrap(), "{kind:?}");
            let entries: Vec<_> = request
                .subject_name()
                .entries()
                .map(|entry| {
                    let data = entry.data();
                    (entry.object().nid().short_name().unwrap(), data.to_string().unwrap())
                })
                .collect();
            let expected = [
                ("C", "FR"),
                ("ST", "Eure (27)"),
                ("O", "CENTRE HOSPITALIER D'ÉVREUX"),
                ("OU", "1300000015"),
                ("CN", "smtp.ch-exemple.fr"),
            ];
            assert_eq!(entries, expected.map(|(kind, value)| (kind, value.to_owned())));
        }
    }

    #[test]
    fn the_name_to_list_is_that_of_the_request() {
        let name = subject("smtp.ch-exemple.fr", "CH \"A, B\"", "Gard (30)").unwrap().name().unwrap();
        assert_eq!(name.to_string(), r#"CN=smtp.ch-exemple.fr,OU=1300000015,O=CH \"A\, B\",ST=Gard (30),C=FR"#);
        assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
    }

    #[test]
    fn host_names_must_be_full() {
        for cn in ["localhost", "*.ch-exemple.fr", "smtp.ch-exemple.fr.", "10.0.0.1/24", "a b.fr", "a\0b.fr", ""] {
            assert!(matches!(subject(cn, "CH", "Gard (30)"), Err(ChoreError::Input(_))), "{cn}");
        }
        let good = subject("smtp.ch-exemple.fr", "CH", "Gard (30)").unwrap();
        assert!(CertificateRequest::new(&good, &["mx".to_owned()], KeyKind::P256).is_err());
    }

    #[test]
    fn values_are_not_longer_than_certificates_take() {
        let host = |labels: usize| vec!["abcdefghi"; labels].join(".") + ".fr";
        assert_eq!(host(7).chars().count(), 72);
        assert!(subject(&host(6), "CH", "Gard (30)").is_ok());
        assert!(subject(&host(7), "CH", "Gard (30)").unwrap_err().to_string().contains("72 characters"));
        assert!(subject("smtp.ch-exemple.fr", &"É".repeat(64), "Gard (30)").is_ok());
        assert!(subject("smtp.ch-exemple.fr", &"É".repeat(65), "Gard (30)").is_err());
        assert!(subject("smtp.ch-exemple.fr", "a\u{7}b", "Gard (30)").is_err());
        assert!(subject("smtp.ch-exemple.fr", "  ", "Gard (30)").is_err());
    }

    #[test]
    fn forms_that_no_certificate_bears_are_refused() {
        let other = "2187512751".parse().unwrap();
        assert!(matches!(CsrSubject::new("a.fr", other, "CH", "Gard (30)"), Err(ChoreError::Input(_))));
    }

    #[test]
    fn departments_are_written_with_their_number() {
        for good in ["Gard (30)", "Haute-Corse (2B)", "Côte-d'Or (21)", "La Réunion (974)", "Meurthe et Moselle (54)"]
        {
            assert!(is_department(good), "{good}");
        }
        for bad in ["Gard", "Gard(30)", "Gard (3)", "Gard (2C)", "Gard (300)", "30", " (30)", "Gard (30) ", "(30)"] {
            assert!(!is_department(bad), "{bad}");
        }
    }
}
