//! Child processes: the binary under test and the third-party clients.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Where the binary under test is: `PLI_BINARY`, or beside the running test in the target folder.
pub fn pli() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PLI_BINARY") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(3).map(|folder| folder.join("pli")).find(|path| path.is_file());
    found.with_context(|| {
        format!("no `pli` near {}: build it first (`make test` does; or `cargo build -p server`)", own.display())
    })
}

/// A program with arguments, to be run to its end.
#[derive(Debug)]
pub struct Program {
    command: Command,
    shown: String,
    input: Vec<u8>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Exit {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Program {
    /// A program found on PATH or by its path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let shown = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        Self { command: Command::new(program), shown, input: Vec::new() }
    }

    /// The binary under test.
    pub fn pli() -> Result<Self> {
        Ok(Self::new(pli()?))
    }

    /// A script of `tests/clients`, run by python3.
    pub fn script(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let mut program = Self::new("python3").arg("-u").arg(folder.join(name));
        program.command.env("PYTHONDONTWRITEBYTECODE", "1");
        name.clone_into(&mut program.shown);
        program
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads on standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs it to its end, whatever that is.
    pub fn run(mut self) -> Result<Exit> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().with_context(|| format!("cannot start {}", self.shown))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading its input has said so by its exit code.
            let _ = stdin.write_all(&self.input);
        }
        let output = child.wait_with_output()?;
        Ok(Exit {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and fails with all that it said unless it ends with exit code 0. Returns its output.
    pub fn succeed(self) -> Result<String> {
        let shown = self.shown.clone();
        let exit = self.run()?;
        if exit.code != Some(0) {
            bail!("{shown}: {exit}");
        }
        Ok(exit.stdout)
    }
}

/// Waits until `condition` holds, trying often; `false` if it never does.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let pause = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while !condition() {
        if waited >= limit {
            return false;
        }
        std::thread::sleep(pause);
        waited += pause;
    }
    true
}
