//! What happens to the other side's certificate inside the handshake. Names are not looked at
//! here, the white list decides on them.
//!
//! On operator hops every certificate passes whose key the peer holds: it is judged right after the
//! handshake (see [`super::judge`]), so that a session can say what is wrong with it. Mail clients
//! with a bad certificate are turned away here.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InvalidMessage, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::certificate::form;
use crate::chain::{Usage, provider};
use crate::{Authorities, CertificateFault};

/// What a listener asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Anything; judged after the handshake.
    JudgedLater,
    /// A good certificate of a client.
    GoodClient,
    /// A good certificate of a client, or none.
    GoodClientOrNone,
}

/// Verifies the clients of a listener.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: Arc<Authorities>,
    hints: Vec<DistinguishedName>,
    demand: Demand,
    proof: Proof,
}

impl ClientVerifier {
    pub(super) fn new(authorities: Arc<Authorities>, demand: Demand) -> Arc<Self> {
        let hints = authorities.anchors().subjects();
        Arc::new(Self { authorities, hints, demand, proof: Proof::new() })
    }
}

impl ClientCertVerifier for ClientVerifier {
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
        if self.demand != Demand::JudgedLater {
            self.authorities.verify(end_entity, intermediates, Usage::Client, now).map_err(as_tls_error)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.proof.schemes()
    }
}

/// Takes the server of one hop, which is judged later, and keeps what it says of its own
/// revocation. One for each connection: what one server says is nothing to another.
#[derive(Debug)]
pub(super) struct ServerRecorder {
    stapled: OnceLock<Vec<u8>>,
    proof: Proof,
}

impl ServerRecorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { stapled: OnceLock::new(), proof: Proof::new() })
    }

    /// The OCSP answer that came with the certificate. `[RFC6066 8]`
    pub(super) fn stapled(&self) -> Option<&[u8]> {
        self.stapled.get().map(Vec::as_slice)
    }
}

impl ServerCertVerifier for ServerRecorder {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !ocsp_response.is_empty() {
            let _ = self.stapled.set(ocsp_response.to_vec());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.proof.schemes()
    }
}

/// That the other side holds the key of the certificate that it shows.
#[derive(Debug)]
struct Proof(WebPkiSupportedAlgorithms);

impl Proof {
    fn new() -> Self {
        Self(provider().signature_verification_algorithms)
    }

    fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0).map_err(|error| because_of(certificate, error))
    }

    fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0).map_err(|error| because_of(certificate, error))
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Why a proof could not be checked: the fault of the certificate if it has one, so that log and metric can name it.
fn because_of(certificate: &CertificateDer<'_>, error: Error) -> Error {
    match form::fault_of(certificate) {
        Some(fault) => Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault)))),
        None => error,
    }
}

/// The fault for which the TLS library ended a handshake; none if the certificate was not to blame.
pub(super) fn fault_behind(error: &Error) -> Option<CertificateFault> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(fault))) => fault.downcast_ref().copied(),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Some(CertificateFault::Expired)
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Some(CertificateFault::NotYetValid)
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(CertificateFault::Untrusted),
        Error::InvalidCertificate(CertificateError::InvalidPurpose) => Some(CertificateFault::WrongUsage),
        Error::InvalidCertificate(CertificateError::Revoked) => Some(CertificateFault::Revoked),
        // Nothing but a certificate is of such a size in a handshake.
        Error::InvalidCertificate(CertificateError::BadEncoding)
        | Error::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge | InvalidMessage::HandshakePayloadTooLarge,
        ) => Some(CertificateFault::Malformed),
        _ => None,
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
        CertificateFault::Malformed | CertificateFault::MalformedName => CertificateError::BadEncoding,
        CertificateFault::Revoked => CertificateError::Revoked,
        CertificateFault::RevocationUnknown => CertificateError::UnknownRevocationStatus,
    })
}
