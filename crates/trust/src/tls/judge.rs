//! The judgement on a peer, right after the handshake.

use std::sync::Arc;

use mssante::{Clock, Refusal};
use rustls_pki_types::CertificateDer;

use crate::chain::{Usage, unix_time};
use crate::{Authorities, CertificateFault, Revocation, VerifiedPeer};

/// Why a peer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// It showed nothing.
    NoCertificate,
    /// What it showed will not do.
    Fault(CertificateFault),
}

impl Distrust {
    /// What a session answers, which may say less than the fault.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::NoCertificate => Refusal::CertificateMissing,
            Self::Fault(fault) => fault.refusal(),
        }
    }
}

/// What judges the certificates of one listener or of our hops.
#[derive(Clone)]
pub(crate) struct Judge {
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) revocation: Arc<Revocation>,
    pub(crate) usage: Usage,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Judge {
    /// The peer that showed this chain (own certificate first), or why it is none. `stapled` is the
    /// OCSP answer that came with it.
    pub(crate) async fn judge(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        stapled: Option<&[u8]>,
    ) -> Result<VerifiedPeer, Distrust> {
        let Some([leaf, others @ ..]) = chain else { return Err(Distrust::NoCertificate) };
        let verified = self.authorities.verify(leaf, others, self.usage, unix_time(self.clock.now()));
        let certificate = verified.map_err(Distrust::Fault)?;
        let standing = self.revocation.ask(&certificate, stapled).await;
        self.revocation.verdict(&standing).map_err(Distrust::Fault)?;
        Ok(VerifiedPeer::new(certificate))
    }
}
