//! Every setting with its type and default. `config/pli.toml` explains them; a test holds the
//! two together.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use humantime_serde::Serde;
use mssante::Domain;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use super::admin::Admin;
use super::annuaire::Annuaire;
use super::audit::Audit;
use super::fhir::Publication;
use super::life::{Bal, Quota};
use super::rules::Rules;
use super::trust::{Fetch, Revocation, TrustList};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) operator: Operator,
    pub(crate) data: Data,
    #[serde(default)]
    pub(crate) database: Database,
    #[serde(default)]
    pub(crate) store: Store,
    pub(crate) tls: Tls,
    pub(crate) trust_list: TrustList,
    #[serde(default)]
    pub(crate) revocation: Revocation,
    #[serde(default)]
    pub(crate) fetch: Fetch,
    #[serde(default)]
    pub(crate) annuaire: Annuaire,
    #[serde(default)]
    pub(crate) publication: Publication,
    #[serde(default)]
    pub(crate) bal: Bal,
    #[serde(default)]
    pub(crate) quota: Quota,
    #[serde(default)]
    pub(crate) rules: Rules,
    #[serde(default)]
    pub(crate) audit: Audit,
    #[serde(default)]
    pub(crate) hop: Hop,
    #[serde(default)]
    pub(crate) submission: Submission,
    #[serde(default)]
    pub(crate) imap: Imap,
    #[serde(default)]
    pub(crate) relay: Relay,
    #[serde(default)]
    pub(crate) dns: Dns,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) admin: Admin,
    #[serde(default)]
    pub(crate) log: Log,
}

/// Who we are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operator {
    pub(crate) hostname: String,
    #[serde(deserialize_with = "list")]
    pub(crate) domains: Vec<Domain>,
}

/// Where our files are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    pub(crate) url: Option<SecretString>,
    pub(crate) url_file: Option<PathBuf>,
    pub(crate) connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, url_file: None, connections: 16 }
    }
}

/// Sealing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    pub(crate) keyring_file: Option<PathBuf>,
}

/// Our certificate and whom we believe.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "settings that name files end in _file")]
pub(crate) struct Tls {
    pub(crate) certificate_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) anchors_file: PathBuf,
    pub(crate) issuers_file: PathBuf,
    #[serde(default = "half_a_minute", with = "humantime_serde")]
    pub(crate) watch_interval: Duration,
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

/// What a listener asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificate {
    Required,
    Requested,
    Off,
}

impl From<ClientCertificate> for trust::ClientCertificate {
    fn from(setting: ClientCertificate) -> Self {
        match setting {
            ClientCertificate::Required => Self::Required,
            ClientCertificate::Requested => Self::Requested,
            ClientCertificate::Off => Self::Off,
        }
    }
}

/// Other operators.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hop {
    #[serde(deserialize_with = "list")]
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) client_certificate: ClientCertificate,
    pub(crate) max_size: u64,
    pub(crate) max_recipients: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
}

impl Default for Hop {
    fn default() -> Self {
        Self {
            listen: vec![any_address(25)],
            client_certificate: ClientCertificate::Required,
            max_size: MESSAGE_SIZE,
            max_recipients: 100,
            max_connections: 500,
            max_connections_per_address: 100,
        }
    }
}

/// Mail clients and business software that send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Submission {
    #[serde(deserialize_with = "list")]
    pub(crate) listen_starttls: Vec<SocketAddr>,
    #[serde(deserialize_with = "list")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) client_certificate: ClientCertificate,
    pub(crate) max_size: u64,
    pub(crate) max_recipients: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) hashing_jobs: usize,
}

impl Default for Submission {
    fn default() -> Self {
        Self {
            listen_starttls: vec![any_address(587)],
            listen_tls: vec![any_address(465)],
            client_certificate: ClientCertificate::Requested,
            max_size: MESSAGE_SIZE,
            max_recipients: 100,
            max_connections: 500,
            max_connections_per_address: 100,
            hashing_jobs: 2,
        }
    }
}

/// Mail clients and business software that read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Imap {
    #[serde(deserialize_with = "list")]
    pub(crate) listen_starttls: Vec<SocketAddr>,
    #[serde(deserialize_with = "list")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) client_certificate: ClientCertificate,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) idle_timeout: Duration,
    pub(crate) max_size: u64,
}

impl Default for Imap {
    fn default() -> Self {
        Self {
            listen_starttls: vec![any_address(143)],
            listen_tls: vec![any_address(993)],
            client_certificate: ClientCertificate::Requested,
            max_connections: 10_000,
            max_connections_per_address: 500,
            idle_timeout: Duration::from_mins(30),
            max_size: MESSAGE_SIZE,
        }
    }
}

/// Mail to other operators.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Relay {
    pub(crate) connections: usize,
    pub(crate) port: u16,
    #[serde(deserialize_with = "durations")]
    pub(crate) retry: Vec<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) expiry: Duration,
    pub(crate) host_name_check: HostNameCheck,
    pub(crate) routes: HashMap<Domain, HostPort>,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            connections: 20,
            port: 25,
            retry: [1, 5, 15, 30, 60, 120].map(Duration::from_mins).to_vec(),
            expiry: Duration::from_hours(48),
            host_name_check: HostNameCheck::Off,
            routes: HashMap::new(),
        }
    }
}

/// Whether hosts must carry their names in their certificates.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostNameCheck {
    Off,
    Required,
}

/// Where other operators are looked up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    #[serde(deserialize_with = "list")]
    pub(crate) servers: Vec<DnsServer>,
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    pub(crate) dnssec: Dnssec,
    pub(crate) anchors_file: Option<PathBuf>,
    pub(crate) zone_file: Option<PathBuf>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            dnssec: Dnssec::Off,
            anchors_file: None,
            zone_file: None,
        }
    }
}

/// An address with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DnsServer(pub(crate) SocketAddr);

impl std::str::FromStr for DnsServer {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let plain = || word.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
        word.parse()
            .or_else(|_| plain())
            .map(Self)
            .map_err(|_| "not an address such as 192.0.2.53, 192.0.2.53:5353, [2001:db8::53]:53")
    }
}

/// Whether DNS must be signed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dnssec {
    Off,
    Prefer,
    Require,
}

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a route; write \"host:port\"");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Health and metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9080)) }
    }
}

/// Logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// Who reads the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// 25 MiB.
const MESSAGE_SIZE: u64 = 25 * 1024 * 1024;

fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

/// A list in the file; words between commas in the environment.
pub(super) fn list<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of texts, or one text with commas")]
    enum Words {
        List(Vec<String>),
        Text(String),
    }
    let words = match Words::deserialize(deserializer)? {
        Words::List(words) => words,
        Words::Text(text) => {
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
    };
    let read = |word: &String| word.parse().map_err(|error| de::Error::custom(format!("'{word}': {error}")));
    words.iter().map(read).collect()
}

fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    /// Lets `list` read durations.
    struct Wait(Duration);
    impl std::str::FromStr for Wait {
        type Err = String;

        fn from_str(word: &str) -> Result<Self, String> {
            let value = de::value::StrDeserializer::<de::value::Error>::new(word);
            let wait = Serde::<Duration>::deserialize(value).map_err(|_| "not a duration such as 30s, 5m, 4h, 2d")?;
            Ok(Self(wait.into_inner()))
        }
    }
    Ok(list::<D, Wait>(deserializer)?.into_iter().map(|Wait(wait)| wait).collect())
}
