//! PKCS#12 files, as portals and browsers export them. `[RFC7292 4]`

use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::provider::Provider;

use super::bundle::der;
use super::{ChoreError, NewIdentity};

/// The key of the file, the certificate that fits it, and the chain as far as the file holds it.
pub fn open_pkcs12(octets: &[u8], passphrase: &str) -> Result<NewIdentity, ChoreError> {
    if passphrase.contains('\0') {
        return Err(ChoreError::Passphrase);
    }
    let file = Pkcs12::from_der(octets).map_err(|_| {
        ChoreError::Format(
            "this is not a PKCS#12 file (.p12, .pfx); one with a certificate and its key is expected".into(),
        )
    })?;
    let ParsedPkcs12_2 { pkey, cert, ca } = parse(&file, passphrase)?;
    let others = ca.iter().flatten().map(der).collect::<Result<Vec<_>, _>>()?;
    match (pkey, cert) {
        (Some(key), Some(leaf)) => NewIdentity::new(&key, der(&leaf)?, others),
        (None, _) => Err(ChoreError::Missing("private key")),
        (Some(_), None) if others.is_empty() => Err(ChoreError::Missing("certificate")),
        (Some(_), None) => Err(ChoreError::KeyMismatch),
    }
}

/// Opens the file; with the old algorithms only if it needs them, and only for as long as that takes.
fn parse(file: &Pkcs12, passphrase: &str) -> Result<ParsedPkcs12_2, ChoreError> {
    match file.parse2(passphrase) {
        Err(errors) if has_reason(&errors, "unsupported") => {
            let _legacy = Provider::try_load(None, "legacy", true).map_err(|_| ChoreError::LegacyModule)?;
            file.parse2(passphrase).map_err(|errors| explain(&errors))
        }
        parsed => parsed.map_err(|errors| explain(&errors)),
    }
}

fn explain(errors: &ErrorStack) -> ChoreError {
    let wrong_key = ["mac verify failure", "bad decrypt", "pkcs12 cipherfinal error"];
    if wrong_key.iter().any(|reason| has_reason(errors, reason)) {
        return ChoreError::Passphrase;
    }
    ChoreError::Format(format!("the PKCS#12 file cannot be read: {errors}"))
}

fn has_reason(errors: &ErrorStack, reason: &str) -> bool {
    errors.errors().iter().any(|error| error.reason() == Some(reason))
}
