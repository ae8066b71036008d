//! `pli audit verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use store::{Fault, KeyRing, Store, Verification, Witness};

use super::super::print;
use crate::ambient::SystemRandom;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::witness;

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
    pub(super) async fn run(self, settings: &Settings, store: &Store, json: bool) -> Result<(), Failure> {
        let noted = witness::read(&settings.data.dir).map_err(Failure::Refused)?;
        let witnesses: Vec<_> = self.expect.into_iter().chain(noted).collect();
        report(&store.verify_traces(&witnesses).await?, json)
    }
}

/// Verifies an export, with the signatures if our key ring is there.
pub(super) fn file(settings: &Settings, file: &Path, json: bool) -> Result<(), Failure> {
    let ring = settings.keyring_file();
    let ring = if ring.exists() { Some(KeyRing::open_or_create(&ring, &SystemRandom)?) } else { None };
    if ring.is_none() {
        eprintln!("warning: there is no key ring here; hashes are verified, signatures are not");
    }
    report(&store::check_export(file, ring.as_ref())?, json)
}

fn report(verified: &Verification, json: bool) -> Result<(), Failure> {
    let findings: Vec<_> = verified.findings.iter().map(ToString::to_string).collect();
    let facts = serde_json::json!({
        "lines": verified.lines,
        "contents_removed": verified.removed,
        "links": verified.links,
        "entered_until": verified.entered_at.map(print::moment),
        "end": verified.end.to_string(),
        "faults": verified.faults,
        "first_wrong_number": verified.findings.first().map(|finding| finding.number),
        "findings": findings,
    });
    print::facts(&facts, json)?;
    match verified.findings.first() {
        None => Ok(()),
        Some(finding) => Err(Failure::Refused(format!(
            "the audit trail does not hold: {finding} ({} faults in all). {}",
            verified.faults,
            cure(&finding.fault)
        ))),
    }
}

/// What to do about it.
fn cure(fault: &Fault) -> &'static str {
    match fault {
        Fault::KeyMissing(_) => {
            "Put the key back into the key ring (a backup of store.keyring_file has it) and verify again."
        }
        Fault::NotAsWitnessed => {
            "If the database was restored from a backup, note that down and remove the file audit-end of data.dir, or \
             leave --expect out; if not, keep the database as it is and find out who could write to it."
        }
        _ => {
            "Change nothing: keep the database and its backups, compare with the newest backup and the exports from that \
             line on, and find out who could write to the database."
        }
    }
}
