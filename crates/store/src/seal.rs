//! Sealing: what leaves this process towards PostgreSQL is compressed and encrypted.
//!
//! Each message has a data key of its own, wrapped by the active key of the ring. A sealed piece is one octet that
//! says whether it was compressed, the AES-256-GCM ciphertext and its tag. The data key seals one message only, so
//! the number of the piece is a nonce that never comes twice; the message's number is part of what the tag covers,
//! so pieces cannot be swapped, between messages or within one.

use std::cell::RefCell;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use message::Summary;
use mssante::Random;
use zstd::bulk::{Compressor, Decompressor};

use crate::keyring::aes_key;
use crate::{KeyRing, MessageId, StoreError};

/// Plain octets of each chunk but the last.
pub(crate) const CHUNK_SIZE: usize = 256 * 1024;
/// Level 1 makes of text a third at 600 MB/s; higher ones gain a tenth for twice the time.
const COMPRESSION_LEVEL: i32 = 1;
/// Below this, zstd's frame costs what it gains.
const LEAST_COMPRESSED: usize = 256;
const STORED: u8 = 0;
const COMPRESSED: u8 = 1;

thread_local! {
    /// Contexts are large (about 1 MB) and slow to make: one of each per worker thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Which piece of a message.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Chunk(u32),
    Summary,
    Digest,
}

impl Piece {
    fn nonce(self) -> [u8; NONCE_LEN] {
        let (kind, number) = match self {
            Self::Chunk(number) => (1_u32, number),
            Self::Summary => (2, 0),
            Self::Digest => (3, 0),
        };
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&kind.to_be_bytes());
        nonce[8..].copy_from_slice(&number.to_be_bytes());
        nonce
    }
}

/// A data key as it is stored: nonce, ciphertext, tag.
#[derive(Debug, Clone)]
pub(crate) struct WrappedKey {
    pub(crate) key_id: String,
    pub(crate) octets: Vec<u8>,
}

/// The data key of one message.
pub(crate) struct MessageKey {
    message: MessageId,
    key: LessSafeKey,
}

impl MessageKey {
    /// Draws a new data key and wraps it.
    pub(crate) fn draw(message: MessageId, ring: &KeyRing, random: &dyn Random) -> (Self, WrappedKey) {
        let mut drawn = [0; NONCE_LEN + 32];
        random.fill(&mut drawn);
        let (nonce, data_key) = drawn.split_first_chunk::<NONCE_LEN>().expect("the array is longer than a nonce");
        let key = aes_key(data_key).expect("32 octets make a key");
        let (key_id, wrapping) = ring.active();
        let mut octets = nonce.to_vec();
        let mut wrapped = data_key.to_vec();
        wrapping
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), wrapping_context(message), &mut wrapped)
            .expect("32 octets are never too long to seal");
        octets.extend_from_slice(&wrapped);
        (Self { message, key }, WrappedKey { key_id: key_id.to_owned(), octets })
    }

    /// Opens a stored data key.
    pub(crate) fn unwrap(message: MessageId, ring: &KeyRing, wrapped: &WrappedKey) -> Result<Self, StoreError> {
        let id = &wrapped.key_id;
        let wrapping = ring
            .key(id)
            .ok_or_else(|| StoreError::Unseal(format!("the key ring lacks the key {id} of message {message}")))?;
        let damaged = || StoreError::Unseal(format!("the data key of message {message} is damaged"));
        let (nonce, sealed) = wrapped.octets.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut data_key = sealed.to_vec();
        let opened = wrapping
            .open_in_place(Nonce::assume_unique_for_key(*nonce), wrapping_context(message), &mut data_key)
            .map_err(|_| damaged())?;
        let key = aes_key(opened).ok_or_else(damaged)?;
        Ok(Self { message, key })
    }

    pub(crate) fn seal_chunk(&self, number: u32, plain: &[u8]) -> Vec<u8> {
        self.seal(Piece::Chunk(number), plain)
    }

    /// The plain octets of a chunk, at most `chunk_size`.
    pub(crate) fn open_chunk(&self, number: u32, sealed: Vec<u8>, chunk_size: usize) -> Result<Vec<u8>, StoreError> {
        self.open(Piece::Chunk(number), sealed, chunk_size)
    }

    pub(crate) fn seal_summary(&self, summary: &Summary) -> Vec<u8> {
        self.seal(Piece::Summary, &summary.to_bytes())
    }

    pub(crate) fn open_summary(&self, sealed: Vec<u8>) -> Result<Summary, StoreError> {
        // As large as the limits of the scanner let a summary become, and more.
        const LIMIT: usize = 64 * 1024 * 1024;
        let plain = self.open(Piece::Summary, sealed, LIMIT)?;
        Summary::from_bytes(&plain)
            .map_err(|error| StoreError::inconsistent("message", format!("summary of {}: {error}", self.message)))
    }

    /// The SHA-256 of the message. In clear it would confirm a guess of the text.
    pub(crate) fn seal_digest(&self, digest: &[u8]) -> Vec<u8> {
        self.seal(Piece::Digest, digest)
    }

    pub(crate) fn open_digest(&self, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.open(Piece::Digest, sealed, SHA256_OUTPUT_LEN)
    }

    fn seal(&self, piece: Piece, plain: &[u8]) -> Vec<u8> {
        let mut sealed = flagged(plain);
        let context = self.context(piece, sealed[0]);
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(piece.nonce()), context, &mut sealed[1..])
            .expect("a chunk is never too long to seal");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    fn open(&self, piece: Piece, mut sealed: Vec<u8>, limit: usize) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Unseal(format!("{piece:?} of message {} is damaged", self.message));
        let (flag, rest) = sealed.split_first_mut().ok_or_else(damaged)?;
        let context = self.context(piece, *flag);
        let opened = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(piece.nonce()), context, rest)
            .map_err(|_| damaged())?;
        match *flag {
            STORED => Ok(opened.to_vec()),
            COMPRESSED => decompressed(opened, limit).ok_or_else(damaged),
            _ => Err(damaged()),
        }
    }

    /// What the tag covers beside the octets.
    fn context(&self, piece: Piece, flag: u8) -> Aad<[u8; 21]> {
        let mut context = [0; 21];
        context[..8].copy_from_slice(&self.message.0.to_be_bytes());
        context[8..20].copy_from_slice(&piece.nonce());
        context[20] = flag;
        Aad::from(context)
    }
}

fn wrapping_context(message: MessageId) -> Aad<[u8; 8]> {
    Aad::from(message.0.to_be_bytes())
}

/// The flag and the octets to encrypt, with room for the tag.
fn flagged(plain: &[u8]) -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| {
        let (flag, octets) = match compressed(plain, scratch) {
            Some(()) => (COMPRESSED, scratch.as_slice()),
            None => (STORED, plain),
        };
        let mut buffer = Vec::with_capacity(octets.len() + 17);
        buffer.push(flag);
        buffer.extend_from_slice(octets);
        buffer
    })
}

/// Compresses into `scratch`; `None` if that does not make it shorter.
fn compressed(plain: &[u8], scratch: &mut Vec<u8>) -> Option<()> {
    if plain.len() < LEAST_COMPRESSED {
        return None;
    }
    scratch.clear();
    scratch.reserve(plain.len());
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Compressor::new(COMPRESSION_LEVEL).ok();
        }
        // An error says that the result had no room; anything odd is then stored as it is, which is never wrong.
        slot.as_mut()?.compress_to_buffer(plain, scratch).ok()
    })?;
    (scratch.len() < plain.len()).then_some(())
}

fn decompressed(octets: &[u8], limit: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        slot.as_mut()?.decompress(octets, limit).ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testkit::clock::TestRandom;

    use super::*;

    const RING: &str = "key a 0101010101010101010101010101010101010101010101010101010101010101\nactive a\n";

    fn key(message: i64) -> (MessageKey, WrappedKey, KeyRing) {
        let ring = KeyRing::parse(RING).unwrap();
        let (key, wrapped) = MessageKey::draw(MessageId(message), &ring, &TestRandom::seeded(message.unsigned_abs()));
        (key, wrapped, ring)
    }

    #[test]
    fn text_is_stored_shorter_and_noise_hardly_longer() {
        let (key, ..) = key(1);
        let text = b"Compte rendu d'hospitalisation. ".repeat(4_000);
        assert!(key.seal_chunk(0, &text).len() < text.len() / 4);
        let mut noise = vec![0; CHUNK_SIZE];
        TestRandom::seeded(9).fill(&mut noise);
        assert_eq!(key.seal_chunk(0, &noise).len(), noise.len() + 17);
    }

    #[test]
    fn pieces_cannot_be_swapped() {
        let ((one, wrapped, ring), (two, ..)) = (key(1), key(2));
        let sealed = one.seal_chunk(0, b"pli");
        assert!(one.open_chunk(1, sealed.clone(), 9).is_err(), "another place");
        assert!(two.open_chunk(0, sealed.clone(), 9).is_err(), "another message");
        assert!(one.open_summary(sealed.clone()).is_err(), "another kind");
        assert!(one.open_digest(sealed.clone()).is_err(), "a third kind");
        assert!(MessageKey::unwrap(MessageId(2), &ring, &wrapped).is_err(), "a data key of another message");
        assert_eq!(one.open_chunk(0, sealed, 9).unwrap(), b"pli");
    }

    #[test]
    fn every_damaged_octet_is_noticed() {
        let (key, ..) = key(1);
        let sealed = key.seal_chunk(0, &b"Lettre de sortie ".repeat(20));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(key.open_chunk(0, damaged, CHUNK_SIZE).is_err(), "octet {place}");
        }
        assert!(key.open_chunk(0, Vec::new(), CHUNK_SIZE).is_err());
    }

    #[test]
    fn summaries_come_back() {
        let (key, wrapped, ring) = key(3);
        let mut scanner = message::Scanner::new();
        scanner.push(format!("Subject: {}\r\n\r\nBonjour\r\n", "lettre ".repeat(1_000)).as_bytes());
        let summary = scanner.finish();
        let sealed = key.seal_summary(&summary);
        let again = MessageKey::unwrap(MessageId(3), &ring, &wrapped).unwrap();
        assert_eq!(again.open_summary(sealed).unwrap(), summary);
    }

    proptest! {
        #[test]
        fn any_octets_come_back(plain in proptest::collection::vec(any::<u8>(), 0..2_000), times in 1_usize..40) {
            let (key, wrapped, ring) = key(4);
            let plain = plain.repeat(times);
            let sealed = key.seal_chunk(7, &plain);
            let again = MessageKey::unwrap(MessageId(4), &ring, &wrapped).unwrap();
            prop_assert_eq!(again.open_chunk(7, sealed, CHUNK_SIZE).unwrap(), plain);
        }
    }
}
