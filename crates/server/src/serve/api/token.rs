//! Tokens that open the API on the loopback address: one line for each, a name, a colon and the token, in a file that
//! only its owner can read. It is read for each request: a line that is taken away opens nothing any more.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mssante::Random;

use crate::failure::Failure;

/// Shorter ones are no tokens.
const SHORTEST: usize = 32;
const LARGEST_FILE: u64 = 64 * 1024;
const REFUSED: &str = "a token is needed: `Authorization: Bearer` and one of admin.token_file";

/// Where tokens are.
pub(in crate::serve) struct Tokens {
    file: PathBuf,
}

impl Tokens {
    /// Makes a file with one token if there is none.
    pub(in crate::serve) fn open_or_create(file: &Path, random: &dyn Random) -> Result<Self, Failure> {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::Configuration(format!("admin.token_file = \"{}\": {error}", file.display()))
        };
        if !file.exists() {
            let mut octets = [0; 32];
            random.fill(&mut octets);
            let mut made =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|e| unusable(&e))?;
            writeln!(made, "admin:{}", BASE64_URL_SAFE_NO_PAD.encode(octets)).map_err(|e| unusable(&e))?;
            made.sync_all().map_err(|e| unusable(&e))?;
        }
        let tokens = Self { file: file.to_owned() };
        tokens.read().map_err(|why| unusable(&why))?;
        Ok(tokens)
    }

    fn read(&self) -> Result<String, String> {
        let file = File::open(&self.file).map_err(|error| error.to_string())?;
        let facts = file.metadata().map_err(|error| error.to_string())?;
        if facts.permissions().mode() & 0o077 != 0 {
            return Err("others can read this file; `chmod 600` it, and change its tokens".to_owned());
        }
        let mut text = String::new();
        file.take(LARGEST_FILE).read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// The name of the token that a request shows.
    pub(super) fn whose(&self, authorization: Option<&HeaderValue>) -> Result<String, &'static str> {
        let shown = authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
        let shown = shown.ok_or(REFUSED)?.trim();
        let text = self.read().map_err(|why| {
            tracing::error!(file = %self.file.display(), why, "no token opens the administrators' API");
            "admin.token_file cannot be used; the log says why"
        })?;
        named(&text, shown).ok_or(REFUSED)
    }
}

/// Digests are compared, in a time that tells nothing.
fn named(text: &str, shown: &str) -> Option<String> {
    let shown = digest(&SHA256, shown.as_bytes());
    let lines =
        text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
    let mut found = None;
    for (name, token) in lines.filter(|(_, token)| token.trim().len() >= SHORTEST) {
        let token = digest(&SHA256, token.trim().as_bytes());
        if verify_slices_are_equal(token.as_ref(), shown.as_ref()).is_ok() {
            found = Some(name.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_who_shows_it() {
        let (one, two) = ("a".repeat(40), "b".repeat(40));
        let text = format!("# of the console\nconsole: {one}\nbackup:{two}\nshort:abc\n");
        assert_eq!(named(&text, &one).as_deref(), Some("console"));
        assert_eq!(named(&text, &two).as_deref(), Some("backup"));
        assert_eq!((named(&text, "abc"), named(&text, ""), named(&text, "console")), (None, None, None));
    }

    #[test]
    fn a_file_that_others_can_read_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let tokens = Tokens::open_or_create(&file, &crate::ambient::SystemRandom).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let header = HeaderValue::from_str(&format!("Bearer {}", text.trim().split_once(':').unwrap().1)).unwrap();
        assert_eq!(tokens.whose(Some(&header)), Ok("admin".to_owned()));
        assert_eq!(tokens.whose(None), Err(REFUSED));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(tokens.whose(Some(&header)).is_err());
        assert!(Tokens::open_or_create(&file, &crate::ambient::SystemRandom).is_err());
    }
}
