//! Opening a hop: from a domain to a peer that may be given its mail. Nothing of an envelope is shown before the
//! peer has been judged. `[MSS1 HOP.OUT]`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Clock, Domain, Permanence, Refusal};
use smtp::client::{Client, Timeouts};
use store::HopFacts;
use tokio::net::TcpStream;
use tokio::time::timeout;
use trust::{DnMatch, HopTls, ListStanding, Standing, TrustSpace, VerifiedPeer};

use crate::health::HostHealth;
use crate::hosts::{Found, HostSource};
use crate::journal::{Journal, hex};
use crate::trouble::Trouble;
use crate::{Host, HostError, HostFinder};

/// How long an address may take to answer a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same while there is another one to try.
const CONNECT_TIMEOUT_WITH_OTHERS: Duration = Duration::from_secs(5);

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

    /// Only a domain's own word that it takes no mail is final; what is missing in DNS may come back, for the
    /// list says that the domain exists. `[RFC7505 3]`
    fn of_hosts(error: &HostError) -> Self {
        let final_word = matches!(error, HostError::NullMx(_));
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
    /// For the connection.
    patience: Duration,
}

/// What came of several attempts.
struct Tally {
    extent: Extent,
    opened: Option<OpenHop>,
    worst: Option<Trouble>,
}

impl Tally {
    fn new(extent: Extent) -> Self {
        Self { extent, opened: None, worst: None }
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
        self.opened.is_some() && self.extent == Extent::First
    }

    fn result(self, host: Option<&str>) -> Result<OpenHop, Trouble> {
        let nobody = || Trouble::unreached("4.4.1", "host-silent", "no host answered", host);
        self.opened.ok_or_else(|| self.worst.unwrap_or_else(nobody))
    }
}

impl Hops {
    /// Tries the addresses of the hosts in order; a bad one does not doom the others. Of several troubles the most
    /// telling is returned.
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
        for host in &found.hosts {
            tally.add(self.try_host(domain, host, extent, health, journal).await).await;
            if tally.is_enough() {
                break;
            }
        }
        tally.result(None).map_err(NoHop::later)
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
            return Err(NoHop::of_refusal(Refusal::DomainNotListed, Permanence::Permanent));
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
        extent: Extent,
        health: &HostHealth,
        journal: &mut Journal,
    ) -> Result<OpenHop, Trouble> {
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
        let mut tally = Tally::new(extent);
        for (place, address) in addresses.iter().enumerate() {
            let is_last = place + 1 == addresses.len();
            let patience = if is_last { CONNECT_TIMEOUT } else { CONNECT_TIMEOUT_WITH_OTHERS };
            let call = Call { domain, host, address: *address, patience };
            tally.add(self.try_address(call, health, journal).await).await;
            if tally.is_enough() {
                break;
            }
        }
        tally.result(Some(&host.name))
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
            if trouble.is_silence() {
                health.is_silent(call.address, self.clock.now());
            }
        }
        opened
    }

    /// Connects, puts on TLS and judges the peer, in this order.
    async fn call(&self, call: Call<'_>, journal: &mut Journal) -> Result<OpenHop, Trouble> {
        let name = call.host.name.as_str();
        let silent = |text: String| Trouble::unreached("4.4.1", "host-silent", &text, Some(name));
        let stream = timeout(call.patience, TcpStream::connect(call.address))
            .await
            .map_err(|_| silent("no answer to the connection attempt".to_owned()))?
            .map_err(|error| silent(error.to_string()))?;
        journal.good("connect", || call.address.to_string());
        let client = Client::open(stream, name, &self.hostname, &self.tls, self.timeouts, journal)
            .await
            .map_err(|error| Trouble::of_client(&error, name))?;
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
