//! Certificates, keys and anchors from PEM files. Errors say which file and what to do.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mssante::Clock;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::chain::provider;
use crate::{CertificateFacts, TlsError};

/// A chain with its key, and what its first certificate says.
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

impl Identity {
    pub(super) fn load(certificate: &Path, key: &Path, clock: &dyn Clock) -> Result<Self, TlsError> {
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
        warn_about_validity(certificate, &facts, clock);
        Ok(Self { key: Arc::new(certified), facts })
    }
}

/// An expired certificate does not stop the start: the peers decide, and mail can wait for the new one.
fn warn_about_validity(file: &Path, facts: &CertificateFacts, clock: &dyn Clock) {
    let now = clock.now();
    if now > facts.not_after {
        tracing::warn!(file = %file.display(), not_after = %facts.not_after, "our certificate has expired: peers will refuse it");
    } else if now < facts.not_before {
        tracing::warn!(file = %file.display(), not_before = %facts.not_before, "our certificate is not valid yet: peers will refuse it");
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
