//! Getting lists over HTTP: conditional, bounded in size and time, with trust anchors of our own.

use std::path::Path;
use std::time::Duration;

use thiserror::Error;

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
        Self { timeout: Duration::from_secs(60), proxy: None }
    }
}

/// What the server said of the octets that we hold, for a conditional request. `[RFC9110 13.1]`
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
    #[error("{0}")]
    Configuration(String),
    /// No connection, or it broke; certificates of the server that we do not trust included.
    #[error("{url}: {why}")]
    Connection {
        /// What was asked for.
        url: String,
        /// What happened, with causes.
        why: String,
    },
    /// The server refused.
    #[error("{url}: the server answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// When the server wants to be asked again. `[RFC9110 10.2.3]`
        retry_after: Option<Duration>,
    },
    /// More octets than expected.
    #[error("{url}: more than {limit} octets")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
}

/// An HTTP client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
}

impl Fetcher {
    /// Servers must chain to the certificates of the PEM file `anchors` and carry the name of the
    /// URL; the anchors of the system are not looked at.
    pub fn load(anchors: &Path, rules: &FetchRules) -> Result<Self, FetchError> {
        let _ = (anchors, rules);
        todo!("revocation")
    }

    /// GETs a URL unless it is what `known` stands for. At most `limit` octets.
    pub async fn get(&self, url: &str, known: &Validators, limit: usize) -> Result<Fetched, FetchError> {
        let _ = (&self.client, url, known, limit);
        todo!("revocation")
    }

    /// POSTs a body, for OCSP. At most `limit` octets come back.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let _ = (url, content_type, body, limit);
        todo!("revocation")
    }
}
