//! Whether the certificates of two files can be what they are there for: said at the start, not by
//! the first peer that is turned away.

use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};
use time::OffsetDateTime;

use super::Authority;
use crate::CertificateFacts;

/// OpenSSL's security level of 112 bits: RSA from 2048 bits, no SHA-1.
const SECURITY_LEVEL: i32 = 2;

/// At least one, each an authority in its time.
pub(super) fn roots(roots: &[Arc<Authority>], now: OffsetDateTime) -> Result<(), String> {
    if roots.is_empty() {
        return Err("no certificate in it; the roots of IGC-Santé are expected".to_owned());
    }
    roots.iter().try_for_each(|root| standing(root, now))
}

/// At least one, each an authority in its time that is one of the roots or chains to one.
pub(super) fn issuers(issuers: &[Arc<Authority>], roots: &[Arc<Authority>], now: OffsetDateTime) -> Result<(), String> {
    if issuers.is_empty() {
        return Err("no certificate in it; the accepted authorities below the roots are expected".to_owned());
    }
    for issuer in issuers {
        standing(issuer, now)?;
        if !roots.contains(issuer) {
            below(issuer, issuers, roots, now)?;
        }
    }
    Ok(())
}

fn standing(authority: &Authority, now: OffsetDateTime) -> Result<(), String> {
    let Authority { name, der } = authority;
    let unreadable = || format!("{name}: its certificate cannot be read; export it again");
    let facts = CertificateFacts::of_certificate(der).map_err(|_| unreadable())?;
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| unreadable())?;
    let signs = certificate.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
    match () {
        () if !certificate.is_ca() || !signs => {
            Err(format!("{name} is not an authority; keep only CA certificates in this file"))
        }
        () if now > facts.not_after => {
            Err(format!("{name} has expired ({}); take it out of this file", facts.not_after.date()))
        }
        () if now < facts.not_before => {
            Err(format!("{name} is not valid before {}; check the clock", facts.not_before.date()))
        }
        () => Ok(()),
    }
}

/// Whether an issuer chains to a root, by signatures. `[RFC5280 6.1]`
fn below(
    issuer: &Authority,
    others: &[Arc<Authority>],
    roots: &[Arc<Authority>],
    now: OffsetDateTime,
) -> Result<(), String> {
    let advice = "add its root to the anchors, or take it out of this file";
    match chains(issuer, others, roots, now) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(format!("{} does not chain to a root ({why}); {advice}", issuer.name)),
        Err(error) => Err(format!("{} cannot be verified ({error}); {advice}", issuer.name)),
    }
}

/// Why it does not chain, if it does not.
fn chains(
    issuer: &Authority,
    others: &[Arc<Authority>],
    roots: &[Arc<Authority>],
    now: OffsetDateTime,
) -> Result<Option<String>, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_time(now.unix_timestamp());
    parameters.set_auth_level(SECURITY_LEVEL);
    // A root that is not self-signed is an anchor all the same, as in handshakes.
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&parameters)?;
    for root in roots {
        store.add_cert(X509::from_der(&root.der)?)?;
    }
    let mut between = Stack::new()?;
    for other in others {
        between.push(X509::from_der(&other.der)?)?;
    }
    let certificate = X509::from_der(&issuer.der)?;
    let mut context = X509StoreContext::new()?;
    context.init(&store.build(), &certificate, &between, |context| {
        Ok((!context.verify_cert()?).then(|| context.error().error_string().to_owned()))
    })
}
