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

/// Authorities that count now, and why others do not.
pub(super) struct Present {
    pub(super) authorities: Vec<Arc<Authority>>,
    /// One sentence each.
    pub(super) left_out: Vec<String>,
}

/// Those whose time it is; at least one. One that has ended must not take the others with it.
pub(super) fn roots(roots: &[Arc<Authority>], now: OffsetDateTime) -> Result<Present, String> {
    if roots.is_empty() {
        return Err("no certificate in it; the roots of IGC-Santé are expected".to_owned());
    }
    present(roots, |root| standing(root, now))
}

/// Those whose time it is, that are one of the present roots or chain to one; at least one. One that does not chain to
/// any root, present or not, is a mistake.
pub(super) fn issuers(
    issuers: &[Arc<Authority>],
    roots: &[Arc<Authority>],
    present_roots: &[Arc<Authority>],
    now: OffsetDateTime,
) -> Result<Present, String> {
    if issuers.is_empty() {
        return Err("no certificate in it; the accepted authorities below the roots are expected".to_owned());
    }
    present(issuers, |issuer| {
        let standing = standing(issuer, now)?;
        if standing.is_err() || present_roots.contains(issuer) {
            return Ok(standing);
        }
        below(issuer, issuers, roots, When::Whenever)?;
        Ok(below(issuer, issuers, present_roots, When::At(now)))
    })
}

/// `standing` says what is wrong with the file, or why one authority in it does not count now.
fn present(
    all: &[Arc<Authority>],
    standing: impl Fn(&Arc<Authority>) -> Result<Result<(), String>, String>,
) -> Result<Present, String> {
    let mut present = Present { authorities: Vec::new(), left_out: Vec::new() };
    for authority in all {
        match standing(authority)? {
            Ok(()) => present.authorities.push(Arc::clone(authority)),
            Err(why) => present.left_out.push(why),
        }
    }
    if present.authorities.is_empty() { Err(present.left_out.join("; ")) } else { Ok(present) }
}

/// What is not an authority is a mistake; one whose time it is not does not count.
fn standing(authority: &Authority, now: OffsetDateTime) -> Result<Result<(), String>, String> {
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
            Ok(Err(format!("{name} has expired ({}); take it out of this file", facts.not_after.date())))
        }
        () if now < facts.not_before => {
            Ok(Err(format!("{name} is not valid before {}; check the clock", facts.not_before.date())))
        }
        () => Ok(Ok(())),
    }
}

/// At which moment a chain is looked at.
#[derive(Clone, Copy)]
enum When {
    At(OffsetDateTime),
    /// The dates are not looked at.
    Whenever,
}

/// Whether an issuer chains to a root, by signatures. `[RFC5280 6.1]`
fn below(issuer: &Authority, others: &[Arc<Authority>], roots: &[Arc<Authority>], when: When) -> Result<(), String> {
    let advice = "add its root to the anchors, or take it out of this file";
    match chains(issuer, others, roots, when) {
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
    when: When,
) -> Result<Option<String>, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    match when {
        When::At(now) => parameters.set_time(now.unix_timestamp()),
        When::Whenever => parameters.set_flags(X509VerifyFlags::NO_CHECK_TIME)?,
    }
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
