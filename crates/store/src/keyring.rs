//! The key ring: keys that wrap the data key of each message.
//!
//! A text file, readable by its owner only:
//!
//! ```text
//! # comment
//! key k5f0c11d2 <64 hexadecimal digits>
//! active k5f0c11d2
//! ```

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use mssante::{Random, hex};
use nix::unistd::geteuid;
use thiserror::Error;

use crate::rights;

/// Why there is no key ring.
#[derive(Debug, Error)]
#[error("{file}: {why}")]
pub struct KeyRingError {
    /// Which file.
    pub file: String,
    /// What is wrong and what to do.
    pub why: String,
}

/// Several 256-bit keys, one of them active.
pub struct KeyRing {
    keys: BTreeMap<String, RingKey>,
    active: String,
}

/// A key, and what keys for other purposes are derived from.
struct RingKey {
    aes: LessSafeKey,
    root: Prk,
}

/// Octets of a derived key.
struct Derived;

impl KeyType for Derived {
    fn len(&self) -> usize {
        32
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

impl KeyRing {
    /// Reads the file, or makes one (mode 0600) with a fresh key if there is none.
    ///
    /// Whether a fresh ring fits is not known here: the database may be an old one whose ring got lost. That is found
    /// out by `Store::open`, which compares the ring with the check values in the database and refuses to go on.
    pub fn open_or_create(file: &Path, random: &dyn Random) -> Result<Self, KeyRingError> {
        let error = |why: String| KeyRingError { file: file.display().to_string(), why };
        match fs::metadata(file) {
            Ok(metadata) if metadata.mode() & 0o077 != 0 => Err(error(format!(
                "mode {:o} lets others read the keys; run `chmod 600 {}`",
                metadata.mode() & 0o777,
                file.display()
            ))),
            Ok(_) => {
                let text = fs::read_to_string(file).map_err(|e| error(format!("cannot be read: {e}")))?;
                Self::parse(&text).map_err(error)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = fresh_ring(random);
                create(file, &text).map_err(|e| error(format!("cannot be created: {e}")))?;
                Self::parse(&text).map_err(error)
            }
            Err(e) => Err(error(format!("cannot be read: {e}"))),
        }
    }

    /// The ring that `text` describes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        let mut active = None;
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["key", id, hex] => {
                    let key = key_from_hex(hex).ok_or_else(|| format!("line {number}: not 64 hexadecimal digits"))?;
                    if keys.insert(id.to_owned(), key).is_some() {
                        return Err(format!("line {number}: a second key {id}"));
                    }
                }
                ["active", id] => active = Some(id.to_owned()),
                _ => {
                    return Err(format!("line {number}: expected `key <id> <64 hexadecimal digits>` or `active <id>`"));
                }
            }
        }
        let active = active.ok_or("no line `active <id>` says which key seals new messages")?;
        if !keys.contains_key(&active) {
            return Err(format!("the active key {active} is not in the ring"));
        }
        Ok(Self { keys, active })
    }

    /// The key that seals new messages, with its name.
    pub(crate) fn active(&self) -> (&str, &LessSafeKey) {
        (&self.active, &self.keys[&self.active].aes)
    }

    /// The key of this name.
    pub(crate) fn key(&self, id: &str) -> Option<&LessSafeKey> {
        self.keys.get(id).map(|key| &key.aes)
    }

    /// A key of its own for each purpose, made from the key of this name. Purposes are never reused for other things.
    pub(crate) fn derived(&self, id: &str, purpose: &'static str) -> Option<[u8; 32]> {
        let mut octets = [0; 32];
        let purpose = [purpose.as_bytes()];
        let material = self.keys.get(id)?.root.expand(&purpose, Derived).ok()?;
        material.fill(&mut octets).ok()?;
        Some(octets)
    }

    /// All keys by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &LessSafeKey)> {
        self.keys.iter().map(|(id, key)| (id.as_str(), &key.aes))
    }
}

fn key_from_hex(hex: &str) -> Option<RingKey> {
    let mut key = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (place, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    let root = Salt::new(HKDF_SHA256, b"pli key ring").extract(&key);
    Some(RingKey { aes: aes_key(&key)?, root })
}

/// An AES-256-GCM key, ready to seal and open. `None` if there are not 32 octets.
pub(crate) fn aes_key(octets: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, octets).ok().map(LessSafeKey::new)
}

fn fresh_ring(random: &dyn Random) -> String {
    let mut octets = [0; 36];
    random.fill(&mut octets);
    let text = hex(&octets);
    let (id, key) = text.split_at(8);
    format!(
        "# Key ring of pli. Without this file no stored message can be read: keep a copy in a safe place,\n\
         # apart from the backups of the database.\n\
         key k{id} {key}\nactive k{id}\n"
    )
}

/// Writes a new file in one step: it exists with all its octets on disk, or not at all; an existing one is kept. It
/// belongs to whoever the folder belongs to, so that a command of root's leaves nothing that the service cannot read.
fn create(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(folder)?;
    if geteuid().is_root() && owner.uid() != 0 {
        rights::as_account(owner.uid(), owner.gid(), || create_in(folder, file, text))
    } else {
        create_in(folder, file, text)
    }
}

fn create_in(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    let temporary = file.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut handle = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    let linked = fs::hard_link(&temporary, file);
    fs::remove_file(&temporary)?;
    linked?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn a_ring_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keyring");
        let made = KeyRing::open_or_create(&file, &Sevens).unwrap();
        let read = KeyRing::open_or_create(&file, &Sevens).unwrap();
        assert_eq!(made.active().0, "k07070707");
        assert_eq!(read.active().0, made.active().0);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn a_ring_made_by_root_belongs_to_the_owner_of_its_folder() {
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
        let file = folder.path().join("keyring");
        KeyRing::open_or_create(&file, &Sevens).unwrap();
        let made = fs::metadata(&file).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (65_534, 65_534, 0o600));
        KeyRing::open_or_create(&file, &Sevens).unwrap();
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_key_and_stay() {
        let text = format!("key a {}\nkey b {}\nactive a\n", "ab".repeat(32), "cd".repeat(32));
        let (ring, again) = (KeyRing::parse(&text).unwrap(), KeyRing::parse(&text).unwrap());
        assert_eq!(ring.derived("a", "one"), again.derived("a", "one"));
        assert_ne!(ring.derived("a", "one"), ring.derived("a", "two"));
        assert_ne!(ring.derived("a", "one"), ring.derived("b", "one"));
        assert_eq!(ring.derived("c", "one"), None);
    }

    #[test]
    fn a_ring_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keyring");
        KeyRing::open_or_create(&file, &Sevens).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyRing::open_or_create(&file, &Sevens).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_not_a_ring_is_refused_with_its_line() {
        let key = "ab".repeat(32);
        for (text, why) in [
            (String::new(), "no line `active"),
            (format!("key a {key}\n"), "no line `active"),
            (format!("key a {key}\nactive b\n"), "not in the ring"),
            (format!("key a {key}\nkey a {key}\nactive a\n"), "line 2: a second key"),
            ("key a abcd\n".into(), "line 1: not 64"),
            (format!("key a {}\n", "é".repeat(32)), "line 1: not 64"),
            ("keys\n".into(), "line 1: expected"),
        ] {
            let error = KeyRing::parse(&text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
