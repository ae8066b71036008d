//! What happened on the way to a hop, step by step: kept for `pli probe`, otherwise dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, hex};
use smtp::client::{Event, Observer, Reply};
use time::OffsetDateTime;
use trust::chores::HeldCertificate;

use crate::trouble::Trouble;

/// One step on the way to a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done, a stable word: `list`, `route`, `mx`, `address`, `connect`, `greeting`, `ehlo`, `starttls`, `tls`,
    /// `shown`, `certificate`, `listed`, `host-name`, `size`, `usable`, `hop`.
    pub what: &'static str,
    /// With which host, if one was reached.
    pub host: Option<String>,
    /// At which address.
    pub address: Option<SocketAddr>,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, in English.
    pub text: String,
    /// Time since the step before.
    pub took: Duration,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Good,
    /// Not, for the reason of this word.
    Bad(&'static str),
}

/// Takes down steps, or does not.
pub(crate) struct Journal {
    clock: Arc<dyn Clock>,
    steps: Option<Vec<Step>>,
    last: OffsetDateTime,
    place: Option<(String, Option<SocketAddr>)>,
}

impl Journal {
    /// Forgets everything.
    pub(crate) fn dropped(clock: Arc<dyn Clock>) -> Self {
        Self { last: clock.now(), clock, steps: None, place: None }
    }

    /// Keeps everything.
    pub(crate) fn kept(clock: Arc<dyn Clock>) -> Self {
        Self { steps: Some(Vec::new()), ..Self::dropped(clock) }
    }

    /// The steps from here on are with this host, at this address.
    pub(crate) fn at(&mut self, host: &str, address: Option<SocketAddr>) {
        self.place = Some((host.to_owned(), address));
    }

    /// Something went well.
    pub(crate) fn good(&mut self, what: &'static str, text: impl FnOnce() -> String) {
        self.add(what, Verdict::Good, text);
    }

    /// Something did not.
    pub(crate) fn bad(&mut self, what: &'static str, trouble: &Trouble) {
        self.add(what, Verdict::Bad(trouble.reason), || trouble.text.clone());
    }

    fn add(&mut self, what: &'static str, verdict: Verdict, text: impl FnOnce() -> String) {
        let Some(steps) = &mut self.steps else { return };
        let now = self.clock.now();
        let took = Duration::try_from(now - self.last).unwrap_or_default();
        let (host, address) = self.place.clone().unzip();
        steps.push(Step { what, host, address: address.flatten(), verdict, text: text(), took });
        self.last = now;
    }

    /// What was taken down.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}

impl Observer for Journal {
    fn saw(&mut self, event: &Event<'_>) {
        match event {
            Event::Greeted(reply) => self.good("greeting", || reply.to_string()),
            Event::Offered(reply) => self.good("ehlo", || keywords(reply)),
            Event::StartTls(reply) => self.good("starttls", || reply.to_string()),
            Event::Secured(transport) => {
                self.good("tls", || transport.tls_description().unwrap_or_default());
                if let Some(der) = transport.shown() {
                    self.good("shown", || shown(der));
                }
            }
        }
    }
}

/// The extensions behind the greeting. `[RFC5321 4.1.1]`
fn keywords(reply: &Reply) -> String {
    reply.lines().skip(1).collect::<Vec<_>>().join(", ")
}

/// What the certificate says of itself, before anybody judges it.
fn shown(der: &[u8]) -> String {
    let HeldCertificate { facts, issuer, serial, dns_names, .. } = match HeldCertificate::read(der) {
        Ok(certificate) => certificate,
        Err(error) => return error.to_string(),
    };
    let (from, to, sha256) = (facts.not_before.date(), facts.not_after.date(), hex(&facts.sha256));
    format!(
        "{}; issued by {issuer}, serial {serial}; valid from {from} to {to}; names {}; SHA-256 {sha256}",
        facts.name,
        dns_names.join(", ")
    )
}
