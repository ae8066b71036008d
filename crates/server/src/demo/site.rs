//! The files of the demonstration: PKI, signed list, configurations.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mssante::{Clock, Random};
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Issued, Pki, PkiError};

use super::plan::{Plan, here, impostor};
use crate::ambient::{SystemClock, SystemRandom};
use crate::failure::Failure;

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) dir: PathBuf,
    /// We made the folder, so we remove it.
    pub(super) ours: bool,
    pub(super) pki: PathBuf,
    pub(super) list: PathBuf,
    pub(super) list_signer: Pair,
    pub(super) impostor: Pair,
}

/// The files of one operator.
#[derive(Debug, Clone)]
pub(super) struct OperatorFiles {
    pub(super) data_dir: PathBuf,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    pub(super) server: Pair,
    pub(super) software: Pair,
}

impl Site {
    /// Makes PKI and signed list for both operators in an empty folder.
    pub(super) fn make(dir: Option<PathBuf>, plans: &[Plan; 2]) -> Result<(Self, [OperatorFiles; 2]), Failure> {
        let ours = dir.is_none();
        let dir = dir.unwrap_or_else(fresh_name);
        make_dir(&dir)?;
        let dir = std::path::absolute(&dir).map_err(|error| unusable(&dir, &error))?;
        if std::fs::read_dir(&dir).map_err(|error| unusable(&dir, &error))?.next().is_some() {
            return Err(Failure::Refused(format!("{} is not empty; give an empty or a new folder", dir.display())));
        }
        let pki_dir = dir.join("pki");
        make_dir(&pki_dir)?;
        write_pki(&dir, &pki_dir, plans).map_err(|error| Failure::Refused(error.to_string())).and_then(
            |(list_signer, impostor, files)| {
                let site = Self { list: dir.join("white-list.xml"), pki: pki_dir, dir, ours, list_signer, impostor };
                for (index, files) in files.iter().enumerate() {
                    make_dir(&files.data_dir)?;
                    write(&files.config, &site.configuration(&plans[index], files, &plans[1 - index]))?;
                }
                Ok((site, files))
            },
        )
    }

    /// The anchor that clients must trust.
    pub(super) fn anchors(&self) -> PathBuf {
        self.pki.join("ca.pem")
    }

    /// What `config/pli.toml` explains, for one operator; mail for the other takes a fixed route.
    fn configuration(&self, plan: &Plan, files: &OperatorFiles, other: &Plan) -> String {
        let mut text = format!("# {}: written by `pli demo`; config/pli.toml explains every setting.\n", plan.name);
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let listen = |port| format!("[\"{}\"]", here(port));
        let sections = [
            (
                "operator",
                vec![("hostname", format!("\"{}\"", plan.hostname)), ("domains", format!("[\"{}\"]", plan.domain))],
            ),
            ("data", vec![("dir", quoted(&files.data_dir))]),
            (
                "tls",
                vec![
                    ("certificate_file", quoted(&files.server.certificate)),
                    ("key_file", quoted(&files.server.key)),
                    ("anchors_file", quoted(&self.anchors())),
                    ("issuers_file", quoted(&self.pki.join("issuing-ca.pem"))),
                ],
            ),
            ("trust_list", vec![("file", quoted(&self.list))]),
            ("revocation", vec![("check", "\"off\"".to_owned())]),
            ("hop", vec![("listen", listen(plan.ports.hop))]),
            (
                "submission",
                vec![
                    ("listen_starttls", listen(plan.ports.submission)),
                    ("listen_tls", listen(plan.ports.submissions)),
                ],
            ),
            ("imap", vec![("listen_starttls", listen(plan.ports.imap)), ("listen_tls", listen(plan.ports.imaps))]),
            ("relay", vec![("retry", "[\"2s\", \"10s\", \"1m\"]".to_owned())]),
            ("relay.routes", vec![(other.domain, format!("\"{}\"", here(other.ports.hop)))]),
            ("http", vec![("listen", format!("\"{}\"", here(plan.ports.http)))]),
        ];
        for (section, settings) in sections {
            let _ = writeln!(text, "\n[{section}]");
            for (name, value) in settings {
                let name = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        text
    }

    /// Removes the folder if we made it.
    pub(super) fn remove(&self) {
        if self.ours
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            eprintln!("pli: {} is left behind: {error}", self.dir.display());
        }
    }
}

fn write_pki(dir: &Path, pki_dir: &Path, plans: &[Plan; 2]) -> Result<(Pair, Pair, [OperatorFiles; 2]), PkiError> {
    let pki = Pki::new(SystemClock.now())?;
    pki.write(pki_dir)?;
    let signer = pki.list_signer()?;
    let mut list = WhiteList::new(SystemClock.now());
    for plan in plans {
        list = list.with(plan.domain, &plan.server().dn());
    }
    let xml = list.signed_xml(&ListSigner::new(&signer)?, SignatureShape::XadesB)?;
    let file = dir.join("white-list.xml");
    std::fs::write(&file, xml).map_err(|error| PkiError::File { file, error })?;
    let pair =
        |issued: Issued, name: &str| issued.write(pki_dir, name).map(|(certificate, key)| Pair { certificate, key });
    let operator = |plan: &Plan| {
        Ok::<_, PkiError>(OperatorFiles {
            data_dir: dir.join(plan.slug),
            config: dir.join(format!("{}.toml", plan.slug)),
            log: dir.join(format!("{}.log", plan.slug)),
            server: pair(pki.server(&plan.server())?, &format!("{}-server", plan.slug))?,
            software: pair(pki.software(&plan.software())?, &format!("{}-software", plan.slug))?,
        })
    };
    let files = [operator(&plans[0])?, operator(&plans[1])?];
    Ok((pair(signer, "list-signer")?, pair(pki.server(&impostor())?, "impostor")?, files))
}

/// Eight hexadecimal digits that nobody else has.
fn fresh_name() -> PathBuf {
    let mut random = [0; 4];
    SystemRandom.fill(&mut random);
    PathBuf::from(format!("/tmp/pli-demo-{:08x}", u32::from_be_bytes(random)))
}

/// The unprivileged user of the cluster must be able to pass through.
fn make_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(dir).map_err(|error| unusable(dir, &error))
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| unusable(file, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_are_complete_and_the_folder_must_be_empty() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("demo");
        let plans = [Plan::hospital(20_000), Plan::pharmacy(20_000)];
        let (site, files) = Site::make(Some(dir.clone()), &plans).unwrap();
        for (plan, files) in plans.iter().zip(&files) {
            let settings = crate::config::load(&files.config).unwrap();
            assert_eq!(settings.hop.listen, [here(plan.ports.hop)]);
            assert_eq!(settings.relay.routes.len(), 1);
        }
        assert!(Site::make(Some(dir.clone()), &plans).is_err());
        site.remove();
        assert!(dir.exists(), "a folder that somebody else named stays");
    }
}
