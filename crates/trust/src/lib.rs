//! The trust space: the white list, distinguished names, certificates, and the only place
//! where a TLS configuration is built.

mod chain;
mod dn;
mod list;
mod peer;
mod space;
mod tls;

pub use dn::{DistinguishedName, DnError, DnMatch};
pub use list::{SignaturePolicy, TrustList, TrustListError};
pub use peer::{CertificateFacts, VerifiedPeer};
pub use space::TrustSpace;
pub use tls::{ClientCertificate, ClientTls, HopTls, ServerTls, TlsError, TlsFiles, Transport};
