//! Revocation lists and OCSP answers of the test PKI: good ones as a CA makes them, and all
//! that must not be believed.
//!
//! ```no_run
//! # fn example(pki: &testkit::pki::Pki, issued: &testkit::pki::Issued, now: time::OffsetDateTime)
//! # -> Result<(), testkit::pki::PkiError> {
//! use testkit::revocation::Crl;
//! let list = pki.crl(&Crl::around(now).number(7).revoke(&issued.der, now))?; // DER
//! # Ok(()) }
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::x509::X509;
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use crate::pki::{Authority, Issued, Pki, PkiError, der};

const UTC_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year repr:last_two][month][day][hour][minute][second]Z");

const SHA256_WITH_RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 0x05, 0];
const SHA1_WITH_RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x05, 0x05, 0];

/// Last octets of the OIDs of extensions, which all begin with 2.5.29.
const CRL_NUMBER: u8 = 20;
const REASON_CODE: u8 = 21;
const DELTA_INDICATOR: u8 = 27;
const ISSUING_POINT: u8 = 28;
const CERTIFICATE_ISSUER: u8 = 29;

/// Reasons of entries. `[RFC5280 5.3.1]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody else has the key.
    KeyCompromise = 1,
    /// Suspended.
    Hold = 6,
    /// No more revoked; for delta lists.
    RemoveFromCrl = 8,
}

/// What makes a list other than one of all certificates of its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// Only what changed.
    Delta,
    /// Certificates of other issuers too.
    Indirect,
    /// An entry names another issuer.
    EntryOfAnotherIssuer,
    /// Authorities only.
    OnlyAuthorities,
    /// End entities only.
    OnlyLeaves,
    /// Attribute certificates only.
    OnlyAttributes,
    /// Some reasons only.
    SomeReasons,
    /// Certificates only that name this URL.
    PartOf(String),
    /// A critical extension that nobody knows.
    UnknownCritical,
    /// The same in an entry.
    UnknownCriticalInEntry,
    /// No nextUpdate.
    Endless,
    /// A signature with SHA-1.
    Sha1,
}

/// A list to be made.
#[derive(Debug, Clone)]
pub struct Crl {
    this_update: OffsetDateTime,
    next_update: OffsetDateTime,
    number: u32,
    entries: Vec<u8>,
    oddities: Vec<Oddity>,
}

impl Crl {
    /// An empty one.
    pub fn new(this_update: OffsetDateTime, next_update: OffsetDateTime) -> Self {
        Self { this_update, next_update, number: 1, entries: Vec::new(), oddities: Vec::new() }
    }

    /// An empty one, made an hour ago for a day.
    pub fn around(now: OffsetDateTime) -> Self {
        Self::new(now - Duration::hours(1), now + Duration::hours(23))
    }

    /// The same with this CRL number.
    #[must_use]
    pub fn number(mut self, number: u32) -> Self {
        self.number = number;
        self
    }

    /// The same with a certificate (DER).
    #[must_use]
    pub fn revoke(self, certificate: &[u8], since: OffsetDateTime) -> Self {
        let serial = serial_of(certificate);
        self.entry(&serial, since, None)
    }

    /// The same with a certificate (DER), for a reason.
    #[must_use]
    pub fn revoke_for(self, certificate: &[u8], since: OffsetDateTime, reason: Reason) -> Self {
        let serial = serial_of(certificate);
        self.entry(&serial, since, Some(reason))
    }

    /// The same with this serial number: content octets of its DER form.
    #[must_use]
    pub fn entry(mut self, serial: &[u8], since: OffsetDateTime, reason: Option<Reason>) -> Self {
        let mut content = [der(0x02, serial), utc_time(since)].concat();
        let extensions = match reason {
            Some(reason) => extension(REASON_CODE, false, &der(0x0a, &[reason as u8])),
            None => Vec::new(),
        };
        if !extensions.is_empty() {
            content.extend(der(0x30, &extensions));
        }
        self.entries.extend(der(0x30, &content));
        self
    }

    /// The same with something special.
    #[must_use]
    pub fn with(mut self, oddity: Oddity) -> Self {
        let critical = match oddity {
            // A name in the way of a directory, empty: enough to be another one.
            Oddity::EntryOfAnotherIssuer => Some((CERTIFICATE_ISSUER, der(0x30, &der(0xa4, &der(0x30, &[]))))),
            Oddity::UnknownCriticalInEntry => Some((99, vec![0x05, 0])),
            _ => None,
        };
        if let Some((oid, value)) = critical {
            let extensions = der(0x30, &extension(oid, true, &value));
            let content = [der(0x02, &[0x7f, 0x7f]), utc_time(self.this_update), extensions].concat();
            self.entries.extend(der(0x30, &content));
        }
        self.oddities.push(oddity);
        self
    }

    fn sign(&self, authority: &Authority) -> Result<Vec<u8>, PkiError> {
        let (algorithm, digest) = if self.oddities.contains(&Oddity::Sha1) {
            (SHA1_WITH_RSA, MessageDigest::sha1())
        } else {
            (SHA256_WITH_RSA, MessageDigest::sha256())
        };
        let algorithm = der(0x30, algorithm);
        let issuer = X509::from_der(&authority.der)?.subject_name().to_der()?;
        let content = self.content(&algorithm, &issuer);
        let key = PKey::private_key_from_pem(authority.issuer.key().serialize_pem().as_bytes())?;
        let signature = Signer::new(digest, &key)?.sign_oneshot_to_vec(&content)?;
        Ok(der(0x30, &[content, algorithm, der(0x03, &[&[0], signature.as_slice()].concat())].concat()))
    }

    fn content(&self, algorithm: &[u8], issuer: &[u8]) -> Vec<u8> {
        let mut content = [&der(0x02, &[1]), algorithm, issuer, &utc_time(self.this_update)].concat();
        if !self.oddities.contains(&Oddity::Endless) {
            content.extend(utc_time(self.next_update));
        }
        if !self.entries.is_empty() {
            content.extend(der(0x30, &self.entries));
        }
        let number = [&[0], self.number.to_be_bytes().as_slice()].concat();
        let mut extensions = extension(CRL_NUMBER, false, &der(0x02, &minimal(&number)));
        extensions.extend(self.oddities.iter().flat_map(Oddity::extension));
        content.extend(der(0xa0, &der(0x30, &extensions)));
        der(0x30, &content)
    }
}

impl Oddity {
    fn extension(&self) -> Vec<u8> {
        let point = |content: &[u8]| extension(ISSUING_POINT, true, &der(0x30, content));
        match self {
            Self::Delta => extension(DELTA_INDICATOR, true, &der(0x02, &[1])),
            Self::Indirect => point(&der(0x84, &[0xff])),
            Self::OnlyAuthorities => point(&der(0x82, &[0xff])),
            Self::OnlyLeaves => point(&der(0x81, &[0xff])),
            Self::OnlyAttributes => point(&der(0x85, &[0xff])),
            Self::SomeReasons => point(&der(0x83, &[6, 0x40])),
            Self::PartOf(url) => point(&der(0xa0, &der(0xa0, &der(0x86, url.as_bytes())))),
            Self::UnknownCritical => extension(99, true, &[0x05, 0]),
            Self::EntryOfAnotherIssuer | Self::UnknownCriticalInEntry | Self::Endless | Self::Sha1 => Vec::new(),
        }
    }
}

impl Pki {
    /// A revocation list of the authority that issues leaves, DER.
    pub fn crl(&self, crl: &Crl) -> Result<Vec<u8>, PkiError> {
        crl.sign(self.issuing())
    }

    /// A revocation list of the root, for intermediates, DER.
    pub fn root_crl(&self, crl: &Crl) -> Result<Vec<u8>, PkiError> {
        crl.sign(self.root())
    }

    /// A certificate for signing OCSP answers in the issuer's place. `[RFC6960 4.2.2.2]`
    pub fn ocsp_signer(&self) -> Result<Issued, PkiError> {
        let mut params = self.leaf_params();
        params.distinguished_name.push(rcgen::DnType::CommonName, "TEST OCSP IGC-SANTE");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        self.issue(&params)
    }
}

/// Content octets of a certificate's serial number.
pub fn serial_of(certificate: &[u8]) -> Vec<u8> {
    let number = X509::from_der(certificate).and_then(|certificate| certificate.serial_number().to_bn());
    let octets = number.map(|number| number.to_vec()).unwrap_or_default();
    minimal(&[&[0], octets.as_slice()].concat())
}

/// A certificate's serial number as OpenSSL writes it in an index.
fn hex_serial(certificate: &[u8]) -> String {
    let octets = serial_of(certificate);
    let significant = octets.strip_prefix(&[0]).unwrap_or(&octets);
    significant.iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02X}"))
}

/// A positive number in as few octets as DER allows, given one with leading zeros.
fn minimal(number: &[u8]) -> Vec<u8> {
    let superfluous = number.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    number[superfluous..].to_vec()
}

fn extension(last_octet: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let criticality = if critical { der(0x01, &[0xff]) } else { Vec::new() };
    der(0x30, &[der(0x06, &[0x55, 0x1d, last_octet]), criticality, der(0x04, value)].concat())
}

fn utc_time(moment: OffsetDateTime) -> Vec<u8> {
    der(0x17, digits(moment).as_bytes())
}

fn digits(moment: OffsetDateTime) -> String {
    moment.to_offset(time::UtcOffset::UTC).format(UTC_TIME).unwrap_or_default()
}

/// An OCSP responder: `openssl ocsp`, run once for each answer. Its time is the real one; answers
/// hold for an hour.
pub struct OcspResponder {
    folder: PathBuf,
    entries: Mutex<Vec<String>>,
    signer: &'static str,
}

impl OcspResponder {
    /// Answers for the authority of `pki` that issues leaves, signed by itself. `folder` must be empty.
    pub fn new(pki: &Pki, folder: &Path) -> Result<Self, PkiError> {
        pki.write(folder)?;
        Ok(Self { folder: folder.to_owned(), entries: Mutex::default(), signer: "issuing-ca" })
    }

    /// The same, but signed by somebody else.
    pub fn signed_by(self, signer: &Issued) -> Result<Self, PkiError> {
        signer.write(&self.folder, "responder")?;
        Ok(Self { signer: "responder", ..self })
    }

    /// Knows this certificate (DER) as good. It knows no others.
    pub fn good(&self, certificate: &[u8]) {
        self.know("V", "", certificate);
    }

    /// Knows this certificate (DER) as revoked.
    pub fn revoked(&self, certificate: &[u8], since: OffsetDateTime) {
        self.know("R", &digits(since), certificate);
    }

    /// One line of an index as `openssl ca` keeps it; of two with the same number the first counts.
    fn know(&self, status: &str, since: &str, certificate: &[u8]) {
        let serial = hex_serial(certificate);
        let line = format!("{status}\t491231235959Z\t{since}\t{serial}\tunknown\t/CN={serial}\n");
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| !entry.contains(&format!("\t{serial}\t")));
        entries.push(line);
    }

    /// The answer to a request, both in DER.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, PkiError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        self.write("index.txt", entries.concat().as_bytes())?;
        self.write("request.der", request)?;
        let (signer, key) = (format!("{}.pem", self.signer), format!("{}.key", self.signer));
        let output = Command::new("openssl")
            .current_dir(&self.folder)
            .args(["ocsp", "-index", "index.txt", "-CA", "issuing-ca.pem", "-reqin", "request.der", "-nmin", "60"])
            .args(["-rsigner", &signer, "-rkey", &key, "-respout", "response.der"])
            .output();
        let file = self.folder.join("response.der");
        match output {
            Ok(output) if output.status.success() => fs::read(&file).map_err(|error| PkiError::File { file, error }),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(PkiError::File { file, error: std::io::Error::other(why) })
            }
            Err(error) => Err(PkiError::File { file: PathBuf::from("openssl"), error }),
        }
    }

    fn write(&self, name: &str, octets: &[u8]) -> Result<(), PkiError> {
        let file = self.folder.join(name);
        fs::write(&file, octets).map_err(|error| PkiError::File { file, error })
    }
}

#[cfg(test)]
mod tests {
    use mssante::Clock;

    use super::*;
    use crate::clock::RealClock;
    use crate::pki::ServerHolder;

    fn holder() -> ServerHolder {
        ServerHolder {
            cn: "mx.hopital.fr".into(),
            organisation: "CH".into(),
            structure: "10B0078671".into(),
            department: "Eure (27)".into(),
            extra_names: vec![],
        }
    }

    fn run(folder: &Path, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.into_owned())
    }

    #[test]
    fn openssl_reads_and_verifies_the_lists() {
        let (now, folder) = (RealClock.now(), tempfile::tempdir().unwrap());
        let pki = Pki::new(now).unwrap();
        pki.write(folder.path()).unwrap();
        let issued = pki.server(&holder()).unwrap();
        let crl = Crl::around(now).number(300).revoke_for(&issued.der, now, Reason::KeyCompromise);
        fs::write(folder.path().join("a.crl"), pki.crl(&crl).unwrap()).unwrap();
        let arguments = ["crl", "-inform", "DER", "-in", "a.crl", "-CAfile", "issuing-ca.pem", "-noout", "-text"];
        let (good, text) = run(folder.path(), &arguments);
        assert!(good && text.contains("verify OK"), "{text}");
        let serial = hex_serial(&issued.der);
        for part in [serial.as_str(), "Key Compromise", "300", "IGC-SANTE ELEMENTAIRE ORGANISATIONS"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn openssl_understands_every_oddity() {
        let (now, folder) = (RealClock.now(), tempfile::tempdir().unwrap());
        let pki = Pki::new(now).unwrap();
        for (oddity, word) in [
            (Oddity::Delta, "Delta CRL Indicator: critical"),
            (Oddity::Indirect, "Indirect CRL"),
            (Oddity::OnlyAuthorities, "Only CA Certificates"),
            (Oddity::OnlyLeaves, "Only User Certificates"),
            (Oddity::OnlyAttributes, "Only Attribute Certificates"),
            (Oddity::SomeReasons, "Only Some Reasons"),
            (Oddity::PartOf("http://crl.example/7".into()), "URI:http://crl.example/7"),
            (Oddity::EntryOfAnotherIssuer, "Certificate Issuer"),
            (Oddity::UnknownCritical, "critical"),
            (Oddity::UnknownCriticalInEntry, "critical"),
            (Oddity::Endless, "Next Update: NONE"),
            (Oddity::Sha1, "sha1WithRSAEncryption"),
        ] {
            let list = pki.crl(&Crl::around(now).with(oddity)).unwrap();
            fs::write(folder.path().join("a.crl"), list).unwrap();
            let (good, text) = run(folder.path(), &["crl", "-inform", "DER", "-in", "a.crl", "-noout", "-text"]);
            assert!(good && text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn openssl_verifies_the_answers_of_the_responder() {
        let (now, folder) = (RealClock.now(), tempfile::tempdir().unwrap());
        let pki = Pki::new(now).unwrap();
        let (good, revoked) = (pki.server(&holder()).unwrap(), pki.server(&holder()).unwrap());
        let responder =
            OcspResponder::new(&pki, folder.path()).unwrap().signed_by(&pki.ocsp_signer().unwrap()).unwrap();
        responder.good(&good.der);
        responder.revoked(&revoked.der, now - Duration::days(1));
        for (issued, word) in [(&good, "leaf.pem: good"), (&revoked, "leaf.pem: revoked")] {
            issued.write(folder.path(), "leaf").unwrap();
            let question = ["ocsp", "-issuer", "issuing-ca.pem", "-cert", "leaf.pem", "-no_nonce", "-reqout", "q.der"];
            assert!(run(folder.path(), &question).0);
            let answer = responder.answer(&fs::read(folder.path().join("q.der")).unwrap()).unwrap();
            fs::write(folder.path().join("a.der"), answer).unwrap();
            let check =
                ["ocsp", "-respin", "a.der", "-issuer", "issuing-ca.pem", "-cert", "leaf.pem", "-CAfile", "ca.pem"];
            let (verified, text) = run(folder.path(), &check);
            assert!(verified && text.contains("verify OK") && text.contains(word), "{word}: {text}");
        }
    }
}
