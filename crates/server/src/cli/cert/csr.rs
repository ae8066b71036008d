//! `pli cert csr`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mssante::StructureId;
use trust::chores::{CertificateRequest, CsrSubject, KeyKind};

use super::files::{Replacement, Secrecy, create_new};
use super::print;
use crate::failure::Failure;

/// A certificate to request.
#[derive(Debug, Args)]
pub(in crate::cli) struct Csr {
    /// Full host name of this server, such as `smtp.ch-exemple.fr`.
    #[arg(long, value_name = "HOST")]
    cn: String,
    /// The structure that holds the certificate: 1 and its FINESS, or 3 and its SIRET.
    #[arg(long, value_name = "ID")]
    structure: StructureId,
    /// Legal name of the structure.
    #[arg(long, value_name = "NAME")]
    organisation: String,
    /// Its department with the number, such as "Gard (30)".
    #[arg(long, value_name = "NAME (NUMBER)")]
    department: String,
    /// A further host name of this server; may be given several times.
    #[arg(long = "dns", value_name = "HOST")]
    dns_names: Vec<String>,
    /// Kind of key.
    #[arg(long, value_enum, default_value_t = Kind::Rsa2048)]
    key_kind: Kind,
    /// Where the new private key goes, for its owner only. Must not exist.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the request goes. Must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Rsa2048,
    Rsa3072,
    P256,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Rsa2048 => Self::Rsa2048,
            Kind::Rsa3072 => Self::Rsa3072,
            Kind::P256 => Self::P256,
        }
    }
}

impl Csr {
    /// Writes both files or none.
    pub(super) fn run(&self, json: bool) -> Result<(), Failure> {
        let subject = CsrSubject::new(&self.cn, self.structure.clone(), &self.organisation, &self.department)?;
        for file in [&self.key, &self.out] {
            if file.exists() {
                return Err(Failure::Refused(format!(
                    "{} exists and is not overwritten; name another file",
                    file.display()
                )));
            }
        }
        let made = CertificateRequest::new(&subject, &self.dns_names, self.key_kind.into())?;
        create_new(&[
            Replacement { file: &self.key, octets: made.key.as_bytes(), secrecy: Secrecy::Secret },
            Replacement { file: &self.out, octets: &made.csr_pem, secrecy: Secrecy::Public },
        ])?;
        let subject = subject.name()?.to_string();
        let facts = serde_json::json!({
            "subject": subject,
            "key": self.key.display().to_string(),
            "request": self.out.display().to_string(),
        });
        print::facts(&facts, json)?;
        if json { Ok(()) } else { self.say_what_next(&subject) }
    }

    fn say_what_next(&self, subject: &str) -> Result<(), Failure> {
        let Self { key, out, .. } = self;
        print::line(&format!(
            "What to do next:\n\
             1. Order a certificate of IGC-Santé, offer SERV SSL (gamme Élémentaire Organisations), with {}.\n\
             2. Have the ANS put this name on the white list for each of your domains:\n   {subject}\n\
             3. When the certificate is there, join it with its key and take it over:\n   \
                openssl pkcs12 -export -in CERTIFICATE.pem -inkey {} -out server.p12\n   \
                pli cert import-p12 server.p12\n\
             Keep {} secret: whoever has it can pass for you.",
            out.display(),
            key.display(),
            key.display()
        ))
    }
}
