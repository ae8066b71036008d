//! The reading side: when is everything visible, and what exactly is there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Mailbox;

use crate::content::ID_FIELD;

/// How long the last message may take to become visible after the last `250`.
const PATIENCE: Duration = Duration::from_mins(1);

/// IMAP connections to all receiving BALs.
pub(crate) struct Readers {
    mailboxes: Vec<Mailbox>,
    before: Vec<usize>,
}

impl Readers {
    /// Takes connections that are logged in, and notes what is there already.
    pub(crate) fn new(mut mailboxes: Vec<Mailbox>) -> Result<Self> {
        let before = mailboxes.iter_mut().map(|mailbox| mailbox.count("INBOX")).collect::<Result<_>>()?;
        Ok(Self { mailboxes, before })
    }

    /// Waits until `expected` new messages are visible.
    pub(crate) fn wait_for(&mut self, expected: usize) -> Result<()> {
        let started = Instant::now();
        loop {
            let mut visible = 0;
            for (mailbox, before) in self.mailboxes.iter_mut().zip(&self.before) {
                visible += mailbox.count("INBOX")? - before;
            }
            if visible >= expected {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{visible} of {expected} messages visible after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How often each identifier is there, among the new messages.
    pub(crate) fn found(&mut self) -> Result<HashMap<String, usize>> {
        let mut found = HashMap::new();
        for (mailbox, before) in self.mailboxes.iter_mut().zip(&self.before) {
            if mailbox.count("INBOX")? == *before {
                continue;
            }
            mailbox.command("EXAMINE INBOX")?;
            let first = before + 1;
            let fetch = format!("FETCH {first}:* (BODY.PEEK[HEADER.FIELDS ({ID_FIELD})])");
            for response in mailbox.command(&fetch)? {
                let Some(header) = response.literals.first() else { continue };
                let header = String::from_utf8_lossy(header);
                let (_, id) = header.split_once(':').with_context(|| format!("no identifier in {header:?}"))?;
                *found.entry(id.trim().to_owned()).or_insert(0) += 1;
            }
        }
        Ok(found)
    }
}
