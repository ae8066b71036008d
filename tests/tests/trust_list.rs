//! The life of the white list and of revocation lists, with the real binary, a real HTTPS server and a real database.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{DOMAIN, Exit, PEER, PEER2, PlainPostgres, Program, Server, Site, Wire, http_get, wait_until};
use mssante::Clock as _;
use serde_json::Value;
use testkit::clock::RealClock;
use testkit::http::Answer;
use testkit::list::WhiteList;
use testkit::pki::Pki;
use testkit::revocation::Crl;
use time::OffsetDateTime;

const PATIENCE: Duration = Duration::from_secs(30);

fn hours_ago(hours: i64) -> OffsetDateTime {
    RealClock.now() - time::Duration::hours(hours)
}

/// A site whose list comes from its publisher, by these further settings.
fn fetching(settings: &str) -> Result<Site> {
    let site = Site::new()?;
    site.fetch_list(settings)?;
    Ok(site)
}

/// The list without some domains.
fn without(site: &Site, generated_at: OffsetDateTime, gone: &[&str]) -> Result<String> {
    let mut list = WhiteList::new(generated_at);
    for entry in site.white_list(generated_at).entries().iter().filter(|entry| !gone.contains(&entry.domain.as_str())) {
        list.push(entry.clone());
    }
    site.sign(&list)
}

/// What a hop of the operator of [`PEER`] is answered to MAIL.
fn said_to(site: &Site, sender: &str) -> Result<String> {
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.line(&format!("MAIL FROM:<dr.durand@{sender}>"))?;
    Ok(wire.reply()?.join("\n"))
}

fn waits_for(site: &Site, sender: &str, beginning: &str) -> Result<()> {
    let mut said = String::new();
    let held = wait_until(PATIENCE, || {
        said = said_to(site, sender).unwrap_or_default();
        said.starts_with(beginning)
    });
    ensure!(held, "MAIL of {sender} is answered {said}, not {beginning}");
    Ok(())
}

fn trust(site: &Site, arguments: &[&str]) -> Result<Program> {
    Ok(site.pli()?.args(["--json", "trust"]).args(arguments))
}

fn json(exit: &Exit) -> Result<Value> {
    serde_json::from_str(&exit.stdout).with_context(|| exit.to_string())
}

/// What `pli trust …` prints, whatever its exit code.
fn told(site: &Site, arguments: &[&str]) -> Result<Value> {
    json(&trust(site, arguments)?.run()?)
}

fn ready(port: u16) -> Result<Value> {
    Ok(serde_json::from_str(&http_get(port, "/readyz")?.1)?)
}

fn version(site: &Site) -> Result<i64> {
    told(site, &["status"])?["in_force"]["version"].as_i64().context("no version in force")
}

#[test]
fn a_list_that_changes_at_its_url_is_in_force_without_a_restart() -> Result<()> {
    let site = fetching("refresh = \"1s\"")?;
    site.publisher().publish_list(&without(&site, hours_ago(2), &[])?);
    let server = site.serve(&[])?;
    waits_for(&site, PEER, "250")?;
    let metrics = http_get(site.operator.http_port, "/metrics")?.1;
    ensure!(metrics.lines().any(|line| line == "pli_trust_list_standing{state=\"fresh\"} 1"), "{metrics}");

    let asked = site.publisher().list_hits();
    ensure!(wait_until(PATIENCE, || site.publisher().list_hits() > asked + 1), "the source is not asked again");
    ensure!(version(&site)? == 1, "what did not change is no new version");

    site.publisher().publish_list(&without(&site, hours_ago(1), &[PEER])?);
    waits_for(&site, PEER, "550 5.7.1")?;
    let shown = trust(&site, &["show", PEER])?.run()?;
    ensure!(shown.code == Some(1), "{shown}");
    let history = json(&shown)?;
    ensure!(history["history"][0]["change"] == "removed" && history["history"][1]["change"] == "added", "{history}");
    let changes = told(&site, &["diff", "2"])?;
    ensure!(changes["changes"][0]["domain"] == PEER, "{changes}");
    let other = told(&site, &["show", PEER2])?;
    ensure!(other["listed"] == true && other["history"][0]["version"] == 1, "{other}");
    drop(server);
    Ok(())
}

/// A list that is replaced while DATA runs counts for the message that is coming in.
#[test]
fn a_sender_that_leaves_the_list_during_data_is_refused_at_its_end() -> Result<()> {
    let site = fetching("refresh = \"1s\"")?;
    site.publisher().publish_list(&without(&site, hours_ago(2), &[])?);
    let server = site.serve(&[])?;
    let bal = site.create_bal("accueil")?;
    site.wait_for_bals(1)?;
    waits_for(&site, PEER, "250")?;
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "250")?;
    wire.command(&format!("RCPT TO:<{}>", bal.address), "250")?;
    wire.command("DATA", "354")?;
    wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: en cours\r\n\r\nbonjour\r\n").as_bytes())?;
    site.publisher().publish_list(&without(&site, hours_ago(1), &[PEER])?);
    waits_for(&site, PEER, "550 5.7.1")?;
    wire.command(".", "550 5.7.1")?;
    ensure!(site.mailbox(&bal)?.count("INBOX")? == 0, "it was delivered");
    drop(server);
    Ok(())
}

/// Runs `pli trust refresh`, which must fail with these words, and sees that nothing else changed.
fn refuses(site: &Site, why: &str, word: &str) -> Result<()> {
    refuses_with(site, why, word, ("PLI__LOG__LEVEL", "info"))
}

fn refuses_with(site: &Site, why: &str, word: &str, setting: (&str, &str)) -> Result<()> {
    let exit = trust(site, &["refresh"])?.env(setting.0, setting.1).run()?;
    let list = json(&exit)?.as_array().and_then(|steps| steps.last().cloned()).context("no step")?;
    ensure!(exit.code == Some(1) && list["kind"] == "list" && list["ok"] == false, "{why}: {exit}");
    ensure!(list.to_string().contains(word), "{why}: {list}");
    let status = told(site, &["status"])?;
    ensure!(status["in_force"]["version"] == 1 && status["standing"] == "fresh", "{why}: {status}");
    let error = status["source"]["last_error"].as_str().unwrap_or_default();
    ensure!(!error.is_empty() && list["text"].as_str().is_some_and(|text| text.contains(error)), "{why}: {status}");
    let said = said_to(site, PEER)?;
    ensure!(said.starts_with("250"), "{why}: {said}");
    Ok(())
}

#[test]
fn whatever_a_source_gives_the_last_good_list_stays_and_the_status_says_why() -> Result<()> {
    let site = fetching("")?;
    let publisher = site.publisher();
    let good = without(&site, hours_ago(2), &[])?;
    publisher.publish_list(&good);
    let mut server = site.serve(&[])?;
    waits_for(&site, PEER, "250")?;

    publisher.publish_list(&good.replace(PEER2, "pirate.mssante.fr"));
    refuses(&site, "not what was signed", "\"reason\":\"signature\"")?;
    publisher.publish_list(&WhiteList::new(hours_ago(1)).with(DOMAIN, "CN=x").unsigned_xml());
    refuses(&site, "not signed", "\"reason\":\"signature\"")?;
    let foreign = Pki::new(RealClock.now())?;
    let signer = testkit::list::ListSigner::new(&foreign.list_signer()?)?;
    let shape = testkit::list::SignatureShape::XmlDsig;
    publisher.publish_list(&site.white_list(hours_ago(1)).signed_xml(&signer, shape)?);
    refuses(&site, "signed by somebody else", "\"reason\":\"signature\"")?;
    publisher.publish_list(&without(&site, hours_ago(3), &[])?);
    refuses(&site, "older", "\"reason\":\"older\"")?;
    publisher.publish_list(&without(&site, hours_ago(-3), &[])?);
    refuses(&site, "of the future", "\"reason\":\"future\"")?;
    publisher.publish_list(&site.sign(&WhiteList::new(hours_ago(1)))?);
    refuses(&site, "empty", "\"reason\":\"empty\"")?;
    publisher.publish_list(&good[..good.len() / 2]);
    refuses(&site, "half of it", "\"reason\":\"format\"")?;
    publisher.answer_list(Answer::Announced(200_000_000));
    refuses(&site, "too large", "more than 33554432 octets")?;
    publisher.answer_list(Answer::status(500));
    refuses(&site, "500", "the server answered 500")?;
    publisher.answer_list(Answer::status(403));
    refuses(&site, "403", "the server answered 403")?;
    let status = told(&site, &["status"])?;
    ensure!(status["source"]["failures"].as_u64() >= Some(9), "{status}");

    publisher.publish_list(&good);
    let elsewhere = site.folder().join("elsewhere");
    fs::create_dir(&elsewhere)?;
    foreign.write(&elsewhere)?;
    let anchors = elsewhere.join("ca.pem").display().to_string();
    refuses_with(&site, "another server", "certificate", ("PLI__TRUST_LIST__URL_ANCHORS_FILE", &anchors))?;

    let before = told(&site, &["status"])?["in_force"]["confirmed_at"].clone();
    let confirmed = trust(&site, &["refresh"])?.run()?;
    ensure!(confirmed.code == Some(0) && confirmed.stdout.contains("confirmed"), "{confirmed}");
    let status = told(&site, &["status"])?;
    ensure!(status["in_force"]["confirmed_at"] != before && status["source"]["failures"] == 0, "{status}");
    server.check_health()
}

#[test]
fn a_list_that_lost_too_much_waits_until_somebody_acknowledges_it() -> Result<()> {
    let site = fetching("")?;
    site.publisher().publish_list(&without(&site, hours_ago(2), &[])?);
    let _server = site.serve(&[])?;
    waits_for(&site, PEER, "250")?;
    let all = site.white_list(hours_ago(2)).entries().len();
    let gone: Vec<_> =
        [PEER, PEER2].into_iter().chain(e2e::AuditCase::ALL.into_iter().map(e2e::AuditCase::domain)).collect();
    site.publisher().publish_list(&without(&site, hours_ago(1), &gone)?);
    let waits = trust(&site, &["refresh"])?.run()?;
    ensure!(waits.code == Some(1) && waits.stdout.contains("\"pending\""), "{waits}");
    ensure!(said_to(&site, PEER)?.starts_with("250"), "the list in force stays");
    ensure!(
        wait_until(PATIENCE, || ready(site.operator.http_port).is_ok_and(|it| it["trust_list_pending"].is_string())),
        "the server does not say that a list waits"
    );
    let changes = told(&site, &["diff"])?;
    ensure!(changes["changes"].as_array().map(Vec::len) == Some(all - 1), "{changes}");

    let unsure = trust(&site, &["acknowledge"])?.run()?;
    ensure!(unsure.code == Some(1) && unsure.stderr.contains("pli trust acknowledge 2"), "{unsure}");
    ensure!(trust(&site, &["acknowledge", "7"])?.run()?.code == Some(1), "another version");
    ensure!(version(&site)? == 1, "still the first");
    let done = trust(&site, &["acknowledge", "2"])?.run()?;
    ensure!(done.code == Some(0), "{done}");
    waits_for(&site, PEER, "550 5.7.1")?;
    let status = told(&site, &["status"])?;
    ensure!(status["pending"].is_null() && status["in_force"]["acknowledged_by"].is_string(), "{status}");
    ensure!(trust(&site, &["acknowledge", "--yes"])?.run()?.code == Some(1), "nothing waits any more");
    Ok(())
}

#[test]
fn the_list_of_the_database_is_verified_again_at_start() -> Result<()> {
    let site = fetching("")?;
    let database = PlainPostgres::start()?;
    let settings = [("PLI__DATABASE__URL", database.url())];
    let good = without(&site, hours_ago(2), &[])?;
    site.publisher().publish_list(&good);
    let mut server = site.serve(&settings)?;
    waits_for(&site, PEER, "250")?;
    server.stop()?;

    site.publisher().answer_list(Answer::Close);
    let mut server = site.serve(&settings)?;
    ensure!(said_to(&site, PEER)?.starts_with("250"), "the last good list of the database, without its source");
    server.stop()?;

    // Somebody who can write to the database makes himself an operator.
    database.sql(
        "UPDATE trust_list SET octets = convert_to(replace(convert_from(octets, 'UTF8'), 'labo-essai', 'labo-pirate'), 'UTF8');
         UPDATE trust_list SET sha256 = sha256(octets);
         UPDATE source SET next_attempt = now() + interval '1 hour'",
    )?;
    let server = site.start(&settings)?;
    site.wait_until_alive()?;
    waits_for(&site, "labo-pirate.mssante.fr", "451 4.7.0")?;
    let status = ready(site.operator.http_port)?;
    ensure!(status["ready"] == true && status["trust_list_standing"] == "missing", "{status}");
    ensure!(
        wait_until(PATIENCE, || ready(site.operator.http_port)
            .is_ok_and(|status| status["trust_list_last_error"].to_string().contains("signature"))),
        "{status}"
    );
    site.publisher().publish_list(&good);
    let refreshed = trust(&site, &["refresh"])?.env(settings[0].0, settings[0].1).run()?;
    ensure!(refreshed.code == Some(0), "{refreshed}");
    waits_for(&site, PEER, "250")?;
    drop(server);
    Ok(())
}

#[test]
fn an_expired_list_holds_mail_up_and_loses_none() -> Result<()> {
    let site = fetching("refresh = \"1s\"\nstale_after = \"3s\"\nexpired_after = \"6s\"")?;
    let peer = e2e::Peer::start(Some(&site.peer), &site.folder().join("ca.pem"))?;
    let text = fs::read_to_string(&site.operator.config_file)?;
    let route = format!("\"{PEER}\" = \"127.0.0.1:{}\"", peer.port());
    fs::write(&site.operator.config_file, text.replace(&format!("\"{PEER}\" = \"127.0.0.1:9\""), &route))?;
    let bal = site.create_bal("accueil")?;
    let good = without(&site, hours_ago(2), &[])?;
    site.publisher().publish_list(&good);
    let _server = site.serve(&[("PLI__RELAY__RETRY", "1s")])?;
    waits_for(&site, PEER, "250")?;

    site.publisher().answer_list(Answer::status(500));
    waits_for(&site, PEER, "451 4.7.0")?;
    let status = ready(site.operator.http_port)?;
    ensure!(status["trust_list_standing"] == "expired" && status["ready"] == true, "{status}");
    ensure!(trust(&site, &["status"])?.run()?.code == Some(1), "a monitor hears of it");
    let (login, password) = bal.credentials();
    let mut wire = Wire::submission(site.operator.submission_port, site.tls(None)?, login, password)?;
    for (command, reply) in [
        (format!("MAIL FROM:<{}>", bal.address), "250"),
        (format!("RCPT TO:<resultats@{PEER}>"), "250"),
        ("DATA".to_owned(), "354"),
        (format!("From: <{}>\r\nSubject: attend\r\n\r\nbonjour\r\n.", bal.address), "250"),
    ] {
        wire.command(&command, reply)?;
    }
    std::thread::sleep(Duration::from_secs(2));
    ensure!(peer.heard().iter().all(|heard| heard.messages.is_empty()), "sent under an expired list");

    site.publisher().publish_list(&good);
    waits_for(&site, PEER, "250")?;
    let arrived =
        || peer.heard().iter().any(|heard| heard.messages.iter().any(|text| text.contains("Subject: attend")));
    ensure!(wait_until(PATIENCE, arrived), "the letter does not leave: {:?}", peer.heard());
    Ok(())
}

#[test]
fn one_of_two_nodes_asks_and_both_have_the_list_in_force() -> Result<()> {
    let site = fetching("")?;
    site.publisher().publish_list(&without(&site, hours_ago(2), &[])?);
    let _first = site.serve(&[])?;
    let base = e2e::free_port_base()?;
    let port = |offset: u16| format!("127.0.0.1:{}", base + offset);
    let (hop, health) = (port(25), port(80));
    let second: Server = site.start(&[
        ("PLI__HOP__LISTEN", &hop),
        ("PLI__SUBMISSION__LISTEN_STARTTLS", &port(587)),
        ("PLI__SUBMISSION__LISTEN_TLS", &port(465)),
        ("PLI__IMAP__LISTEN_STARTTLS", &port(143)),
        ("PLI__IMAP__LISTEN_TLS", &port(993)),
        ("PLI__HTTP__LISTEN", &health),
    ])?;
    let domains = |port: u16| ready(port).ok().and_then(|status| status["trust_list_domains"].as_u64());
    let all = site.white_list(hours_ago(2)).entries().len() as u64;
    let ports = [site.operator.http_port, base + 80];
    ensure!(wait_until(PATIENCE, || ports.iter().all(|port| domains(*port) == Some(all))), "both have the list");
    ensure!(site.publisher().list_hits() == 1, "asked {} times", site.publisher().list_hits());

    site.publisher().publish_list(&without(&site, hours_ago(1), &[PEER2])?);
    let refreshed = trust(&site, &["refresh"])?.run()?;
    ensure!(refreshed.code == Some(0), "{refreshed}");
    ensure!(wait_until(PATIENCE, || ports.iter().all(|port| domains(*port) == Some(all - 1))), "both hear of it");
    ensure!(site.publisher().list_hits() == 2, "asked {} times", site.publisher().list_hits());
    drop(second);
    Ok(())
}

#[test]
fn a_certificate_that_turns_up_on_a_revocation_list_is_refused_without_a_restart() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve(&[])?;
    waits_for(&site, PEER, "250")?;
    let now = RealClock.now();
    let revoked = Crl::around(now).number(2).revoke(&der(&site.peer.certificate)?, hours_ago(1));
    site.publisher().publish_crl(site.pki(), &revoked)?;
    ensure!(trust(&site, &["refresh"])?.run()?.code == Some(0), "the new list is taken");
    waits_for(&site, PEER, "550 5.7.1")?;

    site.publisher().answer_crl(Answer::status(403));
    let failed = trust(&site, &["refresh"])?.run()?;
    ensure!(failed.code == Some(1) && failed.stdout.contains("the server answered 403"), "{failed}");
    ensure!(said_to(&site, PEER)?.starts_with("550 5.7.1"), "the list in hand goes on counting");
    server.stop()?;
    let _server = site.serve(&[])?;
    ensure!(said_to(&site, PEER)?.starts_with("550 5.7.1"), "and after a restart");
    let status = ready(site.operator.http_port)?;
    ensure!(status["revocation_lists"][0]["next_update"].is_string(), "{status}");
    Ok(())
}

fn der(pem: &std::path::Path) -> Result<Vec<u8>> {
    use rustls_pki_types::pem::PemObject as _;
    Ok(rustls_pki_types::CertificateDer::from_pem_file(pem)?.to_vec())
}

#[test]
fn a_list_that_was_handed_in_is_taken_and_verified_without_a_database() -> Result<()> {
    let site = fetching("")?;
    let file = site.folder().join("handed-in.xml");
    fs::write(&file, without(&site, hours_ago(2), &[])?)?;
    let path = file.display().to_string();
    let verified = trust(&site, &["verify", &path])?.run()?;
    let facts = json(&verified)?;
    ensure!(verified.code == Some(0) && facts["signature"].to_string().contains("Liste Blanche"), "{verified}");
    ensure!(!site.operator.data_dir.join("postgresql").exists(), "a look at a file makes no database");

    let imported = trust(&site, &["import", &path])?.run()?;
    ensure!(imported.code == Some(0), "{imported}");
    let status = told(&site, &["status"])?;
    ensure!(status["in_force"]["origin"] == "import" && status["in_force"]["received_by"].is_string(), "{status}");

    fs::write(&file, without(&site, hours_ago(1), &[PEER, PEER2, DOMAIN])?)?;
    ensure!(trust(&site, &["verify", &path])?.run()?.code == Some(1), "it would have to wait");
    ensure!(trust(&site, &["import", &path])?.run()?.code == Some(1), "and it waits");
    let taken = trust(&site, &["import", "--acknowledge", &path])?.run()?;
    ensure!(taken.code == Some(0), "{taken}");
    fs::write(&file, "<pas une liste")?;
    ensure!(trust(&site, &["verify", &path])?.run()?.code == Some(1), "no list");
    ensure!(trust(&site, &["import", &path])?.run()?.code == Some(1), "no list");
    ensure!(
        told(&site, &["status"])?["in_force"]["domains"] == told(&site, &["status"])?["versions"][0]["domains"],
        "kept"
    );
    Ok(())
}

#[test]
fn before_production_a_checksum_may_vouch_for_the_list_and_that_is_said_aloud() -> Result<()> {
    let site = fetching("")?;
    let (file, sum) = (site.folder().join("unsigned.xml"), site.folder().join("checksum"));
    fs::write(&file, site.white_list(hours_ago(2)).unsigned_xml())?;
    fs::write(&sum, Program::new("sha256sum").arg(&file).succeed()?)?;
    let verify = || -> Result<Exit> {
        trust(&site, &["verify", &file.display().to_string()])?
            .env("PLI__TRUST_LIST__SIGNATURE", "sha256")
            .env("PLI__TRUST_LIST__CHECKSUM_FILE", sum.display().to_string())
            .run()
    };
    let good = verify()?;
    ensure!(good.code == Some(0) && good.stdout.contains("NOT CHECKED"), "{good}");
    ensure!(good.stderr.contains("warning: trust_list.signature = \"sha256\""), "{good}");
    fs::write(&file, fs::read_to_string(&file)?.replace(PEER2, "pirate.mssante.fr"))?;
    let changed = verify()?;
    ensure!(changed.code == Some(1), "{changed}");
    Ok(())
}

/// Only the last good list, and what a signer without blemish signed.
#[test]
fn a_signer_who_is_revoked_or_whom_nobody_can_vouch_for_brings_no_list_into_force() -> Result<()> {
    let site = fetching("")?;
    let publisher = site.publisher();
    publisher.publish_list(&without(&site, hours_ago(3), &[])?);
    publisher.answer_crl(Answer::status(503));
    let doubtful = trust(&site, &["refresh"])?.run()?;
    ensure!(doubtful.code == Some(1) && doubtful.stdout.contains("\"signer-unknown\""), "{doubtful}");
    ensure!(told(&site, &["status"])?["standing"] == "missing", "nothing was ever taken");
    publisher.publish_crl(site.pki(), &Crl::around(RealClock.now()))?;
    let good = trust(&site, &["refresh"])?.run()?;
    ensure!(good.code == Some(0), "{good}");

    let compromised = site.pki().list_signer()?;
    let signer = testkit::list::ListSigner::new(&compromised)?;
    let shape = testkit::list::SignatureShape::XmlDsig;
    publisher.publish_list(&site.white_list(hours_ago(2)).signed_xml(&signer, shape)?);
    let revoked = Crl::around(RealClock.now()).number(2).revoke(&compromised.der, hours_ago(1));
    publisher.publish_crl(site.pki(), &revoked)?;
    let refused = trust(&site, &["refresh"])?.run()?;
    ensure!(refused.code == Some(1) && refused.stdout.contains("\"signer-revoked\""), "{refused}");
    ensure!(version(&site)? == 1, "the first list stays");
    Ok(())
}
