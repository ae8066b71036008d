//! What `pli demo --sheet` writes: where everything is, for programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The demo's sheet.
#[derive(Debug, Clone, Deserialize)]
pub struct Sheet {
    /// Root of the private PKI, PEM.
    pub ca_file: PathBuf,
    /// Its key.
    pub ca_key_file: PathBuf,
    /// Intermediate authority, PEM.
    pub issuing_ca_file: PathBuf,
    /// Its key.
    pub issuing_ca_key_file: PathBuf,
    /// Certificate that signs the white list.
    pub list_signer_cert_file: PathBuf,
    /// Its key.
    pub list_signer_key_file: PathBuf,
    /// The signed white list.
    pub trust_list_file: PathBuf,
    /// The hospital, then the pharmacy group.
    pub operators: Vec<Operator>,
}

/// One operator of the demo: a `pli serve` with its own database. All listen on 127.0.0.1.
#[derive(Debug, Clone, Deserialize)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// Its mail domain.
    pub domain: String,
    /// Its data folder.
    pub data_dir: PathBuf,
    /// Its configuration.
    pub config_file: PathBuf,
    /// Its `pli serve`.
    pub pid: u32,
    /// Operator hop.
    pub smtp_port: u16,
    /// Submission with STARTTLS.
    pub submission_port: u16,
    /// Submission over TLS.
    pub submissions_port: u16,
    /// IMAP with STARTTLS.
    pub imap_port: u16,
    /// IMAP over TLS.
    pub imaps_port: u16,
    /// Health and metrics.
    pub http_port: u16,
    /// Its certificate, which it also shows on outgoing hops.
    pub server_cert_file: PathBuf,
    /// Its key.
    pub server_key_file: PathBuf,
    /// Its BALs.
    pub bals: Vec<Bal>,
}

/// A BAL of the demo.
#[derive(Debug, Clone, Deserialize)]
pub struct Bal {
    /// Its address.
    pub address: String,
    /// Its kind, as the CLI writes it.
    pub kind: String,
    /// Login for password authentication.
    pub login: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Client certificate, of applicative BALs.
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    pub client_key_file: Option<PathBuf>,
}

impl Sheet {
    /// Reads a sheet.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }
}

impl Operator {
    /// Its first BAL that a person can log in to with a password.
    pub fn person(&self) -> &Bal {
        self.people().next().expect("each operator of the demo has a BAL with a password")
    }

    /// All its BALs with a password.
    pub fn people(&self) -> impl Iterator<Item = &Bal> {
        self.bals.iter().filter(|bal| bal.password.is_some())
    }

    /// Its BAL that logs in by certificate.
    pub fn software(&self) -> Option<&Bal> {
        self.bals.iter().find(|bal| bal.client_cert_file.is_some())
    }
}

impl Bal {
    /// Login and password.
    pub fn credentials(&self) -> (&str, &str) {
        let login = self.login.as_deref().unwrap_or(&self.address);
        (login, self.password.as_deref().expect("a BAL with a password"))
    }
}
