//! Configuration: one TOML file, then the environment; every error names the file, the
//! setting and what to do.

mod admin;
mod annuaire;
mod audit;
mod check;
mod fhir;
mod life;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod trust;

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};

pub(crate) use check::exposed;
pub(crate) use fhir::Transport;
pub(crate) use settings::{ClientCertificate, Dnssec, HostNameCheck, Log, LogFormat, Settings};
#[cfg(test)]
pub(crate) use tests::for_tests;
pub(crate) use trust::{ListSource, Ocsp, RevocationCheck, Signature};

use crate::failure::Failure;

/// Where the file is when nobody says otherwise.
pub(crate) const DEFAULT_FILE: &str = "/etc/pli/pli.toml";

/// Reads the file and what the environment adds, and checks what can be checked without
/// opening anything but files. The file of the white list may be missing: the database has the last good list, and
/// [`Settings::list_warning`] says it.
pub(crate) fn load(file: &Path) -> Result<Settings, Failure> {
    let settings = load_without_files(file)?;
    settings.check_files().map_err(|why| in_file(file, &why))?;
    Ok(settings)
}

/// The same for `check-config`, for which a missing white list is an error, too.
pub(crate) fn load_with_list(file: &Path) -> Result<Settings, Failure> {
    let settings = load(file)?;
    settings.check_list_files().map_err(|why| in_file(file, &why))?;
    Ok(settings)
}

/// The same for commands that write the files which it names: these need not be there.
pub(crate) fn load_without_files(file: &Path) -> Result<Settings, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Configuration(format!(
            "cannot read the configuration {}: {error}; name the file with --config or PLI_CONFIG",
            file.display()
        ))
    })?;
    let settings = parse(&text, None).map_err(|why| in_file(file, &why))?;
    settings.check().map_err(|why| in_file(file, &why))?;
    Ok(settings)
}

fn in_file(file: &Path, why: &str) -> Failure {
    Failure::Configuration(format!("{}: {why}", file.display()))
}

/// `environment` replaces the process's own in tests.
fn parse(text: &str, environment: Option<std::collections::HashMap<String, String>>) -> Result<Settings, String> {
    let layers = Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(Environment::with_prefix("PLI").prefix_separator("__").separator("__").source(environment))
        .build()
        .map_err(|error| error.to_string())?;
    layers.try_deserialize().map_err(|error| {
        format!("{error}; see config/pli.toml for every setting (the environment counts too: PLI__SECTION__SETTING)")
    })
}

/// The file that the command line or the environment names, or the default.
pub(crate) fn file_or_default(file: Option<PathBuf>) -> PathBuf {
    file.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
}
