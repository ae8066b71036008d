//! `pli audit verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use store::{KeyRing, Witness};

use super::super::print;
use crate::admin::{Administration, VerifiedTrail, verified};
use crate::ambient::SystemRandom;
use crate::config::Settings;
use crate::failure::Failure;

/// What to verify, and against what.
#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// Verify an export (jsonl) in place of the database.
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    pub(super) export: Option<PathBuf>,
    /// An end of the chain that an earlier verification printed: the chain must still have it. May be repeated.
    #[arg(long, value_name = "NUMBER:HASH")]
    expect: Vec<Witness>,
}

impl Verify {
    pub(super) async fn run(self, settings: &Settings, admin: &Administration, json: bool) -> Result<(), Failure> {
        report(&admin.verify_trail(&settings.data.dir, self.expect).await?, json)
    }
}

/// Verifies an export, with the signatures if our key ring is there.
pub(super) fn file(settings: &Settings, file: &Path, json: bool) -> Result<(), Failure> {
    let ring = settings.keyring_file();
    let ring = if ring.exists() { Some(KeyRing::open_or_create(&ring, &SystemRandom)?) } else { None };
    if ring.is_none() {
        eprintln!("warning: there is no key ring here; hashes are verified, signatures are not");
    }
    report(&verified(&store::check_export(file, ring.as_ref())?), json)
}

fn report(found: &VerifiedTrail, json: bool) -> Result<(), Failure> {
    let mut facts = serde_json::to_value(found).map_err(|error| Failure::Refused(error.to_string()))?;
    // It stands in the failure below.
    facts.as_object_mut().and_then(|facts| facts.remove("detail"));
    print::facts(&facts, json)?;
    match found.detail() {
        None => Ok(()),
        Some(detail) => Err(Failure::Refused(detail.to_owned())),
    }
}
