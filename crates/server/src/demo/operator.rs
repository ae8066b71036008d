//! One operator at work: a `pli serve` process, and BALs made through the command line as an
//! administrator makes them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use mssante::{BalKind, Random};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::plan::{BalPlan, Plan, here};
use super::site::OperatorFiles;
use crate::ambient::SystemRandom;
use crate::cli::get;
use crate::failure::Failure;

/// A first start makes a database cluster; on a busy machine that takes its time.
const START: Duration = Duration::from_secs(90);
/// A little more than `pli serve` gives its sessions.
const STOP: Duration = Duration::from_secs(45);

/// A BAL with what opens it.
#[derive(Debug, Clone)]
pub(super) struct OpenBal {
    pub(super) address: String,
    pub(super) kind: BalKind,
    /// None if only the software's certificate opens it.
    pub(super) password: Option<String>,
}

/// A running operator.
pub(super) struct Operator {
    pub(super) plan: Plan,
    pub(super) files: OperatorFiles,
    pub(super) bals: Vec<OpenBal>,
    program: PathBuf,
    process: Child,
    pub(super) pid: u32,
}

impl Operator {
    /// Starts the process; it is not ready yet.
    pub(super) fn start(plan: Plan, files: OperatorFiles) -> Result<Self, Failure> {
        let failed = |what: &str, error: std::io::Error| Failure::Refused(format!("{what}: {error}"));
        let program = std::env::current_exe().map_err(|error| failed("the path of pli", error))?;
        let log = std::fs::File::create(&files.log).map_err(|error| failed("the log", error))?;
        let process = clean(&program)
            .args(["serve", "--with-parent", "--config"])
            .arg(&files.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| failed("pli serve", error))?;
        let pid = process.id().unwrap_or_default();
        Ok(Self { plan, files, bals: Vec::new(), program, process, pid })
    }

    /// Waits until `/readyz` says yes, has a trust list and knows `bals` BALs.
    pub(super) async fn until_ready(&mut self, bals: usize) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().map_err(|error| Failure::Refused(error.to_string()))? {
                return Err(self.failure(&format!("ended with {status}")));
            }
            if is_ready(self.plan.ports.http, bals).await {
                return Ok(());
            }
            if begin.elapsed() > START {
                return Err(self.failure("does not get ready"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn failure(&self, what: &str) -> Failure {
        let log = std::fs::read_to_string(&self.files.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(8).collect();
        let end = lines.into_iter().rev().fold(String::new(), |end, line| end + "\n  | " + line);
        Failure::Refused(format!("{}: pli serve {what}; the end of {}:{end}", self.plan.name, self.files.log.display()))
    }

    /// Creates all BALs of the plan with `pli bal create`, while the server runs.
    pub(super) async fn create_bals(&mut self) -> Result<(), Failure> {
        for bal in self.plan.bals {
            let password = (bal.kind != BalKind::Applicative).then(fresh_password);
            self.create_bal(&bal, password.as_deref()).await?;
            self.bals.push(OpenBal { address: self.plan.address_of(&bal), kind: bal.kind, password });
        }
        self.until_ready(self.plan.bals.len()).await
    }

    async fn create_bal(&self, bal: &BalPlan, password: Option<&str>) -> Result<(), Failure> {
        let address = self.plan.address_of(bal);
        let mut command = clean(&self.program);
        command.args(["bal", "create", &address, "--json", "--kind", bal.kind.code(), "--name", bal.name, "--config"]);
        command.arg(&self.files.config);
        match bal.kind {
            BalKind::Nominative => command.args(["--rpps", bal.rpps.unwrap_or_default()]),
            _ => command.args(["--structure", self.plan.structure()]),
        };
        if let Some(responsible) = bal.responsible {
            command.args(["--responsible", responsible]);
        }
        if bal.kind == BalKind::Applicative {
            command.args(["--software", bal.name]);
        }
        match password {
            Some(_) => command.arg("--password-stdin"),
            None => command.arg("--certificate").arg(&self.files.software.certificate),
        };
        let output = fed(command, password.unwrap_or_default()).await;
        let output = output.map_err(|error| Failure::Refused(format!("pli bal create: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::Refused(format!("pli bal create {address}: {}", said.trim())))
    }

    /// `pli probe`: whether mail for this domain could be handed over, and the steps that led there.
    pub(super) async fn probe(&self, domain: &str) -> Result<String, String> {
        let mut command = clean(&self.program);
        command.args(["probe", domain, "--config"]).arg(&self.files.config);
        let output = fed(command, "").await.map_err(|error| format!("pli probe: {error}"))?;
        let steps = String::from_utf8_lossy(&output.stdout).lines().count();
        if output.status.success() {
            return Ok(format!("pli probe: {steps} steps, all of them good"));
        }
        Err(format!("pli probe: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// The BAL of this kind.
    pub(super) fn bal(&self, kind: BalKind) -> &OpenBal {
        self.bals.iter().find(|bal| bal.kind == kind).expect("every kind was created before")
    }

    /// Waits for its process to end, and says so.
    pub(super) async fn watch(&mut self) {
        let ended = self.process.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let again = self.files.config.display();
        eprintln!("pli: {} ended ({ended}); `pli serve --config {again}` starts it again", self.plan.name);
    }

    /// SIGTERM, and its end.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(STOP, self.process.wait()).await.is_err() {
            eprintln!("pli: {} (pid {}) does not end and is killed", self.plan.name, self.pid);
            let _ = self.process.kill().await;
        }
    }

    fn signal(&self, signal: Signal) {
        // The id is only ours as long as the process was not waited for.
        if let Some(pid) = self.process.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
    }
}

/// A `pli` that sees no settings of the environment: the demonstration is what its files say.
fn clean(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PLI_") {
            command.env_remove(name);
        }
    }
    command
}

async fn fed(mut command: Command, input: &str) -> std::io::Result<std::process::Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let written = stdin.write_all(format!("{input}\n").as_bytes()).await;
        // A command that reads nothing closes its end; its exit code says what was wrong.
        drop(written);
    }
    child.wait_with_output().await
}

async fn is_ready(http_port: u16, bals: usize) -> bool {
    let Ok((200, body)) = get(here(http_port), "/readyz").await else { return false };
    let report: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let listed = report["trust_list_standing"] == "fresh";
    listed && report["bals"].as_u64().is_some_and(|count| count >= bals as u64)
}

/// 20 characters out of 32: 100 bits.
fn fresh_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 20];
    SystemRandom.fill(&mut random);
    random.iter().map(|octet| char::from(LETTERS[usize::from(octet % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        assert_eq!(fresh_password().len(), 20);
        assert_ne!(fresh_password(), fresh_password());
    }
}
