//! Certificates, keys and anchors from PEM files. Errors say which file and what to do.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use crate::chain::{Usage, provider, unix_time};
use crate::{Authorities, CertificateFacts, TlsError, VerifiedCertificate};

/// A chain with its key, and what its first certificate says.
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

/// When files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// At the start. A certificate that peers will refuse is warned about: they decide, mail can wait for the
    /// new one, and people go on reading.
    Start,
    /// While an older certificate serves, which a bad one must not replace.
    Renewal,
}

impl Identity {
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let private = private_key(key)?;
        let facts = CertificateFacts::of_certificate(&chain[0])
            .map_err(|_| wrong(certificate, "its first certificate cannot be read; export it again as PEM"))?;
        let certified = CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => wrong(
                key,
                format!(
                    "this key does not fit the first certificate of {}; \
                     put the server's own certificate first, or use the key with which it was requested",
                    certificate.display()
                ),
            ),
            other => wrong(key, format!("the key cannot be used ({other}); RSA from 2048 bits, P-256 and P-384 can")),
        })?;
        Ok(Self { key: Arc::new(certified), facts })
    }

    /// Whether peers will take this certificate of the file `certificate`, who trust the same authorities as we; with
    /// what is known of it then.
    pub(super) fn judge(
        &self,
        certificate: &Path,
        authorities: &Authorities,
        now: OffsetDateTime,
        occasion: Occasion,
    ) -> Result<Option<VerifiedCertificate>, TlsError> {
        let (leaf, others) = self.key.cert.split_first().ok_or_else(|| wrong(certificate, "no certificate in it"))?;
        let fault = match authorities.verify(leaf, others, Usage::Server, unix_time(now)) {
            Ok(verified) => return Ok(Some(verified)),
            Err(fault) => fault,
        };
        let why = format!("{fault}: other operators will refuse it; put a valid certificate of IGC-Santé there");
        match occasion {
            Occasion::Renewal => Err(wrong(certificate, why)),
            Occasion::Start => {
                tracing::warn!(file = %certificate.display(), %why, "our certificate is not good");
                Ok(None)
            }
        }
    }
}

/// The trust anchors of a file; at least one.
pub(crate) fn anchors(file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|error| {
            wrong(
                file,
                format!("one of its certificates cannot be a trust anchor ({error}); keep only CA certificates"),
            )
        })?;
    }
    Ok(Arc::new(store))
}

/// The certificates of a file; at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(file, format!("damaged PEM ({error}); export the certificate again")))?;
    if certificates.is_empty() {
        return Err(wrong(
            file,
            "no certificate in it; a PEM file with -----BEGIN CERTIFICATE----- is expected \
             (openssl x509 -inform DER -in FILE converts a .cer)",
        ));
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|_| {
        wrong(file, "no unencrypted private key in PEM in it (openssl pkey -in FILE removes a pass phrase)")
    })
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| {
        wrong(
            file,
            format!("cannot be read ({error}); check the path in the configuration and the file's owner and mode"),
        )
    })
}

fn wrong(file: &Path, why: impl Into<String>) -> TlsError {
    TlsError::File { file: file.to_owned(), why: why.into() }
}
