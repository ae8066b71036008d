//! The eight audit cases of the ANS, with the auditor as a client of the real binary.

use anyhow::{Context as _, Result, ensure};
use e2e::{AuditCase, Peer, Site, Wire};
use testkit::pki::Particulars;

#[test]
fn a_peer_remembers_what_it_heard() -> Result<()> {
    let site = Site::new()?;
    let identity = AuditCase::Valid.identity(site.pki(), &Particulars::default(), site.folder())?;
    let peer = Peer::start(identity.as_ref(), &site.folder().join("ca.pem"))?;
    let mut wire = Wire::smtp(peer.port(), site.tls(Some(&site.peer))?)?;
    for (command, reply) in [("MAIL FROM:<a@b.fr>", "250"), ("DATA", "354"), ("x\r\n.", "250"), ("QUIT", "221")] {
        wire.command(command, reply)?;
    }
    drop(wire);
    e2e::wait_until(std::time::Duration::from_secs(10), || !peer.heard().is_empty());
    let heard = peer.heard();
    let conversation = heard.first().context("no conversation")?;
    ensure!(conversation.tls && conversation.certificate.is_some(), "{conversation:?}");
    ensure!(conversation.in_clear == ["EHLO client.test", "STARTTLS"], "{conversation:?}");
    ensure!(conversation.messages == ["x\r\n.\r\n"], "{conversation:?}");
    Ok(())
}
