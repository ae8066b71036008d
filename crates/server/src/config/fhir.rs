//! Settings of the national directory's FHIR interface: reading it, and telling it of our boxes.

use std::path::PathBuf;
use std::time::Duration;

use annuaire::fhir::Base;
use annuaire::publication::{PatchStyle, TypeForm};
use serde::Deserialize;

use super::trust::unless_empty;

/// What the interface allows to one application.
const MOST_CALLS: u32 = 17;

/// The directory by its interface, in place of the extraction.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fhir {
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) url: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) anchors_file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub(crate) refresh: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) full_every: Duration,
    pub(crate) calls_per_second: u32,
}

impl Default for Fhir {
    fn default() -> Self {
        Self {
            url: None,
            key_file: None,
            anchors_file: None,
            refresh: Duration::from_hours(1),
            full_every: Duration::from_hours(7 * 24),
            calls_per_second: 15,
        }
    }
}

/// What the national directory is told of our boxes, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Publication {
    pub(crate) transport: Transport,
    pub(crate) folder: Option<PathBuf>,
    #[serde(deserialize_with = "unless_empty")]
    pub(crate) url: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) anchors_file: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub(crate) interval: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) patience: Duration,
    pub(crate) calls_per_second: u32,
    pub(crate) type_form: TypeAs,
    pub(crate) type_system: String,
}

impl Default for Publication {
    fn default() -> Self {
        Self {
            transport: Transport::Off,
            folder: None,
            url: None,
            key_file: None,
            anchors_file: None,
            interval: Duration::from_mins(5),
            patience: Duration::from_hours(7 * 24),
            calls_per_second: 15,
            type_form: TypeAs::Concept,
            type_system: PatchStyle::default().type_system,
        }
    }
}

/// How the directory is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// It is not.
    Off,
    /// By files that somebody else carries there.
    File,
    /// By FHIR Patch.
    Fhir,
}

impl Transport {
    /// The word of the setting.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::File => "file",
            Self::Fhir => "fhir",
        }
    }
}

/// In which of the forms of the drafts the kind of a BAL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeAs {
    Concept,
    Code,
}

impl Fhir {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self, extraction: Option<&str>, stale_after: Duration) -> Result<(), String> {
        let Some(url) = &self.url else { return Ok(()) };
        check_base("annuaire.fhir.url", url)?;
        if extraction.is_some() {
            return Err("annuaire.url and annuaire.fhir.url are both set; one directory is in force, keep one source"
                .to_owned());
        }
        if self.key_file.is_none() {
            return Err("annuaire.fhir.url needs annuaire.fhir.key_file: the ESANTE-API-KEY of \
                        portal.api.esante.gouv.fr"
                .to_owned());
        }
        if self.refresh < Duration::from_secs(1) {
            return Err("annuaire.fhir.refresh is under a second".to_owned());
        }
        if self.full_every < self.refresh {
            return Err(
                "annuaire.fhir.full_every is shorter than annuaire.fhir.refresh: everything would be asked for \
                        each time; write \"7d\", or leave it out"
                    .to_owned(),
            );
        }
        if stale_after < self.refresh {
            return Err("annuaire.stale_after is shorter than annuaire.fhir.refresh: every directory would be stale \
                        before its source is asked again"
                .to_owned());
        }
        check_calls("annuaire.fhir.calls_per_second", self.calls_per_second)
    }
}

impl Publication {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.transport {
            Transport::Off => return Ok(()),
            Transport::File if self.folder.is_none() => {
                return Err("publication.transport = \"file\" needs publication.folder".to_owned());
            }
            Transport::Fhir => self.check_interface()?,
            Transport::File => {}
        }
        if self.interval < Duration::from_secs(1) {
            return Err("publication.interval is under a second".to_owned());
        }
        check_calls("publication.calls_per_second", self.calls_per_second)
    }

    fn check_interface(&self) -> Result<(), String> {
        let Some(url) = &self.url else {
            return Err("publication.transport = \"fhir\" needs publication.url".to_owned());
        };
        check_base("publication.url", url)?;
        match &self.key_file {
            Some(_) => Ok(()),
            None => Err("publication.transport = \"fhir\" needs publication.key_file".to_owned()),
        }
    }

    /// In which form the directory is told.
    pub(crate) fn style(&self) -> PatchStyle {
        let type_form = match self.type_form {
            TypeAs::Concept => TypeForm::Concept,
            TypeAs::Code => TypeForm::Code,
        };
        PatchStyle { type_form, type_system: self.type_system.clone(), ..PatchStyle::default() }
    }
}

/// Our key goes with each request: never in clear.
fn check_base(setting: &str, url: &str) -> Result<(), String> {
    if !url.starts_with("https://") {
        return Err(format!("{setting} = \"{url}\" does not begin with https://; our key goes there"));
    }
    Base::parse(url).map(drop).map_err(|error| format!("{setting}: {error}"))
}

fn check_calls(setting: &str, calls: u32) -> Result<(), String> {
    let allowed = (1..=MOST_CALLS).contains(&calls);
    let why = || format!("{setting} = {calls}; the interface allows 1 to {MOST_CALLS}");
    if allowed { Ok(()) } else { Err(why()) }
}
