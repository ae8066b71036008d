//! The white list: signature, then content, from the same octets.

use mssante::Domain;
use thiserror::Error;
use time::OffsetDateTime;

use crate::{DistinguishedName, DnMatch};

/// Why a list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustListError {
    /// Not the XML that it should be.
    #[error("the white list cannot be read: {0}")]
    Format(String),
    /// Not signed as it must be.
    #[error("the signature of the white list is not acceptable: {0}")]
    Signature(String),
    /// An empty list would cut us off.
    #[error("the white list holds no domain")]
    Empty,
}

/// Who may sign the list.
#[derive(Debug, Clone)]
pub enum SignaturePolicy {
    /// An enveloped signature by a certificate that chains to one of `anchors` (DER) and
    /// whose subject has this CN and, if given, this OU.
    Required {
        /// Trust anchors, DER.
        anchors: Vec<Vec<u8>>,
        /// CN of the signer.
        signer_cn: String,
        /// OU of the signer.
        signer_ou: Option<String>,
    },
    /// Pre-production only: no signature is looked at. Says so loudly when used.
    Off,
}

/// The white list after its checks.
#[derive(Debug, Clone)]
pub struct TrustList {}

impl TrustList {
    /// Verifies and reads a list.
    pub fn read(xml: &[u8], policy: &SignaturePolicy, now: OffsetDateTime) -> Result<Self, TrustListError> {
        todo!()
    }

    /// DateDeGeneration.
    pub fn generated_at(&self) -> OffsetDateTime {
        todo!()
    }

    /// How many different domains.
    pub fn domain_count(&self) -> usize {
        todo!()
    }

    /// Whether the domain is listed.
    pub fn lists(&self, domain: &Domain) -> bool {
        todo!()
    }

    /// The names listed for the domain.
    pub fn names_of(&self, domain: &Domain) -> &[DistinguishedName] {
        todo!()
    }

    /// Whether any entry of the list carries this name.
    pub fn knows(&self, name: &DistinguishedName, how: DnMatch) -> bool {
        todo!()
    }
}
