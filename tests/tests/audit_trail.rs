//! The audit trail, with the real binary: provisioning, log-ins, sending, receiving and refusing leave lines; they are
//! listed, exported and verified, by us and by a stranger's program, and a changed row is found.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{PEER, PlainPostgres, Program, Server, Site, Wire, wait_until};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

struct Scene {
    site: Site,
    database: PlainPostgres,
    server: Server,
    sender: String,
    receiver: String,
}

impl Scene {
    fn new() -> Result<Self> {
        let (site, database) = (Site::new()?, PlainPostgres::start()?);
        site.keep_data_at(database.url())?;
        let (sender, receiver) = (site.create_bal("accueil")?.address, site.create_bal("labo")?.address);
        let server = site.serve(&[])?;
        site.wait_for_bals(2)?;
        Ok(Self { site, database, server, sender, receiver })
    }

    fn submit(&self) -> Result<()> {
        let port = self.site.operator.submission_port;
        let mut wire = Wire::submission(port, self.site.tls(None)?, &self.sender, e2e::PASSWORD)?;
        self.send(&mut wire, &self.sender)?;
        let mut wire = Wire::smtp(port, self.site.tls(None)?)?;
        wire.command("AUTH PLAIN AGFjY3VlaWxAY2gubXNzYW50ZS5mcgB3cm9uZw==", "535").map(drop)
    }

    fn receive(&self) -> Result<()> {
        let mut wire = Wire::smtp(self.site.operator.smtp_port, self.site.tls(Some(&self.site.peer))?)?;
        self.send(&mut wire, &format!("dr.durand@{PEER}"))
    }

    /// A hop without a certificate.
    fn refuse(&self) -> Result<()> {
        let mut wire = Wire::smtp(self.site.operator.smtp_port, self.site.tls(None)?)?;
        wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "550").map(drop)
    }

    fn send(&self, wire: &mut Wire, from: &str) -> Result<()> {
        wire.command(&format!("MAIL FROM:<{from}>"), "250")?;
        wire.command(&format!("RCPT TO:<{}>", self.receiver), "250")?;
        wire.command("DATA", "354")?;
        wire.send(format!("From: <{from}>\r\nSubject: SECRET\r\n\r\nbonjour\r\n.\r\n").as_bytes())?;
        wire.expect("250").map(drop)
    }

    fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let text = self.site.pli()?.args(["--json", "audit", "list"]).args(arguments).succeed()?;
        ensure!(!text.contains("SECRET"), "the trail holds content: {text}");
        serde_json::from_str(&text).context("pli audit list --json")
    }

    fn has(&self, event: &str, count: usize) -> Result<()> {
        let there = || self.list(&["--event", event]).is_ok_and(|lines| lines.len() == count);
        ensure!(wait_until(LIMIT, there), "not {count} lines of {event}: {:?}", self.list(&[])?);
        Ok(())
    }

    /// Waits until nothing waits any more.
    fn entered(&self) -> Result<()> {
        let all = || self.list(&[]).is_ok_and(|lines| lines.iter().all(|line| line["number"].is_i64()));
        ensure!(wait_until(LIMIT, all), "lines are not entered");
        Ok(())
    }

    fn verify(&self) -> Result<(Option<i32>, Value, String)> {
        let exit = self.site.pli()?.args(["--json", "audit", "verify"]).run()?;
        Ok((exit.code, serde_json::from_str(&exit.stdout).context(exit.stderr.clone())?, exit.stderr))
    }
}

#[test]
fn what_happens_leaves_lines_that_hold_until_somebody_changes_one() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.submit()?;
    scene.receive()?;
    scene.refuse()?;
    scene.has("bal.created", 2)?;
    scene.has("message.accepted", 2)?;
    scene.has("hop.refused", 1)?;
    scene.has("login.accepted", 1)?;
    scene.has("login.refused", 1)?;
    scene.entered()?;
    names_who_acted(&scene)?;
    counts_without_correspondents(&scene)?;

    let (code, verified, _) = scene.verify()?;
    ensure!(code == Some(0) && verified["faults"] == 0, "{verified}");
    export_holds_without_us(&scene)?;

    let line = scene.list(&["--event", "hop.refused"])?[0]["number"].clone();
    scene.database.sql(&format!("UPDATE trace_line SET peer = 'cn=somebody else' WHERE number = {line}"))?;
    let (code, verified, said) = scene.verify()?;
    ensure!(code == Some(1) && verified["first_wrong_number"] == line, "{verified}");
    ensure!(said.contains("was changed after it was entered"), "{said}");
    scene.server.stop()?;
    Ok(())
}

fn names_who_acted(scene: &Scene) -> Result<()> {
    for line in scene.list(&["--class", "provisioning"])? {
        let actor = line["actor"].as_str().unwrap_or_default();
        if line["detail"]["by"] == "first-log-in" {
            ensure!(actor == format!("bal:{}", scene.sender), "{line}");
            continue;
        }
        ensure!(actor.starts_with("admin:") && actor.contains("uid"), "{line}");
    }
    let log_in = &scene.list(&["--event", "login.accepted"])?[0];
    ensure!(log_in["actor"] == format!("bal:{}", scene.sender) && log_in["bal"] == scene.sender.as_str(), "{log_in}");
    ensure!(log_in["detail"]["door"] == "submission" && log_in["detail"]["from"].is_string(), "{log_in}");
    ensure!(scene.list(&["--actor", "stranger"])?[0]["detail"]["reason"].is_string(), "who was refused");
    let sent = scene.list(&["--actor", &scene.sender, "--class", "send"])?;
    ensure!(sent.len() == 1, "{sent:?}");
    let received = scene.list(&["--bal", &scene.receiver, "--class", "send"])?;
    ensure!(received.len() == 2, "both messages came to {}: {received:?}", scene.receiver);
    ensure!(received.iter().any(|line| line["actor"] == "operator"), "{received:?}");
    Ok(())
}

fn counts_without_correspondents(scene: &Scene) -> Result<()> {
    let now = scene.database.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')")?;
    let text = scene.site.pli()?.args(["indicators", "--month", now.trim(), "--format", "json"]).succeed()?;
    let indicators: Value = serde_json::from_str(&text)?;
    let total = &indicators["total"];
    for (name, count) in [("sent", 1), ("received", 2), ("emitters", 1), ("to_patients", 0)] {
        ensure!(total[name] == count, "{name}: {indicators}");
    }
    let bals = ["bals_created", "bals_active"].map(|state| total[state].as_i64().unwrap_or_default());
    ensure!(bals.iter().sum::<i64>() == 2, "{indicators}");
    ensure!(!text.contains('@'), "an address: {text}");
    let csv = ["indicators", "--month", now.trim(), "--columns", "kind,sent,received"];
    let csv = scene.site.pli()?.args(csv).succeed()?;
    ensure!(csv == "kind,sent,received\nCAB,1,2\n", "{csv}");
    Ok(())
}

fn export_holds_without_us(scene: &Scene) -> Result<()> {
    let file = scene.site.folder().join("trail.jsonl");
    scene.site.pli()?.args(["audit", "export"]).arg(&file).succeed()?;
    scene.site.pli()?.args(["audit", "verify", "--export"]).arg(&file).succeed()?;
    let text = scene.site.folder().join("trail.csv");
    scene.site.pli()?.args(["audit", "export", "--format", "csv"]).arg(&text).succeed()?;
    ensure!(fs::read_to_string(&text)?.starts_with("number,at,event,class,actor"), "the columns of the CSV");
    stranger(scene, &file)?.succeed().map(drop)?;
    let changed = fs::read_to_string(&file)?.replacen("labo@", "autre@", 1);
    fs::write(&file, changed)?;
    let ours = scene.site.pli()?.args(["audit", "verify", "--export"]).arg(&file).run()?;
    let theirs = stranger(scene, &file)?.run()?;
    ensure!(ours.code == Some(1) && theirs.code == Some(1), "{ours} {theirs}");
    Ok(())
}

/// The program that docs/audit.md gives to third parties.
fn stranger(scene: &Scene, file: &std::path::Path) -> Result<Program> {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.md"))?;
    let program = manual.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let script = scene.site.folder().join("verify.py");
    fs::write(&script, program.context("docs/audit.md has no program")?)?;
    Ok(Program::new("python3").arg(&script).arg(file))
}
