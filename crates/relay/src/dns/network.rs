//! DNS on the network, with signatures verified in this process where the rules ask for it.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};

use super::zone::plain;
use super::{Answer, DnsError, DnsRules, DnsSetupError, Dnssec, Exchange, Security};

/// A resolver and what its answers must prove.
pub(super) struct Network {
    resolver: TokioResolver,
    dnssec: Dnssec,
}

impl Network {
    /// None where the machine has no DNS configuration and the rules name no server.
    pub(super) fn open(rules: &DnsRules) -> Result<Option<Self>, DnsSetupError> {
        let mut builder = if rules.servers.is_empty() {
            match TokioResolver::builder_tokio() {
                Ok(builder) => builder,
                Err(error) => {
                    tracing::warn!(%error, "no DNS configuration on this machine: only [relay.routes] are usable");
                    return Ok(None);
                }
            }
        } else {
            let servers = rules.servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        builder.options_mut().timeout = rules.timeout;
        builder.options_mut().validate = rules.dnssec != Dnssec::Off;
        if let Some(file) = rules.anchors_file.as_deref().filter(|_| rules.dnssec != Dnssec::Off) {
            builder = builder.with_trust_anchor(Arc::new(anchors(file)?));
        }
        let resolver = builder.build().map_err(|error| DnsSetupError::Resolver(error.to_string()))?;
        Ok(Some(Self { resolver, dnssec: rules.dnssec }))
    }

    pub(super) async fn exchanges(&self, domain: &str) -> Result<Answer<Exchange>, DnsError> {
        let (records, security) = self.look_up(domain, RecordType::MX).await?;
        let exchange = |record: &Record| match &record.data {
            RData::MX(mx) => Some(Exchange { preference: mx.preference, host: plain(&mx.exchange) }),
            _ => None,
        };
        Ok(Answer { records: records.iter().filter_map(exchange).collect(), security })
    }

    /// One kind of address is enough: that the other cannot be had is an error only if both cannot.
    pub(super) async fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        let (six, four) = tokio::join!(self.look_up(host, RecordType::AAAA), self.look_up(host, RecordType::A));
        let (found, security) = match (six, four) {
            (Ok((six, a)), Ok((four, b))) => ([six, four].concat(), a.min(b)),
            (Ok(one), Err(error)) | (Err(error), Ok(one)) if one.0.is_empty() => return Err(error),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => one,
            (Err(_), Err(error)) => return Err(error),
        };
        Ok(Answer { records: found.iter().filter_map(|record| record.data.ip_addr()).collect(), security })
    }

    async fn look_up(&self, name: &str, kind: RecordType) -> Result<(Vec<Record>, Security), DnsError> {
        let question = format!("{}.", name.trim_end_matches('.'));
        let (records, proof) = match self.resolver.lookup(question, kind).await {
            Ok(found) => (found.answers().to_vec(), weakest(found.answers())),
            Err(error) => (Vec::new(), absence(name, &error)?),
        };
        Ok((records, judge(name, proof, self.dnssec)?))
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

fn anchors(file: &Path) -> Result<TrustAnchors, DnsSetupError> {
    TrustAnchors::from_file(file)
        .map_err(|error| DnsSetupError::File { file: file.to_owned(), why: format!("no DNSKEY records: {error}") })
}

fn weakest(records: &[Record]) -> Proof {
    records.iter().map(|record| record.proof).min().unwrap_or_default()
}

/// That there are no such records is an answer too, with a proof of its own; everything else is an error.
fn absence(name: &str, error: &NetError) -> Result<Proof, DnsError> {
    let no_name = |code| if code == ResponseCode::NXDomain { Err(DnsError::NoName(name.to_owned())) } else { Ok(()) };
    match error {
        NetError::Dns(NetDnsError::NoRecordsFound(none)) => {
            no_name(none.response_code).map(|()| weakest(none.authorities.as_deref().unwrap_or_default()))
        }
        NetError::Dns(NetDnsError::Nsec { response, proof, .. }) if !proof.is_bogus() => {
            no_name(response.response_code).map(|()| *proof)
        }
        NetError::Dns(NetDnsError::Nsec { .. } | NetDnsError::DnssecBogus) => Err(DnsError::Bogus(name.to_owned())),
        other => {
            let why = match other {
                NetError::Dns(NetDnsError::ResponseCode(code)) => format!("the server answers {code}"),
                other => other.to_string(),
            };
            Err(DnsError::Unavailable { name: name.to_owned(), why })
        }
    }
}

/// Whether an answer with this proof is believed. `[RFC4035 4.3]`
fn judge(name: &str, proof: Proof, dnssec: Dnssec) -> Result<Security, DnsError> {
    match (dnssec, proof) {
        (Dnssec::Off, _) => Ok(Security::Unchecked),
        (_, Proof::Bogus) => Err(DnsError::Bogus(name.to_owned())),
        (_, Proof::Secure) => Ok(Security::Secure),
        (Dnssec::Prefer, _) => Ok(Security::Insecure),
        (Dnssec::Require, _) => Err(DnsError::NotSigned(name.to_owned())),
    }
}
