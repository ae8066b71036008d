//! What holds the chain together: links that are signed, and a signed end. Pure: no database.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use time::OffsetDateTime;

use super::line::Hash;
use crate::KeyRing;

/// Signs links. Never used for anything else.
const LINK_PURPOSE: &str = "pli audit trail, link";
/// Signs the end of the chain: with another key, so that no link can be made an end.
const HEAD_PURPOSE: &str = "pli audit trail, head";

/// Lines that were entered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) at: OffsetDateTime,
    /// Of the chain after the last line.
    pub(crate) hash: Hash,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// Where the chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: i64,
    pub(crate) hash: Hash,
    /// Key and signature; none before the first line.
    pub(crate) signed: Option<(String, Vec<u8>)>,
}

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    Good,
    Bad,
    /// The key ring lacks the key.
    NoKey,
}

impl Link {
    /// A link signed by the active key of the ring.
    pub(crate) fn sign(first: i64, last: i64, at: OffsetDateTime, hash: Hash, ring: &KeyRing) -> Self {
        let link = Self { first, last, at, hash, key_id: ring.active().0.to_owned(), mac: Vec::new() };
        let mac = sign(ring, LINK_PURPOSE, &link.signed()).map(|(_, mac)| mac).unwrap_or_default();
        Self { mac, ..link }
    }

    pub(crate) fn check(&self, ring: &KeyRing) -> Signature {
        check(ring, &self.key_id, LINK_PURPOSE, &self.signed(), &self.mac)
    }

    fn signed(&self) -> Vec<u8> {
        let at = i64::try_from(self.at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        [&self.first.to_be_bytes()[..], &self.last.to_be_bytes(), &at.to_be_bytes(), &self.hash].concat()
    }
}

impl Head {
    /// An end signed by the active key of the ring.
    pub(crate) fn sign(number: i64, hash: Hash, ring: &KeyRing) -> Self {
        let head = Self { number, hash, signed: None };
        Self { signed: sign(ring, HEAD_PURPOSE, &head.text()), ..head }
    }

    pub(crate) fn check(&self, ring: &KeyRing) -> Signature {
        match &self.signed {
            Some((id, mac)) => check(ring, id, HEAD_PURPOSE, &self.text(), mac),
            None if self.number == 0 => Signature::Good,
            None => Signature::Bad,
        }
    }

    fn text(&self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], &self.hash].concat()
    }
}

fn key(ring: &KeyRing, id: &str, purpose: &'static str) -> Option<hmac::Key> {
    ring.derived(id, purpose).map(|octets| hmac::Key::new(HMAC_SHA256, &octets))
}

/// Name and signature of the active key of the ring, as it is derived for this purpose.
pub(super) fn sign(ring: &KeyRing, purpose: &'static str, text: &[u8]) -> Option<(String, Vec<u8>)> {
    let id = ring.active().0;
    key(ring, id, purpose).map(|key| (id.to_owned(), hmac::sign(&key, text).as_ref().to_vec()))
}

/// What a signature of the key with this name is worth.
pub(super) fn check(ring: &KeyRing, id: &str, purpose: &'static str, text: &[u8], mac: &[u8]) -> Signature {
    match key(ring, id, purpose) {
        None => Signature::NoKey,
        Some(key) if hmac::verify(&key, text, mac).is_ok() => Signature::Good,
        Some(_) => Signature::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(digits: &str) -> KeyRing {
        KeyRing::parse(&format!("key {digits} {}\nactive {digits}\n", digits.repeat(32))).unwrap()
    }

    fn link(ring: &KeyRing) -> Link {
        Link::sign(1, 9, OffsetDateTime::UNIX_EPOCH, [7; 32], ring)
    }

    #[test]
    fn a_link_holds_under_the_key_that_signed_it_and_no_other() {
        let (ours, others) = (ring("ab"), ring("cd"));
        assert_eq!(link(&ours).check(&ours), Signature::Good);
        assert_eq!(link(&ours).check(&others), Signature::NoKey);
        let claimed = Link { key_id: "ab".into(), ..link(&others) };
        assert_eq!(claimed.check(&ours), Signature::Bad);
    }

    #[test]
    fn all_of_a_link_is_signed() {
        let ring = ring("ab");
        let good = link(&ring);
        for changed in [
            Link { first: 2, ..good.clone() },
            Link { last: 8, ..good.clone() },
            Link { at: good.at + time::Duration::SECOND, ..good.clone() },
            Link { hash: [8; 32], ..good.clone() },
            Link { mac: Vec::new(), ..good.clone() },
        ] {
            assert_eq!(changed.check(&ring), Signature::Bad, "{changed:?}");
        }
    }

    #[test]
    fn no_link_can_be_made_an_end() {
        let ring = ring("ab");
        let link = link(&ring);
        assert_eq!(Head::sign(9, [7; 32], &ring).check(&ring), Signature::Good);
        let forged = Head { number: 9, hash: [7; 32], signed: Some((link.key_id.clone(), link.mac)) };
        assert_eq!(forged.check(&ring), Signature::Bad);
        assert_eq!(Head { number: 9, hash: [7; 32], signed: None }.check(&ring), Signature::Bad);
        assert_eq!(Head { number: 0, hash: [0; 32], signed: None }.check(&ring), Signature::Good);
    }
}
