//! The life of BALs through the real binary: states, quotas, warnings, boxes without replies, rates.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Bal, DOMAIN, Mailbox, PASSWORD, PEER, Site, Wire, http_get, wait_until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

fn run(site: &Site, command: &str) -> Result<String> {
    site.pli()?.args(command.split_whitespace()).succeed()
}

fn shown(site: &Site, bal: &str) -> Result<Value> {
    Ok(serde_json::from_str(&run(site, &format!("bal show {bal}@{DOMAIN} --json"))?)?)
}

fn peer(site: &Site) -> Result<Wire> {
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "250")?;
    Ok(wire)
}

/// A letter of another operator, of about so many octets.
fn receive(site: &Site, bal: &str, octets: usize) -> Result<()> {
    let mut wire = peer(site)?;
    wire.command(&format!("RCPT TO:<{bal}@{DOMAIN}>"), "250")?;
    wire.command("DATA", "354")?;
    let body = "Compte rendu de consultation, une ligne parmi d'autres.\r\n".repeat(octets / 57);
    wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: essai\r\n\r\n{body}.\r\n").as_bytes())?;
    wire.expect("250").map(drop)
}

/// What RCPT for a BAL is answered, by a peer; a running server hears of changes beside it within moments.
fn refused(site: &Site, bal: &str, reply: &str) -> Result<()> {
    let refused = || peer(site).and_then(|mut wire| wire.command(&format!("RCPT TO:<{bal}@{DOMAIN}>"), reply)).is_ok();
    ensure!(wait_until(PATIENCE, refused), "RCPT for {bal} is not answered {reply}");
    Ok(())
}

fn submit(site: &Site, bal: &Bal) -> Result<Wire> {
    let (login, password) = bal.credentials();
    Wire::submission(site.operator.submission_port, site.tls(None)?, login, password)
}

/// The text of the letters in INBOX that pli wrote.
fn warnings(site: &Site, bal: &Bal) -> Result<Vec<String>> {
    let letters = site.mailbox(bal)?.messages("INBOX")?;
    let letters = letters.iter().map(|letter| String::from_utf8_lossy(letter).into_owned());
    Ok(letters.filter(|letter| letter.contains("Auto-Submitted: auto-generated")).collect())
}

#[test]
fn each_state_means_what_the_table_says() -> Result<()> {
    let site = Site::new()?;
    let bal = site.create_bal("accueil")?;
    let _server = site.serve(&[])?;
    assert_eq!(shown(&site, "accueil")?["state"], "created");
    receive(&site, "accueil", 100)?;
    assert_eq!(site.mailbox(&bal)?.count("INBOX")?, 1);
    let active = shown(&site, "accueil")?;
    assert_eq!((&active["state"], &active["state_reason"]), (&"active".into(), &"first-log-in".into()));
    assert!(active["last_login_at"].is_string() && active["usage"]["messages"] == 1, "{active}");
    submit(&site, &bal)?.command(&format!("MAIL FROM:<{}>", bal.address), "250")?;

    run(&site, &format!("bal suspend accueil@{DOMAIN} --reason enquete"))?;
    refused(&site, "accueil", "450 4.2.1")?;
    assert!(site.mailbox(&bal).is_err() && submit(&site, &bal).is_err(), "a suspended BAL does not open");
    let again = site.pli()?.args(["bal", "suspend", &bal.address, "--reason", "x"]).run()?;
    assert!(again.code == Some(1) && again.stderr.contains("suspended already"), "{again}");

    run(&site, &format!("bal close accueil@{DOMAIN} --reason depart"))?;
    refused(&site, "accueil", "550 5.2.1")?;
    assert!(site.mailbox(&bal).is_err());

    run(&site, &format!("bal reopen accueil@{DOMAIN} --reason retour"))?;
    ensure!(wait_until(PATIENCE, || receive(&site, "accueil", 100).is_ok()), "a reopened BAL takes mail");
    assert_eq!(site.mailbox(&bal)?.count("INBOX")?, 2, "its content stayed");
    Ok(())
}

/// A team that a person without a BAL may read.
fn team(site: &Site) -> Result<String> {
    let team = format!("cardiologie@{DOMAIN}");
    let run = |command: String| {
        site.pli()?.args(command.split_whitespace()).input(format!("{PASSWORD}\n")).succeed().map(drop)
    };
    run(format!("bal create {team} --kind ORG --structure 318751275100020 --responsible Durand --password-stdin"))?;
    run("person create r.durand --name Durand --password-stdin".to_owned())?;
    run(format!("bal delegate {team} --to r.durand --rights read --reason essai"))?;
    Ok(team)
}

#[test]
fn a_delegate_opens_a_created_bal_and_its_end_ends_his_session() -> Result<()> {
    let site = Site::new()?;
    let team = team(&site)?;
    let _server = site.serve(&[])?;
    let open = || Mailbox::open(site.operator.imaps_port, site.tls(None)?, &format!("r.durand*{team}"), PASSWORD);
    for (stop, reason) in [("suspend", "enquete"), ("close", "depart")] {
        assert_eq!(shown(&site, "cardiologie")?["state"], if stop == "suspend" { "created" } else { "active" });
        let mut delegate = open()?;
        let mut own = Mailbox::open(site.operator.imaps_port, site.tls(None)?, &team, PASSWORD)?;
        let used = shown(&site, "cardiologie")?;
        assert!(used["state"] == "active" && used["last_login_at"].is_string(), "{used}");
        run(&site, &format!("bal {stop} {team} --reason {reason}"))?;
        for session in [&mut delegate, &mut own] {
            ensure!(wait_until(PATIENCE, || session.command("NOOP").is_err()), "a session goes on after {stop}");
        }
        assert!(open().is_err(), "a delegate opens it after {stop}");
        run(&site, &format!("bal reopen {team} --reason retour"))?;
        ensure!(wait_until(PATIENCE, || open().is_ok()), "reopened, it opens for its delegate");
    }
    let first = run(&site, "--json audit list")?;
    ensure!(first.contains("first-log-in") && first.contains("person:r.durand"), "{first}");
    Ok(())
}

#[test]
fn what_a_kind_must_come_with_is_asked_for_and_stays() -> Result<()> {
    let site = Site::new()?;
    let app = site.create_applicative_bal("labo")?;
    let team = team(&site)?;
    let says = |command: &str, expected: &str| -> Result<()> {
        let exit = site.pli()?.args(command.split(' ').map(|word| if word == "''" { "" } else { word })).run()?;
        ensure!(exit.code == Some(1) && exit.stderr.contains(expected), "{command}: {exit}");
        Ok(())
    };
    for bal in [&app, &team] {
        says(&format!("bal edit {bal} --responsible ''"), "a responsible person (--responsible)")?;
    }
    says(&format!("bal edit {app} --software ''"), "the name of its software (--software)")?;
    says(&format!("bal edit {team} --software LGC"), "comes without the name of its software")?;
    says(&format!("bal edit {app} --rpps 10001234565"), "never change")?;
    run(&site, &format!("bal edit {app} --responsible Durand --software LGC --nil NIL-1"))?;
    says(&format!("bal edit {app} --software ''"), "--software")?;
    run(&site, &format!("bal edit {app} --description essai"))?;
    let kept = shown(&site, "labo")?;
    let texts = ["responsible", "software", "nil", "description"].map(|field| kept[field].as_str().unwrap_or_default());
    assert_eq!(texts, ["Durand", "LGC", "NIL-1", "essai"]);
    Ok(())
}

#[test]
fn a_full_bal_is_told_before_and_refuses_for_now() -> Result<()> {
    let site = Site::new()?;
    let bal = site.create_bal("accueil")?;
    run(&site, &format!("bal quota accueil@{DOMAIN} 100KiB"))?;
    let _server = site.serve(&[])?;
    receive(&site, "accueil", 80 * 1024)?;
    assert!(warnings(&site, &bal)?.is_empty());
    receive(&site, "accueil", 14 * 1024)?;
    ensure!(
        wait_until(PATIENCE, || warnings(&site, &bal).is_ok_and(|letters| letters.len() == 1)),
        "no warning at 90 %"
    );
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command(&format!("MAIL FROM:<dr.durand@{PEER}> SIZE=50000"), "250")?;
    wire.command(&format!("RCPT TO:<accueil@{DOMAIN}>"), "452 4.2.2")?;
    // Without SIZE it is found out at the end.
    let mut wire = peer(&site)?;
    wire.command(&format!("RCPT TO:<accueil@{DOMAIN}>"), "250")?;
    wire.command("DATA", "354")?;
    wire.send(format!("From: <dr.durand@{PEER}>\r\n\r\n{}.\r\n", "une ligne de plus\r\n".repeat(2000)).as_bytes())?;
    wire.expect("452 4.2.2")?;

    let mut mailbox = site.mailbox(&bal)?;
    let overquota = mailbox.command("APPEND Drafts {50000}").unwrap_err().to_string();
    assert!(overquota.contains("[OVERQUOTA]"), "{overquota}");
    let mut mailbox = site.mailbox(&bal)?;
    mailbox.command("SELECT INBOX")?;
    let overquota = mailbox.command("COPY 1 Archive").unwrap_err().to_string();
    assert!(overquota.contains("[OVERQUOTA]"), "{overquota}");
    mailbox.command("MOVE 1 Archive")?;

    run(&site, &format!("bal quota accueil@{DOMAIN} none"))?;
    ensure!(wait_until(PATIENCE, || receive(&site, "accueil", 50_000).is_ok()), "without a quota there is room");
    assert_eq!(warnings(&site, &bal)?.len(), 1, "told once");
    assert_eq!(shown(&site, "accueil")?["quota"], "none");
    Ok(())
}

#[test]
fn a_bal_that_nobody_opens_is_warned_then_closed_and_never_without_a_warning() -> Result<()> {
    let site = Site::new()?;
    let bal = site.create_bal("oubliee")?;
    let ageing =
        [("PLI__BAL__INACTIVE_WARNING", "3s"), ("PLI__BAL__INACTIVE_CLOSING", "8s"), ("PLI__BAL__ROUND", "1s")];
    let _server = site.serve(&ageing)?;
    let state = |wanted: &str| shown(&site, "oubliee").is_ok_and(|bal| bal["state"] == wanted);
    ensure!(wait_until(PATIENCE, || state("closed")), "it is not closed");
    let closed = shown(&site, "oubliee")?;
    assert_eq!((&closed["state_reason"], &closed["usage"]["messages"]), (&"inactive".into(), &1.into()), "{closed}");
    refused(&site, "oubliee", "550 5.2.1")?;
    let metrics = http_get(site.operator.http_port, "/metrics")?.1;
    assert!(metrics.contains("pli_bals_inactive{state=\"closed\"} 1"), "{metrics}");
    run(&site, &format!("bal reopen oubliee@{DOMAIN} --reason retour"))?;
    let read = || warnings(&site, &bal).is_ok_and(|letters| letters.len() == 1 && letters[0].contains("ferm"));
    ensure!(wait_until(PATIENCE, read), "the warning is in INBOX");
    Ok(())
}

#[test]
fn a_box_without_replies_takes_reports_only() -> Result<()> {
    let site = Site::new()?;
    let app = site.create_applicative_bal("labo-noreply")?;
    run(&site, &format!("bal edit {app} --replies refuse"))?;
    let _server = site.serve(&[])?;
    refused(&site, "labo-noreply", "550 5.7.1")?;
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command("MAIL FROM:<>", "250")?;
    wire.command(&format!("RCPT TO:<{app}>"), "250").map(drop)
}

#[test]
fn an_applicative_bal_has_a_rate_and_says_where_replies_go() -> Result<()> {
    let site = Site::new()?;
    let app = site.create_applicative_bal("labo")?;
    site.create_bal("accueil")?;
    let rules = [("PLI__RULES__APP_MESSAGES_PER_MINUTE", "3"), ("PLI__RULES__APP_REPLY_TO", "enforce")];
    let _server = site.serve(&rules)?;
    let mut wire = Wire::smtp(site.operator.submission_port, site.tls(Some(&site.software))?)?;
    wire.command("AUTH EXTERNAL =", "235")?;
    let mut send = |reply_to: &str, expected: &str| -> Result<()> {
        wire.command(&format!("MAIL FROM:<{app}>"), "250")?;
        wire.command(&format!("RCPT TO:<accueil@{DOMAIN}>"), "250")?;
        wire.command("DATA", "354")?;
        wire.send(format!("From: <{app}>\r\n{reply_to}\r\nbonjour\r\n.\r\n").as_bytes())?;
        wire.expect(expected).map(drop)
    };
    // A minute may end in between: then there is room for one more.
    send(&format!("Reply-To: <accueil@{DOMAIN}>\r\n"), "250")?;
    send(&format!("Reply-To: <dr.durand@{PEER}>\r\n"), "550 5.7.1")?;
    send("", "250")?;
    let mut limited = false;
    for _ in 0..5 {
        limited |= wire.command(&format!("MAIL FROM:<{app}>"), "451 4.7.1").is_ok();
        if limited {
            break;
        }
        wire.command("RSET", "250")?;
    }
    assert!(limited, "the rate holds");
    Ok(())
}
