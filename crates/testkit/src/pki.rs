//! A private PKI with the names, the layout and the key sizes of IGC-Santé's test chain.
//!
//! Root and intermediate carry the names of `TEST AC RACINE IGC-SANTE ELEMENTAIRE` and
//! `TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS`; the anchor is the root, and every chain that
//! is handed out holds the leaf and the intermediate, as peers send them.

mod flaws;
mod signer;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_RSA_SHA256,
    RsaKeySize, SanType, SerialNumber,
};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

pub use self::signer::SignerKey;

const ROOT_CN: &str = "TEST AC RACINE IGC-SANTE ELEMENTAIRE";
const ISSUING_CN: &str = "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS";

pub use flaws::Flaw;

/// CN of the certificate that signs lists.
pub const LIST_SIGNER_CN: &str = "Liste Blanche MSSante";
/// OU of the certificate that signs lists: the SIRET of the ANS.
pub const LIST_SIGNER_OU: &str = "318751275100020";

/// Why a key, a certificate or a file could not be made or read.
#[derive(Debug, Error)]
pub enum PkiError {
    /// The certificate library refuses.
    #[error("cannot make the certificate or read the key: {0}")]
    Certificate(#[from] rcgen::Error),
    /// OpenSSL, which makes what the certificate library refuses to make, does not either.
    #[error("cannot make the flawed certificate or sign the list: {0}")]
    Flaw(#[from] openssl::error::ErrorStack),
    /// A file cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not hold a PEM certificate.
    #[error("{0}: no PEM certificate in it")]
    NoCertificate(PathBuf),
}

/// Who holds a server certificate of offer SERV SSL. `[MSS1 DN.LAYOUT]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHolder {
    /// CN: the name of the server, which need not have anything to do with the mail domain.
    pub cn: String,
    /// O: the legal name.
    pub organisation: String,
    /// OU: `1` and a FINESS, or `3` and a SIRET.
    pub structure: String,
    /// ST: the department with its number, such as `Gard (30)`.
    pub department: String,
    /// Further DNS names or IP addresses of the server. `localhost` and 127.0.0.1 are always added.
    pub extra_names: Vec<String>,
}

impl ServerHolder {
    /// The subject as the white list writes it.
    pub fn dn(&self) -> String {
        let Self { cn, organisation, structure, department, .. } = self;
        format!("CN={cn},OU={structure},O={organisation},ST={department},C=FR")
    }

    fn names(&self) -> Result<Vec<SanType>, PkiError> {
        let mut names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        for name in [self.cn.as_str(), "localhost"].into_iter().chain(self.extra_names.iter().map(String::as_str)) {
            names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(Ia5String::try_from(name)?),
            });
        }
        Ok(names)
    }
}

/// Who holds a client certificate of offer ORG `AUTH_CLI`: a piece of software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftwareHolder {
    /// CN: a free name of the application.
    pub cn: String,
    /// O: the legal name of the structure.
    pub organisation: String,
    /// OU: `1` and a FINESS, or `3` and a SIRET.
    pub structure: String,
    /// ST: the department with its number, such as `Gard (30)`.
    pub department: String,
}

impl SoftwareHolder {
    /// The subject as the white list would write it.
    pub fn dn(&self) -> String {
        let Self { cn, organisation, structure, department } = self;
        format!("CN={cn},OU={structure},O={organisation},ST={department},C=FR")
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// The certificate and the intermediate's, PEM.
    pub chain_pem: String,
    /// The private key, PKCS#8 in PEM.
    pub key_pem: String,
}

impl Issued {
    /// Writes `NAME.pem` (the chain) and `NAME.key` into `folder` and returns their paths.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), PkiError> {
        let certificate = write_file(folder.join(format!("{name}.pem")), &self.chain_pem)?;
        let key = write_secret(folder.join(format!("{name}.key")), &self.key_pem)?;
        Ok((certificate, key))
    }
}

/// A certificate authority with its key.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) der: Vec<u8>,
    pem: String,
}

/// What a certificate has beyond the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// Octets of its serial number, most significant first; by chance if there are none.
    pub serial: Vec<u8>,
    /// Where it says that its issuer's revocation lists are.
    pub crl_urls: Vec<String>,
    /// Where it says that its issuer's OCSP responders are.
    pub ocsp_urls: Vec<String>,
}

impl Particulars {
    fn apply(&self, params: &mut CertificateParams) {
        if !self.serial.is_empty() {
            params.serial_number = Some(SerialNumber::from_slice(&self.serial));
        }
        params.crl_distribution_points =
            self.crl_urls.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
        if !self.ocsp_urls.is_empty() {
            params.custom_extensions.push(responders(&self.ocsp_urls));
        }
    }
}

impl Authority {
    /// The same with a copy of its key.
    fn again(&self, cn: &str, now: OffsetDateTime) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(&self.issuer.key().serialize_pem())?;
        let issuer = Issuer::new(authority_params(cn, now)?, key);
        Ok(Self { issuer, der: self.der.clone(), pem: self.pem.clone() })
    }
}

/// A root, an intermediate, and what they issue.
pub struct Pki {
    now: OffsetDateTime,
    root: Authority,
    issuing: Authority,
}

impl Pki {
    /// New keys under the names of the test chain. Certificates are valid around `now`.
    /// Two of them have the same names and do not trust each other.
    pub fn new(now: OffsetDateTime) -> Result<Self, PkiError> {
        let root_params = authority_params(ROOT_CN, now)?;
        let root_key = new_key()?;
        let root_certificate = root_params.self_signed(&root_key)?;
        let root = Authority {
            der: root_certificate.der().to_vec(),
            pem: root_certificate.pem(),
            issuer: Issuer::new(root_params, root_key),
        };
        let issuing = intermediate(&root, ISSUING_CN, now)?;
        Ok(Self { now, root, issuing })
    }

    /// Another intermediate of this name under the same root: what it issues chains to the same anchor.
    pub fn sibling(&self, cn: &str) -> Result<Self, PkiError> {
        let issuing = intermediate(&self.root, cn, self.now)?;
        Ok(Self { now: self.now, root: self.root.again(ROOT_CN, self.now)?, issuing })
    }

    /// Another intermediate under the same root, which may name hosts of one domain only that nobody has.
    pub fn constrained(&self, cn: &str) -> Result<Self, PkiError> {
        let mut params = authority_params(cn, self.now)?;
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("ailleurs.example".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        let issuing = intermediate_of(&self.root, params)?;
        Ok(Self { now: self.now, root: self.root.again(ROOT_CN, self.now)?, issuing })
    }

    /// Another intermediate under the same root, which names this list of the root.
    pub fn listed(&self, cn: &str, root_crl_url: &str) -> Result<Self, PkiError> {
        let mut params = authority_params(cn, self.now)?;
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![root_crl_url.to_owned()] }];
        let issuing = intermediate_of(&self.root, params)?;
        Ok(Self { now: self.now, root: self.root.again(ROOT_CN, self.now)?, issuing })
    }

    /// Another intermediate under the same root, whose key usage does not let it sign revocation lists.
    pub fn without_crl_sign(&self, cn: &str) -> Result<Self, PkiError> {
        let mut params = authority_params(cn, self.now)?;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuing = intermediate_of(&self.root, params)?;
        Ok(Self { now: self.now, root: self.root.again(ROOT_CN, self.now)?, issuing })
    }

    /// The same root without an intermediate: it issues leaves itself.
    pub fn rooted(&self) -> Result<Self, PkiError> {
        Ok(Self {
            now: self.now,
            root: self.root.again(ROOT_CN, self.now)?,
            issuing: self.root.again(ROOT_CN, self.now)?,
        })
    }

    /// Reads what [`Pki::write`] wrote, to issue more certificates under the same authorities.
    pub fn read(folder: &Path, now: OffsetDateTime) -> Result<Self, PkiError> {
        let root = read_authority(&folder.join("ca.pem"), &folder.join("ca.key"), ROOT_CN, now)?;
        let issuing = read_authority(&folder.join("issuing-ca.pem"), &folder.join("issuing-ca.key"), ISSUING_CN, now)?;
        Ok(Self { now, root, issuing })
    }

    /// Writes `ca.pem` (the root, which is the anchor), `ca.key`, `issuing-ca.pem` and
    /// `issuing-ca.key` into `folder`.
    pub fn write(&self, folder: &Path) -> Result<(), PkiError> {
        for (authority, name) in [(self.root(), "ca"), (self.issuing(), "issuing-ca")] {
            write_file(folder.join(format!("{name}.pem")), &authority.pem)?;
            write_secret(folder.join(format!("{name}.key")), &authority.issuer.key().serialize_pem())?;
        }
        Ok(())
    }

    /// The root's certificate, PEM: the content of an anchors file.
    pub fn anchors_pem(&self) -> &str {
        &self.root.pem
    }

    /// The root's certificate, DER.
    pub fn anchor_der(&self) -> &[u8] {
        &self.root.der
    }

    /// The intermediate's certificate, DER.
    pub fn issuing_der(&self) -> &[u8] {
        &self.issuing.der
    }

    /// The root.
    pub(crate) fn root(&self) -> &Authority {
        &self.root
    }

    /// Who issues the leaves.
    pub(crate) fn issuing(&self) -> &Authority {
        &self.issuing
    }

    /// The moment around which certificates are valid.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// A server certificate with particulars.
    pub fn server_with(&self, holder: &ServerHolder, particulars: &Particulars) -> Result<Issued, PkiError> {
        let mut params = self.server_params(holder)?;
        particulars.apply(&mut params);
        self.issue(&params)
    }

    /// A server certificate (SERV SSL), which serves as client certificate on hops too.
    pub fn server(&self, holder: &ServerHolder) -> Result<Issued, PkiError> {
        self.issue(&self.server_params(holder)?)
    }

    /// A client certificate of a piece of software (ORG `AUTH_CLI`).
    pub fn software(&self, holder: &SoftwareHolder) -> Result<Issued, PkiError> {
        self.software_with(holder, &Particulars::default())
    }

    /// A client certificate of a piece of software with particulars.
    pub fn software_with(&self, holder: &SoftwareHolder, particulars: &Particulars) -> Result<Issued, PkiError> {
        let mut params = self.leaf_params();
        particulars.apply(&mut params);
        params.distinguished_name =
            subject(&holder.cn, &holder.structure, &holder.organisation, Some(&holder.department))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params)
    }

    fn server_params(&self, holder: &ServerHolder) -> Result<CertificateParams, PkiError> {
        let mut params = self.leaf_params();
        params.distinguished_name =
            subject(&holder.cn, &holder.structure, &holder.organisation, Some(&holder.department))?;
        params.subject_alt_names = holder.names()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params)
    }

    /// What all leaves have in common: three years, no more than an end entity.
    pub(crate) fn leaf_params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.not_before = self.now() - Duration::days(30);
        params.not_after = self.now + Duration::days(3 * 365);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params
    }

    pub(crate) fn issue(&self, params: &CertificateParams) -> Result<Issued, PkiError> {
        self.issue_for(&new_key()?, params)
    }

    fn issue_for(&self, key: &KeyPair, params: &CertificateParams) -> Result<Issued, PkiError> {
        let certificate = params.signed_by(key, &self.issuing.issuer)?;
        Ok(self.issued(certificate.der(), key.serialize_pem()))
    }

    fn issued(&self, der: &[u8], key_pem: String) -> Issued {
        Issued { der: der.to_vec(), chain_pem: certificate_pem(der) + &self.issuing.pem, key_pem }
    }
}

fn intermediate(root: &Authority, cn: &str, now: OffsetDateTime) -> Result<Authority, PkiError> {
    intermediate_of(root, authority_params(cn, now)?)
}

fn intermediate_of(root: &Authority, params: CertificateParams) -> Result<Authority, PkiError> {
    let key = new_key()?;
    let certificate = params.signed_by(&key, &root.issuer)?;
    Ok(Authority { der: certificate.der().to_vec(), pem: certificate.pem(), issuer: Issuer::new(params, key) })
}

/// Authority information access with OCSP responders. `[RFC5280 4.2.2.1]`
fn responders(urls: &[String]) -> CustomExtension {
    const ACCESS_IS_OCSP: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    let descriptions: Vec<u8> =
        urls.iter().flat_map(|url| der(0x30, &[ACCESS_IS_OCSP, &der(0x86, url.as_bytes())].concat())).collect();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], der(0x30, &descriptions))
}

/// Tag, length and content.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|octet| **octet == 0).count().min(length.len() - 1)..];
    let mut element = vec![tag];
    if content.len() >= 0x80 {
        element.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
    }
    element.extend_from_slice(significant);
    element.extend_from_slice(content);
    element
}

fn new_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?)
}

/// The layout of a subject: least specific attribute first, as certificates write it.
fn subject(cn: &str, ou: &str, o: &str, st: Option<&str>) -> Result<DistinguishedName, PkiError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, country()?);
    if let Some(st) = st {
        name.push(DnType::StateOrProvinceName, st);
    }
    name.push(DnType::OrganizationName, o);
    name.push(DnType::OrganizationalUnitName, ou);
    name.push(DnType::CommonName, cn);
    Ok(name)
}

/// The names of the authorities are fixed, so that [`Pki::read`] can rebuild an issuer from its key alone.
fn authority_params(cn: &str, now: OffsetDateTime) -> Result<CertificateParams, PkiError> {
    // rcgen keeps one value per attribute type; the OID under another name makes room for the second OU.
    let second_ou = DnType::CustomDnType(vec![2, 5, 4, 11]);
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, country()?);
    name.push(DnType::OrganizationName, "ASIP-SANTE");
    name.push(second_ou, "0002 187512751");
    name.push(DnType::OrganizationalUnitName, "IGC-SANTE TEST");
    name.push(DnType::CommonName, cn);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = now - Duration::days(365);
    params.not_after = now + Duration::days(10 * 365);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn country() -> Result<DnValue, PkiError> {
    Ok(DnValue::PrintableString(PrintableString::try_from("FR")?))
}

fn read_authority(certificate: &Path, key: &Path, cn: &str, now: OffsetDateTime) -> Result<Authority, PkiError> {
    let pem = read_file(certificate)?;
    let der = certificate_der(&pem).ok_or_else(|| PkiError::NoCertificate(certificate.to_owned()))?;
    let key = KeyPair::from_pem(&read_file(key)?)?;
    Ok(Authority { issuer: Issuer::new(authority_params(cn, now)?, key), der, pem })
}

/// The first certificate of a PEM text, in DER.
pub(crate) fn certificate_der(pem: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok()
}

fn certificate_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn read_file(file: &Path) -> Result<String, PkiError> {
    fs::read_to_string(file).map_err(|error| PkiError::File { file: file.to_owned(), error })
}

fn write_file(file: PathBuf, content: &str) -> Result<PathBuf, PkiError> {
    match fs::write(&file, content) {
        Ok(()) => Ok(file),
        Err(error) => Err(PkiError::File { file, error }),
    }
}

/// Like [`write_file`], for the owner's eyes only.
fn write_secret(file: PathBuf, content: &str) -> Result<PathBuf, PkiError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut out| out.write_all(content.as_bytes()));
    match written {
        Ok(()) => Ok(file),
        Err(error) => Err(PkiError::File { file, error }),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn holder() -> ServerHolder {
        ServerHolder {
            cn: "smtp.ch-exemple.fr".into(),
            organisation: "CH D'ÉVREUX".into(),
            structure: "10B0078671".into(),
            department: "Gard (30)".into(),
            extra_names: vec!["mx.exemple.fr".into(), "127.0.0.2".into()],
        }
    }

    #[test]
    fn what_is_written_can_be_read_and_issues_under_the_same_root() {
        let now = datetime!(2026-11-03 08:00 UTC);
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(now).unwrap();
        pki.write(folder.path()).unwrap();
        let again = Pki::read(folder.path(), now).unwrap();
        assert_eq!(again.anchor_der(), pki.anchor_der());
        again.server(&holder()).unwrap().write(folder.path(), "server").unwrap();

        let openssl = std::process::Command::new("openssl")
            .current_dir(folder.path())
            .args([
                "verify",
                "-attime",
                "1793692800",
                "-CAfile",
                "ca.pem",
                "-untrusted",
                "issuing-ca.pem",
                "server.pem",
            ])
            .output();
        match openssl {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => println!("openssl was not run: {error}"),
        }
    }

    #[test]
    fn particulars_stand_in_the_certificate() {
        let pki = Pki::new(datetime!(2026-11-03 08:00 UTC)).unwrap();
        let particulars = Particulars {
            serial: vec![0x0b, 0xad],
            crl_urls: vec!["http://127.0.0.1:1/a.crl".into()],
            ocsp_urls: vec!["http://127.0.0.1:2/ocsp".into()],
        };
        let issued = pki.server_with(&holder(), &particulars).unwrap();
        let contains = |what: &[u8]| issued.der.windows(what.len()).any(|window| window == what);
        for what in [&b"\x02\x02\x0b\xad"[..], b"\x86\x18http://127.0.0.1:1/a.crl", b"\x86\x17http://127.0.0.1:2/ocsp"]
        {
            assert!(contains(what), "{what:?}");
        }
    }

    #[test]
    fn the_textual_subject_is_most_specific_first() {
        assert_eq!(holder().dn(), "CN=smtp.ch-exemple.fr,OU=10B0078671,O=CH D'ÉVREUX,ST=Gard (30),C=FR");
    }
}
