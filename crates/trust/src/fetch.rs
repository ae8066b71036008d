//! Getting lists over HTTP: conditional, bounded in size and time, with trust anchors of our own.

mod causes;
mod download;
mod exchange;
pub mod schedule;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mssante::Clock;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Proxy, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;
use thiserror::Error;

use self::causes::Causes;
pub use self::download::{Described, Downloaded};
pub use self::exchange::{AccessKey, Exchange, Exchanged, Verb};
use crate::chain::provider;
use crate::shown::masked;
use crate::tls::{ClockTime, files};

/// What says who asks: servers that limit rates can tell us from robots.
const USER_AGENT: &str = concat!("pli/", env!("CARGO_PKG_VERSION"));

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// For a TCP connection; the configured time is for the whole exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How to fetch.
#[derive(Debug, Clone)]
pub struct FetchRules {
    /// For the whole exchange.
    pub timeout: Duration,
    /// `http://host:port` of a proxy, for those behind one. None: direct, whatever the environment says.
    pub proxy: Option<String>,
}

impl Default for FetchRules {
    fn default() -> Self {
        Self { timeout: Duration::from_mins(1), proxy: None }
    }
}

/// What the server said of the octets that we hold, for a conditional request. `[RFC9110 13.1.2]` `[RFC9110 13.1.3]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

/// The outcome of a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// What we hold is current.
    NotModified,
    /// New octets.
    Body {
        /// The octets.
        octets: Vec<u8>,
        /// For the next request.
        validators: Validators,
    },
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// The configuration cannot work: URL, proxy.
    #[error("{}", masked(.0))]
    Configuration(String),
    /// No connection, or it broke; certificates of the server that we do not trust included.
    #[error("{}: {}", masked(url), masked(why))]
    Connection {
        /// What was asked for.
        url: String,
        /// What happened, with causes.
        why: String,
    },
    /// The server refused.
    #[error("{}: the server answered {status}{}", masked(url), hint(*status))]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// When the server wants to be asked again. `[RFC9110 10.2.3]`
        retry_after: Option<Duration>,
    },
    /// An interface turned us away, and what it said is worth more than its status.
    #[error("{}: {}", masked(url), masked(why))]
    TurnedAway {
        /// What was asked for.
        url: String,
        /// What it said.
        why: String,
        /// HTTP status.
        status: u16,
        /// When it wants to be asked again. `[RFC9110 10.2.3]`
        retry_after: Option<Duration>,
    },
    /// More octets than expected.
    #[error("{}: more than {limit} octets", masked(url))]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// It came, and could not be written: our disk, not the server.
    #[error("{}: what came cannot be kept: {why}; is the disk full?", masked(url))]
    NotKept {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
    },
}

/// What to do about a refusal.
fn hint(status: u16) -> &'static str {
    match status {
        401 => ": it wants a name and a password, or those in the URL are wrong; check the URL",
        403 => ": it does not let us in; ask those who run it whether our address or our account is blocked",
        404 | 410 => ": there is nothing of that name; check the URL",
        407 => ": the proxy wants a name and a password; check fetch.proxy",
        429 => ": it was asked too often; it is asked again later by itself",
        _ => "",
    }
}

/// An HTTP client; cheap to clone. It follows at most three redirects, never one from https to
/// http nor from http to another host, and keeps nothing of what it fetched.
#[derive(Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    /// The same, but it follows no redirect.
    unled: reqwest::Client,
    causes: Causes,
    clock: Arc<dyn Clock>,
}

impl Fetcher {
    /// Servers must chain to the certificates of the PEM file `anchors` and carry the name of the
    /// URL; the anchors of the system are not looked at.
    pub fn load(anchors: &Path, rules: &FetchRules, clock: Arc<dyn Clock>) -> Result<Self, FetchError> {
        let tls = tls(anchors, Arc::clone(&clock))?;
        let client = client(tls.clone(), rules, Policy::custom(redirect))?;
        let unled = self::client(tls, rules, Policy::none())?;
        Ok(Self { client, unled, causes: Causes::new(anchors, rules.timeout), clock })
    }

    /// GETs a URL unless it is what `known` stands for. At most `limit` octets: what announces
    /// more is not read, what turns out to be more is not kept. `[RFC9110 13.1.2]` `[RFC9110 13.1.3]`
    pub async fn get(&self, url: &str, known: &Validators, limit: usize) -> Result<Fetched, FetchError> {
        let request = known.ask(self.client.get(parsed(url)?));
        let response = request.send().await.map_err(|error| self.causes.connection(url, &error))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if *known != Validators::default() => Ok(Fetched::NotModified),
            StatusCode::OK => {
                let validators = Validators::of(response.headers());
                let octets = self.body(url, response, limit).await?;
                Ok(Fetched::Body { octets, validators })
            }
            _ => Err(self.refused(url, &response)),
        }
    }

    /// POSTs a body, for OCSP. At most `limit` octets come back.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let request = self.client.post(parsed(url)?).header(CONTENT_TYPE, content_type).body(body);
        let response = request.send().await.map_err(|error| self.causes.connection(url, &error))?;
        match response.status() {
            StatusCode::OK => self.body(url, response, limit).await,
            _ => Err(self.refused(url, &response)),
        }
    }

    async fn body(&self, url: &str, mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
        let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
        let announced = response.content_length().unwrap_or(0);
        if announced > limit as u64 {
            return Err(too_large());
        }
        let mut octets = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.causes.connection(url, &error))? {
            if chunk.len() > limit - octets.len() {
                return Err(too_large());
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }

    fn refused(&self, url: &str, response: &Response) -> FetchError {
        FetchError::Status {
            url: url.to_owned(),
            status: response.status().as_u16(),
            retry_after: schedule::retry_after(response.headers(), self.clock.now()),
        }
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    fn ask(&self, request: RequestBuilder) -> RequestBuilder {
        let conditions = [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)];
        conditions.into_iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        })
    }
}

fn client(tls: ClientConfig, rules: &FetchRules, redirects: Policy) -> Result<reqwest::Client, FetchError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .timeout(rules.timeout)
        .connect_timeout(rules.timeout.min(CONNECT_TIMEOUT))
        .redirect(redirects)
        .no_proxy();
    let client = match &rules.proxy {
        None => client,
        Some(proxy) => client.proxy(Proxy::all(proxy).map_err(|_| no_proxy())?),
    };
    client.build().map_err(|error| FetchError::Configuration(error.to_string()))
}

fn tls(anchors: &Path, clock: Arc<dyn Clock>) -> Result<ClientConfig, FetchError> {
    let anchors = files::anchors(anchors).map_err(|error| FetchError::Configuration(error.to_string()))?;
    let config = ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| FetchError::Configuration(error.to_string()))?
        .with_root_certificates(anchors)
        .with_no_client_auth();
    Ok(config)
}

/// A list that was to come from a server whose certificate we verify must not come in clear after all; and what
/// comes in clear, which anybody on the way can answer, must not make us ask whatever host he likes.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let in_clear = attempt.previous().last().filter(|url| url.scheme() == "http");
    let elsewhere = in_clear.is_some_and(|url| url.host() != attempt.url().host());
    let from_tls = attempt.previous().iter().any(|url| url.scheme() == "https");
    match attempt.url().scheme() {
        _ if attempt.previous().len() > MAX_REDIRECTS => attempt.error("more than three redirects"),
        "http" | "https" if elsewhere => attempt.error("a redirect from http to another host is not followed"),
        "http" if from_tls => attempt.error("a redirect from https to http is not followed"),
        "http" | "https" => attempt.follow(),
        _ => attempt.error("a redirect to something else than http or https is not followed"),
    }
}

fn parsed(url: &str) -> Result<Url, FetchError> {
    match Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(parsed),
        Ok(_) => Err(FetchError::Configuration(format!("{url}: only http:// and https:// can be fetched"))),
        Err(error) => Err(FetchError::Configuration(format!("{url}: not a URL ({error})"))),
    }
}

/// The address of a proxy may hold a password: it is not repeated.
fn no_proxy() -> FetchError {
    FetchError::Configuration("the address of the proxy is not a URL; write http://host:port".to_owned())
}
