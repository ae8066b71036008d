//! Whether the trust list names a certificate for our domains.

use std::sync::Arc;

use mssante::Domain;
use trust::chores::HeldCertificate;
use trust::{DnMatch, TrustList};

use crate::config::{ListSource, Settings};
use crate::failure::Failure;
use crate::serve;
use crate::serve::trust::{Reach, visit};

/// What the list says of one of our domains.
pub(super) struct Listed {
    pub(super) domain: Domain,
    pub(super) standing: Standing,
    /// Why nothing is known.
    pub(super) why: Option<String>,
}

/// Whether other operators would take mail of the domain from the holder of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Bound,
    OtherNames,
    DomainMissing,
    Unknown,
}

impl Standing {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Bound => "listed",
            Self::OtherNames => "listed with other names",
            Self::DomainMissing => "domain not listed",
            Self::Unknown => "unknown",
        }
    }
}

/// What the list says of each of our domains and this certificate. `[MSS1 DN.MATCH]`
pub(super) async fn listed(settings: &Settings, own: &HeldCertificate) -> Vec<Listed> {
    let list = trust_list(settings).await;
    let how = settings.trust_list.dn_match.into();
    let of_domain = |domain: &Domain| {
        let (standing, why) = match &list {
            Ok(list) => (standing(list, domain, own, how), None),
            Err(why) => (Standing::Unknown, Some(why.clone())),
        };
        Listed { domain: domain.clone(), standing, why }
    };
    settings.operator.domains.iter().map(of_domain).collect()
}

fn standing(list: &TrustList, domain: &Domain, own: &HeldCertificate, how: DnMatch) -> Standing {
    match () {
        () if list.binds(domain, &own.facts.name, how) => Standing::Bound,
        () if list.lists(domain) => Standing::OtherNames,
        () => Standing::DomainMissing,
    }
}

/// The list of the file, or the one that the nodes have in force. Nothing is fetched for this.
async fn trust_list(settings: &Settings) -> Result<Arc<TrustList>, String> {
    let (why, none) = (|failure: Failure| failure.to_string(), "no list is in force yet; see `pli trust status`");
    let list = match settings.trust_list.source() {
        Some(ListSource::File(_)) => serve::inspect(settings).await.map_err(why)?.list.map(Arc::new),
        _ if settings.has_database() => {
            visit(settings, Reach::Database, async |keeper| Ok(keeper.space().list())).await.map_err(why)?
        }
        _ => None,
    };
    list.ok_or_else(|| none.to_owned())
}
