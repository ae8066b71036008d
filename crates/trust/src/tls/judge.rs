//! The judgement on a peer, right after the handshake.

use std::sync::Arc;

use mssante::{Clock, Refusal};
use rustls_pki_types::CertificateDer;

use crate::chain::{Usage, unix_time};
use crate::{Authorities, Revocation, VerifiedPeer};

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
    ) -> Result<VerifiedPeer, Refusal> {
        let Some([leaf, others @ ..]) = chain else { return Err(Refusal::CertificateMissing) };
        let verified = self.authorities.verify(leaf, others, self.usage, unix_time(self.clock.now()));
        let certificate = verified.map_err(crate::CertificateFault::refusal)?;
        let standing = self.revocation.ask(&certificate, stapled).await;
        self.revocation.verdict(&standing).map_err(crate::CertificateFault::refusal)?;
        Ok(VerifiedPeer::new(certificate))
    }
}
