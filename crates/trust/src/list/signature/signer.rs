//! The certificate whose key signed: found by its name, judged like any other.

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use uppsala::{Document, NodeId};

use super::{form, refused};
use crate::chain::{self, Usage};
use crate::shown::shown;
use crate::{Authorities, DistinguishedName, TrustListError, VerifiedCertificate};

/// More certificates than any chain has.
const MAX_CERTIFICATES: usize = 10;

/// The certificates that the signature brings along, in whatever order, each once.
pub(super) fn certificates(
    document: &Document<'_>,
    signature: NodeId,
) -> Result<Vec<CertificateDer<'static>>, TrustListError> {
    let mut certificates = Vec::new();
    for key_info in document.child_elements_by_name_ns(signature, form::DS, "KeyInfo") {
        for data in document.child_elements_by_name_ns(key_info, form::DS, "X509Data") {
            for certificate in document.child_elements_by_name_ns(data, form::DS, "X509Certificate") {
                let der = CertificateDer::from(form::base64_of(document, certificate, "an X509Certificate")?);
                if !certificates.contains(&der) {
                    certificates.push(der);
                }
                if certificates.len() > MAX_CERTIFICATES {
                    return Err(refused(format!("it brings more than {MAX_CERTIFICATES} certificates")));
                }
            }
        }
    }
    if certificates.is_empty() {
        return Err(refused("it brings no certificate (KeyInfo/X509Data/X509Certificate)"));
    }
    Ok(certificates)
}

/// The one certificate whose subject is the one that may sign.
pub(super) fn named<'a>(
    certificates: &'a [CertificateDer<'static>],
    cn: &str,
    ou: Option<&str>,
) -> Result<&'a CertificateDer<'static>, TrustListError> {
    let mut subjects = Vec::new();
    let mut found = Vec::new();
    for certificate in certificates {
        let name = DistinguishedName::of_certificate(certificate).map_err(|error| refused(error.to_string()))?;
        if is_only(&name, "CN", cn) && ou.is_none_or(|ou| is_only(&name, "OU", ou)) {
            found.push(certificate);
        }
        subjects.push(shown(&name.to_string()));
    }
    let wanted = || format!("CN={cn}{}", ou.map(|ou| format!(",OU={ou}")).unwrap_or_default());
    match found[..] {
        [signer] => Ok(signer),
        [] => {
            Err(refused(format!("none of its certificates is of {}; it brings {}", wanted(), subjects.join(" and "))))
        }
        _ => Err(refused(format!("more than one of its certificates is of {}", wanted()))),
    }
}

/// Whether the name has this attribute once, with this value and no other.
fn is_only(name: &DistinguishedName, kind: &str, value: &str) -> bool {
    let mut values = name.values(kind);
    values.next() == Some(value) && values.next().is_none()
}

/// The signer, if one of our authorities issued its certificate and it is for signatures.
pub(super) fn verified(
    signer: &CertificateDer<'_>,
    certificates: &[CertificateDer<'_>],
    authorities: &Authorities,
    now: OffsetDateTime,
) -> Result<VerifiedCertificate, TrustListError> {
    let verified = authorities
        .verify(signer, certificates, Usage::Signer, chain::unix_time(now))
        .map_err(|fault| refused(format!("the signer's certificate is not trusted: {fault}")))?;
    check_key_usage(signer)?;
    Ok(verified)
}

/// A certificate that says what it is for must be for signatures. `[RFC5280 4.2.1.3]`
fn check_key_usage(signer: &[u8]) -> Result<(), TrustListError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(signer).map_err(|error| refused(error.to_string()))?;
    let usage = certificate.key_usage().map_err(|error| refused(error.to_string()))?;
    if usage.is_some_and(|usage| !usage.value.digital_signature() && !usage.value.non_repudiation()) {
        return Err(refused("the signer's certificate is not for signatures (keyUsage)"));
    }
    Ok(())
}
