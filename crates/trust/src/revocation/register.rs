//! The lists in use, found by the certificate of the authority that issued what is asked about.
//! Never changed: whoever changes something makes another one and exchanges it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;

use super::crl::{RevocationList, Unverified, der_of};
use super::signed::{SignatureFault, Signer};
use super::{CrlError, CrlFacts, Standing};
use crate::explain::moment;
use crate::{Authorities, Authority, VerifiedCertificate};

/// How far clocks may differ.
pub(super) const TOLERANCE: time::Duration = time::Duration::minutes(5);

/// Authorities above one that are looked up.
const MAX_DEPTH: usize = 8;

/// Our authorities with their lists.
#[derive(Debug, Default, Clone)]
pub(super) struct Register {
    signers: Arc<[Known]>,
    /// Index into `signers` by certificate, DER.
    by_certificate: Arc<HashMap<Vec<u8>, usize>>,
    /// What each source gave.
    by_url: BTreeMap<String, Held>,
    /// The lists of each of `signers`, of rivals the newest.
    in_use: Vec<Vec<Held>>,
}

#[derive(Debug)]
struct Known {
    signer: Signer,
    /// Who issued it, if we know him.
    parent: Option<usize>,
}

/// Who hands in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its source: one that has ended is of no use.
    Download,
    /// We ourselves, from before a restart: whoever was on it stays revoked, and none that is older is taken.
    OwnCopy,
}

/// A list, where it came from, and who signed it.
#[derive(Debug, Clone)]
struct Held {
    url: Arc<str>,
    list: Arc<RevocationList>,
    signer: Arc<Signer>,
}

impl Register {
    pub(super) fn of(authorities: &Authorities) -> Self {
        Self::default().with_authorities(authorities)
    }

    /// The same for other authorities; lists of those who are none any more are left out.
    pub(super) fn with_authorities(&self, authorities: &Authorities) -> Self {
        let all = authorities.issuers().iter().chain(authorities.roots());
        let signers: Vec<Signer> = all.filter_map(Signer::of).collect();
        let by_certificate =
            signers.iter().enumerate().map(|(index, signer)| (signer.authority.der().to_vec(), index)).collect();
        let parents: Vec<Option<usize>> = signers.iter().map(|signer| parent(signer, &signers)).collect();
        let signers: Arc<[Known]> =
            signers.into_iter().zip(parents).map(|(signer, parent)| Known { signer, parent }).collect();
        let known = |held: &Held| signers.iter().any(|known| known.signer.is(&held.signer));
        let by_url = self.by_url.iter().filter(|(_, held)| known(held)).map(|(url, held)| (url.clone(), held.clone()));
        let by_url = by_url.collect();
        Self { signers, by_certificate: Arc::new(by_certificate), by_url, in_use: Vec::new() }.arranged()
    }

    /// The same with this list.
    pub(super) fn with_list(
        &self,
        url: &str,
        octets: &[u8],
        origin: Origin,
        now: OffsetDateTime,
    ) -> Result<Self, CrlError> {
        let der = der_of(octets)?;
        let unverified = Unverified::read(&der)?;
        let signer = self.signer_of(&unverified)?;
        let unread = unverified.open()?;
        if unread.this_update > now + TOLERANCE {
            return Err(CrlError::NotYetValid(unread.this_update));
        }
        if unread.next_update < now && origin == Origin::Download {
            return Err(CrlError::Expired(unread.next_update));
        }
        let list = unread.accept()?;
        let held = self.held_by(&signer).filter(|held| held.list.rivals(&list)).collect::<Vec<_>>();
        if held.iter().any(|held| list.is_older_than(&held.list)) {
            return Err(CrlError::Older);
        }
        // Two sources often have the same list: it is kept once.
        let same = held.iter().find(|held| held.list.is(&list)).map(|held| Arc::clone(&held.list));
        let list = same.unwrap_or_else(|| Arc::new(list));
        let mut next = self.clone();
        next.by_url.insert(url.to_owned(), Held { url: url.into(), list, signer: Arc::new(signer) });
        Ok(next.arranged())
    }

    /// Who signed the list: one of ours of that name. `[RFC5280 6.3.3]`
    fn signer_of(&self, list: &Unverified<'_>) -> Result<Signer, CrlError> {
        let mut fault = CrlError::Untrusted;
        let named = self.signers.iter().map(|known| &known.signer);
        for signer in named.filter(|signer| signer.subject == list.issuer && signer.signs_lists) {
            match signer.key.verify(list.signed) {
                Ok(()) => return Ok(signer.clone()),
                Err(SignatureFault::Algorithm) => fault = CrlError::Weak,
                Err(SignatureFault::Wrong) => {}
            }
        }
        Err(fault)
    }

    /// Gives each authority its lists.
    fn arranged(mut self) -> Self {
        self.in_use = self.signers.iter().map(|known| newest(self.held_by(&known.signer))).collect();
        self
    }

    fn held_by<'a>(&'a self, signer: &'a Signer) -> impl Iterator<Item = &'a Held> {
        self.by_url.values().filter(|held| held.signer.is(signer))
    }

    /// What the lists say of a certificate. Whoever is on a list is revoked even after the list has
    /// ended; that nobody is on it counts for as long as it lasts. `[MSS2 ECO.1.1.6]` `[MSS2 ECO.1.1.7]`
    pub(super) fn standing(&self, certificate: &VerifiedCertificate, now: OffsetDateTime) -> Standing {
        let issuer = certificate.issuer();
        let Some(&index) = self.by_certificate.get(issuer.der()) else {
            return unknown(format!("{} is not among the authorities whose lists are believed", issuer.name()));
        };
        if let Some(revoked) = self.revoked(index, certificate.serial()).or_else(|| self.issuer_revoked(index)) {
            return revoked;
        }
        let covering = self.in_use[index].iter().filter(|held| held.list.covers_leaf(certificate.crl_urls()));
        match covering.max_by_key(|held| held.list.next_update) {
            Some(held) if held.list.next_update >= now => Standing::Good { source: held.url.to_string() },
            Some(held) => {
                unknown(format!("the revocation list of {} ended at {}", issuer.name(), moment(held.list.next_update)))
            }
            None => unknown(format!("there is no revocation list of {} yet", issuer.name())),
        }
    }

    /// Whether this serial number is on a list of the authority of this certificate.
    pub(super) fn lists(&self, issuer: &Authority, serial: &[u8]) -> bool {
        self.by_certificate.get(issuer.der()).is_some_and(|&index| self.revoked(index, serial).is_some())
    }

    fn revoked(&self, index: usize, serial: &[u8]) -> Option<Standing> {
        self.in_use[index].iter().find_map(|held| {
            let since = held.list.since(serial)?;
            Some(Standing::Revoked { since, source: held.url.to_string() })
        })
    }

    /// Whether an authority or one above it was revoked. That no list of the root is at hand is no
    /// reason for doubt: an administrator has put each of them into his configuration.
    fn issuer_revoked(&self, index: usize) -> Option<Standing> {
        let above = std::iter::successors(Some(index), |&index| self.signers[index].parent);
        above.take(MAX_DEPTH).find_map(|index| {
            let Known { signer, parent } = &self.signers[index];
            self.revoked((*parent)?, &signer.serial)
        })
    }

    /// Authorities that name lists on which they would be, none of which lasts: nobody can say whether
    /// they were revoked.
    pub(super) fn unchecked_authorities(&self, now: OffsetDateTime) -> impl Iterator<Item = &Signer> {
        let issued = self.signers.iter().filter(|known| known.signer.subject != known.signer.issuer);
        let naming = issued.filter(|known| !known.signer.crl_urls.is_empty());
        naming.filter(move |known| !self.is_checked(known, now)).map(|known| &known.signer)
    }

    fn is_checked(&self, Known { signer, parent }: &Known, now: OffsetDateTime) -> bool {
        let lists = parent.map_or(&[][..], |parent| &self.in_use[parent]);
        lists.iter().any(|held| held.list.covers_authority(&signer.crl_urls) && held.list.next_update >= now)
    }

    /// The authority's key and name, for OCSP.
    pub(super) fn signer(&self, issuer: &Authority) -> Option<&Signer> {
        self.by_certificate.get(issuer.der()).map(|&index| &self.signers[index].signer)
    }

    /// Where the lists are on which our authorities themselves would be.
    pub(super) fn urls_of_authorities(&self) -> impl Iterator<Item = &String> {
        self.signers.iter().flat_map(|known| &known.signer.crl_urls)
    }

    /// Whether this source has given a list that is in use.
    pub(super) fn has(&self, url: &str) -> bool {
        self.by_url.contains_key(url)
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = CrlFacts> {
        self.by_url.iter().map(|(url, held)| CrlFacts {
            url: url.clone(),
            issuer: held.signer.authority.name().to_string(),
            this_update: held.list.this_update,
            next_update: held.list.next_update,
            revoked: held.list.len(),
        })
    }
}

fn unknown(why: String) -> Standing {
    Standing::Unknown { why }
}

/// The one that issued it; not itself.
fn parent(signer: &Signer, all: &[Signer]) -> Option<usize> {
    all.iter().position(|other| !other.is(signer) && other.issued(signer))
}

/// Of rivals the newest.
fn newest<'a>(lists: impl Iterator<Item = &'a Held>) -> Vec<Held> {
    let mut newest: Vec<Held> = Vec::new();
    for held in lists {
        match newest.iter_mut().find(|other| other.list.rivals(&held.list)) {
            None => newest.push(held.clone()),
            Some(other) if other.list.is_older_than(&held.list) => *other = held.clone(),
            Some(_) => {}
        }
    }
    newest
}
