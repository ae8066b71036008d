//! What the demonstration shows: a discharge letter, a reply, refusals, and the audit cases of
//! the ANS; all through the real ports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mssante::{BalKind, Clock, Random};
use testkit::client::{ClientError, ImapClient, Reply, SmtpClient};
use testkit::letter::{self, Heading, Patient};
use trust::ClientTls;

use super::operator::{OpenBal, Operator};
use super::plan::here;
use super::site::{Pair, Site};
use super::steps::Steps;
use crate::ambient::{SystemClock, SystemRandom};

/// The name in every certificate of the demonstration that leads to this machine.
pub(super) const HOST: &str = "127.0.0.1";

/// Both operators and what clients need.
pub(super) struct Scenario<'a> {
    pub(super) site: &'a Site,
    pub(super) hospital: &'a Operator,
    pub(super) pharmacy: &'a Operator,
}

impl Scenario<'_> {
    /// Runs all steps; a step that fails does not hide the others.
    pub(super) async fn run(&self) -> Steps {
        let mut steps = Steps::default();
        let letter = self.discharge_letter(&mut steps).await;
        self.answer(&mut steps, &letter).await;
        self.refusals(&mut steps).await;
        self.audit(&mut steps).await;
        steps
    }

    /// (a) From the hospital's software to a pharmacist and his pharmacy. Returns its Message-ID.
    async fn discharge_letter(&self, steps: &mut Steps) -> String {
        let software = self.hospital.bal(BalKind::Applicative);
        let (pharmacist, pharmacy) =
            (self.pharmacy.bal(BalKind::Nominative), self.pharmacy.bal(BalKind::Organisational));
        let heading = heading(self.hospital, &software.address, &[pharmacist, pharmacy]);
        let reply_to = &self.hospital.bal(BalKind::Organisational).address;
        let message = letter::discharge(&heading, reply_to, &Patient::fictitious());
        let send = self.send_by_certificate(software, &heading, &message);
        if !steps.step("hospital software (APP) submits a discharge letter by certificate, port 587", send).await {
            return heading.message_id;
        }
        for (name, bal) in [("pharmacist (PER)", pharmacist), ("pharmacy (ORG)", pharmacy)] {
            let read = self.read(self.pharmacy, bal, &heading, &message);
            steps.step(&format!("{name} reads it over IMAP, port 993"), read).await;
        }
        heading.message_id
    }

    /// (b) The pharmacist answers to the department.
    async fn answer(&self, steps: &mut Steps, answered: &str) {
        let pharmacist = self.pharmacy.bal(BalKind::Nominative);
        let department = self.hospital.bal(BalKind::Organisational);
        let heading = heading(self.pharmacy, &pharmacist.address, &[department]);
        let message = letter::reply(&heading, answered);
        let send = self.send_by_password(pharmacist, &heading, &message);
        if steps.step("pharmacist replies by password, port 465", send).await {
            let read = self.read(self.hospital, department, &heading, &message);
            steps.step("hospital department (ORG) reads the reply over IMAP, port 993", read).await;
        }
    }

    /// (c) What must not pass.
    async fn refusals(&self, steps: &mut Steps) {
        let unknown = format!("personne@{}", self.pharmacy.plan.domain);
        let refused = self.refused_recipient(&unknown, "550 5.1.1");
        steps.step("an unknown recipient is refused", refused).await;
        let refused = self.refused_recipient("quelquun@gmail.com", "550 5.7.1");
        steps.step("a domain outside the trust space is refused", refused).await;
        steps
            .step("a hop with a good certificate that is not the listed one is refused", self.refused_impostor())
            .await;
        steps.step("a hop in clear is refused", self.refused_plaintext()).await;
    }

    async fn send_by_certificate(
        &self,
        from: &OpenBal,
        heading: &Heading,
        message: &[u8],
    ) -> Result<String, ClientError> {
        let tls = self.tls(Some(&self.hospital.files.software), "smtp")?;
        let client = SmtpClient::connect(here(self.hospital.plan.ports.submission)).await?;
        let mut client = client.start_tls(&tls, HOST, "dpi.local").await?;
        client.auth_external(Some(&from.address)).await?;
        submit(client, heading, message).await
    }

    async fn send_by_password(&self, from: &OpenBal, heading: &Heading, message: &[u8]) -> Result<String, ClientError> {
        submit(self.pharmacist(from).await?, heading, message).await
    }

    /// Logged in on the pharmacy's implicit TLS port.
    async fn pharmacist(&self, bal: &OpenBal) -> Result<SmtpClient, ClientError> {
        let tls = self.tls(None, "smtp")?;
        let mut client = SmtpClient::connect_tls(here(self.pharmacy.plan.ports.submissions), &tls, HOST).await?;
        client.demand("EHLO poste.local").await?;
        client.auth_plain(&bal.address, bal.password.as_deref().unwrap_or_default()).await?;
        Ok(client)
    }

    /// Waits for the message and compares what comes with what was sent.
    async fn read(&self, at: &Operator, bal: &OpenBal, heading: &Heading, sent: &[u8]) -> Result<String, ClientError> {
        let tls = self.tls(None, "imap")?;
        let mut client = ImapClient::connect_tls(here(at.plan.ports.imaps), &tls, HOST).await?;
        client.login(&bal.address, bal.password.as_deref().unwrap_or_default()).await?;
        client.select("INBOX").await?;
        let criteria = format!("HEADER Message-ID \"{}\"", heading.message_id);
        let uid = loop {
            match client.uid_search(&criteria).await?.as_slice() {
                [] => tokio::time::sleep(Duration::from_millis(20)).await,
                [uid] => break *uid,
                several => return Err(ClientError::Protocol(format!("{} copies arrived", several.len()))),
            }
            client.command("NOOP").await?;
        };
        let received = client.fetch(uid).await?;
        client.logout().await;
        match trace_of(&received, sent) {
            Some(fields) => Ok(format!("{} octets identical after {fields} trace fields", sent.len())),
            None => Err(ClientError::Protocol("the octets that came are not those that were sent".to_owned())),
        }
    }

    async fn refused_recipient(&self, recipient: &str, expected: &str) -> Result<String, ClientError> {
        let bal = self.pharmacy.bal(BalKind::Nominative);
        let mut client = self.pharmacist(bal).await?;
        client.demand(&format!("MAIL FROM:<{}>", bal.address)).await?;
        let reply = client.command(&format!("RCPT TO:<{recipient}>")).await?;
        client.quit().await;
        exactly(&reply, expected)
    }

    /// A certificate of the right authorities that the list does not give for the domain.
    async fn refused_impostor(&self) -> Result<String, ClientError> {
        let tls = self.tls(Some(&self.site.impostor), "smtp")?;
        let client = SmtpClient::connect(here(self.hospital.plan.ports.hop)).await?;
        let mut client = client.start_tls(&tls, HOST, "mail.inconnu.exemple.fr").await?;
        let sender = &self.pharmacy.bal(BalKind::Nominative).address;
        let reply = client.command(&format!("MAIL FROM:<{sender}>")).await?;
        client.quit().await;
        exactly(&reply, "550 5.7.1")
    }

    async fn refused_plaintext(&self) -> Result<String, ClientError> {
        let mut client = SmtpClient::connect(here(self.hospital.plan.ports.hop)).await?;
        client.demand(&format!("EHLO {}", self.pharmacy.plan.hostname)).await?;
        let sender = &self.pharmacy.bal(BalKind::Nominative).address;
        let reply = client.command(&format!("MAIL FROM:<{sender}>")).await?;
        client.quit().await;
        exactly(&reply, "530 5.7.0")
    }

    pub(super) fn tls(&self, identity: Option<&Pair>, protocol: &'static str) -> Result<ClientTls, ClientError> {
        let identity: Option<(&Path, &Path)> = identity.map(|pair| (pair.certificate.as_path(), pair.key.as_path()));
        Ok(ClientTls::load(&self.site.anchors(), identity, Some(protocol), Arc::new(SystemClock))?)
    }
}

/// Sender, recipients, and a name that no other message has.
fn heading(at: &Operator, from: &str, to: &[&OpenBal]) -> Heading {
    let mut random = [0; 16];
    SystemRandom.fill(&mut random);
    Heading {
        from: from.to_owned(),
        to: to.iter().map(|bal| bal.address.clone()).collect(),
        message_id: format!("<{:032x}@{}>", u128::from_be_bytes(random), at.plan.domain),
        date: SystemClock.now(),
    }
}

async fn submit(mut client: SmtpClient, heading: &Heading, message: &[u8]) -> Result<String, ClientError> {
    let to: Vec<_> = heading.to.iter().map(String::as_str).collect();
    let reply = client.submit(&heading.from, &to, message).await?;
    client.quit().await;
    Ok(reply.to_string())
}

fn exactly(reply: &Reply, expected: &str) -> Result<String, ClientError> {
    if reply.is(expected) {
        return Ok(reply.to_string());
    }
    Err(ClientError::Protocol(format!("expected {expected}, got {reply}")))
}

/// How many trace fields stand before the message, if that is all that was added. `[RFC5321 4.4]`
fn trace_of(received: &[u8], sent: &[u8]) -> Option<usize> {
    let added = std::str::from_utf8(received.strip_suffix(sent)?).ok()?;
    if !(added.is_empty() || added.ends_with("\r\n")) {
        return None;
    }
    let mut fields = 0;
    for line in added.lines() {
        if line.starts_with(' ') || line.starts_with('\t') {
            continue;
        }
        let name = line.split(':').next()?;
        let known = ["Received", "Return-Path"].iter().any(|field| field.eq_ignore_ascii_case(name));
        fields += usize::from(known);
        if !known {
            return None;
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trace_fields_may_stand_before_what_was_sent() {
        let sent = b"Subject: x\r\n\r\nhello\r\n";
        let with = |before: &str| [before.as_bytes(), sent].concat();
        assert_eq!(trace_of(sent, sent), Some(0));
        assert_eq!(trace_of(&with("Return-Path: <a@b>\r\nReceived: from x\r\n by y\r\n"), sent), Some(2));
        assert_eq!(trace_of(&with("X-Added: 1\r\n"), sent), None);
        assert_eq!(trace_of(&with("Received: x"), sent), None);
        assert_eq!(trace_of(b"Subject: y\r\n\r\nhello\r\n", sent), None);
    }
}
