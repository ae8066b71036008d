//! Where a domain's operator listens: fixed routes first, then MX records.

use std::collections::HashMap;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use mssante::{Domain, Random};
use thiserror::Error;

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name (for SNI) or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// Why no host is known.
#[derive(Debug, Clone, Error)]
pub enum HostError {
    /// DNS does not answer; later.
    #[error("DNS does not answer for {0}")]
    Temporary(Domain),
    /// The domain takes no mail.
    #[error("{0} has no mail host in DNS")]
    NoHost(Domain),
}

/// An MX record: preference and host name, without the final dot; an empty name is a null MX.
type Exchange = (u16, String);

/// Finds the hosts of a domain.
pub struct HostFinder {
    routes: HashMap<Domain, Host>,
    port: u16,
    /// None where the machine has no DNS configuration: fixed routes only.
    dns: Option<TokioResolver>,
    random: Arc<dyn Random>,
}

impl HostFinder {
    /// Fixed routes (`domain -> host:port`); everything else by MX in DNS as the machine is
    /// configured, port `port`.
    pub fn new(routes: HashMap<Domain, Host>, port: u16, random: Arc<dyn Random>) -> Self {
        let dns = match TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build) {
            Ok(resolver) => Some(resolver),
            Err(error) => {
                tracing::warn!(%error, "no DNS configuration on this machine: only [relay.routes] are usable");
                None
            }
        };
        Self { routes, port, dns, random }
    }

    /// The hosts to try, in order. `[RFC5321 5.1]`
    pub async fn find(&self, domain: &Domain) -> Result<Vec<Host>, HostError> {
        if let Some(route) = self.routes.get(domain) {
            return Ok(vec![route.clone()]);
        }
        let exchanges = self.look_up(domain).await?;
        let names = in_order(domain, exchanges, &*self.random)?;
        Ok(names.into_iter().map(|name| Host { name, port: self.port }).collect())
    }

    async fn look_up(&self, domain: &Domain) -> Result<Vec<Exchange>, HostError> {
        let dns = self.dns.as_ref().ok_or_else(|| HostError::Temporary(domain.clone()))?;
        match dns.mx_lookup(format!("{domain}.")).await {
            Ok(found) => Ok(found.answers().iter().filter_map(|record| exchange(&record.data)).collect()),
            Err(error) if is_no_records(&error) => Ok(Vec::new()),
            Err(error) => {
                tracing::info!(%domain, %error, "MX look-up failed");
                Err(HostError::Temporary(domain.clone()))
            }
        }
    }
}

fn exchange(data: &RData) -> Option<Exchange> {
    let RData::MX(mx) = data else { return None };
    Some((mx.preference, mx.exchange.to_ascii().trim_end_matches('.').to_owned()))
}

fn is_no_records(error: &NetError) -> bool {
    error.is_no_records_found()
}

/// Lowest preference first, equals shuffled; without records the domain itself; a null MX
/// takes no mail. `[RFC5321 5.1]`, `[RFC7505 3]`
fn in_order(domain: &Domain, mut exchanges: Vec<Exchange>, random: &dyn Random) -> Result<Vec<String>, HostError> {
    if exchanges.is_empty() {
        return Ok(vec![domain.to_string()]);
    }
    exchanges.retain(|(_, name)| !name.is_empty());
    if exchanges.is_empty() {
        return Err(HostError::NoHost(domain.clone()));
    }
    exchanges.sort_by_cached_key(|(preference, _)| {
        let mut lot = [0; 4];
        random.fill(&mut lot);
        (*preference, u32::from_ne_bytes(lot))
    });
    Ok(exchanges.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

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
        let exchanges = exchanges.iter().map(|&(preference, name)| (preference, name.to_owned())).collect();
        in_order(&domain(), exchanges, &Counting(AtomicU8::new(200)))
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
        assert!(matches!(ordered(&[(0, "")]), Err(HostError::NoHost(_))));
    }

    #[tokio::test]
    async fn a_fixed_route_replaces_dns() {
        let route = Host { name: "127.0.0.1".to_owned(), port: 2525 };
        let finder = HostFinder::new([(domain(), route.clone())].into(), 25, Arc::new(Counting(AtomicU8::new(0))));
        assert_eq!(finder.find(&domain()).await.unwrap(), [route]);
    }
}
