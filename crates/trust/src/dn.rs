//! Distinguished names, read from certificates and from the white list, compared attribute
//! by attribute.

use thiserror::Error;

/// Why a text or a certificate holds no usable name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DnError {
    /// Not `TYPE=value` pairs separated by commas.
    #[error("'{0}' is not a distinguished name such as CN=host,OU=1FINESS,O=name,C=FR")]
    Syntax(String),
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Certificate,
}

/// How strictly two names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnMatch {
    /// Every attribute, every octet.
    Strict,
    /// CN, OU, O and C must be equal without regard to case and runs of spaces; ST and L may
    /// be spelt differently. `[MSS1 DN.MATCH]`
    #[default]
    Normalised,
}

/// A subject name. Most specific attribute first, as the white list writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName {
    attributes: Vec<(String, String)>,
}

impl DistinguishedName {
    /// Reads the textual form of the white list, with its irregularities.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        todo!()
    }

    /// The subject of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Result<Self, DnError> {
        todo!()
    }

    /// Whether both name the same holder.
    pub fn matches(&self, other: &Self, how: DnMatch) -> bool {
        todo!()
    }

    /// The form under which a name is stored and looked up: normalised, ST and L left out.
    pub fn key(&self) -> String {
        todo!()
    }

    /// The common name.
    pub fn common_name(&self) -> Option<&str> {
        todo!()
    }
}

impl std::fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
