//! What a certificate has to be beside its chain: of a form that two readers understand in the same
//! way, with a key that nobody forges, for signing.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_OCSP;
use x509_parser::public_key::PublicKey;

use crate::chain::{self, Usage};
use crate::{CertificateFault, DistinguishedName};

/// Addresses of one kind that are taken from a certificate.
const MOST_URLS: usize = 4;
/// Octets of one.
const LONGEST_URL: usize = 512;
/// Octets of a serial number. `[RFC5280 4.1.2.2]`
const LONGEST_SERIAL: usize = 20;
/// Attributes of a subject.
const MOST_ATTRIBUTES: usize = 50;

/// A serial number and a subject that can be compared, and no extension twice. `[RFC5280 4.2]`
pub(crate) fn check(certificate: &X509Certificate<'_>) -> Result<(), CertificateFault> {
    let serial = certificate.raw_serial();
    let positive = serial.first().is_some_and(|first| first & 0x80 == 0);
    match () {
        () if !positive || serial.len() > LONGEST_SERIAL => Err(CertificateFault::Malformed),
        () if certificate.extensions_map().is_err() => Err(CertificateFault::Malformed),
        () if !names_somebody(certificate) => Err(CertificateFault::MalformedName),
        () => Ok(()),
    }
}

/// What is wrong with a certificate itself, whoever issued it: why nobody can check a signature with it.
pub(crate) fn fault_of(der: &CertificateDer<'_>) -> Option<CertificateFault> {
    if let Err(error) = webpki::EndEntityCert::try_from(der) {
        return Some(chain::fault(&error));
    }
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
        return Some(CertificateFault::Malformed);
    };
    check(&certificate).and_then(|()| check_strength(&certificate)).err()
}

/// Whether the subject is a text without control characters: what is shown, logged and compared
/// is then what the authority meant.
fn names_somebody(certificate: &X509Certificate<'_>) -> bool {
    let subject = certificate.subject();
    // Counted before it is taken apart.
    let bounded = subject.iter_attributes().take(MOST_ATTRIBUTES + 1).count() <= MOST_ATTRIBUTES;
    bounded && {
        let name = DistinguishedName::of_name(subject);
        !name.is_empty() && name.is_text()
    }
}

/// RSA from 2048 bits; P-256, P-384 and P-521, Ed25519.
pub(crate) fn check_strength(certificate: &X509Certificate<'_>) -> Result<(), CertificateFault> {
    let strong = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() >= 2048,
        Ok(PublicKey::EC(point)) => point.key_size() >= 256,
        Ok(PublicKey::Unknown(_)) => certificate.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112",
        _ => false,
    };
    if strong { Ok(()) } else { Err(CertificateFault::Weak) }
}

/// The holder of a certificate signs his part of the handshake: one that says what its key is for
/// must say signatures. Signers of lists are asked in their own place. `[RFC5280 4.2.1.3]`
pub(crate) fn check_key_usage(certificate: &X509Certificate<'_>, usage: Usage) -> Result<(), CertificateFault> {
    let stated = certificate.key_usage().map_err(|_| CertificateFault::Malformed)?;
    match stated {
        Some(stated) if usage != Usage::Signer && !stated.value.digital_signature() => {
            Err(CertificateFault::WrongUsage)
        }
        _ => Ok(()),
    }
}

/// CRL distribution points. `[RFC5280 4.2.1.13]`
pub(crate) fn crl_urls(certificate: &X509Certificate<'_>) -> Vec<String> {
    let points = certificate.iter_extensions().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(&points.points),
        _ => None,
    });
    let names = points.flatten().filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        _ => None,
    });
    names.flatten().filter_map(url).take(MOST_URLS).collect()
}

/// OCSP responders. `[RFC5280 4.2.2.1]`
pub(super) fn ocsp_urls(certificate: &X509Certificate<'_>) -> Vec<String> {
    let descriptions = certificate.iter_extensions().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(&access.accessdescs),
        _ => None,
    });
    let responders =
        descriptions.flatten().filter(|description| description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP);
    responders.filter_map(|description| url(&description.access_location)).take(MOST_URLS).collect()
}

/// An address that can be fetched by HTTP.
fn url(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(text) = name else { return None };
    let lower = text.to_ascii_lowercase();
    let fetchable = lower.starts_with("http://") || lower.starts_with("https://");
    let plain = text.len() <= LONGEST_URL && text.bytes().all(|octet| octet.is_ascii_graphic());
    (fetchable && plain).then(|| (*text).to_owned())
}
