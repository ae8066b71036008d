//! `pli probe`: what happens on the way to another operator, step by step.

use std::io::IsTerminal as _;

use mssante::Domain;
use relay::{Probe, Step, Verdict};
use serde_json::json;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve;

/// Prints each step; fails with exit code 1 and the reason word if no mail could be handed over.
pub(super) async fn print(settings: &Settings, domain: &Domain, as_json: bool) -> Result<(), Failure> {
    if std::io::stderr().is_terminal() {
        eprintln!("opening hops to {domain}; nothing is sent");
    }
    let probe = serve::probe(settings, domain).await?;
    if as_json {
        print::json(&machine_readable(domain, &probe))?;
    } else {
        for step in &probe.steps {
            print::line(&readable(step))?;
        }
    }
    probe.outcome.map_err(|reason| Failure::Refused(format!("no mail can be handed over to {domain} now: {reason}")))
}

/// `mx1.labo.fr 192.0.2.1:25  tls          ok    TLSv1.3 TLS13_AES_256_GCM_SHA384 (12 ms)`
fn readable(step: &Step) -> String {
    let place = match (&step.host, step.address) {
        (Some(host), Some(address)) => format!("{host} {address}  "),
        (Some(host), None) => format!("{host}  "),
        _ => String::new(),
    };
    let word = if step.verdict == Verdict::Good { "ok" } else { "FAIL" };
    format!("{place}{:<12} {word:<5} {} ({} ms)", step.what, step.text, step.took.as_millis())
}

fn machine_readable(domain: &Domain, probe: &Probe) -> serde_json::Value {
    let steps = probe.steps.iter().map(|step| {
        let reason = match step.verdict {
            Verdict::Good => None,
            Verdict::Bad(reason) => Some(reason),
        };
        json!({
            "step": step.what,
            "host": step.host,
            "address": step.address,
            "ok": reason.is_none(),
            "reason": reason,
            "text": step.text,
            "milliseconds": u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
        })
    });
    json!({
        "domain": domain.to_string(),
        "usable": probe.outcome.is_ok(),
        "reason": probe.outcome.err(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn step(verdict: Verdict) -> Step {
        Step {
            what: "hop",
            host: Some("mx.labo.fr".to_owned()),
            address: Some(([192, 0, 2, 1], 25).into()),
            verdict,
            text: "the certificate presented is revoked".to_owned(),
            took: Duration::from_millis(7),
        }
    }

    #[test]
    fn a_step_is_one_line_that_says_where_and_how_it_went() {
        let line = readable(&step(Verdict::Bad("certificate-revoked")));
        assert!(line.starts_with("mx.labo.fr 192.0.2.1:25  hop"), "{line}");
        assert!(line.contains("FAIL") && line.ends_with("is revoked (7 ms)"), "{line}");
    }

    #[test]
    fn machines_read_the_reason_word() {
        let domain = Domain::parse("labo.mssante.fr").unwrap();
        let verdict = Verdict::Bad("certificate-revoked");
        let probe = Probe { steps: vec![step(verdict), step(Verdict::Good)], outcome: Err("certificate-revoked") };
        let value = machine_readable(&domain, &probe);
        assert_eq!(value["usable"], false);
        assert_eq!(value["reason"], "certificate-revoked");
        assert_eq!(value["steps"][0]["reason"], "certificate-revoked");
        assert_eq!(value["steps"][1]["ok"], true);
    }
}
