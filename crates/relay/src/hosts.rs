//! Where a domain's operator listens: fixed routes first, then MX records.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mssante::{Domain, Random};
use thiserror::Error;

use crate::dns::{Answer, Dns, DnsError, Exchange, Security};

/// Most hosts of a domain that are tried, and most addresses of a host: whoever publishes more wants us busy.
const MOST: usize = 10;

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name (for SNI) or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// Why no host is known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// DNS has no answer, for now.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The domain takes no mail, and says so: final where that is proven. `[RFC7505 3]`
    #[error("{0} takes no mail: its MX record is null")]
    NullMx(Domain, Security),
    /// DNS says that we are the host, and we do not serve the domain.
    #[error("the MX records of {0} lead to ourselves, and it is not among operator.domains")]
    Loop(Domain),
    /// The records name addresses or nothing.
    #[error("no MX record of {0} names a host")]
    Unusable(Domain),
    /// The host has no address.
    #[error("{0} has no address in DNS")]
    NoAddress(String),
}

/// The hosts of a domain, in the order in which they are tried, and how they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) hosts: Vec<Host>,
    pub(crate) source: HostSource,
}

/// How the hosts of a domain are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostSource {
    /// A setting.
    Route,
    /// MX records.
    Mx(Security),
    /// There is none: the domain itself.
    Domain(Security),
}

/// Finds the hosts of a domain.
pub struct HostFinder {
    /// Fixed routes: they replace MX records.
    pub routes: HashMap<Domain, Host>,
    /// Port of the hosts in MX records.
    pub port: u16,
    /// For everything else.
    pub dns: Dns,
    /// Our own name, to which we never send.
    pub hostname: String,
    /// Draws among hosts of the same preference.
    pub random: Arc<dyn Random>,
}

impl HostFinder {
    /// The hosts to try, in order. `[RFC5321 5.1]`
    pub(crate) async fn find(&self, domain: &Domain) -> Result<Found, HostError> {
        if let Some(route) = self.routes.get(domain) {
            return Ok(Found { hosts: vec![route.clone()], source: HostSource::Route });
        }
        let Answer { records, security } = self.dns.exchanges(domain.as_str()).await?;
        let source = if records.is_empty() { HostSource::Domain(security) } else { HostSource::Mx(security) };
        let names = in_order(domain, Answer { records, security }, &self.hostname, &*self.random)?;
        let hosts = names.into_iter().take(MOST).map(|name| Host { name, port: self.port }).collect();
        Ok(Found { hosts, source })
    }

    /// The addresses of a host, in the order in which they are tried: IPv6 and IPv4 in turn, so that a network in which
    /// one of the two does not work costs one attempt and no more. `[RFC8305 4]`
    pub(crate) async fn addresses(&self, host: &Host) -> Result<(Vec<SocketAddr>, Security), HostError> {
        let Answer { records, security } = match literal(&host.name) {
            Some(address) => Answer { records: vec![address], security: Security::Local },
            None => self.dns.addresses(&host.name).await?,
        };
        let addresses = in_turn(records);
        if addresses.is_empty() {
            return Err(HostError::NoAddress(host.name.clone()));
        }
        Ok((addresses.into_iter().take(MOST).map(|ip| SocketAddr::new(ip, host.port)).collect(), security))
    }
}

/// An address that is written instead of a name, with or without brackets.
fn literal(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn in_turn(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut six, mut four, mut ordered) = (six.into_iter(), four.into_iter(), Vec::new());
    loop {
        match (six.next(), four.next()) {
            (None, None) => return ordered,
            (a, b) => ordered.extend(a.into_iter().chain(b)),
        }
    }
}

/// Lowest preference first, equals shuffled; without records the domain itself; a null MX takes no mail. Records
/// that are no better than one that names ourselves are left out. `[RFC5321 5.1]`, `[RFC7505 3]`
fn in_order(
    domain: &Domain,
    answer: Answer<Exchange>,
    ourselves: &str,
    random: &dyn Random,
) -> Result<Vec<String>, HostError> {
    let Answer { records: mut exchanges, security } = answer;
    if exchanges.is_empty() {
        exchanges.push(Exchange { preference: 0, host: domain.to_string() });
    }
    exchanges.retain(|mx| !mx.host.is_empty());
    if exchanges.is_empty() {
        return Err(HostError::NullMx(domain.clone(), security));
    }
    exchanges.retain(|mx| literal(&mx.host).is_none());
    if exchanges.is_empty() {
        return Err(HostError::Unusable(domain.clone()));
    }
    let ours = exchanges.iter().filter(|mx| mx.host.eq_ignore_ascii_case(ourselves)).map(|mx| mx.preference).min();
    exchanges.retain(|mx| ours.is_none_or(|ours| mx.preference < ours));
    if exchanges.is_empty() {
        return Err(HostError::Loop(domain.clone()));
    }
    exchanges.sort_by_cached_key(|mx| {
        let mut lot = [0; 4];
        random.fill(&mut lot);
        (mx.preference, u32::from_ne_bytes(lot))
    });
    Ok(exchanges.into_iter().map(|mx| mx.host).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::dns::DnsRules;

    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_sub(1, Ordering::Relaxed));
        }
    }

    fn domain() -> Domain {
        Domain::parse("pharmacie.mssante.fr").unwrap()
    }

    fn ordered(exchanges: &[(u16, &str)]) -> Result<Vec<String>, HostError> {
        let exchange = |&(preference, host): &(u16, &str)| Exchange { preference, host: host.to_owned() };
        let answer = Answer { records: exchanges.iter().map(exchange).collect(), security: Security::Secure };
        in_order(&domain(), answer, "mail.ch.fr", &Counting(AtomicU8::new(200)))
    }

    fn finder(zone: &str) -> HostFinder {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zone");
        std::fs::write(&file, zone).unwrap();
        HostFinder {
            routes: HashMap::new(),
            port: 25,
            dns: Dns::open(&DnsRules { zone_file: Some(file), ..DnsRules::default() }).unwrap(),
            hostname: "mail.ch.fr".to_owned(),
            random: Arc::new(Counting(AtomicU8::new(200))),
        }
    }

    #[test]
    fn the_lowest_preference_comes_first_and_equals_are_drawn() {
        assert_eq!(ordered(&[(20, "c"), (10, "a"), (10, "b")]).unwrap(), ["b", "a", "c"]);
    }

    #[test]
    fn without_mx_the_domain_itself_is_the_host() {
        assert_eq!(ordered(&[]).unwrap(), ["pharmacie.mssante.fr"]);
    }

    #[test]
    fn a_null_mx_takes_no_mail() {
        assert_eq!(ordered(&[(0, "")]), Err(HostError::NullMx(domain(), Security::Secure)));
    }

    #[test]
    fn records_that_are_no_better_than_ourselves_are_left_out() {
        assert_eq!(ordered(&[(10, "a"), (20, "MAIL.ch.fr"), (20, "b"), (30, "c")]).unwrap(), ["a"]);
        assert_eq!(ordered(&[(10, "mail.ch.fr"), (20, "b")]), Err(HostError::Loop(domain())));
    }

    #[test]
    fn a_record_that_names_an_address_is_no_host() {
        assert_eq!(ordered(&[(10, "192.0.2.1"), (20, "b")]).unwrap(), ["b"]);
        assert_eq!(ordered(&[(10, "192.0.2.1")]), Err(HostError::Unusable(domain())));
    }

    #[tokio::test]
    async fn a_fixed_route_replaces_dns() {
        let route = Host { name: "127.0.0.1".to_owned(), port: 2525 };
        let mut finder = finder("pharmacie.mssante.fr MX 10 mx.fr.\n");
        finder.routes.insert(domain(), route.clone());
        let found = finder.find(&domain()).await.unwrap();
        assert_eq!((found.hosts, found.source), (vec![route.clone()], HostSource::Route));
        assert_eq!(finder.addresses(&route).await.unwrap().0, ["127.0.0.1:2525".parse().unwrap()]);
    }

    #[tokio::test]
    async fn both_kinds_of_address_are_tried_in_turn() {
        let finder = finder("mx.fr A 192.0.2.1\nmx.fr A 192.0.2.2\nmx.fr AAAA 2001:db8::1\nempty.fr TXT x\n");
        let host = |name: &str| Host { name: name.to_owned(), port: 25 };
        let (addresses, _) = finder.addresses(&host("mx.fr")).await.unwrap();
        assert_eq!(addresses.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>(), [true, false, false]);
        let none = finder.addresses(&host("empty.fr")).await;
        assert_eq!(none, Err(HostError::NoAddress("empty.fr".to_owned())));
        let unknown = finder.addresses(&host("x.fr")).await;
        assert_eq!(unknown, Err(HostError::Dns(DnsError::NoName("x.fr".to_owned()))));
    }
}
