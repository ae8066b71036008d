//! What a XAdES signature says of itself: when it was made, and with which certificate.
//!
//! Both are required at level B, and signed. The certificate that is named there must be the one
//! whose key signed: a signature cannot be passed off as somebody else's who has the same key or
//! name. (ETSI EN 319 132-1, 6.3: the requirements of level B.)

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uppsala::{Document, NodeId};
use x509_parser::certificate::X509Certificate;

use super::algorithm::Hash;
use super::form::{DS, XADES, base64_of};
use super::refused;
use crate::list::content::EXAMPLE;
use crate::shown::shown;
use crate::{DistinguishedName, TrustListError, VerifiedCertificate};

/// How far the signer's clock may be ahead of ours.
const CLOCK_TOLERANCE: Duration = Duration::minutes(10);

/// Whether the signed properties are those of a signature by this signer, made before now.
pub(super) fn check(
    document: &Document<'_>,
    signature: NodeId,
    properties: NodeId,
    signer: &VerifiedCertificate,
    now: OffsetDateTime,
) -> Result<(), TrustListError> {
    check_place(document, signature, properties)?;
    let of_signature = only(document, properties, "SignedSignatureProperties")?;
    check_time(document, only(document, of_signature, "SigningTime")?, now)?;
    let first = children(document, of_signature, "SigningCertificate");
    let second = children(document, of_signature, "SigningCertificateV2");
    match (&first[..], &second[..]) {
        ([], []) => Err(refused("its properties do not name the signer's certificate (SigningCertificateV2)")),
        ([] | [_], [] | [_]) => {
            first.iter().chain(&second).try_for_each(|certificates| check_certificate(document, *certificates, signer))
        }
        _ => Err(refused("its properties name the signer's certificate more than once")),
    }
}

/// The properties stand in `ds:Object/xades:QualifyingProperties` of this signature and say so.
fn check_place(document: &Document<'_>, signature: NodeId, properties: NodeId) -> Result<(), TrustListError> {
    let qualifying = document.parent(properties).filter(|node| is(document, *node, XADES, "QualifyingProperties"));
    let object = qualifying.and_then(|node| document.parent(node)).filter(|node| is(document, *node, DS, "Object"));
    if object.and_then(|node| document.parent(node)) != Some(signature) {
        return Err(refused("its properties do not stand in its Object/QualifyingProperties"));
    }
    let target = qualifying.and_then(|node| document.get_attribute(node, "Target"));
    let id = document.get_attribute(signature, "Id");
    let is_ours = target.and_then(|target| target.strip_prefix('#')).is_some_and(|target| Some(target) == id);
    is_ours.then_some(()).ok_or_else(|| refused("its QualifyingProperties are those of another signature (Target)"))
}

fn check_time(document: &Document<'_>, signing_time: NodeId, now: OffsetDateTime) -> Result<(), TrustListError> {
    let text = document.text_content_deep(signing_time);
    let moment = OffsetDateTime::parse(text.trim(), &Rfc3339)
        .map_err(|_| refused(format!("its SigningTime '{}' is not a moment such as {EXAMPLE}", shown(&text))))?;
    if moment - now > CLOCK_TOLERANCE {
        return Err(refused(format!("its SigningTime {moment} lies in the future; check this machine's clock")));
    }
    Ok(())
}

/// Whether the first certificate named is the signer's; those after it are of its chain.
fn check_certificate(
    document: &Document<'_>,
    certificates: NodeId,
    signer: &VerifiedCertificate,
) -> Result<(), TrustListError> {
    let Some(named) = children(document, certificates, "Cert").into_iter().next() else {
        return Err(refused("its SigningCertificate names none"));
    };
    check_digest(document, only(document, named, "CertDigest")?, signer)?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(signer.der()).map_err(|error| refused(error.to_string()))?;
    for issuer in children(document, named, "IssuerSerial") {
        check_issuer_and_serial(document, issuer, &certificate)?;
    }
    for issuer in children(document, named, "IssuerSerialV2") {
        let der = base64_of(document, issuer, "IssuerSerialV2")?;
        same(der == super::der::issuer_and_serial(&certificate))?;
    }
    Ok(())
}

fn check_digest(
    document: &Document<'_>,
    cert_digest: NodeId,
    signer: &VerifiedCertificate,
) -> Result<(), TrustListError> {
    let method = only_of(document, cert_digest, DS, "DigestMethod")?;
    let hash = Hash::of(document, method)?;
    let value = only_of(document, cert_digest, DS, "DigestValue")?;
    let value = base64_of(document, value, "the digest of the signer's certificate")?;
    same(hash.is_of(signer.der(), &value))
}

/// The first edition writes the issuer as text and the serial number in decimal digits.
fn check_issuer_and_serial(
    document: &Document<'_>,
    issuer: NodeId,
    certificate: &X509Certificate<'_>,
) -> Result<(), TrustListError> {
    let text = |name| only_of(document, issuer, DS, name).map(|node| document.text_content_deep(node));
    let name = DistinguishedName::parse(text("X509IssuerName")?.trim()).map_err(|error| refused(error.to_string()))?;
    let issuer = DistinguishedName::of_name(certificate.issuer());
    let serial = certificate.tbs_certificate.serial.to_string();
    same(name.key() == issuer.key() && text("X509SerialNumber")?.trim() == serial)
}

fn same(is_same: bool) -> Result<(), TrustListError> {
    is_same.then_some(()).ok_or_else(|| refused("its properties name another certificate than the signer's"))
}

fn is(document: &Document<'_>, node: NodeId, namespace: &str, name: &str) -> bool {
    document.element(node).is_some_and(|element| element.matches_name_ns(namespace, name))
}

fn children(document: &Document<'_>, parent: NodeId, name: &str) -> Vec<NodeId> {
    document.child_elements_by_name_ns(parent, XADES, name)
}

fn only(document: &Document<'_>, parent: NodeId, name: &str) -> Result<NodeId, TrustListError> {
    only_of(document, parent, XADES, name)
}

fn only_of(document: &Document<'_>, parent: NodeId, namespace: &str, name: &str) -> Result<NodeId, TrustListError> {
    match document.child_elements_by_name_ns(parent, namespace, name)[..] {
        [child] => Ok(child),
        _ => Err(refused(format!("its properties do not have exactly one {name}"))),
    }
}
