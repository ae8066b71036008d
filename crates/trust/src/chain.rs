//! Certificate chains, judged by webpki: signatures, validity, usage, nothing about names.

use std::sync::Arc;

use crate::CertificateFault;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage};

const SERVER_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
const CLIENT_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 2]);

/// What a certificate must be made for. One without the extension is made for everything. `[RFC5280 4.2.1.12]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The client of submission or IMAP: clientAuth.
    Client,
    /// The server of a hop: serverAuth.
    Server,
    /// The client of a hop: operators have one certificate, of offer SERV SSL, and show it in
    /// both directions, so serverAuth will do. `[MSS1 HOP.MTLS]`
    HopClient,
    /// The signer of a list, who is told by his name.
    Signer,
}

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let (accepted, required): (&[KeyPurposeId<'_>], _) = match self {
            Self::Signer => return Ok(()),
            Self::Client => (&[CLIENT_AUTH], KeyUsage::client_auth()),
            Self::Server => (&[SERVER_AUTH], KeyUsage::server_auth()),
            Self::HopClient => (&[CLIENT_AUTH, SERVER_AUTH], KeyUsage::client_auth()),
        };
        let present = purposes.collect::<Result<Vec<_>, _>>()?;
        if present.is_empty() || present.iter().any(|purpose| accepted.contains(purpose)) {
            return Ok(());
        }
        let present = present.iter().map(KeyPurposeId::to_decoded_oid).collect();
        Err(webpki::Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext { required, present }))
    }
}

/// The cryptography of every connection: aws-lc, passed explicitly so that nothing depends on
/// what the process has installed. Its suites are ECDHE with AES-GCM or `ChaCha20` and those of TLS 1.3.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A verified path from a leaf to an anchor.
pub(crate) struct VerifiedPath {
    /// The certificate of who issued the leaf, DER; none if the anchor did.
    pub(crate) issuer: Option<Vec<u8>>,
    /// Where it ends.
    pub(crate) anchor: TrustAnchor<'static>,
}

/// Whether `leaf` chains to one of `anchors` through `intermediates` (in any order) and the
/// whole chain is valid at `now`. Revocation is not looked at.
pub(crate) fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &rustls::RootCertStore,
    now: UnixTime,
    usage: Usage,
) -> Result<VerifiedPath, webpki::Error> {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let leaf = EndEntityCert::try_from(leaf)?;
    let path = leaf.verify_for_usage(algorithms, &anchors.roots, intermediates, now, usage, None, None)?;
    let issuer = path.intermediate_certificates().next().map(|issuer| issuer.der().to_vec());
    Ok(VerifiedPath { issuer, anchor: path.anchor().to_owned() })
}

/// The fault that an error of the verifier stands for. What is not named here is about the chain:
/// no issuer, a wrong signature, constraints on names or length, too many ways to try.
pub(crate) fn fault(error: &webpki::Error) -> CertificateFault {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => CertificateFault::Expired,
        Error::CertNotValidYet { .. } => CertificateFault::NotYetValid,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension | Error::CaUsedAsEndEntity => {
            CertificateFault::WrongUsage
        }
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateFault::Weak
        }
        Error::BadDer
        | Error::BadDerTime
        | Error::TrailingData(_)
        | Error::ExtensionValueInvalid
        | Error::InvalidCertValidity
        | Error::InvalidNetworkMaskConstraint
        | Error::InvalidSerialNumber
        | Error::MalformedDnsIdentifier
        | Error::MalformedExtensions
        | Error::MalformedNameConstraint
        | Error::SignatureAlgorithmMismatch
        | Error::UnsupportedCertVersion
        | Error::UnsupportedCriticalExtension
        | Error::UnsupportedNameType => CertificateFault::Malformed,
        _ => CertificateFault::Untrusted,
    }
}

/// The moment as the TLS library writes it; what lies before 1970 counts as 1970.
pub(crate) fn unix_time(moment: time::OffsetDateTime) -> UnixTime {
    let seconds = u64::try_from(moment.unix_timestamp()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_forward_secrecy_and_authenticates_what_it_encrypts() {
        let provider = provider();
        assert!(provider.cipher_suites.len() >= 6);
        for suite in &provider.cipher_suites {
            let name = suite.suite().as_str().unwrap();
            assert!(name.starts_with("TLS_ECDHE_") || name.starts_with("TLS13_"), "{name}");
            assert!(name.contains("_GCM_") || name.contains("CHACHA20_POLY1305"), "{name}");
        }
    }
}
