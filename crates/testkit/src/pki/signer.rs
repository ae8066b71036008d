//! The certificates that sign white lists, and those that should not.

use rcgen::{DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use time::{Duration, OffsetDateTime};

use super::{Issued, LIST_SIGNER_CN, LIST_SIGNER_OU, Pki, PkiError, new_key, subject};

const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
const UNIT: [u64; 4] = [2, 5, 4, 11];

/// What key a signer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerKey {
    /// RSA of 2048 bits.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

impl SignerKey {
    fn generate(self) -> Result<KeyPair, PkiError> {
        match self {
            Self::Rsa => new_key(),
            Self::P256 => Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?),
            Self::P384 => Ok(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?),
        }
    }
}

impl Pki {
    /// The certificate that signs white lists (ORG SIGN), valid for three years.
    pub fn list_signer(&self) -> Result<Issued, PkiError> {
        self.list_signer_of(SignerKey::Rsa)
    }

    /// The same with another kind of key.
    pub fn list_signer_of(&self, key: SignerKey) -> Result<Issued, PkiError> {
        self.signing(key, ans(LIST_SIGNER_CN)?, self.now + Duration::days(3 * 365))
    }

    /// A signing certificate (ORG SIGN) of the ANS with another name or end, on P-256.
    pub fn signer(&self, cn: &str, not_after: OffsetDateTime) -> Result<Issued, PkiError> {
        self.signing(SignerKey::P256, ans(cn)?, not_after)
    }

    /// The signer of lists with one more CN or OU in front of its own.
    pub fn signer_of_two_names(&self, cn: Option<&str>, ou: Option<&str>) -> Result<Issued, PkiError> {
        // rcgen keeps one value per attribute type; the OID under another name makes room for a second.
        let mut name = DistinguishedName::new();
        for (oid, value) in [(UNIT, ou), (COMMON_NAME, cn)] {
            if let Some(value) = value {
                name.push(DnType::CustomDnType(oid.to_vec()), value);
            }
        }
        name.push(DnType::OrganizationalUnitName, LIST_SIGNER_OU);
        name.push(DnType::CommonName, LIST_SIGNER_CN);
        self.signing(SignerKey::P256, name, self.now + Duration::days(300))
    }

    /// A certificate of the ANS for encryption only (ORG CONF).
    pub fn confidentiality(&self, cn: &str) -> Result<Issued, PkiError> {
        let mut params = self.leaf_params();
        params.distinguished_name = ans(cn)?;
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
        self.issue(&params)
    }

    fn signing(&self, key: SignerKey, name: DistinguishedName, not_after: OffsetDateTime) -> Result<Issued, PkiError> {
        let mut params = self.leaf_params();
        params.distinguished_name = name;
        params.not_after = not_after;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        self.issue_for(&key.generate()?, &params)
    }
}

/// A subject of the ANS.
fn ans(cn: &str) -> Result<DistinguishedName, PkiError> {
    subject(cn, LIST_SIGNER_OU, "AGENCE DU NUMERIQUE EN SANTE", None)
}
