//! What `pli check-config` finds in files, and `pli trust verify`: nothing here talks to anybody.

use mssante::{Clock, Domain};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use trust::{DistinguishedName, TrustList};

use super::candidate::read_list;
use super::policy;
use crate::ambient::SystemClock;
use crate::config::{ListSource, Settings};
use crate::failure::Failure;
use crate::serve::expiry;
use crate::serve::node::Tls;

/// What `serve` would find in its files.
pub(crate) struct Inspection {
    /// The white list, verified; none if it is to be fetched.
    pub(crate) list: Option<TrustList>,
    /// When our own certificate ends.
    pub(crate) certificate_not_after: OffsetDateTime,
    /// What to say if that is soon.
    pub(crate) expiry: Option<String>,
    /// Our listed domains for which the list names another certificate than ours.
    pub(crate) unbound: Vec<Domain>,
}

/// Everything that `serve` would read from files, for `check-config`.
pub(crate) async fn inspect(settings: &Settings) -> Result<Inspection, Failure> {
    let tls = Tls::load(settings, &super::revocation(settings)?)?;
    let list = match settings.trust_list.source() {
        Some(ListSource::File(file)) => {
            let why = |error: &dyn std::fmt::Display| {
                Failure::Configuration(format!("trust_list.file = \"{}\": {error}", file.display()))
            };
            let (octets, _) = read_list(file).map_err(|error| why(&error))?;
            let sha256 = policy::checksum_in_file(settings).map_err(|error| why(&error))?;
            let policy = policy::signature(settings, sha256).map_err(|error| why(&error))?;
            Some(super::read(octets, policy, SystemClock.now()).await.map_err(|(_, error)| why(&error))?)
        }
        _ => None,
    };
    let expiry = expiry::warning(&tls, SystemClock.now());
    let unbound = match &list {
        Some(list) => unbound(settings, list)?,
        None => Vec::new(),
    };
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
