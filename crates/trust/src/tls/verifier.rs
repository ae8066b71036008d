//! What happens to the other side's certificate inside the handshake. Names are not looked at
//! here, the white list decides on them.
//!
//! On operator hops every certificate passes whose key the peer holds: it is judged right after the
//! handshake (see [`super::judge`]), so that a session can say what is wrong with it. Mail clients
//! with a bad certificate are turned away here.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::chain::{Usage, provider};
use crate::{Authorities, CertificateFault};

/// Verifies clients of our listeners and servers of our hops.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    authorities: Arc<Authorities>,
    hints: Vec<DistinguishedName>,
    demand: Demand,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What a handshake asks of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Anything; judged after the handshake.
    JudgedLater,
    /// A good certificate of a client.
    GoodClient,
    /// A good certificate of a client, or none.
    GoodClientOrNone,
}

impl PeerVerifier {
    pub(super) fn new(authorities: Arc<Authorities>, demand: Demand) -> Arc<Self> {
        let hints = authorities.anchors().subjects();
        let algorithms = provider().signature_verification_algorithms;
        Arc::new(Self { authorities, hints, demand, algorithms })
    }

    fn verify(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        if self.demand == Demand::JudgedLater {
            return Ok(());
        }
        self.authorities.verify(leaf, others, Usage::Client, now).map(drop).map_err(as_tls_error)
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.demand == Demand::GoodClient
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The error that makes the TLS library send the fitting alert.
fn as_tls_error(fault: CertificateFault) -> Error {
    Error::InvalidCertificate(match fault {
        CertificateFault::Expired => CertificateError::Expired,
        CertificateFault::NotYetValid => CertificateError::NotValidYet,
        CertificateFault::Untrusted | CertificateFault::IssuerNotAccepted => CertificateError::UnknownIssuer,
        CertificateFault::Weak => CertificateError::BadSignature,
        CertificateFault::WrongUsage => CertificateError::InvalidPurpose,
        CertificateFault::Malformed => CertificateError::BadEncoding,
        CertificateFault::Revoked => CertificateError::Revoked,
        CertificateFault::RevocationUnknown => CertificateError::UnknownRevocationStatus,
    })
}
