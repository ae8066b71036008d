//! `pli cert list`.

use mssante::Clock;
use trust::chores::HeldCertificate;

use super::configured::{self, Configured};
use super::listed::{Listed, listed};
use super::{as_json, print};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::failure::Failure;

/// Prints what is there; fails after that if a file cannot be read, our key does not fit our certificate, or a
/// certificate has ended.
pub(super) async fn run(settings: &Settings, json: bool) -> Result<(), Failure> {
    let (mut files, mut failure) = (Vec::new(), Ok(()));
    for configured in configured::all(settings) {
        match configured {
            Ok(file) => files.push(file),
            Err(why) => failure = failure.and(Err(why)),
        }
    }
    let own = files.iter().find(|file| file.setting == "tls.certificate_file");
    let listed = match own.and_then(|file| file.certificates.first()) {
        Some(own) => listed(settings, own).await,
        None => Vec::new(),
    };
    let print = if json { print_json } else { print_tables };
    print(&files, &listed)?;
    failure?;
    settings.tls_files().check_pair()?;
    check_ends(&files)
}

fn check_ends(files: &[Configured]) -> Result<(), Failure> {
    let now = SystemClock.now();
    let ended = files.iter().find_map(|Configured { setting, certificates, .. }| {
        certificates.iter().find(|each| each.facts.not_after < now).map(|each| (setting, &each.facts))
    });
    ended.map_or(Ok(()), |(setting, facts)| {
        let (name, end) = (&facts.name, print::moment(facts.not_after));
        Err(Failure::Refused(format!("{setting}: {name} ended at {end}; put a valid certificate there")))
    })
}

fn print_json(files: &[Configured], listed: &[Listed]) -> Result<(), Failure> {
    let now = SystemClock.now();
    let certificates = files.iter().flat_map(|file| {
        file.certificates.iter().map(move |certificate| {
            let mut object = as_json(certificate, now);
            object["setting"] = file.setting.into();
            object["file"] = file.file.display().to_string().into();
            object
        })
    });
    let domains = listed.iter().map(|Listed { domain, standing, why }| {
        serde_json::json!({ "domain": domain.to_string(), "standing": standing.word(), "why": why })
    });
    print::json(&serde_json::json!({
        "certificates": certificates.collect::<Vec<_>>(),
        "trust_list": domains.collect::<Vec<_>>(),
    }))
}

fn print_tables(files: &[Configured], listed: &[Listed]) -> Result<(), Failure> {
    let rows = files.iter().flat_map(|file| file.certificates.iter().map(|certificate| row(file.setting, certificate)));
    print::table(["setting", "certificate", "valid", "made for"], rows)?;
    if listed.is_empty() {
        return Ok(());
    }
    let rows = listed.iter().map(|Listed { domain, standing, why }| {
        [domain.to_string(), standing.word().to_owned(), why.clone().unwrap_or_default()]
    });
    print::table(["our domain", "our name on the trust list", ""], rows)
}

fn row(setting: &str, certificate: &HeldCertificate) -> [String; 4] {
    let HeldCertificate { facts, issuer, serial, role, usages, dns_names, .. } = certificate;
    let mut what = format!("{}\nissuer {issuer}\nserial {serial}\nSHA-256 {}", facts.name, mssante::hex(&facts.sha256));
    if !dns_names.is_empty() {
        what = format!("{what}\nfor {}", dns_names.join(", "));
    }
    let valid = format!(
        "{} to {}\n{}",
        print::moment(facts.not_before),
        print::moment(facts.not_after),
        super::expiry::left(certificate.days_left(SystemClock.now()))
    );
    [setting.to_owned(), what, valid, format!("{}\n{}", role.word(), usages.join("\n"))]
}
