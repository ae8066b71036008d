//! Letters with an archive through the real binary: the fields of MSSanté arrive octet by octet, archives are looked into,
//! and what is wrong is told in codes, to whom it concerns, and nowhere else.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Bal, Manner, PEER, Peer, PlainPostgres, Server, Site, Wire, http_get, wait_until};
use serde_json::{Value, json};
use testkit::letter::{self, Flaw, Heading, Patient};
use time::OffsetDateTime;
use time::macros::datetime;

const PATIENCE: Duration = Duration::from_secs(30);
const DATE: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
/// As `letter` writes them.
const FIELDS: &str = "X-MSS-CODECDA: 11490-0\r\nX-MSS-INS: O\r\n";

struct World {
    server: Server,
    database: PlainPostgres,
    site: Site,
    bal: Bal,
    peer: Peer,
}

impl World {
    fn new(rules: &[(&str, &str)]) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let site = Site::with_routes(&[(PEER, port)])?;
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let peer = Peer::start_at(at, Manner::Proper, Some(&site.peer), &site.folder().join("ca.pem"))?;
        let database = PlainPostgres::start()?;
        site.keep_data_at(database.url())?;
        let bal = site.create_bal("accueil")?;
        let server = site.serve(rules)?;
        Ok(Self { server, database, site, bal, peer })
    }

    /// A letter of the BAL, or of the peer, with this flaw or none.
    fn letter(&self, from: &str, flaw: Option<Flaw>) -> Vec<u8> {
        let patient = Patient::fictitious();
        let heading = Heading {
            from: from.to_owned(),
            to: vec![self.bal.address.clone()],
            message_id: "<1@logiciel.test>".to_owned(),
            date: DATE,
        };
        let archive = match flaw {
            None => letter::archive(&patient, DATE),
            Some(flaw) => letter::flawed_archive(&patient, DATE, flaw),
        };
        letter::discharge_with(&heading, from, &patient, &archive)
    }

    fn submission(&self) -> Result<Wire> {
        let (login, password) = self.bal.credentials();
        Wire::submission(self.site.operator.submission_port, self.site.tls(None)?, login, password)
    }

    fn hop(&self) -> Result<Wire> {
        Wire::smtp(self.site.operator.smtp_port, self.site.tls(Some(&self.site.peer))?)
    }

    fn metrics(&self) -> Result<String> {
        Ok(http_get(self.site.operator.http_port, "/metrics")?.1)
    }

    /// Whether the metrics have this counter with these labels and this value.
    fn counts(&self, name: &str, labels: &[&str], value: &str) -> Result<bool> {
        let page = self.metrics()?;
        let is_it = |line: &str| {
            line.starts_with(&format!("{name}{{"))
                && labels.iter().all(|label| line.contains(label))
                && line.ends_with(&format!(" {value}"))
        };
        Ok(page.lines().any(is_it))
    }

    /// The facts in the traces of all acceptances, in their order.
    fn facts(&self) -> Result<Vec<Value>> {
        let rows =
            self.database.sql("SELECT detail->'facts' FROM trace WHERE event = 'message.accepted' ORDER BY at")?;
        rows.lines().map(|row| serde_json::from_str(row).with_context(|| row.to_owned())).collect()
    }
}

/// Sends one letter; the reply begins with `reply`.
fn send(wire: &mut Wire, from: &str, to: &[&str], letter: &[u8], reply: &str) -> Result<String> {
    wire.command(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), "250")?;
    for to in to {
        wire.command(&format!("RCPT TO:<{to}>"), "250")?;
    }
    wire.command("DATA", "354")?;
    let text = String::from_utf8(letter.to_vec())?;
    wire.send(text.replace("\r\n.", "\r\n..").as_bytes())?;
    wire.send(b".\r\n")?;
    Ok(wire.expect(reply)?.concat())
}

#[test]
fn a_flawed_archive_is_counted_and_noted_and_the_letter_arrives_with_its_fields_as_they_were() -> Result<()> {
    let world = World::new(&[])?;
    let (own, far) = (world.bal.address.clone(), format!("dr.durand@{PEER}"));
    let flawed = world.letter(&own, Some(Flaw::WrongHash));
    send(&mut world.submission()?, &own, &[&own, &far], &flawed, "250")?;
    send(&mut world.hop()?, &far, &[&own], &world.letter(&far, Some(Flaw::NoPatient)), "250")?;
    send(&mut world.hop()?, &far, &[&own], &world.letter(&far, None), "250")?;

    let verdicts = "pli_xdm_verdicts_total";
    ensure!(world.counts(verdicts, &["role=\"submission\"", "verdict=\"hash-mismatch\""], "1")?);
    ensure!(world.counts(verdicts, &["role=\"hop\"", "verdict=\"patient-missing\""], "1")?);
    ensure!(world.counts("pli_xdm_archives_total", &["role=\"hop\"", "outcome=\"right\""], "1")?);
    ensure!(world.counts("pli_mss_fields_total", &["role=\"hop\"", "field=\"x-mss-ins\"", "says=\"O\""], "2")?);

    let fact = |verdicts: &[&str]| {
        let mut fact = json!({ "xdm": true, "cda": 1, "ins": "O", "nil": "PLI-DEMO" });
        if !verdicts.is_empty() {
            fact["verdicts"] = json!(verdicts);
        }
        fact
    };
    let expected = [fact(&["hash-mismatch"]), fact(&["patient-missing", "ins-flag-mismatch"]), fact(&[])];
    let noted = || world.facts().is_ok_and(|facts| facts == expected);
    ensure!(wait_until(PATIENCE, noted), "{:?}", world.facts());

    let inbox = world.site.mailbox(&world.bal)?.messages("INBOX")?;
    ensure!(inbox.len() == 3 && inbox[0].ends_with(&flawed), "the letter was changed");
    let arrived = || world.peer.heard().iter().any(|heard| !heard.messages.is_empty());
    ensure!(wait_until(PATIENCE, arrived), "{}", world.server.log());
    let heard = world.peer.heard().into_iter().flat_map(|heard| heard.messages).next().context("a message")?;
    ensure!(heard.contains(FIELDS) && heard.contains("X-MSS-NIL: PLI-DEMO\r\n"), "{}", &heard[..1000]);
    let whole = String::from_utf8(flawed)?.replace("\r\n.", "\r\n..");
    ensure!(heard.ends_with(&format!("{whole}.\r\n")), "the letter was changed on its way");

    let log = world.server.log();
    ensure!(log.contains("hash-mismatch") && !log.contains("TESTARD") && !log.contains("2560375999999"), "{log}");
    Ok(())
}

#[test]
fn where_errors_are_refused_the_reply_names_them_and_the_session_goes_on() -> Result<()> {
    let world = World::new(&[
        ("PLI__RULES__XDM", "reject"),
        ("PLI__RULES__XDM_FROM_PEERS", "reject"),
        ("PLI__RULES__XDM_TOLERATED", "size-mismatch"),
    ])?;
    let (own, far) = (world.bal.address.clone(), format!("dr.durand@{PEER}"));
    for (mut wire, from) in [(world.submission()?, &own), (world.hop()?, &far)] {
        let mut try_one = |flaw, reply: &str| send(&mut wire, from, &[&own], &world.letter(from, flaw), reply);
        let refused = try_one(Some(Flaw::WrongHash), "550 5.6.0")?;
        ensure!(refused.contains("IHE_XDM.ZIP is not valid: hash-mismatch"), "{refused}");
        let refused = try_one(Some(Flaw::WrongKey), "550 5.6.0")?;
        ensure!(refused.contains("ins-invalid, ins-flag-mismatch"), "{refused}");
        ensure!(try_one(Some(Flaw::Bomb), "550 5.6.0")?.contains("archive-bomb"));
        try_one(Some(Flaw::WrongSize), "250")?;
        try_one(Some(Flaw::NoReadme), "250")?;
        try_one(None, "250")?;
    }
    ensure!(world.site.mailbox(&world.bal)?.count("INBOX")? == 6, "what is refused is not delivered");
    ensure!(world.counts("pli_smtp_refusals_total", &["role=\"hop\"", "reason=\"xdm-invalid\""], "3")?);
    Ok(())
}

#[test]
fn an_archive_behind_a_long_text_is_read_back_from_where_it_is_stored() -> Result<()> {
    let world = World::new(&[("PLI__RULES__XDM", "reject")])?;
    let own = world.bal.address.clone();
    // Several chunks of 256 KiB before it, so that it lies in chunks that are stored already.
    let preamble = format!("{}\r\n", "une ligne avant la premiere partie\r\n".repeat(20_000));
    let far_back = |flaw| {
        let letter = String::from_utf8(world.letter(&own, flaw))?;
        anyhow::Ok(letter.replacen("\r\n\r\n--", &format!("\r\n\r\n{preamble}--"), 1).into_bytes())
    };
    let mut wire = world.submission()?;
    ensure!(send(&mut wire, &own, &[&own], &far_back(Some(Flaw::WrongHash))?, "550 5.6.0")?.contains("hash-mismatch"));
    send(&mut wire, &own, &[&own], &far_back(None)?, "250")?;
    Ok(())
}

#[test]
fn nobody_looks_where_that_is_off_but_the_fields_are_counted() -> Result<()> {
    let world = World::new(&[("PLI__RULES__XDM", "off")])?;
    let own = world.bal.address.clone();
    send(&mut world.submission()?, &own, &[&own], &world.letter(&own, Some(Flaw::NoZip)), "250")?;
    ensure!(!world.metrics()?.contains("pli_xdm_verdicts_total{"), "somebody looked");
    let expected = json!({ "xdm": true, "cda": 1, "ins": "O", "nil": "PLI-DEMO" });
    let noted = || world.facts().is_ok_and(|facts| facts == [expected.clone()]);
    ensure!(wait_until(PATIENCE, noted), "{:?}", world.facts());
    Ok(())
}
