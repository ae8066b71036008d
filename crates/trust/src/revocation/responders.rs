//! Asking OCSP responders, and taking the answers that peers bring along.

use super::answers::Fingerprint;
use super::ocsp::{OcspFault, Question, REQUEST_TYPE};
use super::{Ocsp, Shared};
use crate::{FetchError, VerifiedCertificate};

/// The source of answers that came with a handshake.
pub(super) const STAPLED: &str = "stapled";

/// Before the URL of a responder, to tell it from a list.
pub(super) const PREFIX: &str = "OCSP ";

/// States of a responder that will pass. `[RFC6960 4.2.1]`
const INTERNAL_ERROR: u8 = 2;
const TRY_LATER: u8 = 3;

/// An answer has some two thousand octets.
const MAX_ANSWER: usize = 64 * 1024;

/// A question that is under way. However it ends, even by a panic, those who wait for it go on,
/// and it can be put again.
pub(super) struct UnderWay {
    shared: Shared,
    certificate: Fingerprint,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.answers.done(self.certificate);
        self.shared.tell();
    }
}

impl Shared {
    /// Takes a stapled answer if the rules let it and it is good for something.
    pub(super) fn take_stapled(&self, certificate: &VerifiedCertificate, answer: &[u8]) {
        if self.rules.checked
            && self.rules.ocsp != Ocsp::Off
            && let Err(fault) = self.take(certificate, answer, STAPLED)
        {
            tracing::debug!(%fault, "a stapled OCSP answer is not used");
        }
    }

    fn take(&self, certificate: &VerifiedCertificate, answer: &[u8], source: &str) -> Result<(), OcspFault> {
        let (register, now) = (self.register.load(), self.clock.now());
        let issuer = register.signer(certificate.issuer()).ok_or(OcspFault::Untrusted)?;
        let answer = Question { issuer, serial: certificate.serial() }.read(answer, &register, now)?;
        self.answers.believe(certificate.facts().sha256, answer, source, now);
        Ok(())
    }

    /// Begins to ask the certificate's responders unless somebody else does, or it has not helped
    /// a moment ago. The question goes on when the handshake is given up: others come.
    pub(super) fn ask_responders(&self, certificate: &VerifiedCertificate) {
        let asked = self.rules.ocsp == Ocsp::Ask && self.fetcher.is_some() && !certificate.ocsp_urls().is_empty();
        if asked && let Some(under_way) = self.begin(certificate.facts().sha256) {
            let certificate = certificate.clone();
            tokio::spawn(async move { under_way.shared.ask_each(&certificate).await });
        }
    }

    /// Nothing if somebody asks about this certificate already, or has just done so.
    pub(super) fn begin(&self, certificate: Fingerprint) -> Option<UnderWay> {
        let begun = self.answers.begin(certificate, self.clock.now());
        begun.then(|| UnderWay { shared: self.clone(), certificate })
    }

    async fn ask_each(&self, certificate: &VerifiedCertificate) {
        for url in certificate.ocsp_urls() {
            if self.answers.may_ask(url, self.clock.now()) && self.ask_one(certificate, url).await {
                return;
            }
        }
    }

    /// Whether the responder's answer is believed.
    async fn ask_one(&self, certificate: &VerifiedCertificate, url: &str) -> bool {
        let (Some(fetcher), Some(question)) = (&self.fetcher, self.question(certificate)) else { return false };
        let answer = match fetcher.post(url, REQUEST_TYPE, question, MAX_ANSWER).await {
            Ok(answer) => answer,
            Err(error) => {
                self.failed(url, &error);
                return false;
            }
        };
        match self.take(certificate, &answer, &format!("{PREFIX}{url}")) {
            Ok(()) => {
                self.answers.responder_works(url);
                true
            }
            Err(fault @ OcspFault::NoAnswer(INTERNAL_ERROR | TRY_LATER)) => {
                self.failed(url, &FetchError::Connection { url: url.to_owned(), why: fault.to_string() });
                false
            }
            Err(fault) => {
                tracing::warn!(url, %fault, subject = %certificate.facts().name, "an OCSP responder does not help");
                self.answers.undecided(certificate.facts().sha256, format!("{url}: {fault}"), self.clock.now());
                false
            }
        }
    }

    fn question(&self, certificate: &VerifiedCertificate) -> Option<Vec<u8>> {
        let register = self.register.load();
        let issuer = register.signer(certificate.issuer())?;
        Some(Question { issuer, serial: certificate.serial() }.encode())
    }

    fn failed(&self, url: &str, error: &FetchError) {
        tracing::warn!(%error, "an OCSP responder fails; it is left alone for a while");
        self.answers.responder_failed(url, error, self.clock.now());
    }

    /// Wakes those who wait.
    pub(super) fn tell(&self) {
        self.news.send_modify(|news| *news += 1);
    }
}
