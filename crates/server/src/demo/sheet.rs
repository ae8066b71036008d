//! Ports, files and logins for machines: `--sheet FILE`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mssante::BalKind;
use serde::Serialize;

use super::operator::{OpenBal, Operator};
use super::site::Site;
use crate::failure::Failure;

/// Exactly the shape that scripts rely on; null where a thing does not apply.
#[derive(Debug, Serialize)]
struct Sheet<'a> {
    ca_file: &'a Path,
    ca_key_file: &'a Path,
    issuing_ca_file: &'a Path,
    issuing_ca_key_file: &'a Path,
    list_signer_cert_file: &'a Path,
    list_signer_key_file: &'a Path,
    trust_list_file: &'a Path,
    operators: Vec<OperatorSheet<'a>>,
}

#[derive(Debug, Serialize)]
struct OperatorSheet<'a> {
    name: &'a str,
    domain: &'a str,
    data_dir: &'a Path,
    config_file: &'a Path,
    pid: u32,
    smtp_port: u16,
    submission_port: u16,
    submissions_port: u16,
    imap_port: u16,
    imaps_port: u16,
    http_port: u16,
    server_cert_file: &'a Path,
    server_key_file: &'a Path,
    bals: Vec<BalSheet<'a>>,
}

#[derive(Debug, Serialize)]
struct BalSheet<'a> {
    address: &'a str,
    kind: &'static str,
    /// What a person types, and what software may name in EXTERNAL.
    login: &'a str,
    password: Option<&'a str>,
    client_cert_file: Option<&'a Path>,
    client_key_file: Option<&'a Path>,
}

/// Writes the sheet, complete or not at all; it holds passwords, so only its owner reads it.
pub(super) fn write(file: &Path, site: &Site, operators: [&Operator; 2]) -> Result<(), Failure> {
    let pki = |name: &str| site.pki.join(name);
    let sheet = Sheet {
        ca_file: &pki("ca.pem"),
        ca_key_file: &pki("ca.key"),
        issuing_ca_file: &pki("issuing-ca.pem"),
        issuing_ca_key_file: &pki("issuing-ca.key"),
        list_signer_cert_file: &site.list_signer.certificate,
        list_signer_key_file: &site.list_signer.key,
        trust_list_file: &site.list,
        operators: operators.into_iter().map(operator).collect(),
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Refused(format!("{}: {error}", file.display()));
    let text = serde_json::to_string_pretty(&sheet).map_err(|error| failed(&error))?;
    let draft = file.with_added_extension("part");
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let written = opened.and_then(|mut out| writeln!(out, "{text}"));
    written.and_then(|()| std::fs::rename(&draft, file)).map_err(|error| failed(&error))
}

fn operator(operator: &Operator) -> OperatorSheet<'_> {
    let Operator { plan, files, bals, pid, .. } = operator;
    OperatorSheet {
        name: plan.name,
        domain: plan.domain,
        data_dir: &files.data_dir,
        config_file: &files.config,
        pid: *pid,
        smtp_port: plan.ports.hop,
        submission_port: plan.ports.submission,
        submissions_port: plan.ports.submissions,
        imap_port: plan.ports.imap,
        imaps_port: plan.ports.imaps,
        http_port: plan.ports.http,
        server_cert_file: &files.server.certificate,
        server_key_file: &files.server.key,
        bals: bals.iter().map(|bal| self::bal(bal, operator)).collect(),
    }
}

fn bal<'a>(bal: &'a OpenBal, operator: &'a Operator) -> BalSheet<'a> {
    let software = (bal.kind == BalKind::Applicative).then_some(&operator.files.software);
    BalSheet {
        address: &bal.address,
        kind: bal.kind.code(),
        login: &bal.address,
        password: bal.password.as_deref(),
        client_cert_file: software.map(|pair| pair.certificate.as_path()),
        client_key_file: software.map(|pair| pair.key.as_path()),
    }
}
