//! The trust list from its file into force.

use std::sync::Arc;

use mssante::{Clock, Domain};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use trust::{Authorities, DistinguishedName, ListAges, Revocation, SignaturePolicy, TrustList, TrustRules, TrustSpace};

use super::expiry;
use super::node::Tls;
use crate::ambient::SystemClock;
use crate::config::{ListSource, Settings, Signature};
use crate::failure::Failure;

/// What `serve` would find in its files.
pub(crate) struct Inspection {
    /// The white list, verified.
    pub(crate) list: TrustList,
    /// When our own certificate ends.
    pub(crate) certificate_not_after: OffsetDateTime,
    /// What to say if that is soon.
    pub(crate) expiry: Option<String>,
    /// Our listed domains for which the list names another certificate than ours.
    pub(crate) unbound: Vec<Domain>,
}

/// Everything that `serve` would read from files, for `check-config`.
pub(crate) fn inspect(settings: &Settings) -> Result<Inspection, Failure> {
    let tls = Tls::load(settings, &revocation())?;
    let list = read(settings).map_err(Failure::Configuration)?;
    let expiry = expiry::warning(&tls, SystemClock.now());
    let unbound = unbound(settings, &list)?;
    Ok(Inspection { list, certificate_not_after: tls.first_end(), expiry, unbound })
}

fn unbound(settings: &Settings, list: &TrustList) -> Result<Vec<Domain>, Failure> {
    let file = &settings.tls.certificate_file;
    let why = |error: &dyn std::fmt::Display| Failure::Configuration(format!("{}: {error}", file.display()));
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| why(&error))?;
    let name = DistinguishedName::of_certificate(&certificate).map_err(|error| why(&error))?;
    let how = settings.trust_list.dn_match.into();
    let domains = settings.operator.domains.iter();
    Ok(domains.filter(|domain| list.lists(domain) && !list.binds(domain, &name, how)).cloned().collect())
}

/// What is known about revocation: nothing is checked yet.
pub(super) fn revocation() -> Arc<Revocation> {
    Revocation::unchecked(Arc::new(SystemClock))
}

/// The trust space with the list of the configuration. Without a usable list the server still
/// serves those who read; what needs the list is refused temporarily.
pub(super) fn install(settings: &Settings, revocation: Arc<Revocation>) -> TrustSpace {
    let list = &settings.trust_list;
    let ages = ListAges { stale_after: list.stale_after, expired_after: list.expired_after };
    let rules = TrustRules { how: list.dn_match.into(), ages };
    let space = TrustSpace::new(rules, revocation, Arc::new(SystemClock));
    replace(settings, &space);
    space
}

/// Puts the list of the file in force; what cannot be read leaves the old in force.
#[allow(clippy::cast_precision_loss, reason = "fewer domains than 2^52, and a date before the year 142 million")]
pub(super) fn replace(settings: &Settings, space: &TrustSpace) {
    match read(settings) {
        Ok(list) => {
            metrics::gauge!("pli_trust_list_domains").set(list.domain_count() as f64);
            metrics::gauge!("pli_trust_list_generated_timestamp").set(list.generated_at().unix_timestamp() as f64);
            tracing::info!(domains = list.domain_count(), generated_at = %list.generated_at(), "trust list in force");
            space.install(list, SystemClock.now());
        }
        Err(why) => {
            metrics::counter!("pli_trust_list_failures_total").increment(1);
            tracing::error!(%why, "trust list not taken; the one in force, if any, stays");
        }
    }
}

fn read(settings: &Settings) -> Result<TrustList, String> {
    let Some(ListSource::File(file)) = settings.trust_list.source() else {
        return Err("fetching the trust list from trust_list.url does not work yet".to_owned());
    };
    let why = |error: &dyn std::fmt::Display| format!("trust_list.file = \"{}\": {error}", file.display());
    let xml = std::fs::read(file).map_err(|error| why(&error))?;
    TrustList::read(&xml, &policy(settings)?, SystemClock.now()).map_err(|error| why(&error))
}

fn policy(settings: &Settings) -> Result<SignaturePolicy, String> {
    let list = &settings.trust_list;
    if list.signature == Signature::Off {
        return Ok(SignaturePolicy::Off);
    }
    Ok(SignaturePolicy::Required {
        authorities: Authorities::load(
            list.anchors_file.as_ref().unwrap_or(&settings.tls.anchors_file),
            list.issuers_file.as_ref().unwrap_or(&settings.tls.issuers_file),
            SystemClock.now(),
        )
        .map_err(|error| error.to_string())?,
        signer_cn: list.signer_cn.clone(),
        signer_ou: list.signer_unit(),
    })
}
