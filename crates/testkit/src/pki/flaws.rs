//! Certificates that are made to be refused.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use time::Duration;

use super::{Issued, Pki, PkiError, ServerHolder, der};

/// What is wrong with a certificate that is made to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Ended a day ago.
    Expired,
    /// Begins in a day.
    NotYetValid,
    /// Usage serverAuth only. Real peers have such certificates, so hops accept them.
    ServerAuthOnly,
    /// Usage emailProtection only.
    MailOnly,
    /// Key usage keyEncipherment only: its key signs nothing.
    EncryptionOnly,
    /// An authority's.
    Authority,
    /// A key of RSA with 1024 bits.
    WeakKey,
    /// Signed with SHA-1.
    Sha1,
    /// No attribute in the subject.
    NoSubject,
    /// `CN=mx.hopital.fr\0.evil`.
    NulInSubject,
    /// A CN that is no UTF-8.
    NotUtf8,
    /// A serial number below zero.
    NegativeSerial,
    /// A serial number of thirty octets.
    LongSerial,
    /// An extension that stands there twice.
    TwiceTheSame,
    /// Alternative names that stand there twice.
    TwiceNamed,
    /// A critical extension that nobody knows.
    UnknownCritical,
    /// Ten thousand alternative names.
    ManyNames,
    /// An extension of 100,000 octets.
    Huge,
}

impl Flaw {
    /// All that are wrong in form, whatever the chain.
    pub const OF_FORM: [Self; 11] = [
        Self::NoSubject,
        Self::NulInSubject,
        Self::NotUtf8,
        Self::NegativeSerial,
        Self::LongSerial,
        Self::TwiceTheSame,
        Self::TwiceNamed,
        Self::UnknownCritical,
        Self::ManyNames,
        Self::Huge,
        Self::WeakKey,
    ];
}

/// In places of certificates that are changed after they were made.
const MARK: &[u8] = b"mark--mark";
/// The octets of a serial number that is positive until its first octet is replaced.
const SERIAL: [u8; 8] = [0x11, 0x5e, 0x41, 0xa1, 0x5e, 0x41, 0xa1, 0x77];
/// `sha256WithRSAEncryption`, and `sha1WithRSAEncryption`.
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const RSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
/// An extension that nobody knows.
const UNKNOWN: [u64; 5] = [1, 3, 6, 1, 99_999];
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];

impl Pki {
    /// A server certificate with something wrong.
    pub fn flawed_server(&self, holder: &ServerHolder, flaw: Flaw) -> Result<Issued, PkiError> {
        let mut params = self.server_params(holder)?;
        self.spoil(&mut params, flaw)?;
        match flaw {
            Flaw::WeakKey => self.issue_weak(&params),
            Flaw::Sha1 => self.changed(&self.issue(&params)?, RSA_SHA256, RSA_SHA1, MessageDigest::sha1()),
            Flaw::NotUtf8 => self.changed(&self.issue(&params)?, MARK, &[0xff; MARK.len()], MessageDigest::sha256()),
            Flaw::NegativeSerial => {
                let mut negative = SERIAL;
                negative[0] |= 0x80;
                self.changed(&self.issue(&params)?, &SERIAL, &negative, MessageDigest::sha256())
            }
            _ => self.issue(&params),
        }
    }

    fn spoil(&self, params: &mut CertificateParams, flaw: Flaw) -> Result<(), PkiError> {
        let unknown = |size| CustomExtension::from_oid_content(&UNKNOWN, der(0x04, &vec![0x5a; size]));
        let purposes = &mut params.extended_key_usages;
        match flaw {
            Flaw::Expired => params.not_after = self.now() - Duration::days(1),
            Flaw::NotYetValid => params.not_before = self.now() + Duration::days(1),
            Flaw::ServerAuthOnly => *purposes = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Flaw::MailOnly => *purposes = vec![ExtendedKeyUsagePurpose::EmailProtection],
            Flaw::EncryptionOnly => params.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            Flaw::Authority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Flaw::WeakKey | Flaw::Sha1 => {}
            Flaw::NoSubject => params.distinguished_name = DistinguishedName::new(),
            Flaw::NulInSubject => params.distinguished_name.push(DnType::CommonName, "mx.hopital.fr\0.evil"),
            Flaw::NotUtf8 => params.distinguished_name.push(DnType::CommonName, String::from_utf8_lossy(MARK)),
            Flaw::NegativeSerial => params.serial_number = Some(SerialNumber::from_slice(&SERIAL)),
            Flaw::LongSerial => params.serial_number = Some(SerialNumber::from_slice(&[0x5a; 30])),
            Flaw::TwiceTheSame => params.custom_extensions = vec![unknown(4), unknown(5)],
            Flaw::TwiceNamed => {
                let names = der(0x30, &der(0x82, b"mx.evil"));
                params.custom_extensions = vec![CustomExtension::from_oid_content(&SUBJECT_ALT_NAME, names)];
            }
            Flaw::UnknownCritical => {
                let mut critical = unknown(4);
                critical.set_criticality(true);
                params.custom_extensions = vec![critical];
            }
            Flaw::ManyNames => {
                for number in 0..10_000 {
                    params.subject_alt_names.push(SanType::DnsName(format!("h{number}.hopital.fr").try_into()?));
                }
            }
            Flaw::Huge => params.custom_extensions = vec![unknown(100_000)],
        }
        Ok(())
    }

    fn issue_weak(&self, params: &CertificateParams) -> Result<Issued, PkiError> {
        let key = Rsa::generate(1024)?;
        let certificate = params.signed_by(&WeakKey(key.public_key_to_der_pkcs1()?), &self.issuing().issuer)?;
        let key_pem = PKey::from_rsa(key)?.private_key_to_pem_pkcs8()?;
        Ok(self.issued(certificate.der(), String::from_utf8_lossy(&key_pem).into_owned()))
    }

    /// The same certificate with octets replaced by as many others everywhere, signed again.
    fn changed(&self, issued: &Issued, from: &[u8], to: &[u8], hash: MessageDigest) -> Result<Issued, PkiError> {
        let mut certificate = issued.der.clone();
        let places: Vec<_> = (0..certificate.len()).filter(|place| certificate[*place..].starts_with(from)).collect();
        assert!(!places.is_empty() && from.len() == to.len(), "what is to be replaced stands in the certificate");
        for place in places {
            certificate[place..place + from.len()].copy_from_slice(to);
        }
        let key = PKey::private_key_from_pem(self.issuing().issuer.key().serialize_pem().as_bytes())?;
        let mut signer = Signer::new(hash, &key)?;
        // Certificate and TBSCertificate are longer than 255 octets and shorter than 65,536: four octets of header each.
        let length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
        let signature = signer.sign_oneshot_to_vec(&certificate[4..8 + length])?;
        let end = certificate.len();
        certificate[end - signature.len()..].copy_from_slice(&signature);
        Ok(self.issued(&certificate, issued.key_pem.clone()))
    }
}

/// A public key of RSA as PKCS#1 writes it.
struct WeakKey(Vec<u8>);

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_was_changed_is_signed_again() {
        let pki = Pki::new(datetime!(2026-11-03 08:00 UTC)).unwrap();
        let holder = ServerHolder {
            cn: "mx.hopital.fr".into(),
            organisation: "CH".into(),
            structure: "10B0078671".into(),
            department: "Gard (30)".into(),
            extra_names: Vec::new(),
        };
        let key = openssl::x509::X509::from_der(pki.issuing_der()).unwrap().public_key().unwrap();
        // OpenSSL reads no names that are no UTF-8.
        for flaw in [Flaw::NegativeSerial, Flaw::Sha1, Flaw::WeakKey] {
            let issued = pki.flawed_server(&holder, flaw).unwrap();
            let certificate = openssl::x509::X509::from_der(&issued.der).unwrap();
            assert!(certificate.verify(&key).unwrap(), "{flaw:?}");
        }
    }
}
