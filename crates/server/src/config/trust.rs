//! Settings of the trust space: where the white list comes from and who signs it, how
//! revocation is checked, how both are fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::settings::list;

/// A handshake has 30 seconds, and waiting for revocation lists is a part of it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(20);

/// The white list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustList {
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) url: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub(crate) refresh: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) stale_after: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) expired_after: Duration,
    pub(crate) max_shrink: u8,
    pub(crate) signature: Signature,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) checksum_url: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) checksum_file: Option<PathBuf>,
    pub(crate) signer_cn: String,
    pub(crate) signer_ou: String,
    pub(crate) anchors_file: Option<PathBuf>,
    pub(crate) issuers_file: Option<PathBuf>,
    pub(crate) url_anchors_file: Option<PathBuf>,
    pub(crate) dn_match: DnMatch,
}

impl Default for TrustList {
    /// The signer is the ANS: its common name alone is free text, which any holder of an ORG
    /// certificate may ask for.
    fn default() -> Self {
        Self {
            url: None,
            file: None,
            refresh: Duration::from_hours(1),
            stale_after: Duration::from_hours(24),
            expired_after: Duration::from_hours(7 * 24),
            max_shrink: 20,
            signature: Signature::Required,
            checksum_url: None,
            checksum_file: None,
            signer_cn: "Liste Blanche MSSante".to_owned(),
            signer_ou: "318751275100020".to_owned(),
            anchors_file: None,
            issuers_file: None,
            url_anchors_file: None,
            dn_match: DnMatch::Normalised,
        }
    }
}

/// Where the list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListSource<'a> {
    /// Fetched over HTTPS.
    Url(&'a str),
    /// Read from a file that somebody else brings.
    File(&'a Path),
}

/// What vouches for the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signature {
    /// An enveloped signature of its signer.
    Required,
    /// A SHA-256 that comes another way.
    Sha256,
    /// Nothing.
    Off,
}

/// How names are compared.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DnMatch {
    Normalised,
    Strict,
}

impl From<DnMatch> for trust::DnMatch {
    fn from(setting: DnMatch) -> Self {
        match setting {
            DnMatch::Normalised => Self::Normalised,
            DnMatch::Strict => Self::Strict,
        }
    }
}

/// Whether certificates were revoked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Revocation {
    pub(crate) check: RevocationCheck,
    pub(crate) when_unknown: WhenUnknown,
    #[serde(deserialize_with = "list")]
    pub(crate) crl_urls: Vec<String>,
    #[serde(with = "humantime_serde")]
    pub(crate) crl_refresh: Duration,
    pub(crate) ocsp: Ocsp,
    #[serde(with = "humantime_serde")]
    pub(crate) patience: Duration,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            check: RevocationCheck::Required,
            when_unknown: WhenUnknown::Refuse,
            crl_urls: Vec::new(),
            crl_refresh: Duration::from_hours(1),
            ocsp: Ocsp::Stapled,
            patience: Duration::from_secs(5),
        }
    }
}

/// Whether revocation is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RevocationCheck {
    Required,
    Off,
}

/// What becomes of a certificate of which nobody can say whether it was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenUnknown {
    Refuse,
    Accept,
}

/// Whether OCSP answers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ocsp {
    Off,
    Stapled,
    Ask,
}

/// How lists are fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fetch {
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    pub(crate) proxy: Option<String>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self { timeout: Duration::from_mins(1), proxy: None }
    }
}

impl TrustList {
    /// Where the list comes from: exactly one of the two is set, says [`Self::check`].
    pub(crate) fn source(&self) -> Option<ListSource<'_>> {
        match (&self.url, &self.file) {
            (Some(url), _) => Some(ListSource::Url(url)),
            (None, Some(file)) => Some(ListSource::File(file)),
            (None, None) => None,
        }
    }

    /// The structure that the signer of the list must belong to; none if the check is turned off.
    pub(crate) fn signer_unit(&self) -> Option<String> {
        Some(self.signer_ou.trim()).filter(|unit| !unit.is_empty()).map(str::to_owned)
    }

    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_source()?;
        self.check_signature()?;
        self.check_times()?;
        if self.max_shrink > 100 {
            return Err(format!("trust_list.max_shrink = {} is not a percentage; write 0 to 100", self.max_shrink));
        }
        Ok(())
    }

    fn check_source(&self) -> Result<(), String> {
        match (&self.url, &self.file) {
            (None, None) => Err("trust_list names no source; set trust_list.url (production: \
                                 https://espacedeconfiance.mssante.fr/listeblanchemssante.xml) or trust_list.file"
                .to_owned()),
            (Some(_), Some(_)) => Err("trust_list.url and trust_list.file are both set; keep one \
                                       (`pli trust import FILE` takes a list from a file once)"
                .to_owned()),
            (Some(url), None) => check_https("trust_list.url", url),
            (None, Some(_)) if self.url_anchors_file.is_some() => {
                Err("trust_list.url_anchors_file is for trust_list.url, which is not set; leave it out".to_owned())
            }
            (None, Some(_)) => Ok(()),
        }
    }

    fn check_signature(&self) -> Result<(), String> {
        let checksums = usize::from(self.checksum_url.is_some()) + usize::from(self.checksum_file.is_some());
        match (self.signature, checksums) {
            (Signature::Sha256, 1) => match &self.checksum_url {
                Some(url) => check_https("trust_list.checksum_url", url),
                None => Ok(()),
            },
            (Signature::Sha256, 0) => Err("trust_list.signature = \"sha256\" needs the SHA-256 of the list; \
                                           set trust_list.checksum_url or trust_list.checksum_file"
                .to_owned()),
            (Signature::Sha256, _) => {
                Err("trust_list.checksum_url and trust_list.checksum_file are both set; keep one".to_owned())
            }
            (_, 0) => Ok(()),
            (Signature::Required | Signature::Off, _) => {
                Err("trust_list.checksum_url and trust_list.checksum_file are for trust_list.signature = \"sha256\" \
                     only; leave them out"
                    .to_owned())
            }
        }
    }

    fn check_times(&self) -> Result<(), String> {
        if self.refresh < Duration::from_secs(1) {
            return Err("trust_list.refresh is under a second; the default is 1h".to_owned());
        }
        if self.stale_after <= self.refresh {
            return Err("trust_list.stale_after is not longer than trust_list.refresh: \
                        every list would be stale before the next one is looked for"
                .to_owned());
        }
        if self.expired_after < self.stale_after {
            return Err("trust_list.expired_after is shorter than trust_list.stale_after: \
                        nobody would be warned before mail is refused"
                .to_owned());
        }
        Ok(())
    }

    /// What works but is less safe than it should be.
    pub(super) fn warnings(&self) -> Option<String> {
        match self.signature {
            Signature::Off => Some(
                "trust_list.signature = \"off\": the trust list is taken without looking at its signature; \
                 never do this in production"
                    .to_owned(),
            ),
            Signature::Sha256 => Some(
                "trust_list.signature = \"sha256\": whoever can change the checksum can change the trust list; \
                 never do this in production"
                    .to_owned(),
            ),
            Signature::Required => self.signer_unit().is_none().then(|| {
                "trust_list.signer_ou is empty: any certificate of the anchors with the right common name may sign \
                 the trust list; leave the setting out for the ANS"
                    .to_owned()
            }),
        }
    }
}

impl Revocation {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        let web = |url: &&String| ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if let Some(url) = self.crl_urls.iter().find(|url| !web(url)) {
            return Err(format!("revocation.crl_urls: '{url}' is neither http:// nor https://"));
        }
        if self.crl_refresh < Duration::from_secs(1) {
            return Err("revocation.crl_refresh is under a second; the default is 1h".to_owned());
        }
        if self.patience > LONGEST_PATIENCE {
            return Err(
                "revocation.patience is over 20s: waiting counts as part of the handshake, which is broken off \
                        after 30s; the default is 5s"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// What works but is less safe than it should be.
    pub(super) fn warnings(&self) -> Option<String> {
        match (self.check, self.when_unknown) {
            (RevocationCheck::Off, _) => Some(
                "revocation.check = \"off\": revoked certificates are accepted; never do this in production".to_owned(),
            ),
            (RevocationCheck::Required, WhenUnknown::Accept) => Some(
                "revocation.when_unknown = \"accept\": whoever keeps us from the revocation lists \
                 can use revoked certificates; never do this in production"
                    .to_owned(),
            ),
            (RevocationCheck::Required, WhenUnknown::Refuse) => None,
        }
    }

    /// The same for the trust space.
    pub(crate) fn rules(&self) -> trust::RevocationRules {
        trust::RevocationRules {
            checked: self.check == RevocationCheck::Required,
            crl_urls: self.crl_urls.clone(),
            when_unknown: match self.when_unknown {
                WhenUnknown::Refuse => trust::WhenUnknown::Refuse,
                WhenUnknown::Accept => trust::WhenUnknown::Accept,
            },
            ocsp: match self.ocsp {
                Ocsp::Off => trust::Ocsp::Off,
                Ocsp::Stapled => trust::Ocsp::Stapled,
                Ocsp::Ask => trust::Ocsp::Ask,
            },
            patience: self.patience,
        }
    }
}

impl Fetch {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.timeout < Duration::from_secs(1) {
            return Err("fetch.timeout is under a second; the default is 1m".to_owned());
        }
        match &self.proxy {
            Some(proxy) if !proxy.starts_with("http://") => {
                Err(format!("fetch.proxy = \"{proxy}\" does not begin with http://; write http://host:port"))
            }
            _ => Ok(()),
        }
    }

    /// The same for the trust space.
    pub(crate) fn rules(&self) -> trust::FetchRules {
        trust::FetchRules { timeout: self.timeout, proxy: self.proxy.clone() }
    }
}

/// Nothing if the text is empty: the environment cannot take a setting of the file away, only empty it.
pub(super) fn unless_empty<'de, D: Deserializer<'de>, T: From<String>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()).map(T::from))
}

/// Without HTTPS anybody on the way could hold back a list.
fn check_https(setting: &str, url: &str) -> Result<(), String> {
    if url.starts_with("https://") {
        Ok(())
    } else {
        Err(format!("{setting} = \"{url}\" does not begin with https://"))
    }
}
