//! `pli cert …`: our certificate, the authorities, and the files that hold them.

mod configured;
mod csr;
mod expiry;
mod files;
mod import_chain;
mod import_p12;
mod list;
mod listed;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use trust::chores::{ChoreError, HeldCertificate};

use super::{password, print};
use crate::config::Settings;
use crate::failure::Failure;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every certificate that the configuration names, and whether the trust list knows ours.
    ///
    /// Exit code 1 if one of them has ended, 3 if a file cannot be used or the key does not fit the certificate.
    List,
    /// Make a key and a request for a certificate of IGC-Santé (offer SERV SSL); needs no configuration.
    Csr(csr::Csr),
    /// Take over a certificate with its key from a PKCS#12 file (.p12, .pfx).
    ImportP12(import_p12::ImportP12),
    /// Take over authorities from a PKCS#7 (.p7b), DER (.cer) or PEM file.
    ImportChain(import_chain::ImportChain),
    /// Exit code 1 if a configured certificate ends soon or has ended, 3 if a file cannot be used or the key does not
    /// fit the certificate; for monitoring.
    Expiry {
        /// How soon, in days.
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
    },
}

impl Command {
    /// Does what was asked for. The files that the settings name need not all be there.
    pub(super) async fn run(
        self,
        settings: impl FnOnce() -> Result<Settings, Failure>,
        json: bool,
    ) -> Result<(), Failure> {
        match self {
            Self::Csr(csr) => csr.run(json),
            Self::List => list::run(&settings()?, json).await,
            Self::ImportP12(import) => import.run(&settings()?, json).await,
            Self::ImportChain(import) => import.run(&settings()?, json),
            Self::Expiry { days } => expiry::run(&settings()?, days, json),
        }
    }
}

/// Reads a file that the user named.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::Refused(format!("{} cannot be read: {error}", file.display())))
}

/// What went wrong with a file.
fn about(file: &Path) -> impl Fn(ChoreError) -> Failure {
    let file = file.to_owned();
    move |error| Failure::Refused(format!("{}: {error}", file.display()))
}

impl From<ChoreError> for Failure {
    fn from(error: ChoreError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A certificate for machines.
fn as_json(certificate: &HeldCertificate, now: time::OffsetDateTime) -> serde_json::Value {
    serde_json::json!({
        "subject": certificate.facts.name.to_string(),
        "issuer": certificate.issuer.to_string(),
        "serial": certificate.serial,
        "sha256": mssante::hex(&certificate.facts.sha256),
        "not_before": print::moment(certificate.facts.not_before),
        "not_after": print::moment(certificate.facts.not_after),
        "days_left": certificate.days_left(now),
        "kind": certificate.role.word(),
        "usages": certificate.usages,
        "dns_names": certificate.dns_names,
    })
}

fn shown(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.display().to_string()).collect()
}
