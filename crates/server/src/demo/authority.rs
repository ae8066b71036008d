//! The public side of the demonstration's authorities: their revocation lists over HTTP.

use std::io;

use testkit::audit::AuditCase;
use testkit::http::{HttpServer, Page};
use testkit::pki::{Particulars, Pki, PkiError};
use testkit::revocation::Crl;
use time::{Duration, OffsetDateTime};

/// Path of the issuing authority's list.
const ISSUING: &str = "/CRL/ACI-EL-ORG-TEST.crl";

/// Where peers find out what was revoked. The lists are there as long as this lives.
pub(super) struct Authority {
    server: HttpServer,
}

impl Authority {
    /// Listens on a free port of 127.0.0.1; publishes nothing yet.
    pub(super) async fn start() -> io::Result<Self> {
        Ok(Self { server: HttpServer::start().await? })
    }

    /// What certificates say of where their issuer's list is.
    pub(super) fn particulars(&self) -> Particulars {
        Particulars { crl_urls: vec![self.server.url(ISSUING)], ..Particulars::default() }
    }

    /// Publishes the list, with the certificate of the audit case on it; valid for a month, so
    /// that a demonstration that stays up does not outlive it.
    pub(super) fn publish(&self, pki: &Pki, now: OffsetDateTime) -> Result<(), PkiError> {
        let list = Crl::new(now, now + Duration::days(30)).number(1).entry(&AuditCase::REVOKED_SERIAL, now, None);
        self.server.serve(ISSUING, Page::new(pki.crl(&list)?));
        Ok(())
    }
}
