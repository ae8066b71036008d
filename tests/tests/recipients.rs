//! What the directory says of recipients of other operators, and `pli annuaire resolve`.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Bal, DOMAIN, PEER, Server, Site, Wire, http_get, wait_until};
use mssante::Clock as _;
use serde_json::Value;
use testkit::clock::RealClock;
use testkit::extraction::{France, Row};

const PATIENCE: Duration = Duration::from_secs(30);

/// A site that knows a directory with `anne.perin` of the other operator.
fn world() -> Result<(Site, Bal)> {
    let site = Site::new()?;
    let bal = site.create_bal("accueil")?;
    let at = RealClock.now() - time::Duration::DAY;
    let name =
        format!("Extraction_Correspondance_MSSante_{:04}{:02}{:02}0012.txt", at.year(), u8::from(at.month()), at.day());
    let file = site.folder().join(name);
    let perin = Row::perin().with("Adresse BAL", &format!("Anne.PERIN@{PEER}"));
    France::new(7, 50).plant(perin).write_text(File::create(&file)?)?;
    site.pli()?.args(["annuaire", "import"]).arg(&file).succeed()?;
    Ok((site, bal))
}

fn serve(site: &Site, peer_recipients: &str) -> Result<Server> {
    let server = site.serve(&[("PLI__ANNUAIRE__PEER_RECIPIENTS", peer_recipients)])?;
    let loaded = || {
        let page = http_get(site.operator.http_port, "/readyz").unwrap_or_default().1;
        serde_json::from_str::<Value>(&page).is_ok_and(|page| page["annuaire_entries"].as_u64() > Some(0))
    };
    ensure!(wait_until(PATIENCE, loaded), "the directory is not loaded");
    Ok(server)
}

fn submission(site: &Site, bal: &Bal) -> Result<Wire> {
    let (login, password) = bal.credentials();
    let mut wire = Wire::submission(site.operator.submission_port, site.tls(None)?, login, password)?;
    wire.command(&format!("MAIL FROM:<{}>", bal.address), "250")?;
    Ok(wire)
}

/// The route, the steps and the exit code that `resolve` gives.
fn resolve(site: &Site, address: &str) -> Result<(Value, Option<i32>)> {
    let exit = site.pli()?.args(["--json", "annuaire", "resolve", address]).run()?;
    Ok((serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())?, exit.code))
}

#[test]
fn a_recipient_that_the_annuaire_does_not_have_is_refused_where_that_is_enforced() -> Result<()> {
    let (site, bal) = world()?;
    let _server = serve(&site, "enforce")?;
    let mut wire = submission(&site, &bal)?;
    wire.command(&format!("RCPT TO:<anne.perin@{PEER}>"), "250")?;
    let refused = wire.command(&format!("RCPT TO:<anne.perrin@{PEER}>"), "550 5.1.1")?;
    ensure!(refused[0].contains("annuaire"), "{refused:?}");
    // A domain of which nothing is published cannot be judged.
    wire.command(&format!("RCPT TO:<x@{}>", e2e::PEER2), "250")?;
    Ok(())
}

#[test]
fn where_it_only_warns_the_recipient_is_taken_and_counted() -> Result<()> {
    let (site, bal) = world()?;
    let server = serve(&site, "warn")?;
    submission(&site, &bal)?.command(&format!("RCPT TO:<anne.perrin@{PEER}>"), "250")?;
    let metrics = http_get(site.operator.http_port, "/metrics")?.1;
    ensure!(metrics.contains("pli_recipients_not_in_annuaire_total 1"), "{metrics}");
    let log = server.log();
    ensure!(log.contains("is not in the annuaire") && !log.contains("anne.perrin"), "addresses are masked: {log}");
    Ok(())
}

#[test]
fn a_route_is_told_with_every_step() -> Result<()> {
    let (site, bal) = world()?;
    site.create_bal("archives")?;
    let run = |command: String| site.pli()?.args(command.split_whitespace()).succeed();
    run(format!("bal alias add {} reception@{DOMAIN}", bal.address))?;
    run(format!("bal forward set {} archives@{DOMAIN} --copy keep", bal.address))?;
    let (local, code) = resolve(&site, &format!("Reception@{DOMAIN}"))?;
    assert_eq!((local["route"].as_str(), code), (Some("local"), Some(0)));
    assert_eq!(local["bals"], serde_json::json!([format!("archives@{DOMAIN}"), bal.address]));
    let steps = local["steps"].to_string();
    for step in ["compares as reception@", "the domain is ours", "leads to accueil@", "hands on to archives@"] {
        ensure!(steps.contains(step), "{step}: {steps}");
    }
    for (address, route, expected) in [
        (format!("anne.perin@{PEER}"), "peer", 0),
        ("x@pas-liste.mssante.fr".to_owned(), "refused", 1),
        (format!("personne@{DOMAIN}"), "refused", 1),
        ("279035121518989@patient.mssante.fr".to_owned(), "refused", 1),
    ] {
        let (told, code) = resolve(&site, &address)?;
        assert_eq!((told["route"].as_str(), code), (Some(route), Some(expected)), "{address}: {told}");
    }
    Ok(())
}
