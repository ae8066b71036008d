//! A master file in place of DNS: for tests, demonstrations and networks without DNS. `[RFC1035 5.1]`
//!
//! Names are complete with or without their final dot, unless `$ORIGIN` says otherwise; a TTL need not stand there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::txt::Parser;

use super::{Answer, DnsError, DnsSetupError, Exchange, Security};

/// Longest chain of aliases that is followed.
const MOST_ALIASES: usize = 8;

/// The records of the file by lower-case name without its final dot. What is not in it does not exist.
#[derive(Debug)]
pub(super) struct Zone(HashMap<String, Vec<RData>>);

impl Zone {
    pub(super) fn read(file: &Path) -> Result<Self, DnsSetupError> {
        let wrong = |why: String| DnsSetupError::File { file: file.to_owned(), why };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text, Some(file)).map_err(wrong)
    }

    fn parse(text: &str, file: Option<&Path>) -> Result<Self, String> {
        let text = format!("$TTL 300\n{text}");
        let (_, sets) = Parser::new(text, file.map(Path::to_owned), Some(Name::root()))
            .parse()
            .map_err(|error| format!("not a DNS master file: {error}"))?;
        let mut records: HashMap<String, Vec<RData>> = HashMap::new();
        for (key, set) in sets {
            let data = set.records_without_rrsigs().map(|record| record.data.clone());
            records.entry(plain(&Name::from(key.name))).or_default().extend(data);
        }
        Ok(Self(records))
    }

    pub(super) fn exchanges(&self, domain: &str) -> Result<Answer<Exchange>, DnsError> {
        self.answer(domain, |data| match data {
            RData::MX(mx) => Some(Exchange { preference: mx.preference, host: plain(&mx.exchange) }),
            _ => None,
        })
    }

    pub(super) fn addresses(&self, host: &str) -> Result<Answer<IpAddr>, DnsError> {
        self.answer(host, RData::ip_addr)
    }

    fn answer<T>(&self, name: &str, of_type: impl Fn(&RData) -> Option<T>) -> Result<Answer<T>, DnsError> {
        let records = self.records(name)?.iter().filter_map(of_type).collect();
        Ok(Answer { records, security: Security::Local })
    }

    /// The records of a name, aliases followed.
    fn records(&self, name: &str) -> Result<&[RData], DnsError> {
        let mut at = name.trim_end_matches('.').to_ascii_lowercase();
        for _ in 0..MOST_ALIASES {
            let records = self.0.get(&at).ok_or_else(|| DnsError::NoName(at.clone()))?;
            match records.iter().find(|data| data.record_type() == RecordType::CNAME) {
                Some(RData::CNAME(alias)) => at = plain(&alias.0),
                _ => return Ok(records),
            }
        }
        let why = format!("more than {MOST_ALIASES} aliases");
        Err(DnsError::Unavailable { name: name.to_owned(), why })
    }
}

/// Lower case, without the final dot.
pub(super) fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
; two hosts and an alias
labo.mssante.fr       MX 20 mx2.labo.fr
                  IN  MX 10 MX1.labo.fr.
mx1.labo.fr       60  IN  A 127.0.0.2
mx1.labo.fr           AAAA ::1
mx2.labo.fr           CNAME other.labo.fr.
other.labo.fr         A 127.0.0.3
none.mssante.fr       MX 0 .
loop1.fr              CNAME loop2.fr.
loop2.fr              CNAME loop1.fr.
";

    fn zone() -> Zone {
        Zone::parse(FILE, None).unwrap()
    }

    #[test]
    fn hosts_and_addresses_are_found_in_any_case() {
        let exchanges = zone().exchanges("Labo.MSSANTE.fr.").unwrap();
        assert_eq!(exchanges.security, Security::Local);
        let mut found: Vec<_> = exchanges.records.iter().map(|mx| (mx.preference, mx.host.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [(10, "mx1.labo.fr"), (20, "mx2.labo.fr")]);
        let mut addresses = zone().addresses("mx1.labo.fr").unwrap().records;
        addresses.sort_unstable();
        assert_eq!(addresses, ["127.0.0.2".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    }

    #[test]
    fn aliases_are_followed_and_a_circle_of_them_is_doubt() {
        assert_eq!(zone().addresses("mx2.labo.fr").unwrap().records, ["127.0.0.3".parse::<IpAddr>().unwrap()]);
        assert!(matches!(zone().addresses("loop1.fr"), Err(DnsError::Unavailable { .. })));
    }

    #[test]
    fn a_name_without_the_records_differs_from_no_name() {
        assert_eq!(zone().exchanges("other.labo.fr").unwrap().records, []);
        assert_eq!(zone().exchanges("x.fr"), Err(DnsError::NoName("x.fr".to_owned())));
        assert_eq!(zone().exchanges("none.mssante.fr").unwrap().records[0].host, "");
    }

    #[test]
    fn what_is_no_master_file_is_refused() {
        for text in ["a.fr MX mx", "a.fr A 1.2.3", "a.fr WHAT 1", "a.fr A \"", "\0"] {
            assert!(Zone::parse(text, None).is_err(), "{text:?}");
        }
        let error = Zone::read(Path::new("/nowhere/zone")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/zone"), "{error}");
    }
}
