//! How to look at the demonstration from outside.

use std::path::Path;

use super::operator::Operator;
use super::site::Site;
use crate::cli::{line, table};
use crate::failure::Failure;

/// Data folders, configurations, processes.
pub(super) fn places(site: &Site, operators: [&Operator; 2]) -> Result<(), Failure> {
    line(&format!("Everything is in {}", site.dir.display()))?;
    let rows = operators.map(|Operator { plan, files, pid, .. }| {
        let path = |path: &Path| path.display().to_string();
        [plan.name.to_owned(), path(&files.data_dir), path(&files.config), path(&files.log), pid.to_string()]
    });
    table(["operator", "data", "configuration", "log", "pid"], rows)
}

/// What to type into a mail client.
pub(super) fn mail_clients(site: &Site, operators: [&Operator; 2]) -> Result<(), Failure> {
    line("\nTo look with a mail client (Thunderbird, mutt, mbsync, swaks…):")?;
    line(&format!("  trust this certificate authority   {}", site.anchors().display()))?;
    line("  server for IMAP and SMTP           127.0.0.1 (or localhost)")?;
    line("  user name                          the whole address; authentication: normal password")?;
    let ports = operators.map(|operator| {
        let ports = operator.plan.ports;
        [
            operator.plan.name.to_owned(),
            format!("{} (TLS) or {} (STARTTLS)", ports.imaps, ports.imap),
            format!("{} (TLS) or {} (STARTTLS)", ports.submissions, ports.submission),
            ports.hop.to_string(),
            format!("http://127.0.0.1:{}/metrics", ports.http),
        ]
    });
    table(["operator", "IMAP", "SMTP", "hop", "metrics"], ports)?;
    let logins = operators.into_iter().flat_map(|operator| {
        operator.bals.iter().map(|bal| {
            let software = || format!("certificate {}", operator.files.software.certificate.display());
            let opens = bal.password.clone().unwrap_or_else(software);
            [bal.address.clone(), bal.kind.to_string(), opens]
        })
    });
    table(["login", "kind", "password"], logins)?;
    line("\nCtrl-C stops both operators.")
}
