//! The checks of a certificate itself: its form, its chain, its issuer, its time, its purpose.

use mssante::hex;
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;

use super::{Check, CheckOutcome, Verified, moment};
use crate::certificate::form;
use crate::chain::{self, Usage, VerifiedPath, unix_time};
use crate::{Authorities, CertificateFacts, CertificateFault, DnMatch, Standing, TrustSpace, VerifiedCertificate};

const CHAIN: &str = "tls.anchors_file";
const ISSUERS: &str = "tls.issuers_file";
/// Rules that nobody can change.
const FIXED: &str = "-";

/// What is judged, by whom and when.
pub(super) struct Scene<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) others: &'a [CertificateDer<'a>],
    pub(super) authorities: &'a Authorities,
    pub(super) usage: Usage,
    pub(super) now: OffsetDateTime,
}

impl Scene<'_> {
    /// Every check that needs nothing but the certificate and the authorities.
    pub(super) fn checks(&self, verdict: Result<DnMatch, mssante::Refusal>) -> Vec<Check> {
        if let Err(error) = EndEntityCert::try_from(self.leaf) {
            return vec![failed("readable", FIXED, chain::fault(&error), &error.to_string())];
        }
        let facts = CertificateFacts::of_certificate(self.leaf);
        let (Ok(facts), Ok((_, certificate))) = (facts, x509_parser::parse_x509_certificate(self.leaf)) else {
            // Two readers have to understand it; the verdict says what came first.
            let refusal = verdict.err().unwrap_or(CertificateFault::Malformed.refusal());
            return vec![Check::failed("readable", FIXED, refusal, CertificateFault::Malformed.to_string())];
        };
        let path = self.path(&facts);
        let readable = Check::held("readable", FIXED, format!("{}, SHA-256 {}", facts.name, hex(&facts.sha256)));
        let mut checks = vec![readable, self.validity(&facts), purpose(&path), self.chain(&path)];
        checks.push(self.issuer(&path));
        checks.extend(self.form(&certificate));
        checks
    }

    /// The certificate if all these checks held.
    pub(super) fn verified(&self) -> Verified {
        self.authorities.verify(self.leaf, self.others, self.usage, unix_time(self.now)).ok()
    }

    /// The path at a moment at which the certificate itself is in its time: that is a check of its own.
    fn path(&self, facts: &CertificateFacts) -> Result<VerifiedPath, (CertificateFault, String)> {
        let in_time = if facts.not_before <= facts.not_after {
            self.now.clamp(facts.not_before, facts.not_after)
        } else {
            self.now
        };
        self.authorities
            .path(self.leaf, self.others, self.usage, unix_time(in_time))
            .map_err(|error| (chain::fault(&error), error.to_string()))
    }

    fn validity(&self, facts: &CertificateFacts) -> Check {
        let CertificateFacts { not_before, not_after, .. } = facts;
        let period = format!("from {} to {}, now {}", moment(*not_before), moment(*not_after), moment(self.now));
        let fault = match () {
            () if not_before > not_after => CertificateFault::Malformed,
            () if self.now < *not_before => CertificateFault::NotYetValid,
            () if self.now > *not_after => CertificateFault::Expired,
            () => return Check::held("validity", FIXED, period),
        };
        failed("validity", FIXED, fault, &period)
    }

    fn chain(&self, path: &Result<VerifiedPath, (CertificateFault, String)>) -> Check {
        match path {
            Ok(path) => {
                let root = self.authorities.root(path).map(|root| root.name().to_string());
                Check::held("chain", CHAIN, format!("ends at {}", root.unwrap_or_else(|| "an anchor".to_owned())))
            }
            Err((CertificateFault::WrongUsage, _)) => Check::not_checked("chain", CHAIN, "not reached"),
            Err((fault, error)) => failed("chain", CHAIN, *fault, error),
        }
    }

    fn issuer(&self, path: &Result<VerifiedPath, (CertificateFault, String)>) -> Check {
        let Ok(path) = path else { return Check::not_checked("issuer", ISSUERS, "the chain does not hold") };
        match self.authorities.issuer(path) {
            Some(issuer) => Check::held("issuer", ISSUERS, format!("accepted: {}", issuer.name())),
            None => failed("issuer", ISSUERS, CertificateFault::IssuerNotAccepted, "not in the file"),
        }
    }

    fn form(&self, certificate: &X509Certificate<'_>) -> [Check; 3] {
        let check = |name, result: Result<(), CertificateFault>, good: &str| match result {
            Ok(()) => Check::held(name, FIXED, good),
            Err(fault) => failed(name, FIXED, fault, ""),
        };
        [
            check("form", form::check(certificate), "subject, serial number and extensions are as they must be"),
            check("key-strength", form::check_strength(certificate), "the key is strong enough"),
            check(
                "key-usage",
                form::check_key_usage(certificate, self.usage),
                "its key may sign handshakes (or nothing else is said)",
            ),
        ]
    }
}

/// Extended key usage, and that it is no authority's.
fn purpose(path: &Result<VerifiedPath, (CertificateFault, String)>) -> Check {
    const NAME: &str = "purpose";
    match path {
        Ok(_) => Check::held(NAME, FIXED, "made for connections such as this (or nothing else is said)"),
        Err((fault @ CertificateFault::WrongUsage, error)) => failed(NAME, FIXED, *fault, error),
        Err(_) => Check::not_checked(NAME, FIXED, "the chain does not hold"),
    }
}

/// What lists and responders say.
pub(super) async fn revocation(
    verified: Option<&VerifiedCertificate>,
    space: &TrustSpace,
    now: OffsetDateTime,
) -> Check {
    const NAME: &str = "revocation";
    const SETTING: &str = "revocation.check, revocation.when_unknown";
    let Some(certificate) = verified else { return Check::not_checked(NAME, SETTING, "the certificate is not good") };
    let revocation = space.revocation();
    let standing = revocation.ask(certificate, None).await;
    let refusal = revocation.verdict(&standing).err().map(CertificateFault::refusal);
    let (outcome, detail) = match &standing {
        _ if standing.is_unchecked() => (CheckOutcome::NotChecked, "switched off".to_owned()),
        Standing::Good { source } => (CheckOutcome::Held, format!("not revoked, says {}", aged(source, space, now))),
        Standing::Revoked { since, source } => {
            (CheckOutcome::Failed, format!("revoked since {}, says {}", moment(*since), aged(source, space, now)))
        }
        Standing::Unknown { why } => (CheckOutcome::Doubtful, why.clone()),
    };
    Check { refusal, ..Check::new(NAME, SETTING, outcome, detail) }
}

/// A list with its age.
fn aged(source: &str, space: &TrustSpace, now: OffsetDateTime) -> String {
    match space.revocation().lists().iter().find(|list| list.url == source) {
        Some(list) => {
            let hours = (now - list.this_update).whole_hours();
            format!("{source} ({hours} h old, {} certificates, until {})", list.revoked, moment(list.next_update))
        }
        None => source.to_owned(),
    }
}

fn failed(name: &'static str, setting: &'static str, fault: CertificateFault, why: &str) -> Check {
    let detail = if why.is_empty() { fault.to_string() } else { format!("{fault}: {why}") };
    Check::failed(name, setting, fault.refusal(), detail)
}
