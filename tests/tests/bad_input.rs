//! What a hostile or broken client can send, beyond the golden dialogs: a clear reply or a closed connection, nothing
//! stored by halves, and a server that lives on.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::{Bal, PASSWORD, PEER, Server, Site, Steps, Wire};
use rustls::ClientConfig;

/// A site with one BAL and the clients' TLS configurations.
struct Scene {
    site: Site,
    bal: Bal,
    peer: Arc<ClientConfig>,
    person: Arc<ClientConfig>,
}

impl Scene {
    fn new() -> Result<(Self, Server)> {
        let site = Site::new()?;
        let server = site.serve(&[])?;
        let bal = site.create_bal("accueil")?;
        site.wait_for_bals(1)?;
        let (peer, person) = (site.tls(Some(&site.peer))?, site.tls(None)?);
        Ok((Self { site, bal, peer, person }, server))
    }

    /// A hop from the listed peer, after STARTTLS and EHLO.
    fn hop(&self) -> Result<Wire> {
        Wire::smtp(self.site.operator.smtp_port, Arc::clone(&self.peer))
    }

    fn submission(&self) -> Result<Wire> {
        Wire::smtp(self.site.operator.submission_port, Arc::clone(&self.person))
    }

    /// An IMAP connection that is logged in and has read the answer.
    fn imap(&self) -> Result<Wire> {
        let mut wire = self.imap_before_login()?;
        wire.line(&format!("l LOGIN \"{}\" \"{PASSWORD}\"", self.bal.address))?;
        answer(&mut wire, "l ", "OK")?;
        Ok(wire)
    }

    fn imap_before_login(&self) -> Result<Wire> {
        let mut wire = Wire::connect_tls(self.site.operator.imaps_port, Arc::clone(&self.person))?;
        wire.read_line()?;
        Ok(wire)
    }

    fn stored(&self) -> Result<usize> {
        let mut mailbox = self.site.mailbox(&self.bal)?;
        Ok(mailbox.count("INBOX")? + mailbox.count("Drafts")?)
    }

    fn envelope(&self) -> [String; 2] {
        [format!("MAIL FROM:<dr.durand@{PEER}>"), format!("RCPT TO:<{}>", self.bal.address)]
    }

    /// Sends a good message by a hop.
    fn good_message(&self) -> Result<()> {
        let mut wire = self.hop()?;
        for command in self.envelope() {
            wire.command(&command, "250")?;
        }
        wire.command("DATA", "354")?;
        wire.send(format!("From: <dr.durand@{PEER}>\r\nSubject: bon\r\n\r\nbonjour\r\n.\r\n").as_bytes())?;
        wire.expect("250").map(drop)
    }
}

/// Reads untagged responses up to the tagged one, which must begin as told.
fn answer(wire: &mut Wire, tag: &str, beginning: &str) -> Result<()> {
    loop {
        let line = wire.read_line()?.context("the server closed the connection")?;
        if let Some(outcome) = line.strip_prefix(tag) {
            ensure!(outcome.starts_with(beginning), "the server said: {line}");
            return Ok(());
        }
    }
}

/// What the client does before it goes away.
type Act = fn(&Scene) -> Result<Wire>;

#[test]
fn bad_input_stores_nothing_and_stops_nothing() {
    let (scene, mut server) = Scene::new().expect("a running site");
    let mut steps = Steps::default();
    for (name, act) in disconnects() {
        steps.run(name, || act(&scene).map(Wire::cut));
    }
    for (name, act) in smtp_abuse().into_iter().chain(imap_abuse()) {
        steps.run(name, || act(&scene));
    }
    steps.run("nothing of all this was stored", || {
        let stored = scene.stored()?;
        ensure!(stored == 0, "{stored} messages were stored");
        Ok(())
    });
    steps.run("a good message still comes in", || {
        scene.good_message()?;
        ensure!(scene.stored()? == 1, "it is not there");
        Ok(())
    });
    steps.run("the server is alive and nothing panicked", || server.check_health());
    steps.run("no session is left over", || no_session_left(&scene));
    steps.run("it ends well", || {
        let code = server.stop()?;
        ensure!(code == Some(0), "exit code {code:?}");
        Ok(())
    });
    steps.finish();
}

/// Disconnects at each step; the dialogs have those of MAIL to the final dot.
fn disconnects() -> Vec<(&'static str, Act)> {
    vec![
        ("disconnect after connecting", |scene| Wire::connect(scene.site.operator.smtp_port)),
        ("disconnect after EHLO", |scene| {
            let mut wire = Wire::connect(scene.site.operator.smtp_port)?;
            wire.expect("220")?;
            wire.command("EHLO client.test", "250")?;
            Ok(wire)
        }),
        ("disconnect between STARTTLS and the handshake", |scene| {
            let mut wire = Wire::connect(scene.site.operator.smtp_port)?;
            wire.expect("220")?;
            wire.command("EHLO client.test", "250")?;
            wire.command("STARTTLS", "220")?;
            Ok(wire)
        }),
        ("disconnect in the handshake", |scene| {
            let mut wire = Wire::connect(scene.site.operator.submissions_port)?;
            wire.send(&[22, 3, 1, 2, 0, 1, 0])?;
            Ok(wire)
        }),
        ("disconnect after TLS", |scene| scene.hop()),
        ("disconnect in AUTH", |scene| {
            let mut wire = scene.submission()?;
            wire.command("AUTH LOGIN", "334")?;
            Ok(wire)
        }),
        ("disconnect in a chunk", |scene| {
            let mut wire = scene.hop()?;
            for command in scene.envelope() {
                wire.command(&command, "250")?;
            }
            wire.send(b"BDAT 1000 LAST\r\nFrom: <a@b>\r\n")?;
            Ok(wire)
        }),
        ("disconnect between two chunks", |scene| {
            let mut wire = scene.hop()?;
            for command in scene.envelope() {
                wire.command(&command, "250")?;
            }
            wire.send(b"BDAT 14\r\nFrom: <a@b>\r\n\r\n")?;
            Ok(wire)
        }),
        ("disconnect right after the IMAP greeting", |scene| scene.imap_before_login()),
        ("disconnect in an APPEND", |scene| {
            let mut wire = scene.imap()?;
            wire.send(b"a APPEND Drafts {1000+}\r\nFrom: <a@b>\r\n")?;
            Ok(wire)
        }),
        ("disconnect in IDLE", |scene| {
            let mut wire = scene.imap()?;
            wire.send(b"a SELECT INBOX\r\nb IDLE\r\n")?;
            Ok(wire)
        }),
    ]
}

/// An attack or a mistake that must be answered.
type Abuse = fn(&Scene) -> Result<()>;

fn smtp_abuse() -> Vec<(&'static str, Abuse)> {
    vec![
        ("no end-of-data but CR LF . CR LF: none of the smuggling sequences splits a message", smuggling),
        ("a message over the size limit is read to its end and refused", |scene| {
            let mut wire = scene.hop()?;
            for command in scene.envelope() {
                wire.command(&command, "250")?;
            }
            wire.command("DATA", "354")?;
            wire.send(b"From: <dr.durand@labo-essai.mssante.fr>\r\n\r\n")?;
            let line = [b"x".repeat(76), b"\r\n".to_vec()].concat();
            for _ in 0..26 {
                wire.send(&line.repeat(1024 * 1024 / line.len()))?;
            }
            wire.send(b".\r\n")?;
            wire.expect("552 5.3.4")?;
            wire.command("NOOP", "250").map(drop)
        }),
        ("octets that are no TLS where TLS should begin close the connection", |scene| {
            let mut wire = Wire::connect(scene.site.operator.submissions_port)?;
            wire.send(b"EHLO client.test\r\nMAIL FROM:<a@b>\r\n")?;
            let said = wire.until_closed()?;
            ensure!(!said.contains("250"), "{said}");
            Ok(())
        }),
        ("a client without TLS 1.2 or 1.3 gets no session", |scene| {
            let mut wire = Wire::connect(scene.site.operator.imaps_port)?;
            // A ClientHello of TLS 1.0 with one cipher suite.
            let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
            wire.send(&hello)?;
            let said = wire.until_closed()?;
            ensure!(!said.contains("OK"), "{said}");
            Ok(())
        }),
        ("a thousand unknown commands end the session, not the server", |scene| {
            let mut wire = scene.hop()?;
            // The server may close while we still write.
            let _ = wire.send(&b"XYZZY\r\n".repeat(1000));
            let said = wire.until_closed()?;
            ensure!(said.starts_with("500") && said.contains("421"), "{said}");
            Ok(())
        }),
        ("a megabyte without a line end is not kept", |scene| {
            let mut wire = scene.hop()?;
            wire.send(&b"A".repeat(1_000_000))?;
            wire.send(b"\r\n")?;
            wire.expect("500")?;
            wire.command("NOOP", "250").map(drop)
        }),
        ("bad base64 in AUTH is refused and does not disturb the next login", |scene| {
            let mut wire = scene.submission()?;
            wire.command("AUTH PLAIN ====", "501")?;
            let (login, password) = scene.bal.credentials();
            Wire::submission(scene.site.operator.submission_port, Arc::clone(&scene.person), login, password)?;
            wire.command("NOOP", "250").map(drop)
        }),
    ]
}

/// Each sequence, followed by a whole second message, is sent inside DATA: one reply, a refusal. `[RFC5321 2.3.8]`
fn smuggling(scene: &Scene) -> Result<()> {
    let [mail, rcpt] = scene.envelope();
    for sequence in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\n.\r", "\r\n.\r", "\r\r\n.\r\r\n"] {
        let mut wire = scene.hop()?;
        wire.command(&mail, "250")?;
        wire.command(&rcpt, "250")?;
        wire.command("DATA", "354")?;
        let second = format!("{mail}\r\n{rcpt}\r\nDATA\r\nFrom: <dr.durand@{PEER}>\r\n\r\nsecond\r\n");
        wire.send(format!("From: <dr.durand@{PEER}>\r\n\r\nfirst{sequence}{second}\r\n.\r\n").as_bytes())?;
        wire.expect("550 5.6.0").with_context(|| format!("{sequence:?}"))?;
        wire.command("NOOP", "250").with_context(|| format!("{sequence:?}"))?;
    }
    Ok(())
}

fn imap_abuse() -> Vec<(&'static str, Abuse)> {
    vec![
        ("commands pipelined behind IMAP STARTTLS are not obeyed", |scene| {
            let mut wire = Wire::connect(scene.site.operator.imap_port)?;
            wire.read_line()?;
            wire.send(b"a STARTTLS\r\nb NOOP\r\n")?;
            let said = wire.until_closed()?;
            ensure!(!said.contains("b OK"), "{said}");
            Ok(())
        }),
        ("a huge literal before login is refused before it comes", |scene| {
            let mut wire = scene.imap_before_login()?;
            wire.send(b"a LOGIN {9999999999}\r\n")?;
            let line = wire.read_line()?.unwrap_or_default();
            ensure!(!line.starts_with('+'), "the server asks for it: {line}");
            Ok(())
        }),
        ("a line without end before login is not kept", |scene| {
            let mut wire = scene.imap_before_login()?;
            // The server may close while we still write.
            let _ = wire.send(&b"a".repeat(1_000_000));
            let _ = wire.send(b"\r\n");
            // What it says may be lost with the octets that it did not read.
            let said = wire.until_closed()?;
            ensure!(!said.contains("OK"), "{said}");
            Ok(())
        }),
        ("nested parentheses without end are refused", |scene| {
            let mut wire = scene.imap()?;
            wire.send(&[b"a SEARCH ".as_slice(), &b"(".repeat(5000), b"\r\n"].concat())?;
            let line = wire.read_line()?.unwrap_or_default();
            ensure!(line.contains("BAD") || line.contains("BYE"), "{line}");
            Ok(())
        }),
        ("an APPEND over the size limit is refused before it comes", |scene| {
            let mut wire = scene.imap()?;
            wire.send(b"a APPEND Drafts {99999999}\r\n")?;
            answer(&mut wire, "a ", "NO")
        }),
        ("commands of other states and nonsense get BAD or NO", |scene| {
            let mut wire = scene.imap()?;
            for (number, command) in
                ["FETCH 1 FLAGS", "XYZZY", "LOGIN a b", "SELECT", "FETCH 0 FLAGS", "\0"].iter().enumerate()
            {
                wire.send(format!("n{number} {command}\r\n").as_bytes())?;
                let line = wire.read_line()?.context("closed")?;
                ensure!(line.contains("BAD") || line.contains("NO "), "{command}: {line}");
            }
            Ok(())
        }),
        ("bytes that are no UTF-8 in an IMAP command are refused", |scene| {
            let mut wire = scene.imap()?;
            wire.send(b"a CREATE \"\xff\xfe\"\r\n")?;
            let line = wire.read_line()?.unwrap_or_default();
            ensure!(line.contains("BAD") || line.contains("NO"), "{line}");
            Ok(())
        }),
    ]
}

/// All clients of this test are gone: the gauge of open connections must come back to zero.
fn no_session_left(scene: &Scene) -> Result<()> {
    let mut lines = Vec::new();
    for _ in 0..100 {
        let (_, metrics) = e2e::http_get(scene.site.operator.http_port, "/metrics")?;
        lines = metrics.lines().filter(|line| line.starts_with("pli_connections{")).map(str::to_owned).collect();
        ensure!(!lines.is_empty(), "no gauge of open connections");
        if lines.iter().all(|line| line.ends_with(" 0")) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    anyhow::bail!("still open: {lines:?}")
}
