//! Every deed that counts leaves a row in the audit trail, which names who did it and on what; with the real binary.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Bal, DOMAIN, Mailbox, Manner, PASSWORD, PEER, Peer, PlainPostgres, Server, Site, Wire, wait_until};
use serde_json::{Value, json};
use testkit::letter::{self, Flaw, Heading, Patient};
use time::macros::datetime;

const LIMIT: Duration = Duration::from_mins(1);
const PERSON: &str = "r.durand";

/// Two BALs, and a person who has none.
struct Ground {
    database: PlainPostgres,
    site: Site,
    one: Bal,
    other: Bal,
}

impl Ground {
    fn new(routes: &[(&str, u16)]) -> Result<Self> {
        let (site, database) = (Site::with_routes(routes)?, PlainPostgres::start()?);
        site.keep_data_at(database.url())?;
        let (one, other) = (site.create_bal("accueil")?, site.create_bal("labo")?);
        let ground = Self { database, site, one, other };
        ground.run(&format!("person create {PERSON} --name Durand --password-stdin"))?;
        Ok(ground)
    }

    fn run(&self, command: &str) -> Result<String> {
        self.site.pli()?.args(command.split_whitespace()).input(format!("{PASSWORD}\n")).succeed()
    }

    fn rows(&self, event: &str) -> Result<Vec<Value>> {
        let text = self.run(&format!("--json audit list --limit 10000 --event {event}"))?;
        ensure!(!text.contains("SECRET"), "the trail holds content: {text}");
        serde_json::from_str(&text).context("pli audit list --json")
    }

    /// Waits for the one row of an event that is so.
    fn row(&self, event: &str, so: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = || Some(self.rows(event).ok()?.into_iter().filter(|row| so(row)).collect::<Vec<_>>());
        ensure!(
            wait_until(LIMIT, || found().is_some_and(|rows| rows.len() == 1)),
            "not one such row of {event}: {:?}",
            self.rows(event)?
        );
        found().and_then(|mut rows| rows.pop()).context("the row is gone")
    }

    /// Waits for a row by this actor on this BAL.
    fn by(&self, event: &str, actor: &str, bal: &Bal) -> Result<Value> {
        self.row(event, |row| row["actor"] == actor && row["bal"] == bal.address.as_str())
    }

    fn submission(&self, login: &str) -> Result<Wire> {
        Wire::submission(self.site.operator.submission_port, self.site.tls(None)?, login, PASSWORD)
    }
}

/// Sends a letter that ends with this reply.
fn send(wire: &mut Wire, from: &str, to: &[&str], letter: &[u8], reply: &str) -> Result<()> {
    wire.command(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), "250")?;
    for to in to {
        wire.command(&format!("RCPT TO:<{to}>"), "250")?;
    }
    wire.command("DATA", "354")?;
    wire.send(String::from_utf8(letter.to_vec())?.replace("\r\n.", "\r\n..").as_bytes())?;
    wire.send(b".\r\n")?;
    wire.expect(reply).map(drop)
}

fn letter(from: &str) -> Vec<u8> {
    format!("From: <{from}>\r\nSubject: SECRET\r\n\r\nSECRET\r\n").into_bytes()
}

/// With an archive whose checksum is wrong.
fn flawed(from: &str, to: &str) -> Vec<u8> {
    let (patient, date) = (Patient::fictitious(), datetime!(2026-11-03 08:00 UTC));
    let (from, to, message_id) = (from.to_owned(), vec![to.to_owned()], "<1@logiciel.test>".to_owned());
    let archive = letter::flawed_archive(&patient, date, Flaw::WrongHash);
    letter::discharge_with(&Heading { from: from.clone(), to, message_id, date }, &from, &patient, &archive)
}

#[test]
fn every_act_of_an_administrator_is_a_row_that_names_him() -> Result<()> {
    let ground = Ground::new(&[])?;
    let (one, other, dr) = (&ground.one.address, &ground.other.address, format!("dr@{DOMAIN}"));
    let acts = [
        (format!("bal create {dr} --kind PER --rpps 10001234565"), "bal.created"),
        (format!("bal edit {one} --description Accueil"), "bal.edited"),
        (format!("bal set-listing {one} unlisted"), "bal.edited"),
        (format!("bal set-patient-mail {other} answers"), "bal.patient-mail"),
        (format!("bal set-password {one}"), "bal.password"),
        (format!("bal alias add {one} secretariat@{DOMAIN}"), "bal.alias.added"),
        (format!("bal alias remove secretariat@{DOMAIN}"), "bal.alias.removed"),
        (format!("bal forward set {one} {other}"), "bal.forward.set"),
        (format!("bal forward remove {one} {other}"), "bal.forward.removed"),
        (format!("bal delegate {one} --to {PERSON} --rights read --reason essai"), "delegation.given"),
        (format!("bal undelegate {one} --of {PERSON} --reason essai"), "delegation.ended"),
        (format!("person set-password {PERSON}"), "person.password"),
        (format!("person suspend {PERSON} --reason essai"), "person.state"),
        (format!("person reopen {PERSON} --reason essai"), "person.state"),
        (format!("bal suspend {one} --reason essai"), "bal.state"),
        (format!("bal reopen {one} --reason essai"), "bal.state"),
        (format!("bal close {dr} --reason essai"), "bal.state"),
    ];
    for (act, event) in acts {
        let before = ground.rows(event)?.len();
        ground.run(&act)?;
        let rows = ground.rows(event)?;
        ensure!(rows.len() == before + 1, "{act} left {} rows more: {rows:?}", rows.len() - before);
        let is_named = |row: &Value| row["actor"].as_str().is_some_and(|actor| actor.starts_with("admin:"));
        ensure!(rows.iter().all(is_named), "{act}: {rows:?}");
    }
    ensure!(ground.rows("person.created")?.len() == 1, "a person was created");
    Ok(())
}

#[test]
fn who_sends_and_who_is_refused_is_named() -> Result<()> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let ground = Ground::new(&[(PEER, port)])?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let site = &ground.site;
    let _peer = Peer::start_at(at, Manner::Proper, Some(&site.peer), &site.folder().join("ca.pem"))?;
    let _server = site.serve(&[("PLI__RULES__XDM", "reject"), ("PLI__RULES__XDM_FROM_PEERS", "reject")])?;
    site.wait_for_bals(2)?;
    let (own, far) = (ground.one.address.clone(), format!("dr.durand@{PEER}"));
    let actor = format!("bal:{own}");

    let mut wire = ground.submission(&own)?;
    send(&mut wire, &own, &[&ground.other.address, &far], &letter(&own), "250")?;
    let row = ground.by("message.accepted", &actor, &ground.one)?;
    ensure!(row["detail"]["local"] == json!([ground.other.address]), "the delivery is part of it: {row}");
    ensure!(row["detail"]["remote"] == json!([far]), "{row}");
    let handed = ground.row("relay.handed-over", |_| true)?;
    ensure!(handed["message_id"] == row["message_id"] && handed["actor"] == "pli", "{handed}");

    send(&mut wire, &own, &[&ground.other.address], &flawed(&own, &ground.other.address), "550 5.6.0")?;
    wire.command(&format!("MAIL FROM:<{}>", ground.other.address), "550 5.7.1")?;
    let refused = |reason: &'static str| move |row: &Value| row["detail"]["reason"] == reason;
    let row = ground.row("submission.refused", refused("xdm-invalid"))?;
    ensure!(row["detail"]["codes"] == json!(["hash-mismatch"]) && row["actor"] == actor.as_str(), "{row}");
    let row = ground.row("submission.refused", refused("sender-not-allowed"))?;
    ensure!(row["bal"] == own.as_str() && row["detail"]["sender_domain"] == DOMAIN, "{row}");

    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    send(&mut wire, &far, &[&own], &flawed(&far, &own), "550 5.6.0")?;
    let row = ground.row("hop.refused", refused("xdm-invalid"))?;
    ensure!(row["detail"]["codes"] == json!(["hash-mismatch"]) && row["actor"] == "operator", "{row}");
    ensure!(row["peer"].is_string(), "{row}");
    Ok(())
}

#[test]
fn a_delegate_is_named_in_what_he_opens_and_deletes() -> Result<()> {
    let ground = Ground::new(&[])?;
    let mut server = ground.site.serve(&[])?;
    ground.site.wait_for_bals(2)?;
    let (own, team) = (&ground.one.address, &ground.other);
    ground.run(&format!("bal delegate {} --to {PERSON} --rights read,write --reason essai", team.address))?;
    let mut wire = ground.submission(own)?;
    for _ in 0..3 {
        send(&mut wire, own, &[&team.address], &letter(own), "250")?;
    }
    let open = |login: &str| Mailbox::open(ground.site.operator.imaps_port, ground.site.tls(None)?, login, PASSWORD);
    let mut delegate = open(&format!("{PERSON}*{}", team.address))?;
    for command in [
        "CREATE SECRET",
        "SELECT INBOX",
        "COPY 1 SECRET",
        "DELETE SECRET",
        "STORE 1:2 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
    ] {
        delegate.command(command)?;
    }
    let mut holder = open(&team.address)?;
    for command in ["SELECT INBOX", "STORE 1 +FLAGS.SILENT (\\Deleted)", "CLOSE"] {
        holder.command(command)?;
    }
    let person = format!("person:{PERSON}");
    let row = ground.by("login.accepted", &person, team)?;
    ensure!(row["delegated"] == "read,write" && row["detail"]["door"] == "imap", "{row}");
    ground.by("delegation.read", &person, team)?;
    let removed = |count: u64| move |row: &Value| row["detail"]["count"] == count && row["actor"] == person_actor();
    let row = ground.row("message.removed", removed(2))?;
    ensure!(row["bal"] == team.address.as_str(), "{row}");
    ensure!(row["detail"]["messages"].as_array().is_some_and(|named| named.len() == 2), "{row}");
    ground.row("message.removed", removed(1)).context("the folder that was deleted")?;
    ground.by("message.removed", &format!("bal:{}", team.address), team)?;

    a_guesser_is_counted(&ground, &mut server)
}

fn person_actor() -> String {
    format!("person:{PERSON}")
}

/// Wrong passwords alike are one row at once, and one with the rest of them: at the latest when the node ends.
fn a_guesser_is_counted(ground: &Ground, server: &mut Server) -> Result<()> {
    let login = &ground.one.address;
    for _ in 0..3 {
        let tls = ground.site.tls(None)?;
        let wrong = Mailbox::open(ground.site.operator.imaps_port, tls, login, "wrong");
        ensure!(wrong.is_err(), "a wrong password");
    }
    ground.row("login.refused", |row| row["detail"]["count"] == 1 && row["detail"]["login"] == login.as_str())?;
    ensure!(server.stop()? == Some(0), "{}", server.log());
    let rows = ground.rows("login.refused")?;
    let counts: u64 = rows.iter().filter_map(|row| row["detail"]["count"].as_u64()).sum();
    ensure!(rows.len() == 2 && counts == 3, "{rows:?}");
    ensure!(rows.iter().all(|row| row["number"].is_i64()), "what a node leaves is entered: {rows:?}");
    ground.run("audit verify").map(drop)
}

#[test]
fn a_node_killed_while_it_enters_loses_no_row_and_repeats_none() -> Result<()> {
    let ground = Ground::new(&[])?;
    let own = &ground.one.address;
    let mut accepted = 0;
    for _ in 0..3 {
        let server = ground.site.serve(&[("PLI__AUDIT__ENTER_EVERY", "100ms")])?;
        ground.site.wait_for_bals(2)?;
        let mut wire = ground.submission(own)?;
        for _ in 0..20 {
            send(&mut wire, own, &[&ground.other.address], &letter(own), "250")?;
            accepted += 1;
        }
        server.kill()?;
    }
    let mut server = ground.site.serve(&[])?;
    let entered = || ground.database.sql("SELECT count(*) FROM trace_inbox").is_ok_and(|count| count.trim() == "0");
    ensure!(wait_until(LIMIT, entered), "rows still wait");
    let rows = ground.rows("message.accepted")?;
    let messages: std::collections::BTreeSet<_> = rows.iter().map(|row| row["message_id"].to_string()).collect();
    ensure!(rows.len() == accepted && messages.len() == accepted, "{accepted} messages, {} rows", rows.len());
    let verified: Value = serde_json::from_str(&ground.run("--json audit verify")?)?;
    ensure!(verified["faults"] == 0, "{verified}");
    let gaps = "SELECT count(*) FROM generate_series(1, (SELECT number FROM trace_head)) AS n
                WHERE NOT EXISTS (SELECT FROM trace_line WHERE number = n)";
    ensure!(ground.database.sql(gaps)?.trim() == "0", "numbers are missing");
    server.stop().map(drop)
}
