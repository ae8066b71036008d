//! One operator of the tests' own: a PKI, a signed list, a configuration and `pli serve`, for what a demo cannot be put through.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mssante::Clock as _;
use nix::sys::signal::{Signal, kill};
use rustls::ClientConfig;
use tempfile::TempDir;
use testkit::clock::RealClock;
use testkit::list::{ListSigner, SignatureShape, WhiteList};
use testkit::pki::{Pki, ServerHolder, SoftwareHolder};
use time::OffsetDateTime;

use crate::demo::{answers, pid};
use crate::program::wait_until;
use crate::{AuditCase, Bal, Mailbox, Operator, Program, Publisher, client_config, free_port_base, http_get, pli};

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// The password of every BAL that [`Site::create_bal`] makes.
pub const PASSWORD: &str = "un pli bien scelle";

/// Our domain.
pub const DOMAIN: &str = "ch-essai.mssante.fr";
/// A listed domain of another operator, whose certificate is [`Site::peer`].
pub const PEER: &str = "labo-essai.mssante.fr";
/// A listed domain of a third operator.
pub const PEER2: &str = "ehpad-essai.mssante.fr";

/// A certificate file and its key file.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// An operator in a folder of its own. Dropping it removes the folder.
pub struct Site {
    folder: TempDir,
    pki: Pki,
    publisher: Publisher,
    /// Its ports and files; `pid` is 0.
    pub operator: Operator,
    /// What the operator of [`PEER`] shows on hops.
    pub peer: Identity,
    /// What the software of an applicative BAL shows.
    pub software: Identity,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl Site {
    /// Makes everything that `pli serve` needs, and starts nothing. The list also has the audit domains.
    pub fn new() -> Result<Self> {
        Self::with_routes(&[])
    }

    /// The same, with ports of 127.0.0.1 where the servers of other domains are.
    pub fn with_routes(routes: &[(&str, u16)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pli-e2e-").tempdir()?;
        // Run as root, PostgreSQL belongs to another user, who must be able to reach its folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
        let here = folder.path();
        let pki = Pki::new(RealClock.now())?;
        pki.write(here)?;
        let operator = operator(here, free_port_base()?);
        let (ours, peer) = (holder(DOMAIN, 1), holder(PEER, 2));
        let own = pki.server(&ours)?;
        own.write(here, "server")?;
        let publisher = Publisher::start(&pki, &own)?;
        let (certificate, key) = pki.server(&peer)?.write(here, "peer")?;
        let peer_identity = Identity { certificate, key };
        let (certificate, key) = pki.software(&software_holder())?.write(here, "software")?;
        let software = Identity { certificate, key };
        let configuration = configuration(here, &operator, &publisher.crl_url());
        fs::write(&operator.config_file, configuration + &self::routes(routes))?;
        let site = Self { folder, pki, publisher, operator, peer: peer_identity, software };
        fs::write(site.folder().join("list.xml"), site.sign(&site.white_list(RealClock.now()))?)?;
        Ok(site)
    }

    /// The white list with every domain that tests use, of this moment.
    pub fn white_list(&self, generated_at: OffsetDateTime) -> WhiteList {
        let ours = [(DOMAIN, 1), (PEER, 2), (PEER2, 3)];
        let list = WhiteList::new(generated_at);
        let list =
            ours.into_iter().fold(list, |list, (domain, number)| list.with(domain, &holder(domain, number).dn()));
        AuditCase::ALL.into_iter().fold(list, |list, case| list.with(case.domain(), &case.listed_dn()))
    }

    /// The list as its signer publishes it.
    pub fn sign(&self, list: &WhiteList) -> Result<String> {
        let signer = ListSigner::new(&self.pki.list_signer()?)?;
        Ok(list.signed_xml(&signer, SignatureShape::XmlDsig)?)
    }

    /// Where its lists come from.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// From now on the white list comes from the publisher's URL, by these further settings of `[trust_list]`.
    pub fn fetch_list(&self, settings: &str) -> Result<()> {
        let text = fs::read_to_string(&self.operator.config_file)?;
        let file = format!("file = \"{}\"", self.folder().join("list.xml").display());
        ensure!(text.contains(&file), "the list of this site does not come from a file");
        let url = format!("url = \"{}\"\n{settings}", self.publisher.list_url());
        Ok(fs::write(&self.operator.config_file, text.replace(&file, &url))?)
    }

    /// From now on its data are in this database, and not in one of its own.
    pub fn keep_data_at(&self, url: &str) -> Result<()> {
        let text = fs::read_to_string(&self.operator.config_file)?;
        Ok(fs::write(&self.operator.config_file, format!("{text}[database]\nurl = \"{url}\"\n"))?)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its authorities, to issue more certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The subject of [`Site::software`], as settings write it.
    pub fn software_dn(&self) -> String {
        software_holder().dn()
    }

    /// Adds settings to its file.
    pub fn configure(&self, settings: &str) -> Result<()> {
        let text = fs::read_to_string(&self.operator.config_file)?;
        Ok(fs::write(&self.operator.config_file, text + settings)?)
    }

    /// A `pli` command with this site's configuration.
    pub fn pli(&self) -> Result<Program> {
        Ok(Program::pli()?.arg("--config").arg(&self.operator.config_file))
    }

    /// Creates a BAL that opens with [`PASSWORD`].
    pub fn create_bal(&self, local_part: &str) -> Result<Bal> {
        let address = format!("{local_part}@{DOMAIN}");
        let arguments = ["bal", "create", &address, "--kind", "CAB", "--password-stdin"];
        self.pli()?.args(arguments).input(format!("{PASSWORD}\n")).succeed()?;
        Ok(Bal {
            login: Some(address.clone()),
            address,
            kind: "CAB".to_owned(),
            password: Some(PASSWORD.to_owned()),
            client_cert_file: None,
            client_key_file: None,
        })
    }

    /// Creates an applicative BAL that [`Site::software`] opens.
    pub fn create_applicative_bal(&self, local_part: &str) -> Result<String> {
        let address = format!("{local_part}@{DOMAIN}");
        let program = self.pli()?.args([
            "bal",
            "create",
            &address,
            "--kind",
            "APP",
            "--responsible",
            "Essai",
            "--software",
            "Essai",
        ]);
        let program = program.args(["--structure", STRUCTURE, "--certificate"]).arg(&self.software.certificate);
        program.succeed()?;
        Ok(address)
    }

    /// Starts `pli serve` and waits until it answers. `extra` are environment variables, such as settings.
    pub fn serve(&self, extra: &[(&str, &str)]) -> Result<Server> {
        let mut server = self.start(extra)?;
        let mut ended = false;
        wait_until(START_LIMIT, || {
            ended = !matches!(server.child.try_wait(), Ok(None));
            ended || answers(&self.operator)
        });
        ensure!(!ended && answers(&self.operator), "`pli serve` did not come up:\n{}", server.log());
        Ok(server)
    }

    /// Starts `pli serve` and does not wait.
    pub fn start(&self, extra: &[(&str, &str)]) -> Result<Server> {
        let log_file = self.folder().join("serve.log");
        let log = File::options().create(true).append(true).open(&log_file)?;
        let child = Command::new(pli()?)
            .arg("--config")
            .arg(&self.operator.config_file)
            .arg("serve")
            .envs(extra.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `pli serve`")?;
        Ok(Server { child, log_file })
    }

    /// Waits until a server that was started runs, ready or not.
    pub fn wait_until_alive(&self) -> Result<()> {
        let alive = || http_get(self.operator.http_port, "/healthz").is_ok_and(|(status, _)| status == 200);
        ensure!(wait_until(START_LIMIT, alive), "/healthz does not answer");
        Ok(())
    }

    /// Waits until the running server knows so many BALs; those that are created beside it reach it by a notice.
    pub fn wait_for_bals(&self, count: usize) -> Result<()> {
        let line = format!("pli_bals {count}");
        let knows = || {
            let page = http_get(self.operator.http_port, "/metrics");
            page.is_ok_and(|(_, metrics)| metrics.lines().any(|known| known == line))
        };
        ensure!(wait_until(START_LIMIT, knows), "the server does not learn of its BALs");
        Ok(())
    }

    /// TLS for a client without a certificate, or with one.
    pub fn tls(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>> {
        let files = identity.map(|identity| (identity.certificate.as_path(), identity.key.as_path()));
        client_config(&self.folder().join("ca.pem"), files)
    }

    /// An IMAP connection of a BAL.
    pub fn mailbox(&self, bal: &Bal) -> Result<Mailbox> {
        let (login, password) = bal.credentials();
        Mailbox::open(self.operator.imaps_port, self.tls(None)?, login, password)
    }

    /// Replaces the server's certificate by a new one.
    pub fn renew_certificate(&self) -> Result<Vec<u8>> {
        let issued = self.pki.server(&holder(DOMAIN, 1))?;
        issued.write(self.folder(), "server")?;
        Ok(issued.der)
    }
}

/// A running `pli serve`. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log_file: PathBuf,
}

impl Server {
    /// What it and its predecessors in the same folder logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log_file).unwrap_or_default()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(pid(self.child.id()), signal)?)
    }

    /// Kills it as a power cut would, and waits.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it ends by itself. Returns its exit code.
    pub fn wait(&mut self) -> Result<Option<i32>> {
        let mut status = None;
        wait_until(STOP_LIMIT, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let Some(status) = status else { bail!("`pli serve` did not end within {STOP_LIMIT:?}:\n{}", self.log()) };
        Ok(status.code())
    }

    /// Asks it to end and waits. Returns its exit code.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Fails if it has ended or has panicked.
    pub fn check_health(&mut self) -> Result<()> {
        ensure!(matches!(self.child.try_wait(), Ok(None)), "the server has ended:\n{}", self.log());
        if let Some(line) = self.log().lines().find(|line| line.contains("panicked at")) {
            bail!("a panic: {line}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of the server\n{}", self.log());
        }
        // A clean stop takes its PostgreSQL along.
        if matches!(self.child.try_wait(), Ok(None)) && self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

const STRUCTURE: &str = "318751275100020";

fn holder(domain: &str, number: u32) -> ServerHolder {
    ServerHolder {
        cn: format!("mail.{domain}"),
        organisation: format!("Etablissement {number}"),
        structure: format!("1{:09}", 300_000_000 + number),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    }
}

fn software_holder() -> SoftwareHolder {
    SoftwareHolder {
        cn: "Logiciel d'essai".to_owned(),
        organisation: "Etablissement 1".to_owned(),
        structure: STRUCTURE.to_owned(),
        department: "Gard (30)".to_owned(),
    }
}

fn operator(folder: &Path, base: u16) -> Operator {
    Operator {
        name: "site".to_owned(),
        domain: DOMAIN.to_owned(),
        data_dir: folder.join("data"),
        config_file: folder.join("pli.toml"),
        pid: 0,
        smtp_port: base + 25,
        submission_port: base + 587,
        submissions_port: base + 465,
        imap_port: base + 143,
        imaps_port: base + 993,
        http_port: base + 80,
        server_cert_file: folder.join("server.pem"),
        server_key_file: folder.join("server.key"),
        bals: Vec::new(),
    }
}

fn configuration(folder: &Path, operator: &Operator, crl_url: &str) -> String {
    let here = folder.display();
    let Operator { smtp_port, submission_port, submissions_port, imap_port, imaps_port, http_port, .. } = operator;
    format!(
        "[operator]\nhostname = \"mail.{DOMAIN}\"\ndomains = [\"{DOMAIN}\"]\n\
         [data]\ndir = \"{here}/data\"\n\
         [tls]\ncertificate_file = \"{here}/server.pem\"\nkey_file = \"{here}/server.key\"\nanchors_file = \"{here}/ca.pem\"\nissuers_file = \"{here}/issuing-ca.pem\"\n\
         [trust_list]\nfile = \"{here}/list.xml\"\n\
         [revocation]\ncrl_urls = [\"{crl_url}\"]\n\
         [hop]\nlisten = [\"127.0.0.1:{smtp_port}\"]\n\
         [submission]\nlisten_starttls = [\"127.0.0.1:{submission_port}\"]\nlisten_tls = [\"127.0.0.1:{submissions_port}\"]\n\
         [imap]\nlisten_starttls = [\"127.0.0.1:{imap_port}\"]\nlisten_tls = [\"127.0.0.1:{imaps_port}\"]\n\
         [http]\nlisten = \"127.0.0.1:{http_port}\"\n"
    )
}

/// Peers without a port of their own are reached where nobody listens.
fn routes(chosen: &[(&str, u16)]) -> String {
    let mut table = "[relay.routes]\n".to_owned();
    for domain in [PEER, PEER2].into_iter().filter(|domain| chosen.iter().all(|(other, _)| other != domain)) {
        let _ = writeln!(table, "\"{domain}\" = \"127.0.0.1:9\"");
    }
    for (domain, port) in chosen {
        let _ = writeln!(table, "\"{domain}\" = \"127.0.0.1:{port}\"");
    }
    table
}
