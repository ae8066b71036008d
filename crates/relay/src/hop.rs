//! Opening a hop: from a domain to a peer that may be given its mail. Nothing of an envelope is shown before the
//! peer has been judged. `[MSS1 HOP.OUT]`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, Domain, Permanence, Refusal, hex};
use smtp::client::{Client, Timeouts};
use store::HopFacts;
use tokio::net::TcpStream;
use tokio::time::timeout;
use trust::{DnMatch, HopTls, ListStanding, Standing, TrustSpace, VerifiedPeer};

use crate::dns::Security;
use crate::health::HostHealth;
use crate::hosts::{Found, HostSource};
use crate::journal::Journal;
use crate::trouble::Trouble;
use crate::{Host, HostError, HostFinder};

/// How long an address may take to answer a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same while there is another one to try.
const CONNECT_TIMEOUT_WITH_OTHERS: Duration = Duration::from_secs(5);

/// Most addresses that are called for one attempt: whoever publishes more wants us busy.
const MOST_CALLS: usize = 10;
/// How long all of it may take together. A hop that is being opened keeps others from theirs, and its entries' lease.
const OPENING: Duration = Duration::from_mins(10);
/// How long each step up to the envelope may take while there is another address to try. The five minutes for a
/// greeting are for a peer that is the last that can be asked. `[RFC5321 4.5.3.2]`
const STEP_WITH_OTHERS: Duration = Duration::from_mins(1);

/// Whether the certificate of a host must carry its name, beside the DN that the white list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostNameCheck {
    /// The DN decides alone: operators serve hosts whose names their certificates do not carry.
    #[default]
    Off,
    /// The name in the MX record or the route must be among the certificate's names.
    Required,
}

/// What opens hops.
pub struct Hops {
    /// Our name in EHLO.
    pub hostname: String,
    /// TLS, with our certificate.
    pub tls: Arc<HopTls>,
    /// The trust list and revocation.
    pub trust: TrustSpace,
    /// Where operators listen.
    pub hosts: HostFinder,
    /// Names of hosts.
    pub host_name_check: HostNameCheck,
    /// How long peers are waited for.
    pub timeouts: Timeouts,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A hop that is open to a peer that was found good, and where it leads.
pub(crate) struct OpenHop {
    pub(crate) client: Client,
    pub(crate) host: Host,
    pub(crate) address: SocketAddr,
    how: DnMatch,
}

impl OpenHop {
    /// What is written down of it.
    pub(crate) fn facts(&self) -> HopFacts {
        HopFacts {
            address: self.address.to_string(),
            tls: self.client.tls_description().unwrap_or_default(),
            certificate_sha256: self.client.peer().map(|peer| hex(peer.sha256())).unwrap_or_default(),
            dn_match: self.how.word(),
        }
    }
}

/// Why no hop is open.
#[derive(Debug, Clone)]
pub(crate) struct NoHop {
    pub(crate) permanence: Permanence,
    pub(crate) trouble: Trouble,
}

impl NoHop {
    fn later(trouble: Trouble) -> Self {
        Self { permanence: Permanence::Temporary, trouble }
    }

    fn of_refusal(refusal: Refusal, permanence: Permanence) -> Self {
        Self { permanence, trouble: Trouble::of_refusal(refusal, permanence, None) }
    }

    /// Only a domain's own word that it takes no mail is final, and only if it is proven to be its own: anybody can
    /// write an answer that is not signed. What is missing in DNS may come back, for the list says that the domain
    /// exists. `[RFC7505 3]`
    fn of_hosts(error: &HostError) -> Self {
        let final_word = matches!(error, HostError::NullMx(_, Security::Secure | Security::Local));
        let permanence = if final_word { Permanence::Permanent } else { Permanence::Temporary };
        Self { permanence, trouble: Trouble::of_hosts(error, None) }
    }
}

/// Which candidates are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Up to the first with whom a hop opens.
    First,
    /// All, for somebody who wants to know about each.
    All,
}

/// Where to call, and for whom.
#[derive(Clone, Copy)]
struct Call<'a> {
    domain: &'a Domain,
    host: &'a Host,
    address: SocketAddr,
    patience: Patience,
}

/// How long a peer is waited for until the hop is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience {
    connection: Duration,
    /// For each step behind it.
    step: Duration,
}

impl Patience {
    fn of(is_last: bool, command: Duration) -> Self {
        if is_last {
            return Self { connection: CONNECT_TIMEOUT, step: command };
        }
        Self { connection: CONNECT_TIMEOUT_WITH_OTHERS, step: command.min(STEP_WITH_OTHERS) }
    }
}

/// What came of several attempts.
struct Tally {
    extent: Extent,
    calls: usize,
    opened: Option<OpenHop>,
    worst: Option<Trouble>,
}

impl Tally {
    fn new(extent: Extent) -> Self {
        Self { extent, calls: 0, opened: None, worst: None }
    }

    /// Keeps the first hop and the most telling trouble.
    async fn add(&mut self, result: Result<OpenHop, Trouble>) {
        match result {
            Ok(open) if self.opened.is_none() => self.opened = Some(open),
            Ok(open) => open.client.quit().await,
            Err(trouble) => {
                self.worst = Some(match self.worst.take() {
                    Some(worst) => worst.or(trouble),
                    None => trouble,
                });
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.calls >= MOST_CALLS || (self.opened.is_some() && self.extent == Extent::First)
    }

    fn result(self) -> Result<OpenHop, Trouble> {
        let nobody = || Trouble::unreached("4.4.1", "host-silent", "no host answered", None);
        self.opened.ok_or_else(|| self.worst.unwrap_or_else(nobody))
    }
}

impl Hops {
    /// Tries the addresses of the hosts in order, ten at most and within ten minutes; a bad one does not doom the
    /// others. Of several troubles the most telling is returned.
    pub(crate) async fn open(
        &self,
        domain: &Domain,
        extent: Extent,
        health: &HostHealth,
        journal: &mut Journal,
    ) -> Result<OpenHop, NoHop> {
        self.check_listed(domain, journal).inspect_err(|no| journal.bad("list", &no.trouble))?;
        let found = self.hosts.find(domain).await.map_err(|error| NoHop::of_hosts(&error));
        let found = found.inspect_err(|no| journal.bad("mx", &no.trouble))?;
        describe(&found, journal);
        let mut tally = Tally::new(extent);
        if timeout(OPENING, self.try_hosts(domain, &found.hosts, &mut tally, health, journal)).await.is_err() {
            tracing::info!(%domain, "the hosts of the domain take too long, no further one is tried");
        }
        tally.result().map_err(NoHop::later)
    }

    async fn try_hosts(
        &self,
        domain: &Domain,
        hosts: &[Host],
        tally: &mut Tally,
        health: &HostHealth,
        journal: &mut Journal,
    ) {
        for (place, host) in hosts.iter().enumerate() {
            let is_last = place + 1 == hosts.len();
            if let Err(trouble) = self.try_host(domain, host, is_last, tally, health, journal).await {
                tally.add(Err(trouble)).await;
            }
            if tally.is_enough() {
                break;
            }
        }
    }

    /// Whether a hop that was opened some time ago may still be used: the list may have changed and the certificate
    /// may have been revoked or have ended.
    pub(crate) fn judge_again(&self, domain: &Domain, open: &OpenHop) -> Result<(), Trouble> {
        let peer = open.client.peer().ok_or(Refusal::CertificateMissing);
        peer.and_then(|peer| self.trust.judge_recipient(domain, peer)).map(drop).map_err(|refusal| {
            let trouble = Trouble::of_refusal(refusal, Permanence::Temporary, Some(&open.host.name));
            trouble.tell(domain, &open.host.name);
            trouble
        })
    }

    /// Nobody is called for a domain that is not listed, or while nobody knows. `[MSS1 HOP.OUT]`
    fn check_listed(&self, domain: &Domain, journal: &mut Journal) -> Result<(), NoHop> {
        let doubt = |refusal| Err(NoHop::of_refusal(refusal, Permanence::Temporary));
        let Some(list) = self.trust.list() else { return doubt(Refusal::TrustListUnavailable) };
        let standing = self.trust.standing();
        if standing == ListStanding::Expired {
            return doubt(Refusal::TrustListExpired);
        }
        journal.good("list", || {
            format!("{}, made {}, {} domains", standing.word(), list.generated_at().date(), list.domain_count())
        });
        if !list.lists(domain) {
            let refusal = standing.doubting(Refusal::DomainNotListed);
            return Err(NoHop::of_refusal(refusal, refusal.permanence()));
        }
        for name in list.names_of(domain) {
            journal.good("listed", || name.to_string());
        }
        Ok(())
    }

    async fn try_host(
        &self,
        domain: &Domain,
        host: &Host,
        is_last_host: bool,
        tally: &mut Tally,
        health: &HostHealth,
        journal: &mut Journal,
    ) -> Result<(), Trouble> {
        journal.at(&host.name, None);
        let (addresses, security) = self.hosts.addresses(host).await.map_err(|error| {
            let trouble = Trouble::of_hosts(&error, Some(&host.name));
            journal.bad("address", &trouble);
            trouble.tell(domain, &host.name);
            trouble
        })?;
        journal.good("address", || {
            let texts: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            format!("{} ({})", texts.join(", "), security.word())
        });
        for (place, address) in addresses.iter().enumerate() {
            tally.calls += 1;
            let is_last = (is_last_host && place + 1 == addresses.len()) || tally.calls == MOST_CALLS;
            let patience = Patience::of(is_last, self.timeouts.command);
            let call = Call { domain, host, address: *address, patience };
            tally.add(self.try_address(call, health, journal).await).await;
            if tally.is_enough() {
                break;
            }
        }
        Ok(())
    }

    async fn try_address(
        &self,
        call: Call<'_>,
        health: &HostHealth,
        journal: &mut Journal,
    ) -> Result<OpenHop, Trouble> {
        journal.at(&call.host.name, Some(call.address));
        if !health.may_call(call.address, self.clock.now()) {
            let text = "the host did not answer a moment ago";
            return Err(Trouble::unreached("4.4.1", "host-silent", text, Some(&call.host.name)));
        }
        let opened = self.call(call, journal).await;
        if let Err(trouble) = &opened {
            journal.bad("hop", trouble);
            trouble.tell(call.domain, &call.host.name);
        }
        match &opened {
            Err(trouble) if trouble.is_silence() => health.is_silent(call.address, self.clock.now()),
            _ => health.has_answered(call.address),
        }
        opened
    }

    /// Connects, puts on TLS and judges the peer, in this order.
    async fn call(&self, call: Call<'_>, journal: &mut Journal) -> Result<OpenHop, Trouble> {
        let name = call.host.name.as_str();
        let silent = |text: String| Trouble::unreached("4.4.1", "host-silent", &text, Some(name));
        let stream = timeout(call.patience.connection, TcpStream::connect(call.address))
            .await
            .map_err(|_| silent("no answer to the connection attempt".to_owned()))?
            .map_err(|error| silent(error.to_string()))?;
        journal.good("connect", || call.address.to_string());
        let opening = Timeouts { command: call.patience.step, ..self.timeouts };
        let client = Client::open(stream, name, &self.hostname, &self.tls, opening, journal)
            .await
            .map_err(|error| Trouble::of_client(&error, name))?
            .waiting(self.timeouts);
        match self.judge(call.domain, call.host, client.peer(), journal) {
            Ok(how) => {
                journal.good("usable", || usable(&client));
                Ok(OpenHop { client, host: call.host.clone(), address: call.address, how })
            }
            Err(refusal) => {
                client.quit().await;
                Err(Trouble::of_refusal(refusal, Permanence::Temporary, Some(name)))
            }
        }
    }

    /// The peer against the list, and its certificate against the name of its host. `[MSS1 HOP.OUT]`
    fn judge(
        &self,
        domain: &Domain,
        host: &Host,
        peer: Option<&VerifiedPeer>,
        journal: &mut Journal,
    ) -> Result<DnMatch, Refusal> {
        let peer = peer.ok_or(Refusal::CertificateMissing)?;
        journal.good("certificate", || self.describe_certificate(peer));
        let how = self.trust.judge_recipient(domain, peer)?;
        journal.good("dn", || format!("listed for {domain}, compared {}", how.word()));
        let is_named = peer.carries_name(&host.name);
        if !is_named && self.host_name_check == HostNameCheck::Required {
            return Err(Refusal::HostNameMismatch);
        }
        let carries = if is_named { "carries" } else { "does not carry" };
        journal.good("host-name", || format!("the certificate {carries} {}", host.name));
        Ok(how)
    }

    /// What [`trust::Transport::judged`] and [`TrustSpace::judge_recipient`] looked at.
    fn describe_certificate(&self, peer: &VerifiedPeer) -> String {
        let certificate = peer.certificate();
        let revocation = match self.trust.revocation().standing(certificate) {
            Standing::Good { source } => format!("not revoked ({source})"),
            Standing::Revoked { since, source } => format!("revoked on {} ({source})", since.date()),
            Standing::Unknown { why } => format!("unknown, {why}"),
        };
        let (issuer, serial) = (certificate.issuer().name(), hex(certificate.serial()));
        format!("chain, issuer, validity and usage good; issued by {issuer}, serial {serial}; revocation: {revocation}")
    }
}

fn describe(found: &Found, journal: &mut Journal) {
    let hosts = || found.hosts.iter().map(|host| format!("{}:{}", host.name, host.port)).collect::<Vec<_>>().join(", ");
    match found.source {
        HostSource::Route => journal.good("route", hosts),
        HostSource::Mx(security) => journal.good("mx", || format!("{} ({})", hosts(), security.word())),
        HostSource::Domain(security) => {
            journal.good("mx", || format!("none, the domain itself: {} ({})", hosts(), security.word()));
        }
    }
}

fn usable(client: &Client) -> String {
    match client.size_limit() {
        Some(limit) => format!("takes messages up to {limit} octets"),
        None => "names no largest size".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proven_null_mx_is_final() {
        let domain = Domain::parse("peer.mssante.fr").unwrap();
        for (security, permanence) in [
            (Security::Unchecked, Permanence::Temporary),
            (Security::Insecure, Permanence::Temporary),
            (Security::Secure, Permanence::Permanent),
            (Security::Local, Permanence::Permanent),
        ] {
            let no = NoHop::of_hosts(&HostError::NullMx(domain.clone(), security));
            assert_eq!((no.permanence, no.trouble.reason), (permanence, "dns-null-mx"), "{security:?}");
        }
    }

    #[test]
    fn five_minutes_for_a_greeting_are_for_the_last_that_can_be_asked() {
        let command = Timeouts::default().command;
        assert_eq!(Patience::of(true, command).step, Duration::from_mins(5));
        assert_eq!(Patience::of(false, command).step, Duration::from_mins(1));
        assert_eq!(Patience::of(false, Duration::from_secs(5)).step, Duration::from_secs(5));
    }

    #[tokio::test]
    async fn no_more_than_ten_addresses_are_called() {
        let mut tally = Tally::new(Extent::All);
        for calls in 1..=10 {
            assert!(!tally.is_enough(), "{calls}");
            tally.calls += 1;
            tally.add(Err(Trouble::unreached("4.4.1", "host-silent", "silent", None))).await;
        }
        assert!(tally.is_enough());
    }
}
