//! `pli trust verify`: reads a list as it would be taken, and changes nothing.

use std::path::PathBuf;

use ::trust::{TrustList, Weighed, weigh};
use clap::Args;
use mssante::Clock;
use serde_json::{Value, json};

use super::print;
use crate::ambient::SystemClock;
use crate::config::{Settings, Signature};
use crate::failure::Failure;
use crate::serve::trust::{Reach, checksum_in_file, read, read_list, sanity, signature, visit};

/// Which list to check.
#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// The list.
    file: PathBuf,
}

impl Verify {
    /// Prints what it is; exit code 1 if it would not be taken as it is. Revocation is not looked at, and without a
    /// database the list in force neither.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let refused = |why: &dyn std::fmt::Display| Failure::Refused(format!("{}: {why}", self.file.display()));
        let (octets, _) = read_list(&self.file).map_err(|why| refused(&why))?;
        let length = octets.len();
        let sha256 = checksum_in_file(settings).map_err(|why| refused(&why))?;
        let policy = signature(settings, sha256).map_err(|why| refused(&why))?;
        let list = read(octets, policy, SystemClock.now()).await.map_err(|(_, why)| refused(&why))?;
        let (comparison, taken) = compared(settings, &list).await;
        let mut facts = facts(settings, &list);
        facts["octets"] = length.into();
        facts["against_the_list_in_force"] = comparison.clone().into();
        print::facts(&facts, as_json)?;
        if taken { Ok(()) } else { Err(refused(&comparison)) }
    }
}

fn facts(settings: &Settings, list: &TrustList) -> Value {
    let signed = match (settings.trust_list.signature, list.signer()) {
        (_, Some(signer)) => format!("by {}", signer.facts().name),
        (Signature::Sha256, None) => "NOT CHECKED: by SHA-256 only".to_owned(),
        (_, None) => "NOT CHECKED".to_owned(),
    };
    json!({
        "signature": signed,
        "signer_issued_by": list.signer().map(|signer| signer.issuer().name().to_string()),
        "signer_not_after": list.signer().map(|signer| print::moment(signer.facts().not_after)),
        "generated_at": print::moment(list.generated_at()),
        "domains": list.domain_count(),
        "names": list.name_count(),
        "names_in_several_spellings": list.respelt_count(),
        "entries_left_out": list.skipped_count(),
        "left_out": list.left_out(),
    })
}

/// What would follow, and whether the list would be taken.
async fn compared(settings: &Settings, list: &TrustList) -> (String, bool) {
    if !settings.has_database() {
        return ("not compared: there is no database yet".to_owned(), true);
    }
    let visited = visit(settings, Reach::Database, async |keeper| Ok(keeper.space().list())).await;
    let in_force = match visited {
        Ok(in_force) => in_force,
        Err(failure) => return (format!("not compared: {failure}"), true),
    };
    let of = |change: ::trust::ListChange| {
        let (added, removed, renamed) = (change.added.len(), change.removed.len(), change.renamed.len());
        format!("{added} domains added, {removed} removed, {renamed} with other names")
    };
    match weigh(list, in_force.as_deref(), &sanity(settings), SystemClock.now()) {
        Ok(Weighed::Same) => ("the same".to_owned(), true),
        Ok(Weighed::Take(change)) => (of(change), true),
        Ok(Weighed::Acknowledge { change, why }) => {
            (format!("{}; it would wait for `pli trust acknowledge`: {why}", of(change)), false)
        }
        Err(error) => (error.to_string(), false),
    }
}
