//! Settings of the directory: where it comes from, and what is done with what it says.

use std::path::PathBuf;
use std::time::Duration;

use annuaire::PeerRecipients;
use mssante::{Domain, KeyPolicy};
use serde::Deserialize;

use super::fhir::Fhir;
use super::settings::list;
use super::trust::unless_empty;

/// The directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Annuaire {
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) url: Option<String>,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) activities_url: Option<String>,
    #[serde(with = "humantime_serde")]
    pub(crate) refresh: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) stale_after: Duration,
    pub(crate) max_shrink: u8,
    pub(crate) anchors_file: Option<PathBuf>,
    pub(crate) peer_recipients: PeerRecipients,
    #[serde(deserialize_with = "list")]
    pub(crate) patient_domains: Vec<Domain>,
    pub(crate) unconfirmed_keys: KeyPolicy,
    pub(crate) fhir: Fhir,
}

impl Default for Annuaire {
    fn default() -> Self {
        Self {
            url: None,
            activities_url: None,
            refresh: Duration::from_hours(1),
            stale_after: Duration::from_hours(7 * 24),
            max_shrink: 10,
            anchors_file: None,
            peer_recipients: PeerRecipients::Off,
            patient_domains: vec![Domain::parse("patient.mssante.fr").expect("a domain")],
            unconfirmed_keys: KeyPolicy::Warn,
            fhir: Fhir::default(),
        }
    }
}

/// A source that thousands of operators ask is not asked more often.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

impl Annuaire {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self, our_domains: &[Domain]) -> Result<(), String> {
        for (setting, url) in [("annuaire.url", &self.url), ("annuaire.activities_url", &self.activities_url)] {
            check_url(setting, url.as_deref())?;
        }
        self.fhir.check(self.url.as_deref(), self.stale_after)?;
        if self.max_shrink > 100 {
            return Err(format!("annuaire.max_shrink = {} is not a percentage; write 0 to 100", self.max_shrink));
        }
        if self.refresh < SHORTEST_REFRESH {
            return Err("annuaire.refresh is under a second; the directory changes once a day".to_owned());
        }
        if self.stale_after < self.refresh {
            return Err(
                "annuaire.stale_after is shorter than annuaire.refresh: every directory would be stale before \
                        its source is asked again"
                    .to_owned(),
            );
        }
        match self.patient_domains.iter().find(|domain| our_domains.contains(domain)) {
            Some(domain) => Err(format!(
                "annuaire.patient_domains names {domain}, which operator.domains names as ours; keep one of the two"
            )),
            None => Ok(()),
        }
    }

    /// What works but may not be what was meant.
    pub(super) fn warnings(&self) -> Vec<String> {
        let blind = self.peer_recipients != PeerRecipients::Off && self.url.is_none() && self.fhir.url.is_none();
        let warning = || {
            "annuaire.peer_recipients looks at a directory that nothing keeps up to date: set annuaire.url, or run \
             `pli annuaire import` every day"
                .to_owned()
        };
        blind.then(warning).into_iter().collect()
    }
}

/// Nothing vouches for an extraction but the server that it comes from.
fn check_url(setting: &str, url: Option<&str>) -> Result<(), String> {
    match url {
        Some(url) if !url.starts_with("https://") => Err(format!(
            "{setting} = \"{url}\" does not begin with https://; nothing else vouches for what comes from there"
        )),
        _ => Ok(()),
    }
}
