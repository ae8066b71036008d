//! `pli cert import-chain`.

use std::path::{Path, PathBuf};

use clap::Args;
use mssante::Clock;
use trust::Authorities;
use trust::chores::{HeldCertificate, Sorted, certificates, sort};

use super::files::{Replacement, Secrecy, replace};
use super::{about, as_json, print, read, shown};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::failure::Failure;

/// The authorities that issue operators' certificates, in production and for tests. `[MSS2 ECO.1.1.10]`
const ISSUERS: [&str; 2] = ["AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS"];

/// The roots above them. Whoever makes a root chooses its name, so the fingerprint is to be compared all the same.
const ROOTS: [&str; 2] = ["AC RACINE IGC-SANTE ELEMENTAIRE", "TEST AC RACINE IGC-SANTE ELEMENTAIRE"];

/// Authorities to take over.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportChain {
    /// The file (.p7b, .cer, .pem), such as Chaine_de_certification-IGC-Sante.p7b.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the roots go, instead of `tls.anchors_file`.
    #[arg(long, value_name = "FILE")]
    anchors_out: Option<PathBuf>,
    /// Where the accepted issuing authorities go, instead of `tls.issuers_file`.
    #[arg(long, value_name = "FILE")]
    issuers_out: Option<PathBuf>,
    /// Common name of an authority whose certificates are accepted, instead of those that issue
    /// operators' certificates; may be given several times.
    #[arg(long = "issuer", value_name = "CN")]
    issuers: Vec<String>,
    /// Take over roots that are neither in the present file nor, where there is none, named like those of IGC-Santé.
    #[arg(long)]
    force: bool,
}

/// What is written: issuing authorities, and the roots that they lead to.
struct Choice<'a> {
    roots: Vec<&'a HeldCertificate>,
    issuers: Vec<&'a HeldCertificate>,
}

impl ImportChain {
    /// Shows what is in the files, then writes what was chosen.
    pub(super) fn run(&self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let sorted = self.sorted()?;
        if !json {
            print_contents(&sorted)?;
        }
        let choice = self.choose(&sorted)?;
        let anchors_file = self.anchors_out.as_ref().unwrap_or(&settings.tls.anchors_file);
        let issuers_file = self.issuers_out.as_ref().unwrap_or(&settings.tls.issuers_file);
        self.check_roots(&choice, anchors_file)?;
        let (anchors, issuers) = (pem(&choice.roots)?, pem(&choice.issuers)?);
        let replacements = [
            Replacement { file: anchors_file, octets: &anchors, secrecy: Secrecy::Public },
            Replacement { file: issuers_file, octets: &issuers, secrecy: Secrecy::Public },
        ];
        let kept = replace(&replacements, None, SystemClock.now())?;
        let names = |chosen: &[&HeldCertificate]| -> Vec<String> {
            chosen.iter().map(|certificate| certificate.facts.name.to_string()).collect()
        };
        let mut facts = serde_json::json!({
            "anchors": names(&choice.roots),
            "anchors_file": anchors_file.display().to_string(),
            "issuers": names(&choice.issuers),
            "issuers_file": issuers_file.display().to_string(),
            "kept": shown(&kept),
        });
        if json {
            facts["contents"] = contents(&sorted).map(|certificate| as_json(certificate, SystemClock.now())).collect();
        }
        print::facts(&facts, json)
    }

    /// Whoever gets a root in here can give himself the name of every operator.
    fn check_roots(&self, choice: &Choice<'_>, anchors_file: &Path) -> Result<(), Failure> {
        let present = std::fs::read(anchors_file).ok().and_then(|octets| certificates(&octets).ok());
        let foreign = choice.roots.iter().find(|root| match &present {
            Some(present) => !present.contains(&root.der),
            None => !root.facts.name.common_name().is_some_and(|cn| ROOTS.contains(&cn)),
        });
        let Some(root) = foreign.filter(|_| !self.force) else { return Ok(()) };
        let known = match present {
            Some(_) => format!("not in {}", anchors_file.display()),
            None => "no root of IGC-Santé by its name".to_owned(),
        };
        Err(Failure::Refused(format!(
            "the root {} is {known}; its SHA-256 is {}. If the ANS publishes the same, run this again with --force. \
             Nothing was changed",
            root.facts.name,
            mssante::hex(&root.facts.sha256)
        )))
    }

    fn sorted(&self) -> Result<Sorted, Failure> {
        let mut ders: Vec<Vec<u8>> = Vec::new();
        for file in &self.files {
            for der in certificates(&read(file)?).map_err(about(file))? {
                if !ders.contains(&der) {
                    ders.push(der);
                }
            }
        }
        Ok(sort(&ders)?)
    }

    /// Only what is named is accepted: a chain holds authorities for people and for other ranges too.
    fn choose<'a>(&self, sorted: &'a Sorted) -> Result<Choice<'a>, Failure> {
        let wanted: Vec<&str> = match &self.issuers[..] {
            [] => ISSUERS.to_vec(),
            named => named.iter().map(String::as_str).collect(),
        };
        let named = |cn: &str| -> Vec<&'a HeldCertificate> {
            let authorities = sorted.intermediates.iter().chain(&sorted.roots);
            authorities.filter(|each| each.facts.name.common_name() == Some(cn)).collect()
        };
        if let Some(missing) = self.issuers.iter().find(|cn| named(cn).is_empty()) {
            return Err(Failure::Refused(format!("no authority named '{missing}' is in there; nothing was changed")));
        }
        let issuers: Vec<_> = wanted.iter().flat_map(|cn| named(cn)).collect();
        if issuers.is_empty() {
            return Err(Failure::Refused(format!(
                "none of {} is in there; name the authorities to accept with --issuer, or get the chain of IGC-Santé. \
                 Nothing was changed",
                wanted.join(", ")
            )));
        }
        let roots = roots_of(&issuers, sorted)?;
        let choice = Choice { roots, issuers };
        choice.check()?;
        Ok(choice)
    }
}

impl Choice<'_> {
    /// What the server would say of them.
    fn check(&self) -> Result<(), Failure> {
        let ders = |chosen: &[&HeldCertificate]| chosen.iter().map(|certificate| certificate.der.clone()).collect();
        Authorities::of_certificates(ders(&self.roots), ders(&self.issuers), SystemClock.now())
            .map(drop)
            .map_err(|fault| Failure::Refused(format!("the chain does not hold: {fault}; nothing was changed")))
    }
}

/// The root above each issuing authority, each once.
fn roots_of<'a>(issuers: &[&'a HeldCertificate], sorted: &'a Sorted) -> Result<Vec<&'a HeldCertificate>, Failure> {
    let mut roots: Vec<&HeldCertificate> = Vec::new();
    for issuer in issuers {
        let root = root_of(issuer, sorted)?.ok_or_else(|| {
            Failure::Refused(format!(
                "the root above {} is not in there; give its file (.cer) as well. Nothing was changed",
                issuer.facts.name
            ))
        })?;
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    Ok(roots)
}

/// Climbs from issuer to issuer; no chain is longer than there are authorities.
fn root_of<'a>(authority: &'a HeldCertificate, sorted: &'a Sorted) -> Result<Option<&'a HeldCertificate>, Failure> {
    let mut current = authority;
    for _ in 0..=sorted.intermediates.len() {
        for root in &sorted.roots {
            if current.is_issued_by(root)? {
                return Ok(Some(root));
            }
        }
        let mut above = None;
        for candidate in &sorted.intermediates {
            if candidate != current && current.is_issued_by(candidate)? {
                above = Some(candidate);
            }
        }
        let Some(next) = above else { return Ok(None) };
        current = next;
    }
    Ok(None)
}

fn pem(certificates: &[&HeldCertificate]) -> Result<Vec<u8>, Failure> {
    let mut pem = Vec::new();
    for certificate in certificates {
        // Text between certificates is for people; a name must not pass for a certificate.
        let name = certificate.facts.name.to_string().replace(|c: char| c.is_control(), " ");
        pem.extend(format!("# {name}\n").into_bytes());
        pem.extend(certificate.pem()?);
    }
    Ok(pem)
}

fn contents(sorted: &Sorted) -> impl Iterator<Item = &HeldCertificate> {
    let Sorted { roots, intermediates, others } = sorted;
    roots.iter().chain(intermediates).chain(others)
}

fn print_contents(sorted: &Sorted) -> Result<(), Failure> {
    let rows = contents(sorted).map(|certificate| {
        let HeldCertificate { facts, issuer, role, .. } = certificate;
        let sha256 = mssante::hex(&facts.sha256);
        [
            role.word().to_owned(),
            format!("{}\nissuer {issuer}\nSHA-256 {sha256}", facts.name),
            print::moment(facts.not_after),
        ]
    });
    print::table(["found", "certificate", "until"], rows)
}
