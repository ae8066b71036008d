//! A small IMAP reader: how many messages are there, and which bytes do they have.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;

use crate::Wire;

/// An IMAP connection that is logged in.
#[derive(Debug)]
pub struct Mailbox {
    wire: Wire,
    tag: u32,
}

/// An untagged response: its line, and the literals that stood in it, in order.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The line with `{}` where a literal stood.
    pub line: String,
    /// The literals.
    pub literals: Vec<Vec<u8>>,
}

impl Mailbox {
    /// Connects over TLS and logs in with a password.
    pub fn open(imaps_port: u16, config: Arc<ClientConfig>, login: &str, password: &str) -> Result<Self> {
        let mut wire = Wire::connect_tls(imaps_port, config)?;
        let greeting = wire.read_line()?.context("no greeting")?;
        if !greeting.starts_with("* OK") {
            bail!("greeting: {greeting}");
        }
        let mut mailbox = Self { wire, tag: 0 };
        mailbox.command(&format!("LOGIN \"{login}\" \"{password}\""))?;
        Ok(mailbox)
    }

    /// Sends a command and returns the untagged responses; fails unless it ends with OK.
    pub fn command(&mut self, command: &str) -> Result<Vec<Response>> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.wire.line(&format!("{tag} {command}"))?;
        let mut responses = Vec::new();
        loop {
            let response = self.response()?;
            if let Some(outcome) = response.line.strip_prefix(&format!("{tag} ")) {
                if !outcome.starts_with("OK") {
                    // Not the command itself: it may hold a password.
                    let verb = command.split(' ').next().unwrap_or_default();
                    bail!("{verb}: {outcome}");
                }
                return Ok(responses);
            }
            responses.push(response);
        }
    }

    /// How many messages a folder holds.
    pub fn count(&mut self, folder: &str) -> Result<usize> {
        let responses = self.command(&format!("STATUS {folder} (MESSAGES)"))?;
        let line = responses.iter().find(|response| response.line.starts_with("* STATUS")).context("no STATUS")?;
        let number = line.line.rsplit_once("(MESSAGES ").map(|(_, rest)| rest.trim_end_matches(')'));
        number.and_then(|number| number.parse().ok()).with_context(|| line.line.clone())
    }

    /// All messages of a folder, whole.
    pub fn messages(&mut self, folder: &str) -> Result<Vec<Vec<u8>>> {
        if self.count(folder)? == 0 {
            return Ok(Vec::new());
        }
        self.command(&format!("EXAMINE {folder}"))?;
        let responses = self.command("FETCH 1:* (BODY.PEEK[])")?;
        Ok(responses.into_iter().filter_map(|mut response| response.literals.pop()).collect())
    }

    fn response(&mut self) -> Result<Response> {
        let mut response = Response::default();
        loop {
            let part = self.wire.read_line()?.context("the server closed the connection")?;
            let literal = part.strip_suffix('}').and_then(|text| text.rsplit_once('{'));
            let Some((before, size)) = literal.and_then(|(text, size)| Some((text, size.parse::<usize>().ok()?)))
            else {
                response.line.push_str(&part);
                return Ok(response);
            };
            response.line.push_str(before);
            response.line.push_str("{}");
            response.literals.push(self.wire.read_exactly(size)?);
        }
    }
}
