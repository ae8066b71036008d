//! The life of the trust space in a running server: the white list from its source into force and
//! into the database, revocation lists kept at hand, all of it shared by the nodes of a database.
//!
//! [`Keeper`] does one thing at a time and is what the commands use, too; [`follow`] does it again
//! and again.

mod candidate;
mod crl;
mod follow;
mod inspect;
mod keeper;
mod outcome;
mod policy;
mod record;
mod source;
mod view;
mod visit;

use std::sync::Arc;

use trust::{FetchError, Fetcher, ListAges, Revocation, TrustRules, TrustSpace};

use crate::ambient::SystemClock;
use crate::config::{Ocsp, Settings};
use crate::failure::Failure;

pub(crate) use candidate::{Candidate, read_list};
pub(crate) use crl::CrlAsked;
pub(crate) use follow::Follower;
pub(crate) use inspect::{Inspection, inspect};
pub(crate) use keeper::{Keeper, read};
pub(crate) use outcome::{Acknowledgement, Outcome, Reason};
pub(crate) use policy::{checksum_in_file, sanity, signature};
use record::changes;
pub(crate) use source::Asked;
pub(in crate::serve) use source::{Trouble, sources_own, validators};
pub(super) use view::{View, begin_counting, tell};
pub(crate) use visit::{Reach, visit, visit_with_list};

/// What will be known about revocation: nothing yet.
pub(crate) fn revocation(settings: &Settings) -> Result<Arc<Revocation>, Failure> {
    let clock = Arc::new(SystemClock);
    let fetcher = match settings.revocation.ocsp {
        Ocsp::Ask => Some(fetcher(settings).map_err(|error| Failure::Configuration(error.to_string()))?),
        Ocsp::Off | Ocsp::Stapled => None,
    };
    Ok(Revocation::new(settings.revocation.rules(), &policy::all_authorities(settings)?, fetcher, clock))
}

/// After a reload: the authorities whose revocation lists are believed.
pub(super) fn trust_again(settings: &Settings, revocation: &Revocation) {
    match policy::all_authorities(settings) {
        Ok(authorities) => revocation.trust(&authorities),
        Err(failure) => tracing::error!(%failure, "authorities not read again; the old ones stay in force"),
    }
}

/// A trust space without a list. Without one the server still serves those who read; what needs
/// the list is refused temporarily.
pub(crate) fn space(settings: &Settings, revocation: Arc<Revocation>) -> TrustSpace {
    let list = &settings.trust_list;
    let ages = ListAges { stale_after: list.stale_after, expired_after: list.expired_after };
    TrustSpace::new(TrustRules { how: list.dn_match.into(), ages }, revocation, Arc::new(SystemClock))
}

/// What fetches lists. Made anew for each use, so that new anchors count at once.
fn fetcher(settings: &Settings) -> Result<Fetcher, FetchError> {
    let anchors = settings.trust_list.url_anchors_file.as_ref().unwrap_or(&settings.tls.anchors_file);
    Fetcher::load(anchors, &settings.fetch.rules(), Arc::new(SystemClock))
}
