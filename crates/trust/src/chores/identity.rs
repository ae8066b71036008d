//! A certificate with its chain and its key, on the way into the files that TLS reads.

use openssl::pkey::{PKey, Private};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use super::ChoreError;
use super::bundle::{issuer_of, pem, x509};
use crate::chain::{Usage, provider, unix_time};
use crate::{Authorities, CertificateFault, VerifiedCertificate};

/// A private key, PKCS#8 in PEM. Its octets never show in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(Vec<u8>);

impl KeyPem {
    pub(super) fn of(key: &PKey<Private>) -> Result<Self, ChoreError> {
        Ok(Self(key.private_key_to_pem_pkcs8()?))
    }

    /// The PEM text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPem")
    }
}

/// A certificate that fits its key, with what lies between it and its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    key: KeyPem,
    /// Own certificate first, each issued by the next; the root left out, peers have it. DER.
    chain: Vec<Vec<u8>>,
    /// Certificates that came along and are no part of the chain, DER.
    left_over: Vec<Vec<u8>>,
}

impl NewIdentity {
    /// Orders `others` into the chain of `leaf`; what the TLS library cannot use is refused. `[RFC8446 4.4.2]`
    pub(super) fn new(key: &PKey<Private>, leaf: Vec<u8>, others: Vec<Vec<u8>>) -> Result<Self, ChoreError> {
        let mut identity = Self { key: KeyPem::of(key)?, chain: vec![leaf], left_over: others };
        identity.grow()?;
        identity.check_usable()?;
        Ok(identity)
    }

    /// Takes authorities that the file left out from those that we know, so that peers get the whole chain.
    pub fn complete(&mut self, authorities: &Authorities) -> Result<(), ChoreError> {
        let own = std::mem::take(&mut self.left_over);
        let known = authorities.issuers().iter().map(|issuer| issuer.der().to_vec());
        self.left_over = own.iter().cloned().chain(known).collect();
        self.grow()?;
        self.left_over.retain(|der| own.contains(der));
        Ok(())
    }

    /// Moves the issuer of the last certificate from the others to the chain, as often as there is one.
    fn grow(&mut self) -> Result<(), ChoreError> {
        loop {
            let last = self.chain.last().expect("a chain begins with the certificate that it is made for");
            let Some(at) = issuer_of(last, &self.left_over)? else { return Ok(()) };
            let issuer = self.left_over.remove(at);
            let parsed = x509(&issuer)?;
            if parsed.subject_name().try_cmp(parsed.issuer_name())?.is_eq() {
                return Ok(());
            }
            self.chain.push(issuer);
        }
    }

    fn check_usable(&self) -> Result<(), ChoreError> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| ChoreError::Library(format!("the key cannot be read back: {error}")))?;
        match CertifiedKey::from_der(self.ders(), key, &provider()) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InconsistentKeys(_)) => Err(ChoreError::KeyMismatch),
            Err(other) => Err(ChoreError::Library(format!(
                "the key cannot be used for TLS ({other}); RSA from 2048 bits, P-256 and P-384 can"
            ))),
        }
    }

    /// Whether other operators with the same authorities would accept it as a server's at `now`;
    /// revocation is not looked at.
    pub fn verify(
        &self,
        authorities: &Authorities,
        now: OffsetDateTime,
    ) -> Result<VerifiedCertificate, CertificateFault> {
        let ders = self.ders();
        authorities.verify(&ders[0], &ders[1..], Usage::Server, unix_time(now))
    }

    fn ders(&self) -> Vec<CertificateDer<'static>> {
        self.chain.iter().cloned().map(CertificateDer::from).collect()
    }

    /// Own certificate first, DER.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// What came along and is no part of the chain, the root for instance, DER.
    pub fn left_over(&self) -> &[Vec<u8>] {
        &self.left_over
    }

    /// The content of `tls.certificate_file`.
    pub fn chain_pem(&self) -> Result<Vec<u8>, ChoreError> {
        pem(&self.chain)
    }

    /// The content of `tls.key_file`.
    pub fn key(&self) -> &KeyPem {
        &self.key
    }
}
