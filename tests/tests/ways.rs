//! Aliases, forwards and patients: where a letter goes besides the BAL whose address it bears.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Bal, DOMAIN, PEER, Server, Site, Wire, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A site with the practices `accueil`, `secretariat` and `archives`, served.
fn world() -> Result<(Site, Server, [Bal; 3])> {
    let site = Site::new()?;
    let bals = [site.create_bal("accueil")?, site.create_bal("secretariat")?, site.create_bal("archives")?];
    let server = site.serve(&[])?;
    Ok((site, server, bals))
}

fn run(site: &Site, command: &str) -> Result<String> {
    site.pli()?.args(command.split_whitespace()).succeed()
}

fn refused(site: &Site, command: &str) -> Result<String> {
    let exit = site.pli()?.args(command.split_whitespace()).run()?;
    ensure!(exit.code == Some(1), "{command}: exit code {:?}", exit.code);
    Ok(exit.stderr)
}

/// A letter of the other operator to each of `recipients` (local parts), with a subject of its own.
fn receive(site: &Site, recipients: &[&str], subject: &str) -> Result<()> {
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "250")?;
    for recipient in recipients {
        wire.command(&format!("RCPT TO:<{recipient}@{DOMAIN}>"), "250")?;
    }
    wire.command("DATA", "354")?;
    wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: {subject}\r\n\r\nbonjour\r\n.\r\n").as_bytes())?;
    wire.expect("250").map(drop)
}

/// How often a subject is in the INBOX of each BAL.
fn counts(site: &Site, bals: &[Bal], subject: &str) -> Result<Vec<usize>> {
    let needle = format!("Subject: {subject}\r\n");
    let count = |bal| {
        let letters = site.mailbox(bal)?.messages("INBOX")?;
        Ok(letters.iter().filter(|letter| String::from_utf8_lossy(letter).contains(&needle)).count())
    };
    bals.iter().map(count).collect()
}

/// The running server hears of a change made beside it within moments: letters are sent until one arrives as expected.
fn arrives(site: &Site, bals: &[Bal], recipients: &[&str], expected: &[usize]) -> Result<()> {
    let mut attempt = 0;
    let mut last = Ok(Vec::new());
    let as_expected = wait_until(PATIENCE, || {
        attempt += 1;
        let subject = format!("{}-{attempt}", recipients.join("-"));
        last = receive(site, recipients, &subject).and_then(|()| counts(site, bals, &subject));
        last.as_ref().is_ok_and(|counts| counts == expected)
    });
    ensure!(as_expected, "{recipients:?} came to {last:?} and not to {expected:?}");
    Ok(())
}

#[test]
fn an_alias_is_known_at_once_and_gone_when_it_is_removed() -> Result<()> {
    let (site, _server, bals) = world()?;
    run(&site, &format!("bal alias add accueil@{DOMAIN} Reception@{DOMAIN}"))?;
    receive(&site, &["RECEPTION"], "premier")?;
    assert_eq!(counts(&site, &bals, "premier")?, [1, 0, 0]);
    receive(&site, &["accueil", "reception"], "deux-fois")?;
    assert_eq!(counts(&site, &bals, "deux-fois")?, [1, 0, 0], "one BAL gets one copy");
    assert!(refused(&site, &format!("bal alias add archives@{DOMAIN} reception@{DOMAIN}"))?.contains("alias already"));
    assert!(refused(&site, &format!("bal alias add archives@{DOMAIN} x@{PEER}"))?.contains("operator.domains"));
    let why = refused(&site, &format!("bal suspend reception@{DOMAIN} --reason essai"))?;
    assert!(why.contains(&format!("alias of the BAL accueil@{DOMAIN}")), "{why}");
    run(&site, &format!("bal alias remove reception@{DOMAIN}"))?;
    let gone = || receive(&site, &["reception"], "après").is_err();
    assert!(wait_until(PATIENCE, gone), "a removed alias takes no mail");
    Ok(())
}

#[test]
fn a_forward_leaves_a_copy_or_none_and_never_loses_a_letter() -> Result<()> {
    let (site, _server, bals) = world()?;
    let forward = |copy: &str| run(&site, &format!("bal forward set accueil@{DOMAIN} archives@{DOMAIN} --copy {copy}"));
    forward("keep")?;
    arrives(&site, &bals, &["accueil"], &[1, 0, 1])?;
    arrives(&site, &bals, &["accueil", "archives", "secretariat"], &[1, 1, 1])?;
    forward("move")?;
    arrives(&site, &bals, &["accueil"], &[0, 0, 1])?;
    let circle = refused(&site, &format!("bal forward set archives@{DOMAIN} accueil@{DOMAIN}"))?;
    assert!(circle.contains("circle") && circle.contains(&format!("accueil@{DOMAIN} hands its mail on")), "{circle}");
    let itself = refused(&site, &format!("bal forward set accueil@{DOMAIN} accueil@{DOMAIN}"))?;
    assert!(itself.contains(&format!("accueil@{DOMAIN} cannot forward to itself")), "{itself}");
    run(&site, &format!("bal suspend archives@{DOMAIN} --reason essai"))?;
    arrives(&site, &bals[..1], &["accueil"], &[1])
}

#[test]
fn kinds_that_may_not_forward_are_refused_with_the_rule() -> Result<()> {
    let (site, _server, _bals) = world()?;
    let professional = format!("dr.dupont@{DOMAIN}");
    run(&site, &format!("bal create {professional} --kind PER --rpps 10001234565"))?;
    let why = refused(&site, &format!("bal forward set {professional} accueil@{DOMAIN}"))?;
    assert!(why.contains("a letter to one professional is for him"), "{why}");
    assert!(refused(&site, &format!("bal forward set accueil@{DOMAIN} {professional}"))?.contains("does not forward"));
    Ok(())
}
