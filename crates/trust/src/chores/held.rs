//! What there is to say of a certificate that somebody holds.

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::ChoreError;
use super::bundle::{issued, pem, x509};
use crate::{CertificateFacts, DistinguishedName};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An authority that signed itself: an anchor.
    Root,
    /// An authority below a root.
    Intermediate,
    /// A server, a piece of software, a signer.
    EndEntity,
}

impl Role {
    /// The word for tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
            Self::EndEntity => "end entity",
        }
    }
}

/// A certificate with what people ask of it; nothing is verified except who signed himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCertificate {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// Subject, validity and SHA-256.
    pub facts: CertificateFacts,
    /// Who says to have issued it.
    pub issuer: DistinguishedName,
    /// The serial number in hexadecimal, two digits an octet.
    pub serial: String,
    /// What it is.
    pub role: Role,
    /// Key usages and extended key usages by the names of X.509, such as `digitalSignature`, `serverAuth`.
    pub usages: Vec<&'static str>,
    /// DNS names of the server.
    pub dns_names: Vec<String>,
}

impl HeldCertificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Result<Self, ChoreError> {
        let unreadable =
            |why: &dyn std::fmt::Display| ChoreError::Format(format!("a certificate cannot be read ({why})"));
        let facts = CertificateFacts::of_certificate(der).map_err(|error| unreadable(&error))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(der).map_err(|error| unreadable(&error))?;
        let serial: Vec<_> = parsed.raw_serial().iter().map(|octet| format!("{octet:02x}")).collect();
        Ok(Self {
            facts,
            issuer: DistinguishedName::of_name(parsed.issuer()),
            serial: serial.concat(),
            role: role(&parsed, der)?,
            usages: usages(&parsed),
            dns_names: dns_names(&parsed),
            der: der.to_vec(),
        })
    }

    /// Whole days until it ends; negative after.
    pub fn days_left(&self, now: OffsetDateTime) -> i64 {
        (self.facts.not_after - now).whole_seconds().div_euclid(86_400)
    }

    /// The certificate, PEM.
    pub fn pem(&self) -> Result<Vec<u8>, ChoreError> {
        pem(std::slice::from_ref(&self.der))
    }

    /// Whether `issuer` signed it, by name and signature.
    pub fn is_issued_by(&self, issuer: &Self) -> Result<bool, ChoreError> {
        Ok(issued(&*x509(&issuer.der)?, &*x509(&self.der)?))
    }
}

fn role(parsed: &X509Certificate<'_>, der: &[u8]) -> Result<Role, ChoreError> {
    if !parsed.is_ca() {
        return Ok(Role::EndEntity);
    }
    let certificate = x509(der)?;
    Ok(if issued(&certificate, &certificate) { Role::Root } else { Role::Intermediate })
}

fn usages(parsed: &X509Certificate<'_>) -> Vec<&'static str> {
    let key_usage = parsed.key_usage().ok().flatten().map(|extension| extension.value);
    let extended = parsed.extended_key_usage().ok().flatten().map(|extension| extension.value);
    let of_key = key_usage.into_iter().flat_map(|usage| {
        [
            (usage.digital_signature(), "digitalSignature"),
            (usage.non_repudiation(), "nonRepudiation"),
            (usage.key_encipherment(), "keyEncipherment"),
            (usage.data_encipherment(), "dataEncipherment"),
            (usage.key_agreement(), "keyAgreement"),
            (usage.key_cert_sign(), "keyCertSign"),
            (usage.crl_sign(), "cRLSign"),
        ]
    });
    let of_purpose = extended.into_iter().flat_map(|purposes| {
        [
            (purposes.any, "anyExtendedKeyUsage"),
            (purposes.server_auth, "serverAuth"),
            (purposes.client_auth, "clientAuth"),
            (purposes.email_protection, "emailProtection"),
            (purposes.ocsp_signing, "OCSPSigning"),
        ]
    });
    of_key.chain(of_purpose).filter(|(set, _)| *set).map(|(_, name)| name).collect()
}

fn dns_names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let names = parsed.subject_alternative_name().ok().flatten();
    names
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}
