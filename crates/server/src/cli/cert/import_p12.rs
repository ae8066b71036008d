//! `pli cert import-p12`.

use std::path::PathBuf;

use auth::Secret;
use clap::Args;
use mssante::Clock;
use trust::chores::{HeldCertificate, NewIdentity, certificates, open_pkcs12};
use trust::{Authorities, CertificateFault};

use super::files::{Owner, Replacement, Secrecy, replace};
use super::listed::{Listed, Standing, listed};
use super::{about, as_json, password, print, read, shown};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::failure::Failure;

/// A PKCS#12 file to take over.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportP12 {
    /// The file (.p12, .pfx).
    file: PathBuf,
    /// Read the passphrase from standard input.
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase_stdin: bool,
    /// Read the passphrase from the first line of this file. Without either it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Take it over although it has another name than the certificate in use and the trust list does not give that
    /// name to each of our domains.
    #[arg(long)]
    force: bool,
}

impl ImportP12 {
    /// Checks everything that a peer would check, then replaces certificate and key.
    pub(super) async fn run(&self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let identity = self.open(settings)?;
        let own = HeldCertificate::read(&identity.chain()[0])?;
        let mut warnings = hostname_warning(settings, &own).into_iter().collect::<Vec<_>>();
        warnings.extend(self.check_holder(settings, &own).await?);
        // With a predecessor, its owner counts.
        let owner = service_account(settings);
        let strange = !settings.tls.key_file.exists() && owner.is_none();
        let kept = install(settings, &identity, owner)?;
        warnings.extend(strange.then(|| only_ours(settings)).flatten());
        say(settings, &identity, &own, &kept, json)?;
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        Ok(())
    }

    /// The content of the file, if other operators would accept it.
    fn open(&self, settings: &Settings) -> Result<NewIdentity, Failure> {
        let octets = read(&self.file)?;
        let passphrase = self.passphrase()?;
        let mut identity = open_pkcs12(&octets, passphrase.expose()).map_err(about(&self.file))?;
        let now = SystemClock.now();
        let authorities = Authorities::load(&settings.tls.anchors_file, &settings.tls.issuers_file, now)?;
        identity.complete(&authorities)?;
        match identity.verify(&authorities, now) {
            Ok(_) => Ok(identity),
            Err(fault) => Err(Failure::Refused(format!(
                "{}: {fault}: other operators would refuse it; {}. Nothing was changed",
                self.file.display(),
                remedy(fault)
            ))),
        }
    }

    /// Refuses the certificate of another holder: one that neither follows that in use under the same name nor is
    /// listed for our domains. Returns what is to be said if it is taken all the same.
    ///
    /// A first certificate for domains that are not on the list yet, or of which nothing is known, only warns.
    async fn check_holder(&self, settings: &Settings, own: &HeldCertificate) -> Result<Vec<String>, Failure> {
        let present = present_name(settings);
        if present.as_deref() == Some(own.facts.name.key()) {
            return Ok(Vec::new());
        }
        let listed = listed(settings, own).await;
        let contradicted = listed.iter().any(|listed| match listed.standing {
            Standing::Bound => false,
            Standing::OtherNames => true,
            Standing::DomainMissing | Standing::Unknown => present.is_some(),
        });
        let doubts: Vec<_> = listed.into_iter().filter_map(|listed| doubt(listed, own)).collect();
        if contradicted && !self.force {
            return Err(Failure::Refused(format!(
                "{}: this looks like the certificate of another holder: {}. If it is meant, run this again with \
                 --force. Nothing was changed",
                self.file.display(),
                doubts.join("; ")
            )));
        }
        Ok(doubts)
    }

    fn passphrase(&self) -> Result<Secret, Failure> {
        match &self.passphrase_file {
            Some(file) => {
                let text = String::from_utf8(read(file)?)
                    .map_err(|_| Failure::Refused(format!("{}: not UTF-8", file.display())))?;
                Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
            }
            None if self.passphrase_stdin => password::one_line(),
            None => password::passphrase(),
        }
    }
}

fn remedy(fault: CertificateFault) -> &'static str {
    match fault {
        CertificateFault::Untrusted | CertificateFault::IssuerNotAccepted => {
            "tls.anchors_file and tls.issuers_file must hold the authorities of IGC-Santé, see `pli cert import-chain`"
        }
        CertificateFault::Expired => "order a new one",
        CertificateFault::NotYetValid => "import it when its time has come, or set this machine's clock",
        CertificateFault::WrongUsage => "a server certificate (offer SERV SSL) is needed",
        _ => "have it issued again",
    }
}

/// What would make mail clients refuse us although the certificate is good.
fn hostname_warning(settings: &Settings, own: &HeldCertificate) -> Option<String> {
    let hostname = &settings.operator.hostname;
    let carried = own.dns_names.iter().any(|name| name.eq_ignore_ascii_case(hostname));
    (!carried).then(|| {
        format!(
            "the certificate does not carry operator.hostname = \"{hostname}\"; mail clients that connect to that name \
             will refuse it"
        )
    })
}

/// Why other operators may refuse mail of one of our domains from the holder of this certificate.
fn doubt(listed: Listed, own: &HeldCertificate) -> Option<String> {
    let Listed { domain, standing, why } = listed;
    match standing {
        Standing::Bound => None,
        Standing::Unknown => Some(format!(
            "whether the trust list names this certificate for {domain} is not known: {}",
            why.unwrap_or_default()
        )),
        Standing::OtherNames | Standing::DomainMissing => Some(format!(
            "the trust list does not name this certificate for our domain {domain}; until it does, other operators \
             refuse its mail. The name is {}",
            own.facts.name
        )),
    }
}

/// The name of the certificate in use; its successor under the same name needs no new entry in the list.
fn present_name(settings: &Settings) -> Option<String> {
    let octets = std::fs::read(&settings.tls.certificate_file).ok()?;
    let present = HeldCertificate::read(certificates(&octets).ok()?.first()?).ok()?;
    Some(present.facts.name.key().to_owned())
}

/// The account that is to read what root writes for the first time: the one that has the certificate in use, or the
/// data. Those who are not root keep what they write.
fn service_account(settings: &Settings) -> Option<Owner> {
    let known = [&settings.tls.certificate_file, &settings.data.dir];
    let mut owners = known.into_iter().filter_map(|file| Owner::of(file));
    owners.find(|owner| !owner.is_root()).filter(|_| nix::unistd::geteuid().is_root())
}

/// What root is told whose key nobody else can read.
fn only_ours(settings: &Settings) -> Option<String> {
    let key = settings.tls.key_file.display();
    nix::unistd::geteuid().is_root().then(|| {
        format!("{key} belongs to root, and nobody else can read it; if pli runs under an account, run `chown ACCOUNT {key}`")
    })
}

fn install(settings: &Settings, identity: &NewIdentity, owner: Option<Owner>) -> Result<Vec<PathBuf>, Failure> {
    let chain = identity.chain_pem()?;
    let pair = [
        Replacement { file: &settings.tls.key_file, octets: identity.key().as_bytes(), secrecy: Secrecy::Secret },
        Replacement { file: &settings.tls.certificate_file, octets: &chain, secrecy: Secrecy::Public },
    ];
    replace(&pair, owner, SystemClock.now())
}

fn say(
    settings: &Settings,
    identity: &NewIdentity,
    own: &HeldCertificate,
    kept: &[PathBuf],
    json: bool,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let chain: Vec<_> = identity
        .chain()
        .iter()
        .map(|der| HeldCertificate::read(der).map(|certificate| certificate.facts.name.to_string()))
        .collect::<Result<_, _>>()?;
    let mut facts = as_json(own, now);
    facts["chain"] = chain.into();
    facts["certificate_file"] = settings.tls.certificate_file.display().to_string().into();
    facts["key_file"] = settings.tls.key_file.display().to_string().into();
    facts["kept"] = shown(kept).into();
    print::facts(&facts, json)?;
    if json {
        return Ok(());
    }
    let looks = 2 * settings.tls.watch_interval;
    print::line(&format!(
        "A running server takes the new pair over by itself, within {looks:?}, without ending a session; SIGHUP makes it \
         do so at once."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_imports_first_is_for_the_account_that_has_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = crate::config::for_tests();
        settings.data.dir = folder.path().to_owned();
        if !nix::unistd::geteuid().is_root() {
            assert_eq!(service_account(&settings), None, "only root gives files away");
            return;
        }
        assert_eq!(service_account(&settings), None, "everything is root's");
        assert!(only_ours(&settings).is_some_and(|warning| warning.contains("chown ACCOUNT")));
        std::os::unix::fs::chown(folder.path(), Some(10_001), Some(10_002)).unwrap();
        assert_eq!(service_account(&settings), Owner::of(folder.path()));
        assert!(service_account(&settings).is_some());
    }
}
