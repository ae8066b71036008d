//! The white list: signature, then content, from the same octets.

mod change;
mod content;
mod limits;
mod signature;
mod weighing;

use std::collections::HashMap;

use mssante::Domain;
use thiserror::Error;
use time::OffsetDateTime;

use crate::explain::moment;
use crate::shown::shown;
use crate::{Authorities, DistinguishedName, DnMatch, VerifiedCertificate};

pub use self::change::{ListChange, Renamed};
pub use self::weighing::{Sanity, Weighed, weigh};

/// Why a list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustListError {
    /// Not the XML that it should be.
    #[error("the white list cannot be read: {0}")]
    Format(String),
    /// Not signed as it must be.
    #[error("the signature of the white list is not acceptable: {0}")]
    Signature(String),
    /// An empty list would cut us off.
    #[error("the white list holds no domain")]
    Empty,
    /// The list in force is newer: somebody hands us an old list.
    #[error("the white list of {} is older than the one in force, of {}", moment(*candidate), moment(*in_force))]
    Older {
        /// `DateDeGeneration` of the list that was refused.
        candidate: OffsetDateTime,
        /// `DateDeGeneration` of the list in force.
        in_force: OffsetDateTime,
    },
    /// It was generated after now: a clock is wrong, most likely ours.
    #[error("the white list of {} lies in the future; check this machine's clock", moment(*.0))]
    FromTheFuture(OffsetDateTime),
}

/// Who may sign the list.
#[derive(Debug, Clone)]
pub enum SignaturePolicy {
    /// An enveloped signature by a certificate that one of `authorities` has issued and
    /// whose subject has this CN and, if given, this OU.
    Required {
        /// Who may issue the signer's certificate.
        authorities: Authorities,
        /// CN of the signer.
        signer_cn: String,
        /// OU of the signer.
        signer_ou: Option<String>,
    },
    /// Pre-production only: the octets must have this SHA-256, which came another way. Says so loudly when used.
    Digest {
        /// SHA-256 of the whole file.
        sha256: [u8; 32],
    },
    /// Pre-production only: no signature is looked at. Says so loudly when used.
    Off,
}

/// The white list after its checks.
#[derive(Debug, Clone)]
pub struct TrustList {
    generated_at: OffsetDateTime,
    domains: HashMap<Domain, Vec<DistinguishedName>>,
    /// Every name of the list by its key, in each spelling.
    names: HashMap<String, Vec<DistinguishedName>>,
    skipped: usize,
    left_out: Vec<String>,
    signer: Option<VerifiedCertificate>,
}

impl TrustList {
    /// No list may have more octets. The one of France has 5 MB; who fetches or reads a list stops here.
    pub const MAX_OCTETS: usize = 32 * 1024 * 1024;

    /// Verifies and reads a list. `now` decides on the validity of the signer's certificate.
    ///
    /// Entries whose domain or name cannot be read, or that have a field twice, are left out and
    /// counted, see [`Self::skipped_count`]; with more than ten of them that are more than 2 % of all,
    /// the list is refused. The order of the fields does not matter.
    pub fn read(xml: &[u8], policy: &SignaturePolicy, now: OffsetDateTime) -> Result<Self, TrustListError> {
        let text = limits::checked_text(xml)?;
        signature::check_octets(xml, policy)?;
        let text = limits::completed(text, policy);
        let mut document = content::parse(&text)?;
        let signer = signature::check(&mut document, policy, now)?;
        let list = content::read(&document)?;
        Ok(Self { signer, ..list })
    }

    fn of_entries(
        generated_at: OffsetDateTime,
        entries: impl IntoIterator<Item = (Domain, DistinguishedName)>,
    ) -> Result<Self, TrustListError> {
        let (mut domains, mut names) = (HashMap::new(), HashMap::new());
        for (domain, name) in entries {
            match names.get_mut(name.key()) {
                Some(spellings) => add(spellings, &name).map_err(|TooMany| too_many("spellings", &name.to_string()))?,
                None => drop(names.insert(name.key().to_owned(), vec![name.clone()])),
            }
            let full = |TooMany| too_many("names", domain.as_str());
            match domains.get_mut(&domain) {
                Some(of_domain) => add(of_domain, &name).map_err(full)?,
                None => drop(domains.insert(domain, vec![name])),
            }
        }
        Ok(Self { generated_at, domains, names, skipped: 0, left_out: Vec::new(), signer: None })
    }

    #[cfg(test)]
    pub(crate) fn of(
        generated_at: OffsetDateTime,
        entries: impl IntoIterator<Item = (Domain, DistinguishedName)>,
    ) -> Self {
        Self::of_entries(generated_at, entries).unwrap()
    }

    /// `DateDeGeneration`.
    pub fn generated_at(&self) -> OffsetDateTime {
        self.generated_at
    }

    /// Who signed it; none if the policy asked for no signature. Its revocation was not looked at.
    pub fn signer(&self) -> Option<&VerifiedCertificate> {
        self.signer.as_ref()
    }

    /// How many different domains.
    pub fn domain_count(&self) -> usize {
        self.domains.len()
    }

    /// How many entries were left out because they cannot be read.
    pub fn skipped_count(&self) -> usize {
        self.skipped
    }

    /// Why entries were left out, with their lines; the first ten at most.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// How many different names, whatever their spelling.
    pub fn name_count(&self) -> usize {
        self.names.len()
    }

    /// How many names stand in the list in more than one spelling.
    pub fn respelt_count(&self) -> usize {
        self.names.values().filter(|spellings| spellings.len() > 1).count()
    }

    /// Whether the domain is listed.
    pub fn lists(&self, domain: &Domain) -> bool {
        self.domains.contains_key(domain)
    }

    /// The names listed for the domain.
    pub fn names_of(&self, domain: &Domain) -> &[DistinguishedName] {
        self.domains.get(domain).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the domain is listed with this name.
    pub fn binds(&self, domain: &Domain, name: &DistinguishedName, how: DnMatch) -> bool {
        self.names_of(domain).iter().any(|listed| listed.matches(name, how))
    }

    /// Whether any entry of the list carries this name.
    pub fn knows(&self, name: &DistinguishedName, how: DnMatch) -> bool {
        let spellings = self.names.get(name.key());
        spellings.is_some_and(|spellings| spellings.iter().any(|listed| listed.matches(name, how)))
    }
}

/// Names of one domain, and spellings of one name; in the real list they are less than ten. Each is compared with
/// each other, and with each certificate.
const MOST_NAMES: usize = 1_000;

struct TooMany;

fn add(names: &mut Vec<DistinguishedName>, name: &DistinguishedName) -> Result<(), TooMany> {
    if names.contains(name) {
        return Ok(());
    }
    if names.len() == MOST_NAMES {
        return Err(TooMany);
    }
    names.push(name.clone());
    Ok(())
}

fn too_many(what: &str, of: &str) -> TrustListError {
    TrustListError::Format(format!("more than {MOST_NAMES} different {what} of '{}'", shown(of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    pub(super) fn list_of(entries: &[(&str, &str)]) -> TrustList {
        let entry = |(name, dn): &(&str, &str)| (domain(name), DistinguishedName::parse(dn).unwrap());
        TrustList::of(OffsetDateTime::UNIX_EPOCH, entries.iter().map(entry))
    }

    #[test]
    fn a_domain_with_more_names_and_a_name_in_more_spellings_than_any_has_are_refused() {
        let read = |names: Vec<String>| {
            let entry = |dn: &String| (domain("a.fr"), DistinguishedName::parse(dn).unwrap());
            TrustList::of_entries(OffsetDateTime::UNIX_EPOCH, names.iter().map(entry))
        };
        let hosts = |count: usize| (0..count).map(|number| format!("CN=h{number},OU=1")).collect::<Vec<_>>();
        assert_eq!(read(hosts(1_000)).unwrap().names_of(&domain("a.fr")).len(), 1_000);
        assert!(read([hosts(1_000), hosts(1_000)].concat()).is_ok(), "the same names again");
        let why = read(hosts(1_001)).unwrap_err().to_string();
        assert!(why.contains("more than 1000 different names of 'a.fr'"), "{why}");
        let places = (0..1_001).map(|number| format!("CN=h,OU=1,ST={number}")).collect();
        let why = read(places).unwrap_err().to_string();
        assert!(why.contains("more than 1000 different spellings of 'CN=h,OU=1,ST=1000'"), "{why}");
    }

    #[test]
    fn a_domain_is_bound_to_its_own_names_only() {
        let list = list_of(&[("a.fr", "CN=h1,OU=1"), ("a.fr", "CN=h2,OU=1"), ("b.fr", "CN=h3,OU=1,ST=x")]);
        let dn = |text: &str| DistinguishedName::parse(text).unwrap();
        assert!(list.binds(&domain("a.fr"), &dn("CN=H2,OU=1"), DnMatch::Normalised));
        assert!(!list.binds(&domain("a.fr"), &dn("CN=H2,OU=1"), DnMatch::Strict));
        assert!(!list.binds(&domain("a.fr"), &dn("CN=h3,OU=1"), DnMatch::Normalised));
        assert!(!list.binds(&domain("c.fr"), &dn("CN=h1,OU=1"), DnMatch::Normalised));
        assert!(list.knows(&dn("CN=h3,OU=1"), DnMatch::Normalised));
        assert!(!list.knows(&dn("CN=h3,OU=1"), DnMatch::Strict));
        assert!(!list.knows(&dn("CN=h3"), DnMatch::Normalised));
    }
}
