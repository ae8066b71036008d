//! Starting, stopping, crashing, reloading: what was accepted is there afterwards, whatever happened.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Bal, PEER, Server, Site, Wire, http_get};
use nix::sys::signal::Signal;
use rustls::ClientConfig;

/// Opens a hop, ready for `MAIL`.
fn hop(site: &Site) -> Result<Wire> {
    Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)
}

/// Sends one message and waits for its `250`.
fn send(wire: &mut Wire, bal: &Bal, id: &str) -> Result<()> {
    begin(wire, bal, id)?;
    wire.send(b".\r\n")?;
    wire.expect("250").map(drop)
}

/// Sends one message up to its last line, without the final dot.
fn begin(wire: &mut Wire, bal: &Bal, id: &str) -> Result<()> {
    wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "250")?;
    wire.command(&format!("RCPT TO:<{}>", bal.address), "250")?;
    wire.command("DATA", "354")?;
    wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: {id}\r\n\r\nbonjour\r\n").as_bytes())
}

/// How often each subject is in the INBOX.
fn subjects(site: &Site, bal: &Bal) -> Result<HashMap<String, usize>> {
    let mut found = HashMap::new();
    for message in site.mailbox(bal)?.messages("INBOX")? {
        let text = String::from_utf8(message)?;
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).context("no subject")?;
        *found.entry(subject.to_owned()).or_insert(0) += 1;
    }
    Ok(found)
}

fn site_with_bal() -> (Site, Bal) {
    let site = Site::new().expect("a site");
    let bal = site.create_bal("accueil").expect("a BAL");
    (site, bal)
}

fn serve(site: &Site) -> Server {
    site.serve(&[]).expect("pli serve")
}

#[test]
fn a_kill_loses_nothing_that_was_accepted_and_doubles_nothing() {
    const KILLS: usize = 3;
    let (site, bal) = site_with_bal();
    let mut accepted = Vec::new();
    for round in 0..KILLS {
        let server = serve(&site);
        let tls = site.tls(Some(&site.peer)).expect("TLS");
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (port, tls, bal) = (site.operator.smtp_port, Arc::clone(&tls), bal.clone());
                std::thread::spawn(move || send_until_it_breaks(port, &tls, &bal, &format!("r{round}s{sender}")))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(1500));
        server.kill().expect("kill -9");
        for sender in senders {
            accepted.extend(sender.join().expect("a sender"));
        }
    }
    let mut server = serve(&site);
    let found = subjects(&site, &bal).expect("the INBOX");
    assert!(accepted.len() > KILLS, "only {} messages were accepted between the kills", accepted.len());
    let lost: Vec<_> = accepted.iter().filter(|id| !found.contains_key(*id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let doubled: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "more than once: {doubled:?}");
    let mut wire = hop(&site).expect("a hop after the kills");
    send(&mut wire, &bal, "after").expect("a message after the kills");
    assert_eq!(server.stop().expect("a clean stop"), Some(0));
}

/// Returns the identifiers that got a `250`.
fn send_until_it_breaks(port: u16, tls: &Arc<ClientConfig>, bal: &Bal, name: &str) -> Vec<String> {
    let mut accepted = Vec::new();
    let Ok(mut wire) = Wire::smtp(port, Arc::clone(tls)) else { return accepted };
    for number in 0.. {
        let id = format!("{name}n{number}");
        if send(&mut wire, bal, &id).is_err() {
            break;
        }
        accepted.push(id);
    }
    accepted
}

#[test]
fn sigterm_lets_a_transaction_finish_and_ends_with_0() {
    let (site, bal) = site_with_bal();
    let mut server = serve(&site);
    let mut busy = hop(&site).expect("a hop");
    begin(&mut busy, &bal, "drained").expect("a message on its way");
    let mut idle = hop(&site).expect("a hop");
    server.signal(Signal::SIGTERM).expect("SIGTERM");
    let said = idle.until_closed().expect("the idle session is closed");
    assert!(said.is_empty() || said.starts_with("421"), "{said}");
    busy.send(b".\r\n").expect("the final dot");
    busy.expect("250").expect("the transaction finishes");
    assert_eq!(server.wait().expect("an end"), Some(0));
    assert!(!site.operator.data_dir.join("postgresql/data/postmaster.pid").exists(), "PostgreSQL is still there");
    let _server = serve(&site);
    assert_eq!(subjects(&site, &bal).expect("the INBOX").get("drained"), Some(&1));
}

#[test]
fn sighup_takes_a_new_certificate_and_keeps_a_good_list() {
    let (site, bal) = site_with_bal();
    let mut server = serve(&site);
    let before = shown_certificate(&site).expect("a certificate");
    let renewed = site.renew_certificate().expect("a new certificate");
    fs::write(site.folder().join("list.xml"), "<not a list").expect("a bad list");
    server.signal(Signal::SIGHUP).expect("SIGHUP");
    let mut shown = before.clone();
    for _ in 0..100 {
        shown = shown_certificate(&site).expect("a certificate");
        if shown != before {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(shown, renewed, "the old certificate is still shown");
    let mut wire = hop(&site).expect("a hop under the last good list");
    send(&mut wire, &bal, "after").expect("a message");
    server.check_health().expect("a healthy server");
}

/// What the server shows on its IMAP port.
fn shown_certificate(site: &Site) -> Result<Vec<u8>> {
    let wire = Wire::connect_tls(site.operator.imaps_port, site.tls(None)?)?;
    wire.peer_certificate().context("no certificate")
}

#[test]
fn a_plain_postgresql_serves_as_well_and_a_newer_schema_is_refused() {
    let database = e2e::PlainPostgres::start().expect("a PostgreSQL of the test's own");
    let site = Site::new().expect("a site");
    let url = database.url().to_owned();
    let settings = [("PLI__DATABASE__URL", url.as_str())];
    let arguments = ["bal", "create", "accueil@ch-essai.mssante.fr", "--kind", "CAB", "--password-stdin"];
    let program = site.pli().expect("pli").args(arguments).env(settings[0].0, settings[0].1);
    program.input(format!("{}\n", e2e::PASSWORD)).succeed().expect("a BAL");
    let bal = e2e::Bal {
        address: "accueil@ch-essai.mssante.fr".to_owned(),
        kind: "CAB".to_owned(),
        login: None,
        password: Some(e2e::PASSWORD.to_owned()),
        client_cert_file: None,
        client_key_file: None,
    };
    let mut server = site.serve(&settings).expect("pli serve with database.url");
    let mut wire = hop(&site).expect("a hop");
    send(&mut wire, &bal, "remote").expect("a message");
    assert_eq!(subjects(&site, &bal).expect("the INBOX").get("remote"), Some(&1));
    assert!(!site.operator.data_dir.join("postgresql").exists(), "a private cluster was made all the same");
    assert_eq!(server.stop().expect("a clean stop"), Some(0));

    database
        .sql(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             values (99990101000000, 'from the future', true, '\\x00', 0)",
        )
        .expect("a migration from the future");
    let mut refused = site.start(&settings).expect("pli serve");
    let code = refused.wait().expect("it ends");
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(refused.log().contains("newer"), "{}", refused.log());
}

#[test]
fn an_unreachable_database_is_not_ready_and_refuses_for_now() {
    let (site, bal) = site_with_bal();
    let mut server = serve(&site);
    assert_eq!(http_get(site.operator.http_port, "/readyz").expect("readyz").0, 200);
    let mut wire = hop(&site).expect("a hop");
    send(&mut wire, &bal, "before").expect("a message");
    stop_database(&site).expect("the private PostgreSQL is killed");
    let refused = send(&mut wire, &bal, "meanwhile");
    // Either the reply is temporary or the database is back already; never a permanent refusal.
    if let Err(error) = refused {
        let said = format!("{error:#}");
        assert!(said.contains("got [\"4") || said.contains("closed"), "{said}");
    }
    server.check_health().expect("the server lives on");
    for _ in 0..200 {
        if http_get(site.operator.http_port, "/readyz").is_ok_and(|(status, _)| status == 200) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut wire = hop(&site).expect("a hop");
    send(&mut wire, &bal, "after").expect("the database came back");
    let found = subjects(&site, &bal).expect("the INBOX");
    assert_eq!((found.get("before"), found.get("after")), (Some(&1), Some(&1)));
}

#[test]
fn without_a_trust_list_hops_are_refused_for_now() {
    let (site, bal) = site_with_bal();
    let list = site.folder().join("list.xml");
    let good = fs::read_to_string(&list).expect("the list");
    fs::write(&list, good.replace(PEER, "un-autre.mssante.fr")).expect("a list that is not what was signed");
    let server = site.start(&[]).expect("pli serve");
    site.wait_until_alive().expect("a server without a list");
    let page = || http_get(site.operator.http_port, "/readyz").expect("readyz");
    assert!(e2e::wait_until(Duration::from_secs(30), || page().0 == 200), "a load balancer cuts off readers");
    assert!(page().1.contains("\"trust_list_standing\":\"missing\""), "{}", page().1);
    site.mailbox(&bal).expect("people read");
    let told = site.pli().and_then(|pli| pli.arg("status").run()).expect("pli status");
    assert!(told.code == Some(1) && told.stderr.contains("trust list is missing"), "{told}");
    let mut wire = hop(&site).expect("a hop");
    let refused = send(&mut wire, &bal, "meanwhile").expect_err("nobody is trusted under a forged list");
    assert!(format!("{refused:#}").contains("got [\"451 4.7.0"), "{refused:#}");
    fs::write(&list, good).expect("the list as it was signed");
    server.signal(Signal::SIGHUP).expect("SIGHUP");
    let mut outcome = Err(refused);
    for _ in 0..100 {
        wire.command("RSET", "250").expect("RSET");
        outcome = send(&mut wire, &bal, "after");
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    outcome.expect("the good list is in force");
}

#[test]
fn a_list_file_that_is_gone_leaves_the_list_of_the_database_in_force() {
    let (site, bal) = site_with_bal();
    let mut server = serve(&site);
    send(&mut hop(&site).expect("a hop"), &bal, "before").expect("a message");
    assert_eq!(server.stop().expect("a clean stop"), Some(0));
    fs::remove_file(site.folder().join("list.xml")).expect("the list is gone");
    let mut server = serve(&site);
    send(&mut hop(&site).expect("a hop"), &bal, "after").expect("the list of the database is in force");
    for arguments in [&["status"][..], &["trust", "status"]] {
        let told = site.pli().and_then(|pli| pli.args(arguments).run()).expect("a command");
        assert!(told.code == Some(0) && told.stderr.contains("list.xml"), "{arguments:?}: {told}");
    }
    let checked = site.pli().and_then(|pli| pli.arg("check-config").run()).expect("check-config");
    assert!(checked.code == Some(3) && checked.stderr.contains("trust_list.file"), "{checked}");
    server.check_health().expect("a healthy server");
}

/// Kills the postmaster of the site's private cluster.
fn stop_database(site: &Site) -> Result<()> {
    let file = site.operator.data_dir.join("postgresql/data/postmaster.pid");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let pid: i32 = text.lines().next().context("an empty postmaster.pid")?.trim().parse()?;
    Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGQUIT)?)
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let site = Site::new().expect("a site");
    let good = site.pli().expect("pli").arg("check-config").run().expect("check-config");
    assert_eq!(good.code, Some(0), "{good}");
    for (name, value, expected) in [
        ("PLI__HOP__MAX_SIZE", "beaucoup", "max_size"),
        ("PLI__TLS__KEY_FILE", "/nowhere/server.key", "/nowhere/server.key"),
        ("PLI__TRUST_LIST__FILE", "/nowhere/list.xml", "/nowhere/list.xml"),
        ("PLI__NO_SUCH_SECTION__X", "1", "no_such_section"),
    ] {
        let exit = site.pli().expect("pli").arg("check-config").env(name, value).run().expect("check-config");
        assert_eq!(exit.code, Some(3), "{name}: {exit}");
        assert!(exit.stderr.contains(expected), "{name}: {exit}");
    }
    let missing = e2e::Program::pli().and_then(|pli| pli.args(["--config", "/nowhere/pli.toml", "serve"]).run());
    let missing = missing.expect("serve");
    assert_eq!(missing.code, Some(3), "{missing}");
    assert!(missing.stderr.contains("/nowhere/pli.toml"), "{missing}");
}

#[test]
fn bals_are_managed_by_scripts() {
    let (site, bal) = site_with_bal();
    let json = |arguments: &[&str]| -> Result<serde_json::Value> {
        let output = site.pli()?.arg("--json").args(arguments).succeed()?;
        Ok(serde_json::from_str(&output)?)
    };
    let list = json(&["bal", "list"]).expect("a list");
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    let shown = json(&["bal", "show", &bal.address]).expect("a BAL");
    assert_eq!(shown["address"], serde_json::json!(bal.address), "{shown}");
    let again = site.create_bal("accueil");
    assert!(again.is_err(), "a BAL was created twice");
    let unknown = site.pli().and_then(|pli| pli.args(["bal", "show", "personne@ch-essai.mssante.fr"]).run());
    assert_eq!(unknown.expect("bal show").code, Some(1));
    let usage = site.pli().and_then(|pli| pli.args(["bal", "create"]).run());
    assert_eq!(usage.expect("bal create").code, Some(2));
    json(&["bal", "suspend", &bal.address, "--reason", "essai"]).expect("suspended");
    let _server = serve(&site);
    assert!(site.mailbox(&bal).is_err(), "a suspended BAL opens");
}
