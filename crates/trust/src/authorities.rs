//! The authorities that we accept: anchors, and the issuing authorities below them.

mod check;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use thiserror::Error;
use time::OffsetDateTime;

use crate::certificate::{CertificateFault, VerifiedCertificate};
use crate::chain::{self, Usage, VerifiedPath};
use crate::tls::files;
use crate::{DistinguishedName, TlsError};

/// A certificate authority whose certificate we hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    der: CertificateDer<'static>,
    name: DistinguishedName,
}

impl Authority {
    /// Reads a certificate in DER.
    pub fn of_der(der: CertificateDer<'static>) -> Result<Self, CertificateFault> {
        let name = DistinguishedName::of_certificate(&der).map_err(|_| CertificateFault::Malformed)?;
        Ok(Self { der, name })
    }

    #[cfg(test)]
    pub(crate) fn nobody() -> Self {
        let name = DistinguishedName::parse("CN=nobody").expect("a name");
        Self { der: CertificateDer::from(Vec::new()), name }
    }

    /// Its certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether this anchor is it: the same name, key and constraints.
    fn is_anchor(&self, anchor: &TrustAnchor<'_>) -> bool {
        webpki::anchor_from_trusted_cert(&self.der).is_ok_and(|own| own == *anchor)
    }

    /// Its subject.
    pub fn name(&self) -> &DistinguishedName {
        &self.name
    }
}

/// What is wrong with a set of authorities, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthoritiesError {
    /// With the roots.
    #[error("{0}")]
    Roots(String),
    /// With the issuers.
    #[error("{0}")]
    Issuers(String),
}

/// Chains of IGC-Santé have one intermediate and at most their root beside it.
const MOST_INTERMEDIATES: usize = 4;

/// Anchors, and which authorities may issue the certificates of those we deal with.
#[derive(Debug, Clone)]
pub struct Authorities {
    anchors: Arc<RootCertStore>,
    roots: Vec<Arc<Authority>>,
    issuers: Vec<Arc<Authority>>,
    left_out: Vec<String>,
}

impl Authorities {
    /// Reads PEM files: `anchors` holds the roots, `issuers` the authorities below them (or
    /// among them) whose certificates are accepted. Every issuer must chain to a root. What has ended at
    /// `now`, or has not begun, does not count and is logged. `[MSS2 ECO.1.1.10]`
    pub fn load(anchors: &Path, issuers: &Path, now: OffsetDateTime) -> Result<Self, TlsError> {
        let read = Self::assemble(files::certificates(anchors)?, files::certificates(issuers)?, now);
        let authorities = read.map_err(|error| match error {
            AuthoritiesError::Roots(why) => TlsError::File { file: anchors.to_owned(), why },
            AuthoritiesError::Issuers(why) => TlsError::File { file: issuers.to_owned(), why },
        })?;
        for why in &authorities.left_out {
            tracing::warn!(%why, "an authority does not count");
        }
        Ok(authorities)
    }

    /// The same from certificates in DER.
    pub fn of_certificates(
        roots: Vec<Vec<u8>>,
        issuers: Vec<Vec<u8>>,
        now: OffsetDateTime,
    ) -> Result<Self, AuthoritiesError> {
        let certificates = |ders: Vec<Vec<u8>>| ders.into_iter().map(CertificateDer::from).collect();
        Self::assemble(certificates(roots), certificates(issuers), now)
    }

    fn assemble(
        roots: Vec<CertificateDer<'static>>,
        issuers: Vec<CertificateDer<'static>>,
        now: OffsetDateTime,
    ) -> Result<Self, AuthoritiesError> {
        let roots = read(roots).map_err(AuthoritiesError::Roots)?;
        let issuers = read(issuers).map_err(AuthoritiesError::Issuers)?;
        let present = check::roots(&roots, now).map_err(AuthoritiesError::Roots)?;
        let accepted =
            check::issuers(&issuers, &roots, &present.authorities, now).map_err(AuthoritiesError::Issuers)?;
        let (roots, issuers) = (present.authorities, accepted.authorities);
        let left_out = present.left_out.into_iter().chain(accepted.left_out).collect();
        let mut anchors = RootCertStore::empty();
        for root in &roots {
            anchors.add(root.der.clone()).map_err(|error| {
                AuthoritiesError::Roots(format!("{} cannot be a trust anchor ({error})", root.name))
            })?;
        }
        Ok(Self { anchors: Arc::new(anchors), roots, issuers, left_out })
    }

    /// Whether `leaf` was issued by one of the accepted authorities, is valid at `now` and made
    /// for `usage`. Intermediates that the peer left out are ours to add. Revocation is not looked at.
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<VerifiedCertificate, CertificateFault> {
        let path = self.path(leaf, intermediates, usage, now).map_err(|error| chain::fault(&error))?;
        let issuer = self.issuer(&path).ok_or(CertificateFault::IssuerNotAccepted)?;
        VerifiedCertificate::read(leaf, issuer, usage)
    }

    /// The path to a root, whoever issued the leaf.
    pub(crate) fn path(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<VerifiedPath, webpki::Error> {
        let mut helpful: Vec<CertificateDer<'_>> = self.issuers.iter().map(|issuer| issuer.der.clone()).collect();
        // A good peer needs none of its own: our issuers are here. A few are looked at to tell who issued the leaf; many
        // of one name would have the path builder try all their orders.
        if intermediates.len() <= MOST_INTERMEDIATES {
            helpful.extend_from_slice(intermediates);
        }
        chain::verify(leaf, &helpful, &self.anchors, now, usage)
    }

    /// The accepted authority that issued the leaf of this path.
    pub(crate) fn issuer(&self, path: &VerifiedPath) -> Option<Arc<Authority>> {
        let same = |authority: &&Arc<Authority>| match &path.issuer {
            Some(der) => authority.der() == der.as_slice(),
            None => authority.is_anchor(&path.anchor),
        };
        self.issuers.iter().find(same).cloned()
    }

    /// The root where this path ends.
    pub(crate) fn root(&self, path: &VerifiedPath) -> Option<&Arc<Authority>> {
        self.roots.iter().find(|root| root.is_anchor(&path.anchor))
    }

    /// The roots.
    pub fn roots(&self) -> &[Arc<Authority>] {
        &self.roots
    }

    /// The accepted issuing authorities.
    pub fn issuers(&self) -> &[Arc<Authority>] {
        &self.issuers
    }

    /// Why authorities of the files do not count: one sentence each, with name and date.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub(crate) fn anchors(&self) -> &Arc<RootCertStore> {
        &self.anchors
    }
}

fn read(certificates: Vec<CertificateDer<'static>>) -> Result<Vec<Arc<Authority>>, String> {
    let one = |(place, der)| match Authority::of_der(der) {
        Ok(authority) => Ok(Arc::new(authority)),
        Err(fault) => Err(format!("certificate number {}: {fault}; export it again", place + 1)),
    };
    certificates.into_iter().enumerate().map(one).collect()
}
