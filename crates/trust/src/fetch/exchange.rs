//! Talking to an interface with a key: any status is an answer, and nobody is followed anywhere.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method};

use super::{FetchError, Fetcher, parsed, schedule};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// GET or PATCH.
    pub verb: Verb,
    /// The whole URL.
    pub url: String,
    /// Media type and octets of the body, if there is one.
    pub body: Option<(&'static str, Vec<u8>)>,
}

/// What is done to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read it.
    Get,
    /// Change a part of it. `[RFC5789 2]`
    Patch,
}

/// A name and a secret that go with each request. Not printed.
#[derive(Clone)]
pub struct AccessKey {
    name: HeaderName,
    value: HeaderValue,
}

impl AccessKey {
    /// A header with a secret as its value.
    pub fn new(name: &'static str, secret: &str) -> Result<Self, FetchError> {
        let unusable = || FetchError::Configuration("the key has characters that cannot stand in a header".to_owned());
        let mut value = HeaderValue::from_str(secret).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok(Self { name: HeaderName::from_static(name), value })
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// HTTP status, whatever it is.
    pub status: u16,
    /// When the server wants to be asked again. `[RFC9110 10.2.3]`
    pub retry_after: Option<Duration>,
    /// The body.
    pub octets: Vec<u8>,
}

impl Fetcher {
    /// Makes the request with the key. Redirects are answers like others: the key is for this server only. At most
    /// `limit` octets come back.
    pub async fn exchange(&self, exchange: &Exchange, key: &AccessKey, limit: usize) -> Result<Exchanged, FetchError> {
        let url = &exchange.url;
        let method = match exchange.verb {
            Verb::Get => Method::GET,
            Verb::Patch => Method::PATCH,
        };
        let client: &Client = &self.unled;
        let mut request = client.request(method, parsed(url)?).header(key.name.clone(), key.value.clone());
        if let Some((media_type, body)) = &exchange.body {
            request = request.header(CONTENT_TYPE, *media_type).body(body.clone());
        }
        let response = request.send().await.map_err(|error| self.causes.connection(url, &error))?;
        let status = response.status().as_u16();
        let retry_after = schedule::retry_after(response.headers(), self.clock.now());
        let octets = self.body(url, response, limit).await?;
        Ok(Exchanged { status, retry_after, octets })
    }
}
