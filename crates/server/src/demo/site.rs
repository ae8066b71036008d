//! The files of the demonstration: PKI, signed list, configurations.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mssante::{Clock, Random};
use testkit::audit::AuditCase;
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Issued, Pki, PkiError};

use super::authority::Authority;
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
    pub(super) auditors: Vec<Auditor>,
    crl_urls: Vec<String>,
}

/// The host of an audit domain.
#[derive(Debug)]
pub(super) struct Auditor {
    pub(super) case: AuditCase,
    /// Nothing for the one that knows no TLS.
    pub(super) shows: Option<Pair>,
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
    /// Makes PKI and signed list for both operators in an empty folder; `authority` publishes what
    /// is revoked.
    pub(super) fn make(
        dir: Option<PathBuf>,
        plans: &[Plan; 2],
        authority: &Authority,
    ) -> Result<(Self, [OperatorFiles; 2]), Failure> {
        let ours = dir.is_none();
        let dir = dir.unwrap_or_else(fresh_name);
        make_dir(&dir)?;
        let dir = std::path::absolute(&dir).map_err(|error| unusable(&dir, &error))?;
        if std::fs::read_dir(&dir).map_err(|error| unusable(&dir, &error))?.next().is_some() {
            return Err(Failure::Refused(format!("{} is not empty; give an empty or a new folder", dir.display())));
        }
        let pki_dir = dir.join("pki");
        make_dir(&pki_dir)?;
        let issued =
            write_pki(&dir, &pki_dir, plans, authority).map_err(|error| Failure::Refused(error.to_string()))?;
        let IssuedFiles { list_signer, impostor, auditors, operators } = issued;
        let list = dir.join("white-list.xml");
        let crl_urls = authority.particulars().crl_urls;
        let site = Self { list, pki: pki_dir, dir, ours, list_signer, impostor, auditors, crl_urls };
        for (index, files) in operators.iter().enumerate() {
            make_dir(&files.data_dir)?;
            write(&files.config, &site.configuration(&plans[index], files, &plans[1 - index]))?;
        }
        Ok((site, operators))
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
            ("revocation", vec![("crl_urls", format!("{:?}", self.crl_urls))]),
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

/// What was issued.
struct IssuedFiles {
    list_signer: Pair,
    impostor: Pair,
    auditors: Vec<Auditor>,
    operators: [OperatorFiles; 2],
}

fn write_pki(dir: &Path, pki_dir: &Path, plans: &[Plan; 2], authority: &Authority) -> Result<IssuedFiles, PkiError> {
    let now = SystemClock.now();
    let pki = Pki::new(now)?;
    pki.write(pki_dir)?;
    authority.publish(&pki, now)?;
    let signer = pki.list_signer()?;
    write_list(dir.join("white-list.xml"), plans, &ListSigner::new(&signer)?)?;
    let particulars = authority.particulars();
    let pair =
        |issued: Issued, name: &str| issued.write(pki_dir, name).map(|(certificate, key)| Pair { certificate, key });
    let operator = |plan: &Plan| {
        Ok::<_, PkiError>(OperatorFiles {
            data_dir: dir.join(plan.slug),
            config: dir.join(format!("{}.toml", plan.slug)),
            log: dir.join(format!("{}.log", plan.slug)),
            server: pair(pki.server_with(&plan.server(), &particulars)?, &format!("{}-server", plan.slug))?,
            software: pair(pki.software_with(&plan.software(), &particulars)?, &format!("{}-software", plan.slug))?,
        })
    };
    let auditor = |case: AuditCase| {
        let issued = case.issue(&pki, &particulars)?;
        let shows = issued.map(|issued| pair(issued, case.domain())).transpose()?;
        Ok::<_, PkiError>(Auditor { case, shows })
    };
    Ok(IssuedFiles {
        list_signer: pair(signer, "list-signer")?,
        impostor: pair(pki.server_with(&impostor(), &particulars)?, "impostor")?,
        auditors: AuditCase::ALL.into_iter().map(auditor).collect::<Result<_, _>>()?,
        operators: [operator(&plans[0])?, operator(&plans[1])?],
    })
}

/// The list has both operators and the audit domains, as the one of the ANS has.
fn write_list(file: PathBuf, plans: &[Plan; 2], signer: &ListSigner) -> Result<(), PkiError> {
    let mut list = WhiteList::new(SystemClock.now());
    for plan in plans {
        list = list.with(plan.domain, &plan.server().dn());
    }
    for case in AuditCase::ALL {
        list = list.with(case.domain(), &case.listed_dn());
    }
    let xml = list.signed_xml(signer, SignatureShape::XadesB)?;
    std::fs::write(&file, xml).map_err(|error| PkiError::File { file, error })
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

    #[tokio::test]
    async fn the_configurations_are_complete_and_the_folder_must_be_empty() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("demo");
        let plans = [Plan::hospital(20_000), Plan::pharmacy(20_000)];
        let authority = Authority::start().await.unwrap();
        let (site, files) = Site::make(Some(dir.clone()), &plans, &authority).unwrap();
        for (plan, files) in plans.iter().zip(&files) {
            let settings = crate::config::load(&files.config).unwrap();
            assert_eq!(settings.hop.listen, [here(plan.ports.hop)]);
            assert_eq!(settings.relay.routes.len(), 1);
        }
        assert!(Site::make(Some(dir.clone()), &plans, &authority).is_err());
        site.remove();
        assert!(dir.exists(), "a folder that somebody else named stays");
    }
}
