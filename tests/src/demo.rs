//! A running `pli demo` in a folder of its own.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::program::wait_until;
use crate::{Operator, Sheet, http_get, pli};

/// A debug build on a busy machine makes two clusters, a PKI and all BALs in this time.
const START_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// A running demo. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    folder: TempDir,
    /// Where everything is.
    pub sheet: Sheet,
}

impl Demo {
    /// Starts `pli demo` and waits until its sheet is there and its operators answer.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pli-e2e-").tempdir()?;
        // Run as root, PostgreSQL belongs to another user, who must be able to reach its folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
        let sheet_file = folder.path().join("sheet.json");
        let log = File::create(folder.path().join("demo.log"))?;
        let mut child = Command::new(pli()?)
            .arg("demo")
            .arg("--sheet")
            .arg(&sheet_file)
            .arg("--port-base")
            .arg(free_port_base()?.to_string())
            .arg("--dir")
            .arg(folder.path().join("demo"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `pli demo`")?;
        let mut sheet = None;
        wait_until(START_LIMIT, || {
            sheet = Sheet::read(&sheet_file).ok().filter(|sheet| sheet.operators.iter().all(answers));
            sheet.is_some() || !matches!(child.try_wait(), Ok(None))
        });
        let Some(sheet) = sheet else {
            let log = fs::read_to_string(folder.path().join("demo.log")).unwrap_or_default();
            let _ = child.kill();
            bail!("`pli demo` did not come up:\n{log}");
        };
        Ok(Self { child, folder, sheet })
    }

    /// The hospital.
    pub fn hospital(&self) -> &Operator {
        &self.sheet.operators[0]
    }

    /// The pharmacy group.
    pub fn pharmacy(&self) -> &Operator {
        &self.sheet.operators[1]
    }

    /// The process id of the demo itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The sheet as a file, for scripts.
    pub fn sheet_file(&self) -> PathBuf {
        self.folder.path().join("sheet.json")
    }

    /// A folder for the test's own files; goes with the demo.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Everything that the demo and its operators logged so far.
    pub fn log(&self) -> String {
        let mut text = fs::read_to_string(self.folder.path().join("demo.log")).unwrap_or_default();
        for operator in &self.sheet.operators {
            let log = operator.config_file.with_extension("log");
            text.push_str(&String::from_utf8_lossy(&fs::read(log).unwrap_or_default()));
        }
        text
    }

    /// Fails if an operator has ended or has panicked.
    pub fn check_health(&self) -> Result<()> {
        for operator in &self.sheet.operators {
            if kill(pid(operator.pid), None).is_err() {
                bail!("{} is gone:\n{}", operator.name, self.log());
            }
        }
        let log = self.log();
        if let Some(line) = log.lines().find(|line| line.contains("panicked at")) {
            bail!("a panic: {line}");
        }
        Ok(())
    }

    /// Asks the demo to end and waits. Returns its exit code.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        kill(pid(self.child.id()), Signal::SIGTERM)?;
        let mut status = None;
        wait_until(STOP_LIMIT, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let Some(status) = status else { bail!("`pli demo` did not end within {STOP_LIMIT:?}") };
        Ok(status.code())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.stop().is_err() {
            for operator in &self.sheet.operators {
                let _ = kill(pid(operator.pid), Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            println!("--- log of the demo\n{}", self.log());
        }
    }
}

/// Whether it says that it is ready and has a trust list; its ports are open before its database is.
pub(crate) fn answers(operator: &Operator) -> bool {
    http_get(operator.http_port, "/readyz")
        .is_ok_and(|(status, body)| status == 200 && !body.contains("\"trust_list_standing\":\"missing\""))
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("process ids fit in 31 bits"))
}

/// What the demo and a [`crate::Site`] add to their base, and what the second operator adds to the first.
const OFFSETS: [u16; 6] = [25, 80, 143, 465, 587, 993];
const SECOND_OPERATOR: u16 = 1000;

/// A port base where all ports are free, below the range from which the system takes ports for outgoing connections.
/// Tests that run at the same time begin their search at different places, in one process or in several.
pub fn free_port_base() -> Result<u16> {
    const FIRST: u16 = 10_000;
    const CHOICES: u16 = 2_000;
    static SEARCHES: AtomicU32 = AtomicU32::new(0);
    let search = SEARCHES.fetch_add(1, Ordering::Relaxed);
    let start = (std::process::id() * 37).wrapping_add(search * 101) % u32::from(CHOICES);
    let start = u16::try_from(start).expect("below the number of choices");
    (0..CHOICES)
        .map(|step| FIRST + (start + step * 7) % CHOICES * 10)
        .find(|base| OFFSETS.iter().all(|offset| is_free(base + offset) && is_free(base + offset + SECOND_OPERATOR)))
        .context("no free range of ports")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
