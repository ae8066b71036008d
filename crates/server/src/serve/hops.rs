//! Outgoing hops as the settings want them, for the relay and for `pli probe`.

use std::sync::Arc;
use std::time::Duration;

use mssante::Domain;
use relay::{Dns, DnsRules, Hops, Host, HostFinder, Probe};
use smtp::client::Timeouts;
use trust::{HopTls, TrustSpace};

use super::trust::visit_with_list;
use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{Dnssec, HostNameCheck, Settings};
use crate::failure::Failure;

/// How long a probe waits for each answer: somebody sits in front of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What opens hops.
pub(super) fn hops(settings: &Settings, tls: Arc<HopTls>, trust: TrustSpace) -> Result<Hops, Failure> {
    let routes = settings.relay.routes.iter();
    let route = |host: &str, port| Host { name: host.to_owned(), port };
    let hostname = settings.operator.hostname.clone();
    let hosts = HostFinder {
        routes: routes.map(|(domain, to)| (domain.clone(), route(&to.host, to.port))).collect(),
        port: settings.relay.port,
        dns: Dns::open(&dns_rules(settings))
            .map_err(|error| Failure::Configuration(format!("{error} (section [dns])")))?,
        hostname: hostname.clone(),
        random: Arc::new(SystemRandom),
    };
    Ok(Hops {
        hostname,
        tls,
        trust,
        hosts,
        host_name_check: settings.relay.host_name_check.into(),
        timeouts: Timeouts::default(),
        clock: Arc::new(SystemClock),
    })
}

/// Opens hops as `serve` would, without a server.
pub(crate) async fn probe(settings: &Settings, domain: &Domain) -> Result<Probe, Failure> {
    visit_with_list(settings, async |keeper| {
        let trust = keeper.space().clone();
        let tls = HopTls::load(settings.tls_files(), Arc::clone(trust.revocation()), Arc::new(SystemClock))?;
        let timeouts = Timeouts { command: PATIENCE, ..Timeouts::default() };
        let hops = Hops { timeouts, ..hops(settings, Arc::new(tls), trust)? };
        Ok(hops.probe(domain).await)
    })
    .await
}

fn dns_rules(settings: &Settings) -> DnsRules {
    let dns = &settings.dns;
    DnsRules {
        servers: dns.servers.iter().map(|server| server.0).collect(),
        timeout: dns.timeout,
        dnssec: match dns.dnssec {
            Dnssec::Off => relay::Dnssec::Off,
            Dnssec::Prefer => relay::Dnssec::Prefer,
            Dnssec::Require => relay::Dnssec::Require,
        },
        anchors_file: dns.anchors_file.clone(),
        zone_file: dns.zone_file.clone(),
    }
}

impl From<HostNameCheck> for relay::HostNameCheck {
    fn from(setting: HostNameCheck) -> Self {
        match setting {
            HostNameCheck::Off => Self::Off,
            HostNameCheck::Required => Self::Required,
        }
    }
}
