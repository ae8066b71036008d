//! New certificates and keys of a running server, which nobody restarts.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{Bal, DOMAIN, PEER, Server, Site, Wire, http_get, wait_until};
use mssante::Clock as _;
use testkit::clock::RealClock;
use testkit::pki::{Flaw, Issued, Pki, ServerHolder};

const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    site: Site,
    server: Server,
    bal: Bal,
}

impl Scene {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let server = site.serve(&[("PLI__TLS__WATCH_INTERVAL", "100ms")])?;
        let bal = site.create_bal("accueil")?;
        site.wait_for_bals(1)?;
        Ok(Self { site, server, bal })
    }

    /// What the server shows on its ports, DER.
    fn shown(&self) -> Result<[Vec<u8>; 2]> {
        let hop = Wire::smtp(self.site.operator.smtp_port, self.site.tls(Some(&self.site.peer))?)?;
        let imap = Wire::connect_tls(self.site.operator.imaps_port, self.site.tls(None)?)?;
        Ok([hop.peer_certificate().context("none")?, imap.peer_certificate().context("none")?])
    }

    fn write(&self, file: &str, content: &str) -> Result<()> {
        Ok(fs::write(self.site.folder().join(file), content)?)
    }

    /// How often certificates were read again with this outcome by the part for hops.
    fn reloads(&self, outcome: &str) -> usize {
        let Ok((_, metrics)) = http_get(self.site.operator.http_port, "/metrics") else { return 0 };
        let counts = |line: &&str| line.starts_with("pli_certificate_reloads_total{") && line.contains("part=\"hop\"");
        let line = metrics.lines().filter(counts).find(|line| line.contains(outcome));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }

    fn refused_within(&self, count: usize) -> Result<()> {
        let refused = wait_until(PATIENCE, || self.reloads("refused") >= count);
        ensure!(refused, "the new files were not refused:\n{}", self.server.log());
        Ok(())
    }

    fn send(&self, wire: &mut Wire, subject: &str) -> Result<()> {
        wire.command(&format!("MAIL FROM:<dr.durand@{PEER}>"), "250")?;
        wire.command(&format!("RCPT TO:<{}>", self.bal.address), "250")?;
        wire.command("DATA", "354")?;
        wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: {subject}\r\n\r\nx\r\n.\r\n").as_bytes())?;
        wire.expect("250").map(drop)
    }
}

fn ours() -> ServerHolder {
    ServerHolder {
        cn: format!("mail.{DOMAIN}"),
        organisation: "Etablissement 1".to_owned(),
        structure: "1300000001".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    }
}

#[test]
fn new_certificates_are_taken_over_without_a_restart_and_without_dropping_sessions() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut session = Wire::smtp(scene.site.operator.smtp_port, scene.site.tls(Some(&scene.site.peer))?)?;
    let mut mailbox = scene.site.mailbox(&scene.bal)?;
    let before = scene.shown()?;

    // The certificate comes before its key: the pair does not match yet.
    let Issued { der, chain_pem, key_pem } = scene.site.pki().server(&ours())?;
    scene.write("server.pem", &chain_pem[..chain_pem.len() / 3])?;
    std::thread::sleep(Duration::from_millis(50));
    scene.write("server.pem", &chain_pem)?;
    scene.refused_within(1)?;
    ensure!(scene.shown()? == before, "a certificate without its key is shown");
    ensure!(scene.server.log().contains("this key does not fit the first certificate"), "{}", scene.server.log());

    scene.write("server.key", &key_pem)?;
    let renewed = wait_until(PATIENCE, || scene.shown().is_ok_and(|shown| shown == [der.clone(), der.clone()]));
    ensure!(renewed, "the new certificate is not shown:\n{}", scene.server.log());
    scene.send(&mut session, "suite")?;
    ensure!(mailbox.count("INBOX")? == 1, "the session of before has ended");
    scene.server.check_health()
}

#[test]
fn a_certificate_that_peers_would_refuse_never_replaces_a_good_one() -> Result<()> {
    let mut scene = Scene::new()?;
    let before = scene.shown()?;
    let pki = scene.site.pki();
    let bad = [
        (pki.flawed_server(&ours(), Flaw::Expired)?, "has expired"),
        (Pki::new(RealClock.now())?.server(&ours())?, "does not chain"),
        (pki.flawed_server(&ours(), Flaw::MailOnly)?, "not made for this use"),
    ];
    for (count, (issued, why)) in (1..).zip(bad) {
        scene.write("server.key", &issued.key_pem)?;
        scene.write("server.pem", &issued.chain_pem)?;
        // Perhaps more than once: one look may have fallen between the two files.
        scene.refused_within(count)?;
        ensure!(wait_until(PATIENCE, || scene.server.log().contains(why)), "{}", scene.server.log());
        ensure!(scene.shown()? == before, "a certificate that {why} is shown");
    }
    scene.server.check_health()
}
