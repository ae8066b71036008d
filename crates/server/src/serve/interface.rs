//! The national directory's interface, asked over HTTPS with our key and at its pace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use annuaire::fhir::{Answer, Base, Heard, Pace};
use mssante::Clock as _;
use trust::{AccessKey, Exchange, FetchError, FetchRules, Fetcher, Verb};

use crate::ambient::SystemClock;
use crate::config::Settings;

/// The header that the interface looks for.
const KEY: &str = "esante-api-key";
/// The interface itself gives up after this.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A page of 50 roles with who and where has about 1 MB.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Where the interface is, and what opens it.
pub(crate) struct Interface {
    base: Base,
    fetcher: Fetcher,
    key: AccessKey,
    pace: Arc<Pace>,
}

/// The settings of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    /// The base of the interface.
    pub(crate) url: &'a str,
    /// Where the key is.
    pub(crate) key_file: &'a Path,
    /// Whom its server chains to, if not to those of the directory.
    pub(crate) anchors_file: Option<&'a PathBuf>,
    /// Calls in a second.
    pub(crate) calls: u32,
}

/// The pace of each host that this process calls: the interface counts the calls of an application, whatever they are for.
static PACES: LazyLock<Mutex<HashMap<String, Pace>>> = LazyLock::new(Mutex::default);

/// In the same row as all other calls of this process to the same host.
fn pace(url: &str, calls: u32) -> Pace {
    let host = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/").to_ascii_lowercase();
    let mut paces = PACES.lock().unwrap_or_else(PoisonError::into_inner);
    paces.entry(host).or_insert_with(|| Pace::per_second(calls)).sharing(calls)
}

impl Interface {
    /// Reads key and anchors. Made anew for each use, so that a new key counts at once.
    pub(crate) fn open(settings: &Settings, access: Access<'_>) -> Result<Self, FetchError> {
        let unusable = |why: String| FetchError::Configuration(why);
        let base = Base::parse(access.url).map_err(|error| unusable(error.to_string()))?;
        let key = std::fs::read_to_string(access.key_file)
            .map_err(|error| unusable(format!("the key {} cannot be read: {error}", access.key_file.display())))?;
        if key.trim().is_empty() {
            return Err(unusable(format!("the key {} is empty", access.key_file.display())));
        }
        let anchors = access.anchors_file.or(settings.annuaire.anchors_file.as_ref());
        let anchors = anchors.unwrap_or(&settings.tls.anchors_file);
        let rules = FetchRules { timeout: TIMEOUT, ..settings.fetch.rules() };
        Ok(Self {
            base,
            fetcher: Fetcher::load(anchors, &rules, Arc::new(SystemClock))?,
            key: AccessKey::new(KEY, key.trim())?,
            pace: Arc::new(pace(access.url, access.calls)),
        })
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// What spreads the calls.
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Waits for the next place.
    pub(crate) async fn wait(&self) {
        while let Err(wait) = self.pace.take(SystemClock.now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Makes one call.
    pub(crate) async fn call(&self, verb: Verb, url: String, body: Option<(&'static str, Vec<u8>)>) -> Heard {
        let exchange = Exchange { verb, url, body };
        match self.fetcher.exchange(&exchange, &self.key, MAX_ANSWER).await {
            Ok(done) => Heard::Answer(Answer { status: done.status, retry_after: done.retry_after, body: done.octets }),
            Err(error) => Heard::Nothing(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn all_calls_of_a_process_to_a_host_keep_one_pace() {
        let now = datetime!(2026-11-22 6:00 UTC);
        let reading = pace("https://one.test/fhir/v2", 15);
        let telling = pace("https://ONE.test/fhir/v2/", 10);
        assert_eq!(reading.take(now), Ok(()));
        assert!(telling.take(now).is_err(), "the other one has just called");
        assert_eq!(pace("https://two.test/fhir/v2", 15).take(now), Ok(()));
    }
}
