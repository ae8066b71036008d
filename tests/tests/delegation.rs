//! BALs that are opened to others: a secretary and her doctor, a team, and what ends it.

use std::time::Duration;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::{Bal, DOMAIN, Mailbox, PASSWORD, Program, Server, Site, Wire, wait_until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// A site with a doctor (PER), a secretary who has a BAL (PER), one who has none, a team (ORG) and a correspondent.
struct World {
    site: Site,
    _server: Server,
    correspondent: Bal,
}

const DOCTOR: &str = "dr.dupont";
const SECRETARY: &str = "sophie.martin";
const PERSON: &str = "r.durand";
const TEAM: &str = "cardiologie";

fn address(local: &str) -> String {
    format!("{local}@{DOMAIN}")
}

impl World {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        for (local, more) in [
            (DOCTOR, "--kind PER --rpps 10001234565"),
            (SECRETARY, "--kind PER --structure 318751275100020 --local-id M1234"),
            (TEAM, "--kind ORG --structure 318751275100020 --responsible Durand"),
        ] {
            let create = format!("bal create {} {more} --password-stdin", address(local));
            site.pli()?.args(create.split_whitespace()).input(format!("{PASSWORD}\n")).succeed()?;
        }
        let create = format!("person create {PERSON} --name Durand --password-stdin");
        site.pli()?.args(create.split_whitespace()).input(format!("{PASSWORD}\n")).succeed()?;
        let correspondent = site.create_bal("accueil")?;
        let server = site.serve(&[])?;
        site.wait_for_bals(4)?;
        Ok(Self { site, _server: server, correspondent })
    }

    fn run(&self, command: &str) -> Result<String> {
        self.site.pli()?.args(command.split_whitespace()).succeed()
    }

    fn delegate(&self, bal: &str, to: &str, rights: &str) -> Result<()> {
        self.run(&format!("bal delegate {} --to {to} --rights {rights} --reason essai", address(bal))).map(drop)
    }

    fn undelegate(&self, bal: &str, of: &str) -> Result<()> {
        self.run(&format!("bal undelegate {} --of {of} --reason essai", address(bal))).map(drop)
    }

    fn submission(&self, login: &str) -> Result<Wire> {
        Wire::submission(self.site.operator.submission_port, self.site.tls(None)?, login, PASSWORD)
    }

    /// Sends a letter from a BAL to the correspondent; the reply to its end, or to MAIL if that is refused.
    fn send(&self, wire: &mut Wire, from: &str, fields: &str) -> Result<String> {
        wire.line(&format!("MAIL FROM:<{from}>"))?;
        let reply = wire.reply()?.remove(0);
        if !reply.starts_with("250") {
            return Ok(reply);
        }
        wire.command(&format!("RCPT TO:<{}>", self.correspondent.address), "250")?;
        wire.command("DATA", "354")?;
        wire.send(format!("From: <{from}>\r\n{fields}\r\nBonjour\r\n.\r\n").as_bytes())?;
        Ok(wire.reply()?.remove(0))
    }

    fn letters(&self) -> Result<Vec<String>> {
        let letters = self.site.mailbox(&self.correspondent)?.messages("INBOX")?;
        Ok(letters.iter().map(|letter| String::from_utf8_lossy(letter).into_owned()).collect())
    }

    fn open(&self, login: &str) -> Result<Mailbox> {
        Mailbox::open(self.site.operator.imaps_port, self.site.tls(None)?, login, PASSWORD)
    }

    fn audit(&self) -> Result<String> {
        self.run("--json audit list")
    }

    /// The rights under which the secretary sent letters of this BAL, by the audit trail.
    fn rights_used(&self, bal: &str) -> Result<Vec<String>> {
        self.secretary_did("message.accepted", bal)
    }

    /// The right of each line of the audit trail that tells of this event, of this BAL and of the secretary.
    fn secretary_did(&self, event: &str, bal: &str) -> Result<Vec<String>> {
        let lines: Vec<Value> = serde_json::from_str(&self.run(&format!("--json audit list --event {event}"))?)?;
        let actor = format!("bal:{}", address(SECRETARY));
        let of_both = lines.iter().filter(|line| line["actor"] == actor && line["bal"] == address(bal));
        Ok(of_both.map(|line| line["delegated"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

#[test]
fn a_secretary_sends_on_behalf_of_a_doctor_and_the_audit_names_both() -> Result<()> {
    let world = World::new()?;
    world.delegate(DOCTOR, &address(SECRETARY), "read,write,send-on-behalf")?;
    let mut wire = world.submission(&format!("{}*{}", address(SECRETARY), address(DOCTOR)))?;
    let sent = world.send(&mut wire, &address(DOCTOR), "Subject: premier\r\n")?;
    ensure!(sent.starts_with("250"), "{sent}");
    let letter = world.letters()?.pop().unwrap_or_default();
    let sender = format!("\r\nSender: <{}>\r\n", address(SECRETARY));
    ensure!(
        letter.contains(&format!("From: <{}>\r\nSubject", address(DOCTOR))) && letter.contains(&sender),
        "{letter}"
    );
    let named = world.send(&mut wire, &address(DOCTOR), &format!("Sender: {}\r\n", address(SECRETARY)))?;
    ensure!(named.starts_with("250"), "{named}");
    let other = world.send(&mut wire, &address(DOCTOR), &format!("Sender: {}\r\n", address(TEAM)))?;
    ensure!(other.starts_with("550 5.7.1 the Sender field"), "{other}");
    let own = world.send(&mut wire, &address(SECRETARY), "")?;
    ensure!(own.starts_with("550 5.7.1"), "who names a BAL sends from that one only: {own}");
    ensure!(world.rights_used(DOCTOR)? == ["send-on-behalf", "send-on-behalf"], "{}", world.audit()?);
    Ok(())
}

#[test]
fn who_has_one_account_and_several_addresses_sends_from_each() -> Result<()> {
    let world = World::new()?;
    world.delegate(TEAM, &address(SECRETARY), "send-as")?;
    world.delegate(DOCTOR, &address(SECRETARY), "read")?;
    let mut wire = world.submission(&address(SECRETARY))?;
    for (from, wanted) in [(SECRETARY, "250"), (TEAM, "250"), (DOCTOR, "550 5.7.1 you may not send")] {
        let reply = world.send(&mut wire, &address(from), "")?;
        ensure!(reply.starts_with(wanted), "{from}: {reply}");
    }
    let shown = world.letters()?.iter().any(|letter| letter.contains("Sender:"));
    ensure!(!shown, "who sends as the BAL is not shown");
    ensure!(world.rights_used(TEAM)? == ["send-as"] && world.rights_used(DOCTOR)?.is_empty(), "{}", world.audit()?);
    world.undelegate(TEAM, &address(SECRETARY))?;
    let refused = || world.send(&mut wire, &address(TEAM), "").is_ok_and(|reply| reply.starts_with("550 5.7.1"));
    ensure!(wait_until(PATIENCE, refused), "what was taken away still sends");
    let mut wire = world.submission(&address(SECRETARY))?;
    ensure!(world.send(&mut wire, &address(SECRETARY), "")?.starts_with("250"));
    Ok(())
}

#[test]
fn a_team_is_opened_by_two_and_a_delegation_that_ends_ends_the_session() -> Result<()> {
    let world = World::new()?;
    world.delegate(TEAM, PERSON, "read,write")?;
    world.delegate(TEAM, &address(SECRETARY), "read")?;
    let mut one = world.open(&format!("{PERSON}*{}", address(TEAM)))?;
    let mut two = world.open(&format!("{}*{}", address(SECRETARY), address(TEAM)))?;
    one.command("CREATE Patients")?;
    ensure!(two.count("Patients")? == 0);
    ensure!(two.command("CREATE Autres").is_err(), "who may only read changes nothing");
    world.undelegate(TEAM, PERSON)?;
    ensure!(wait_until(PATIENCE, || one.command("NOOP").is_err()), "the session goes on");
    ensure!(world.open(&format!("{PERSON}*{}", address(TEAM))).is_err(), "it opens again");
    two.command("NOOP")?;
    let read = || world.audit().is_ok_and(|lines| lines.matches("delegation.read").count() == 2);
    ensure!(wait_until(PATIENCE, read), "{}", world.audit()?);
    Ok(())
}

#[test]
fn dates_are_respected_and_mistakes_are_explained() -> Result<()> {
    let world = World::new()?;
    let login = format!("{PERSON}*{}", address(TEAM));
    let give = |more: &str| format!("bal delegate {} --to {PERSON} --reason essai {more}", address(TEAM));
    world.run(&give("--rights read --from 2999-01-01"))?;
    ensure!(world.open(&login).is_err(), "it is open before its time");
    world.run(&give("--rights read --until 2999-01-01"))?;
    world.open(&login)?;
    for (command, expected) in [
        (give("--rights read --until 2001-01-01"), "--until"),
        (give("--rights read,send-on-behalf"), "send-on-behalf shows the delegate's own address"),
        (give("--rights write"), "read,write"),
        (format!("bal delegate {} --to personne --rights read --reason x", address(TEAM)), "there is no person"),
        (format!("bal delegate {0} --to {0} --rights read --reason x", address(TEAM)), "own BAL"),
        (format!("bal undelegate {} --of {PERSON} --reason x", address(DOCTOR)), "there is no such delegation"),
        (format!("person create {PERSON} --name X"), "there is already a person"),
    ] {
        let exit = world.site.pli()?.args(command.split_whitespace()).run()?;
        ensure!(exit.code == Some(1) && exit.stderr.contains(expected), "{command}: {exit}");
    }
    Ok(())
}

#[test]
fn curl_reads_with_the_authorisation_identity_and_marks_nothing() -> Result<()> {
    let world = World::new()?;
    world.delegate(TEAM, PERSON, "read")?;
    let mut own = world.submission(&world.correspondent.address)?;
    own.command(&format!("MAIL FROM:<{}>", world.correspondent.address), "250")?;
    own.command(&format!("RCPT TO:<{}>", address(TEAM)), "250")?;
    own.command("DATA", "354")?;
    own.send(format!("From: <{}>\r\n\r\nPour l'equipe\r\n.\r\n", world.correspondent.address).as_bytes())?;
    own.expect("250")?;
    let url = format!("imaps://127.0.0.1:{}/INBOX;MAILINDEX=1", world.site.operator.imaps_port);
    let curl = || {
        let program = Program::new("curl").args(["--silent", "--show-error", "--max-time", "60", "--cacert"]);
        program.arg(world.site.folder().join("ca.pem"))
    };
    let user = format!("{PERSON}:{PASSWORD}");
    let authority = ["--login-options", "AUTH=PLAIN", "--sasl-authzid", &address(TEAM), "--user", &user];
    let letter = curl().args(authority).arg(&url).succeed()?;
    ensure!(letter.contains("Pour l'equipe"), "{letter}");
    let mut team = world.open(&address(TEAM))?;
    team.command("EXAMINE INBOX")?;
    let flags = team.command("FETCH 1 FLAGS")?;
    ensure!(!flags[0].line.contains("Seen"), "{flags:?}");
    let wrong = STANDARD.encode(format!("{}\0{PERSON}\0{PASSWORD}", address(DOCTOR)));
    let mut wire = Wire::smtp(world.site.operator.submission_port, world.site.tls(None)?)?;
    wire.command(&format!("AUTH PLAIN {wrong}"), "535 5.7.8")?;
    Ok(())
}
