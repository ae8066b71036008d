//! Certificates in whatever form an authority publishes them, sorted by what they are.

use openssl::pkcs7::Pkcs7;
use openssl::x509::{X509, X509Ref, X509VerifyResult};

use super::{ChoreError, HeldCertificate, Role};

/// Larger files are no bundles of certificates.
const MAX_OCTETS: usize = 4 * 1024 * 1024;

/// The certificates of a file: PEM (any number, also PKCS#7), DER (`.cer`), PKCS#7 (`.p7b`); each once, DER. `[RFC2315 9.1]`
pub fn certificates(octets: &[u8]) -> Result<Vec<Vec<u8>>, ChoreError> {
    if octets.len() > MAX_OCTETS {
        return Err(ChoreError::Format(format!("more than {MAX_OCTETS} octets: no file of certificates")));
    }
    let found =
        if octets.windows(11).any(|window| window == b"-----BEGIN ") { of_pem(octets)? } else { of_der(octets)? };
    let mut ders: Vec<Vec<u8>> = Vec::new();
    for certificate in found {
        let der = der(&certificate)?;
        if !ders.contains(&der) {
            ders.push(der);
        }
    }
    if ders.is_empty() {
        return Err(ChoreError::Format("no certificate in it; PEM, DER (.cer) and PKCS#7 (.p7b) are read".into()));
    }
    Ok(ders)
}

fn of_pem(octets: &[u8]) -> Result<Vec<X509>, ChoreError> {
    const PKCS7: &str = "-----BEGIN PKCS7-----";
    let text = String::from_utf8_lossy(octets);
    let mut found = X509::stack_from_pem(octets)
        .map_err(|errors| ChoreError::Format(format!("damaged PEM ({errors}); export the certificates again")))?;
    for (at, _) in text.match_indices(PKCS7) {
        found.extend(of_pkcs7(&Pkcs7::from_pem(text[at..].as_bytes()).map_err(|_| unreadable())?)?);
    }
    Ok(found)
}

fn of_der(octets: &[u8]) -> Result<Vec<X509>, ChoreError> {
    if let Ok(certificate) = X509::from_der(octets) {
        return Ok(vec![certificate]);
    }
    of_pkcs7(&Pkcs7::from_der(octets).map_err(|_| unreadable())?)
}

fn of_pkcs7(bundle: &Pkcs7) -> Result<Vec<X509>, ChoreError> {
    let signed = bundle.signed().ok_or_else(|| {
        ChoreError::Format("a PKCS#7 file that is not of kind signed-data; export the chain as .p7b again".into())
    })?;
    Ok(signed.certificates().into_iter().flatten().map(ToOwned::to_owned).collect())
}

fn unreadable() -> ChoreError {
    ChoreError::Format("neither PEM nor DER (.cer) nor PKCS#7 (.p7b); download the file again".into())
}

/// Certificates of a bundle by what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Authorities that signed themselves.
    pub roots: Vec<HeldCertificate>,
    /// Authorities below them.
    pub intermediates: Vec<HeldCertificate>,
    /// Certificates that may issue none.
    pub others: Vec<HeldCertificate>,
}

/// Reads and sorts certificates in DER.
pub fn sort(ders: &[Vec<u8>]) -> Result<Sorted, ChoreError> {
    let mut sorted = Sorted::default();
    for der in ders {
        let certificate = HeldCertificate::read(der)?;
        match certificate.role {
            Role::Root => sorted.roots.push(certificate),
            Role::Intermediate => sorted.intermediates.push(certificate),
            Role::EndEntity => sorted.others.push(certificate),
        }
    }
    Ok(sorted)
}

/// The place of the certificate that issued `certificate`, by name and signature.
pub(super) fn issuer_of(certificate: &[u8], candidates: &[Vec<u8>]) -> Result<Option<usize>, ChoreError> {
    let certificate = x509(certificate)?;
    for (at, candidate) in candidates.iter().enumerate() {
        if issued(&*x509(candidate)?, &certificate) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Whether `issuer` signed `certificate`, itself perhaps.
pub(super) fn issued(issuer: &X509Ref, certificate: &X509Ref) -> bool {
    issuer.issued(certificate) == X509VerifyResult::OK
        && issuer.public_key().and_then(|key| certificate.verify(&key)).unwrap_or(false)
}

pub(super) fn x509(der: &[u8]) -> Result<X509, ChoreError> {
    X509::from_der(der).map_err(|errors| ChoreError::Format(format!("a certificate cannot be read ({errors})")))
}

pub(super) fn der(certificate: &X509Ref) -> Result<Vec<u8>, ChoreError> {
    Ok(certificate.to_der()?)
}

/// PEM of certificates in DER, in their order.
pub(super) fn pem(ders: &[Vec<u8>]) -> Result<Vec<u8>, ChoreError> {
    let mut pem = Vec::new();
    for der in ders {
        pem.extend(x509(der)?.to_pem()?);
    }
    Ok(pem)
}
