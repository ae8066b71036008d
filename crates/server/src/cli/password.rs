//! Passwords from standard input or a prompt that does not echo, never from the command line.

use std::io::{BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use auth::Secret;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::admin::Password;
use crate::failure::Failure;

/// A new password: one line of standard input, or asked for twice.
pub(super) async fn read() -> Result<Password, Failure> {
    let work = || read_twice().map_err(|error| Failure::Refused(format!("standard input: {error}")))?;
    let secret = tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Refused(error.to_string()))??;
    Ok(Password(secret))
}

/// The first line of standard input.
pub(super) fn one_line() -> Result<Secret, Failure> {
    line().map(Secret::new).map_err(|error| Failure::Refused(format!("standard input: {error}")))
}

/// The passphrase of a file, asked for once; it is typed into a terminal or comes another way that the user named.
pub(super) fn passphrase() -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Refused(
            "no terminal to ask for the passphrase; give --passphrase-stdin or --passphrase-file".to_owned(),
        ));
    }
    prompt("Passphrase: ").map(Secret::new).map_err(|error| Failure::Refused(format!("standard input: {error}")))
}

fn read_twice() -> std::io::Result<Result<Secret, Failure>> {
    if !std::io::stdin().is_terminal() {
        return Ok(Ok(Secret::new(line()?)));
    }
    let (first, again) = (prompt("New password: ")?, prompt("Once more: ")?);
    if first != again {
        return Ok(Err(Failure::Refused("the two passwords differ; nothing was changed".to_owned())));
    }
    Ok(Ok(Secret::new(first)))
}

fn prompt(text: &str) -> std::io::Result<String> {
    eprint!("{text}");
    std::io::stderr().flush()?;
    let _silence = Silence::begin()?;
    let line = line();
    eprintln!();
    line
}

fn line() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// A terminal that does not echo, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin().as_fd())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(std::io::stdin().as_fd(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}
