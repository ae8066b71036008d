//! The trust space: the white list, distinguished names, certificates and their revocation, and
//! the only place where a TLS configuration is built.

mod authorities;
mod certificate;
mod chain;
pub mod chores;
mod dn;
mod explain;
mod fetch;
mod list;
mod peer;
mod revocation;
mod shown;
mod space;
mod tls;

pub use authorities::{Authorities, AuthoritiesError, Authority};
pub use certificate::{CertificateFault, VerifiedCertificate};
pub use dn::{AttributeComparison, AttributeOutcome, DistinguishedName, DnError, DnMatch};
pub use explain::{Asked, Check, CheckOutcome, Direction, Explanation, HostRule, explain};
pub use fetch::{
    AccessKey, Described, Downloaded, Exchange, Exchanged, FetchError, FetchRules, Fetched, Fetcher, Validators, Verb,
    schedule,
};
pub use list::{ListChange, Renamed, Sanity, SignaturePolicy, TrustList, TrustListError, Weighed, weigh};
pub use peer::{CertificateFacts, VerifiedPeer};
pub use revocation::{CrlError, CrlFacts, Ocsp, Revocation, RevocationRules, Standing, WhenUnknown};
pub use shown::masked;
pub use space::{InForce, ListAges, ListStanding, TrustRules, TrustSpace};
pub use tls::{ClientCertificate, ClientTls, HopTls, ServerTls, TlsError, TlsFiles, Transport};
