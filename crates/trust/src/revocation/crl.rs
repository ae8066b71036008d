//! Revocation lists: read once, kept as a set of serial numbers. `[RFC5280 5.1]`

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

use super::CrlError;
use super::der::{self, ENUMERATED, Element, INTEGER, Reader, SEQUENCE, Unexpected, context, primitive};
use super::signed::{Signed, signed};

const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
const ISSUING_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];

/// The reason of an entry that takes back another. `[RFC5280 5.3.1]`
const REMOVE_FROM_CRL: u8 = 8;

/// Extensions of a list; some ten are defined.
const MOST_EXTENSIONS: usize = 32;

/// Of which certificates a list speaks. `[RFC5280 5.2.5]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Scope {
    holders: Holders,
    /// Only certificates that name one of these; all if there are none.
    points: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Holders {
    #[default]
    Everybody,
    Leaves,
    Authorities,
}

impl Scope {
    /// Whether it says something of an end entity that names these lists.
    fn covers_leaf(&self, named: &[String]) -> bool {
        self.is_at(named) && self.holders != Holders::Authorities
    }

    /// The same of an authority.
    fn covers_authority(&self, named: &[String]) -> bool {
        self.is_at(named) && self.holders != Holders::Leaves
    }

    fn is_at(&self, named: &[String]) -> bool {
        self.points.is_empty() || self.points.iter().any(|point| named.contains(point))
    }
}

/// A list whose signature is still to be verified: nothing of it is read but who has issued it.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    pub(super) signed: Signed<'a>,
    /// The name of its issuer, DER.
    pub(super) issuer: &'a [u8],
    /// What follows the issuer.
    rest: Reader<'a>,
}

/// A list whose entries are still to be read.
#[derive(Debug)]
pub(super) struct Unread<'a> {
    content: &'a [u8],
    pub(super) this_update: OffsetDateTime,
    pub(super) next_update: OffsetDateTime,
    entries: &'a [u8],
    extensions: Extensions,
}

/// A list that is believed.
#[derive(Debug)]
pub(super) struct RevocationList {
    pub(super) this_update: OffsetDateTime,
    pub(super) next_update: OffsetDateTime,
    scope: Scope,
    /// CRL number, significant octets; empty if there is none.
    number: Vec<u8>,
    sha256: [u8; 32],
    /// By significant octets of the serial number: since when, in seconds since 1970.
    revoked: HashMap<Box<[u8]>, i64>,
}

#[derive(Debug, Default)]
struct Extensions {
    number: Vec<u8>,
    scope: Scope,
}

/// The DER of a list that may come as PEM.
pub(super) fn der_of(octets: &[u8]) -> Result<Vec<u8>, CrlError> {
    if octets.starts_with(b"-----BEGIN") {
        let list = CertificateRevocationListDer::from_pem_slice(octets);
        return list.map(|list| list.to_vec()).map_err(|error| CrlError::Format(format!("damaged PEM ({error})")));
    }
    Ok(octets.to_vec())
}

impl<'a> Unverified<'a> {
    /// Reads who has issued it.
    pub(super) fn read(list: &'a [u8]) -> Result<Self, CrlError> {
        const WHAT: &str = "a revocation list";
        let signed = signed(Reader::only(list, SEQUENCE, WHAT)?, WHAT)?;
        let mut content = Reader::only(signed.content, SEQUENCE, WHAT)?;
        if content.optional(INTEGER, "the version")?.is_some_and(|version| version.content != [1]) {
            return Err(CrlError::Format("its version is unknown".to_owned()));
        }
        if content.take(SEQUENCE, "the algorithm")?.content != signed.algorithm {
            return Err(CrlError::Format("it names two algorithms".to_owned()));
        }
        let issuer = content.take(SEQUENCE, "the issuer")?.whole;
        Ok(Self { signed, issuer, rest: content })
    }

    /// Reads all but the entries; for lists whose signature was verified. They come over plain HTTP,
    /// and what strangers put into them is no business of ours.
    pub(super) fn open(self) -> Result<Unread<'a>, CrlError> {
        let mut content = self.rest;
        let this_update = content.time("thisUpdate")?;
        if !content.at_time() {
            return Err(CrlError::Format("it does not say when it ends (nextUpdate)".to_owned()));
        }
        let next_update = content.time("nextUpdate")?;
        let entries = content.optional(SEQUENCE, "the entries")?.map_or(&[][..], |element| element.content);
        let extensions = match content.optional(context(0), "the extensions")? {
            Some(element) => Extensions::read(Reader::only(element.content, SEQUENCE, "the extensions")?)?,
            None => Extensions::default(),
        };
        content.end("the end of the list")?;
        Ok(Unread { content: self.signed.content, this_update, next_update, entries, extensions })
    }
}

impl Unread<'_> {
    /// Reads the entries.
    pub(super) fn accept(self) -> Result<RevocationList, CrlError> {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, self.content).as_ref());
        Ok(RevocationList {
            this_update: self.this_update,
            next_update: self.next_update,
            scope: self.extensions.scope,
            number: self.extensions.number,
            sha256,
            revoked: entries(Reader::new(self.entries))?,
        })
    }
}

impl RevocationList {
    /// Since when the certificate with this serial number is revoked.
    pub(super) fn since(&self, serial: &[u8]) -> Option<OffsetDateTime> {
        let since = self.revoked.get(der::significant(serial))?;
        OffsetDateTime::from_unix_timestamp(*since).ok()
    }

    /// Whether it says something of an end entity that names these lists.
    pub(super) fn covers_leaf(&self, named: &[String]) -> bool {
        self.scope.covers_leaf(named)
    }

    /// The same of an authority.
    pub(super) fn covers_authority(&self, named: &[String]) -> bool {
        self.scope.covers_authority(named)
    }

    /// How many certificates are on it.
    pub(super) fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether both are the same list.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }

    /// Whether it speaks of the same certificates as another list of its issuer.
    pub(super) fn rivals(&self, other: &Self) -> bool {
        self.scope == other.scope
    }

    /// Whether it was made before `other`, which speaks of the same certificates. `[RFC5280 5.2.3]`
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        let numbers = (self.number.len(), &self.number) < (other.number.len(), &other.number);
        let numbered = !self.number.is_empty() && !other.number.is_empty();
        self.this_update < other.this_update || (numbered && numbers)
    }
}

/// All that says something about which certificates the list speaks of must be understood: a
/// list that is read for what it is not lets revoked certificates pass.
impl Extensions {
    fn read(mut list: Reader<'_>) -> Result<Self, CrlError> {
        let mut content = Vec::new();
        while !list.is_empty() {
            content.extend_from_slice(list.take(SEQUENCE, "an extension")?.whole);
        }
        let mut extensions = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        for extension in der::extensions(&content) {
            let extension = extension?;
            if seen.len() == MOST_EXTENSIONS {
                return Err(unsupported("it has too many extensions"));
            }
            if seen.contains(&extension.oid) {
                return Err(CrlError::Format("it has an extension twice".to_owned()));
            }
            seen.push(extension.oid);
            match extension.oid {
                CRL_NUMBER => {
                    let mut value = Reader::new(extension.value);
                    extensions.number = der::significant(value.take(INTEGER, "the CRL number")?.content).to_vec();
                }
                ISSUING_POINT => extensions.scope = scope(extension.value)?,
                DELTA_INDICATOR => return Err(unsupported("it holds changes only (delta)")),
                AUTHORITY_KEY => {}
                _ if extension.critical => return Err(unsupported("it has a critical extension that is unknown")),
                _ => {}
            }
        }
        Ok(extensions)
    }
}

/// Reads an issuing distribution point. `[RFC5280 5.2.5]`
fn scope(value: &[u8]) -> Result<Scope, CrlError> {
    let mut point = Reader::only(value, SEQUENCE, "the issuing distribution point")?;
    let mut scope = Scope::default();
    while !point.is_empty() {
        let element = point.any("the issuing distribution point")?;
        match element.tag {
            NAME => scope.points = points(element)?,
            LEAVES if der::truth(element)? => scope.holders = Holders::Leaves,
            AUTHORITIES if der::truth(element)? => scope.holders = Holders::Authorities,
            LEAVES | AUTHORITIES => {}
            INDIRECT | ATTRIBUTES if !der::truth(element)? => {}
            INDIRECT => return Err(unsupported("it speaks for other issuers (indirect)")),
            ATTRIBUTES => return Err(unsupported("it is one of attribute certificates")),
            SOME_REASONS => return Err(unsupported("it holds some reasons only")),
            _ => return Err(unsupported("its issuing distribution point is unknown")),
        }
    }
    Ok(scope)
}

const NAME: u8 = context(0);
const LEAVES: u8 = primitive(1);
const AUTHORITIES: u8 = primitive(2);
const SOME_REASONS: u8 = primitive(3);
const INDIRECT: u8 = primitive(4);
const ATTRIBUTES: u8 = primitive(5);

/// The URLs of a distribution point; others than URLs are not followed, so one must be there.
fn points(name: Element<'_>) -> Result<Vec<String>, CrlError> {
    const URL: u8 = primitive(6);
    let mut names = Reader::only(name.content, context(0), "a distribution point that is not relative")?;
    let mut points = Vec::new();
    while !names.is_empty() {
        let name = names.any("a general name")?;
        if name.tag == URL {
            points.push(String::from_utf8_lossy(name.content).into_owned());
        }
    }
    if points.is_empty() { Err(unsupported("its issuing distribution point has no URL")) } else { Ok(points) }
}

fn entries(mut list: Reader<'_>) -> Result<HashMap<Box<[u8]>, i64>, CrlError> {
    let mut revoked = HashMap::new();
    while !list.is_empty() {
        let mut entry = list.inside(SEQUENCE, "an entry")?;
        let serial = entry.take(INTEGER, "the serial number of an entry")?.content;
        let since = entry.time("the date of an entry")?;
        let extensions = entry.optional(SEQUENCE, "the extensions of an entry")?;
        entry.end("the end of an entry")?;
        if extensions.map_or(Ok(true), still_revoked)? {
            revoked.insert(der::significant(serial).into(), since.unix_timestamp());
        }
    }
    revoked.shrink_to_fit();
    Ok(revoked)
}

/// One on hold is revoked for now; one that was taken back is not. `[RFC5280 6.3.3]`
fn still_revoked(extensions: Element<'_>) -> Result<bool, CrlError> {
    let mut revoked = true;
    for extension in der::extensions(extensions.content) {
        let extension = extension?;
        match extension.oid {
            REASON_CODE => {
                let mut value = Reader::new(extension.value);
                revoked = value.take(ENUMERATED, "a reason")?.content != [REMOVE_FROM_CRL];
            }
            CERTIFICATE_ISSUER => return Err(unsupported("an entry names another issuer (indirect)")),
            _ if extension.critical => return Err(unsupported("an entry has a critical extension that is unknown")),
            _ => {}
        }
    }
    Ok(revoked)
}

fn unsupported(why: &str) -> CrlError {
    CrlError::Format(why.to_owned())
}

impl From<Unexpected> for CrlError {
    fn from(Unexpected(what): Unexpected) -> Self {
        Self::Format(format!("{what} was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::der::{OCTET_STRING, OID, encoded};

    fn extensions(number: u8) -> Vec<u8> {
        let one = |last: u8| {
            let content = [encoded(OID, &[0x2a, 3, last]), encoded(OCTET_STRING, &[])].concat();
            encoded(SEQUENCE, &content)
        };
        (0..number).flat_map(one).collect()
    }

    #[test]
    fn a_list_with_too_many_extensions_is_refused() {
        assert!(Extensions::read(Reader::new(&extensions(32))).is_ok());
        let many = Extensions::read(Reader::new(&extensions(33)));
        assert!(matches!(&many, Err(CrlError::Format(why)) if why.contains("too many")), "{many:?}");
    }
}
