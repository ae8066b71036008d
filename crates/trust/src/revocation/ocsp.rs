//! OCSP: the question about one certificate, and what an answer says. No network here. `[RFC6960 4]`
//!
//! Questions carry no nonce, so that responders can answer from their caches; an answer is
//! believed for as long as it says. `[RFC5019 2.1.1]`

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use time::OffsetDateTime;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{
    self, ENUMERATED, Element, INTEGER, NULL, OCTET_STRING, OID, Reader, SEQUENCE, Unexpected, context, encoded,
    primitive,
};
use super::register::{Register, TOLERANCE};
use super::signed::{Key, Signed, Signer};
use crate::chain::{provider, unix_time};

/// What responders are sent.
pub(super) const REQUEST_TYPE: &str = "application/ocsp-request";

const SHA1_OID: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const BASIC_ANSWER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1];
const OCSP_SIGNING: KeyPurposeId<'static> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 9]);

/// Answers that do not say when the next one comes are believed for this long. `[RFC6960 4.2.2.1]`
const WITHOUT_END: time::Duration = time::Duration::hours(1);

/// Whose certificate is asked about.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) issuer: &'a Signer,
    /// Content octets of the serial number.
    pub(super) serial: &'a [u8],
}

/// What a responder says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// Believed until then.
    pub(super) until: OffsetDateTime,
    pub(super) this_update: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked(OffsetDateTime),
}

/// Why an answer decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum OcspFault {
    #[error("its answer cannot be read: {0} was expected")]
    Malformed(&'static str),
    #[error("it has no answer now (status {0})")]
    NoAnswer(u8),
    #[error("its answer has a critical extension that is unknown")]
    Critical,
    #[error("its answer is not signed by the issuer or by one whom the issuer has charged with it")]
    Untrusted,
    #[error("its answer is about another certificate")]
    AnotherCertificate,
    #[error("its answer is too old or from the future")]
    Untimely,
    #[error("it does not know the certificate")]
    Unknown,
}

impl From<Unexpected> for OcspFault {
    fn from(Unexpected(what): Unexpected) -> Self {
        Self::Malformed(what)
    }
}

impl Question<'_> {
    /// The request, DER. `[RFC6960 4.1.1]`
    pub(super) fn encode(&self) -> Vec<u8> {
        let sha1 = |octets| digest(&SHA1_FOR_LEGACY_USE_ONLY, octets);
        let algorithm = encoded(SEQUENCE, &[encoded(OID, SHA1_OID), encoded(NULL, &[])].concat());
        let certificate = [
            algorithm,
            encoded(OCTET_STRING, sha1(&self.issuer.subject).as_ref()),
            encoded(OCTET_STRING, &self.issuer.key.sha1()),
            encoded(INTEGER, self.serial),
        ]
        .concat();
        // CertID in a Request, in the list of requests, in a TBSRequest, in an OCSPRequest.
        (0..5).fold(certificate, |content, _| encoded(SEQUENCE, &content))
    }

    /// What an answer says, if it is to be believed at `now`.
    pub(super) fn read(&self, answer: &[u8], register: &Register, now: OffsetDateTime) -> Result<Answer, OcspFault> {
        let basic = Basic::read(answer)?;
        basic.verify(self.issuer, register, now)?;
        let mut single = self.find(basic.answers)?;
        let status = status(single.any("the status of a certificate")?)?;
        let this_update = single.time("thisUpdate")?;
        let next = single.optional(context(0), "nextUpdate")?;
        let next_update = next.map(|next| Reader::new(next.content).time("nextUpdate")).transpose()?;
        let until = believed_until(this_update, next_update);
        if let Some(extensions) = single.optional(context(1), "extensions of an answer")? {
            refuse_critical(extensions)?;
        }
        single.end("the end of an answer")?;
        if this_update > now + TOLERANCE || until < now {
            return Err(OcspFault::Untimely);
        }
        Ok(Answer { status: status.ok_or(OcspFault::Unknown)?, until, this_update })
    }

    /// The rest of the single answer about this certificate.
    fn find<'a>(&self, mut answers: Reader<'a>) -> Result<Reader<'a>, OcspFault> {
        while !answers.is_empty() {
            let mut single = answers.inside(SEQUENCE, "an answer")?;
            if self.is_about(single.inside(SEQUENCE, "the certificate of an answer")?)? {
                return Ok(single);
            }
        }
        Err(OcspFault::AnotherCertificate)
    }

    fn is_about(&self, mut certificate: Reader<'_>) -> Result<bool, Unexpected> {
        const WHAT: &str = "the certificate of an answer";
        let mut algorithm = certificate.inside(SEQUENCE, WHAT)?;
        let algorithm: &'static Algorithm = match algorithm.take(OID, WHAT)?.content {
            SHA1_OID => &SHA1_FOR_LEGACY_USE_ONLY,
            SHA256_OID => &SHA256,
            _ => return Ok(false),
        };
        let name = certificate.take(OCTET_STRING, WHAT)?.content;
        let key = certificate.take(OCTET_STRING, WHAT)?.content;
        let serial = certificate.take(INTEGER, WHAT)?.content;
        certificate.end(WHAT)?;
        Ok(name == digest(algorithm, &self.issuer.subject).as_ref()
            && key == digest(algorithm, self.issuer.key.octets()).as_ref()
            && der::significant(serial) == der::significant(self.serial))
    }
}

/// `BasicOCSPResponse`, taken apart. `[RFC6960 4.2.1]`
struct Basic<'a> {
    signed: Signed<'a>,
    responder: Element<'a>,
    answers: Reader<'a>,
    /// Certificates that may be the responder's.
    certificates: Reader<'a>,
}

impl<'a> Basic<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, OcspFault> {
        let mut outer = Reader::only(octets, SEQUENCE, "an OCSP answer")?;
        match outer.take(ENUMERATED, "the status of the responder")?.content {
            [0] => {}
            [status] => return Err(OcspFault::NoAnswer(*status)),
            _ => return Err(OcspFault::Malformed("the status of the responder")),
        }
        let mut bytes = outer.inside(context(0), "an answer")?.inside(SEQUENCE, "an answer")?;
        if bytes.take(OID, "the kind of the answer")?.content != BASIC_ANSWER {
            return Err(OcspFault::Malformed("a basic answer"));
        }
        let basic = bytes.take(OCTET_STRING, "a basic answer")?.content;
        let mut basic = Reader::only(basic, SEQUENCE, "a basic answer")?;
        let data = basic.take(SEQUENCE, "the data of the answer")?;
        let algorithm = basic.take(SEQUENCE, "the algorithm")?.content;
        let signature = basic.octets_of_bits("the signature")?;
        let certificates = match basic.optional(context(0), "certificates")? {
            Some(element) => Reader::only(element.content, SEQUENCE, "certificates")?,
            None => Reader::new(&[]),
        };
        basic.end("the end of the answer")?;
        let signed = Signed { content: data.whole, algorithm, signature };
        let (responder, answers) = response_data(Reader::new(data.content))?;
        Ok(Self { signed, responder, answers, certificates })
    }

    /// Whether the issuer signed it, or one whom the issuer has certified for that. `[RFC6960 4.2.2.2]`
    fn verify(&self, issuer: &Signer, register: &Register, now: OffsetDateTime) -> Result<(), OcspFault> {
        if self.is_by(&issuer.subject, &issuer.key) && issuer.key.verify(self.signed).is_ok() {
            return Ok(());
        }
        let mut certificates = self.certificates;
        while !certificates.is_empty() {
            let certificate = certificates.take(SEQUENCE, "a certificate")?.whole;
            if self.is_by_delegate(certificate, issuer, register, now) {
                return Ok(());
            }
        }
        Err(OcspFault::Untrusted)
    }

    fn is_by_delegate(&self, der: &[u8], issuer: &Signer, register: &Register, now: OffsetDateTime) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
        let Ok(key) = Key::of_spki(certificate.public_key().raw) else { return false };
        self.is_by(certificate.subject().as_raw(), &key)
            && key.verify(self.signed).is_ok()
            && is_delegate(der, issuer, now)
            && !register.lists(&issuer.authority, certificate.raw_serial())
    }

    /// Whether the answer names this responder.
    fn is_by(&self, name: &[u8], key: &Key) -> bool {
        match (self.responder.tag, self.responder.content) {
            (BY_NAME, content) => content == name,
            (BY_KEY, content) => content == encoded(OCTET_STRING, &key.sha1()),
            _ => false,
        }
    }
}

const BY_NAME: u8 = context(1);
const BY_KEY: u8 = context(2);

/// The times are the responder's: they may lie at the end of all times.
fn believed_until(this_update: OffsetDateTime, next_update: Option<OffsetDateTime>) -> OffsetDateTime {
    match next_update {
        Some(next) => next.saturating_add(TOLERANCE),
        None => this_update.saturating_add(WITHOUT_END),
    }
}

/// Who answers, and the single answers.
fn response_data(mut data: Reader<'_>) -> Result<(Element<'_>, Reader<'_>), OcspFault> {
    data.optional(context(0), "the version")?;
    let responder = data.any("the responder")?;
    data.time("producedAt")?;
    let answers = data.inside(SEQUENCE, "answers")?;
    if let Some(extensions) = data.optional(context(1), "extensions of the answer")? {
        refuse_critical(extensions)?;
    }
    data.end("the end of the data")?;
    Ok((responder, answers))
}

/// Good, revoked, or nothing for a certificate that the responder does not know.
fn status(element: Element<'_>) -> Result<Option<Status>, Unexpected> {
    const GOOD: u8 = primitive(0);
    const REVOKED: u8 = context(1);
    const UNKNOWN: u8 = primitive(2);
    match element.tag {
        GOOD => Ok(Some(Status::Good)),
        REVOKED => Ok(Some(Status::Revoked(Reader::new(element.content).time("the date of revocation")?))),
        UNKNOWN => Ok(None),
        _ => Err(Unexpected("the status of a certificate")),
    }
}

fn refuse_critical(extensions: Element<'_>) -> Result<(), OcspFault> {
    let mut list = Reader::new(extensions.content);
    let list = list.take(SEQUENCE, "extensions")?.content;
    for extension in der::extensions(list) {
        if extension?.critical {
            return Err(OcspFault::Critical);
        }
    }
    Ok(())
}

/// Whether the issuer itself has certified this key for signing answers, and the certificate is valid.
fn is_delegate(der: &[u8], issuer: &Signer, now: OffsetDateTime) -> bool {
    let (certificate, anchor) = (CertificateDer::from(der), CertificateDer::from(issuer.authority.der()));
    let (Ok(certificate), Ok(anchor)) =
        (EndEntityCert::try_from(&certificate), webpki::anchor_from_trusted_cert(&anchor))
    else {
        return false;
    };
    let algorithms = provider().signature_verification_algorithms.all;
    certificate.verify_for_usage(algorithms, &[anchor], &[], unix_time(now), MustSignAnswers, None, None).is_ok()
}

/// The extended key usage must be there. `[RFC6960 4.2.2.2]`
#[derive(Clone, Copy)]
struct MustSignAnswers;

impl ExtendedKeyUsageValidator for MustSignAnswers {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let present = purposes.collect::<Result<Vec<_>, _>>()?;
        if present.contains(&OCSP_SIGNING) {
            return Ok(());
        }
        let required = KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 9]);
        let present = present.iter().map(KeyPurposeId::to_decoded_oid).collect();
        Err(webpki::Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext { required, present }))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_answer_may_be_good_until_the_end_of_time() {
        let (now, end) = (datetime!(2026-11-03 08:00 UTC), datetime!(9999-12-31 23:59:59 UTC));
        assert!(believed_until(now, Some(end)) >= end);
        assert!(believed_until(end, None) >= end);
        assert_eq!(believed_until(now, Some(now)), now + TOLERANCE);
        assert_eq!(believed_until(now, None), now + WITHOUT_END);
    }
}
