//! `pli trust explain`: why a certificate would be accepted or refused for a domain, on one page.

use std::path::PathBuf;
use std::sync::Arc;

use ::trust::chores::certificates;
use ::trust::{Asked, Authorities, Check, CheckOutcome, Direction, Explanation, HostRule, explain};
use clap::{Args, ValueEnum};
use mssante::{Clock, Domain};
use serde_json::{Value, json};

use super::print;
use crate::ambient::SystemClock;
use crate::config::{HostNameCheck, Settings};
use crate::failure::Failure;
use crate::serve::trust::visit_with_list;

/// Who would show the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// A peer that hands us mail of the domain.
    In,
    /// A server that takes our mail for the domain.
    Out,
}

/// What to explain.
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The certificate, with its chain if there is one: PEM, DER or PKCS#7, own certificate first.
    #[arg(long)]
    cert: PathBuf,
    /// The mail domain.
    #[arg(long)]
    domain: Domain,
    /// A peer that hands us mail of the domain, or a server that takes ours for it.
    #[arg(long, value_enum, default_value = "in")]
    direction: Way,
    /// The name of the server, for `--direction out`.
    #[arg(long)]
    host: Option<String>,
}

impl Explain {
    /// Prints each check; exit code 1 and the reason word if the certificate would be refused.
    pub(super) async fn run(self, settings: &Settings, as_json: bool) -> Result<(), Failure> {
        let chain = self.chain()?;
        let authorities = Arc::new(authorities(settings)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let asked = Asked {
            chain: &chain,
            domain: &self.domain,
            direction: match self.direction {
                Way::In => Direction::In,
                Way::Out => Direction::Out,
            },
            our_domains: &settings.operator.domains,
            host: self.host.as_deref().map(|host| (host, rule(settings))),
        };
        let explanation =
            visit_with_list(settings, async |keeper| Ok(explain(&asked, &authorities, keeper.space(), &clock).await))
                .await?;
        if as_json {
            print::json(&self.machine_readable(&explanation))?;
        } else {
            explanation.checks.iter().try_for_each(|check| print::line(&readable(check)))?;
        }
        self.outcome(&explanation)
    }

    fn chain(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let why = |error: &dyn std::fmt::Display| Failure::Refused(format!("{}: {error}", self.cert.display()));
        let octets = std::fs::read(&self.cert).map_err(|error| why(&error))?;
        // What cannot be read as a certificate is explained, not refused.
        Ok(certificates(&octets).unwrap_or_else(|_| vec![octets]))
    }

    fn outcome(&self, explanation: &Explanation) -> Result<(), Failure> {
        match explanation.verdict {
            Ok(how) => {
                eprintln!("accepted for {}; names compared {}", self.domain, how.word());
                Ok(())
            }
            Err(refusal) => {
                let row = refusal.row();
                let answer = format!("{} {} {}", row.code, row.enhanced, row.english);
                Err(Failure::Refused(format!("refused for {}: {} ({answer})", self.domain, row.word)))
            }
        }
    }

    fn machine_readable(&self, explanation: &Explanation) -> Value {
        let checks = explanation.checks.iter().map(|check| {
            json!({
                "check": check.name,
                "outcome": check.outcome.word(),
                "detail": check.detail,
                "reason": check.refusal.map(mssante::Refusal::word),
                "setting": check.setting,
            })
        });
        json!({
            "domain": self.domain.to_string(),
            "direction": match self.direction {
                Way::In => "in",
                Way::Out => "out",
            },
            "accepted": explanation.verdict.is_ok(),
            "names_compared": explanation.verdict.ok().map(::trust::DnMatch::word),
            "reason": explanation.verdict.err().map(mssante::Refusal::word),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}

fn rule(settings: &Settings) -> HostRule {
    match settings.relay.host_name_check {
        HostNameCheck::Off => HostRule::Ignored,
        HostNameCheck::Required => HostRule::Required,
    }
}

/// `validity      FAILED      from … to …  (certificate-expired)`, further lines below the first.
fn readable(check: &Check) -> String {
    let word = match check.outcome {
        CheckOutcome::Held => "ok",
        CheckOutcome::Failed => "FAILED",
        CheckOutcome::Doubtful => "DOUBTFUL",
        CheckOutcome::NotChecked => "not checked",
    };
    let reason = check.refusal.map_or_else(String::new, |refusal| format!("  ({})", refusal.word()));
    let setting = if check.setting == "-" { String::new() } else { format!("  [{}]", check.setting) };
    let mut lines = check.detail.lines();
    let first = lines.next().unwrap_or_default();
    let rest = lines.fold(String::new(), |rest, line| rest + &format!("\n{:27}{line}", ""));
    format!("{:<14} {word:<11} {first}{reason}{setting}{rest}", check.name)
}

fn authorities(settings: &Settings) -> Result<Authorities, Failure> {
    let files = settings.tls_files();
    Ok(Authorities::load(&files.anchors, &files.issuers, SystemClock.now())?)
}

#[cfg(test)]
mod tests {
    use mssante::Refusal;

    use super::*;

    #[test]
    fn a_check_is_a_line_with_its_reason_and_its_setting() {
        let check = Check {
            name: "validity",
            outcome: CheckOutcome::Failed,
            detail: "ended\nyesterday".to_owned(),
            refusal: Some(Refusal::CertificateExpired),
            setting: "-",
        };
        assert_eq!(
            readable(&check),
            "validity       FAILED      ended  (certificate-expired)\n                           yesterday"
        );
        let held = Check { outcome: CheckOutcome::Held, refusal: None, setting: "tls.anchors_file", ..check };
        assert!(readable(&held).contains("ok          ended  [tls.anchors_file]"), "{}", readable(&held));
    }
}
