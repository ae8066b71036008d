//! Certificate chores: requests for certificates, and certificates as they come from an authority
//! (PKCS#12, PKCS#7, `.cer`) turned into the PEM files that the rest reads.
//!
//! This is what OpenSSL is for; no connection uses it.

mod bundle;
mod held;
mod identity;
mod pkcs12;
mod request;

use openssl::error::ErrorStack;
use thiserror::Error;

pub use bundle::{Sorted, certificates, sort};
pub use held::{HeldCertificate, Role};
pub use identity::{KeyPem, NewIdentity};
pub use pkcs12::open_pkcs12;
pub use request::{CertificateRequest, CsrSubject, KeyKind};

/// Why a chore is not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChoreError {
    /// What was asked for cannot stand in a certificate; the text says which part and why.
    #[error("{0}")]
    Input(String),
    /// The octets are not what they should be.
    #[error("{0}")]
    Format(String),
    /// The PKCS#12 file does not open with this passphrase.
    #[error("the passphrase does not open this PKCS#12 file, or the file is damaged")]
    Passphrase,
    /// The PKCS#12 file is encrypted with RC2, 3DES or the like, and OpenSSL's module for these is missing.
    #[error(
        "this PKCS#12 file is encrypted by an old method (RC2, 3DES), for which OpenSSL's module `legacy` is not \
         installed on this machine; install it (Debian 13: apt-get install openssl-provider-legacy), or convert the \
         file on a machine that has it: openssl pkcs12 -legacy -in OLD.p12 -nodes -out PAIR.pem && \
         openssl pkcs12 -export -in PAIR.pem -out NEW.p12 && shred -u PAIR.pem"
    )]
    LegacyModule,
    /// A part of the PKCS#12 file is missing.
    #[error("the PKCS#12 file holds no {0}; export certificate and key together")]
    Missing(&'static str),
    /// Key and certificate do not belong together.
    #[error("the key does not fit the certificate; a certificate comes with the key with which it was requested")]
    KeyMismatch,
    /// OpenSSL or the TLS library does not do it.
    #[error("{0}")]
    Library(String),
}

impl From<ErrorStack> for ChoreError {
    fn from(errors: ErrorStack) -> Self {
        Self::Library(format!("OpenSSL: {errors}"))
    }
}
