//! The certificates that the configuration names.

use std::path::PathBuf;

use trust::chores::{HeldCertificate, certificates};

use super::{about, read};
use crate::config::Settings;
use crate::failure::Failure;

/// A file of certificates.
pub(super) struct Configured {
    /// The setting that names it.
    pub(super) setting: &'static str,
    pub(super) file: PathBuf,
    /// In the order of the file.
    pub(super) certificates: Vec<HeldCertificate>,
}

/// Every file of certificates that is configured, each once, or why one cannot be read.
pub(super) fn all(settings: &Settings) -> Vec<Result<Configured, Failure>> {
    let (tls, list) = (&settings.tls, &settings.trust_list);
    let named = [
        ("tls.certificate_file", Some(&tls.certificate_file)),
        ("tls.anchors_file", Some(&tls.anchors_file)),
        ("tls.issuers_file", Some(&tls.issuers_file)),
        ("trust_list.anchors_file", list.anchors_file.as_ref()),
        ("trust_list.issuers_file", list.issuers_file.as_ref()),
        ("trust_list.url_anchors_file", list.url_anchors_file.as_ref()),
    ];
    let mut files: Vec<(&'static str, PathBuf)> = Vec::new();
    for (setting, file) in named {
        if let Some(file) = file
            && !files.iter().any(|(_, known)| known == file)
        {
            files.push((setting, file.clone()));
        }
    }
    files.into_iter().map(|(setting, file)| configured(setting, file)).collect()
}

fn configured(setting: &'static str, file: PathBuf) -> Result<Configured, Failure> {
    let in_setting = |failure: Failure| Failure::Configuration(format!("{setting}: {failure}"));
    let held = || {
        let ders = certificates(&read(&file)?).map_err(about(&file))?;
        ders.iter().map(|der| HeldCertificate::read(der).map_err(about(&file))).collect::<Result<Vec<_>, _>>()
    };
    let certificates = held().map_err(in_setting)?;
    Ok(Configured { setting, file, certificates })
}
