//! The servers under test: a demo of our own, with extra BALs that receive.

use std::sync::Arc;

use anyhow::{Context, Result};
use e2e::{Demo, Mailbox, Operator, Program, client_config};
use rustls::ClientConfig;

use crate::case::Door;
use crate::client::{Login, Target};
use crate::process::{Tree, postmaster};

/// Everything that the cases share.
pub(crate) struct Setup {
    demo: Demo,
    recipients: Vec<String>,
    password: String,
    plain_tls: Arc<ClientConfig>,
}

impl Setup {
    /// Starts the demo and creates the receiving BALs at the hospital.
    pub(crate) fn start(recipients: usize) -> Result<Self> {
        let demo = Demo::start()?;
        let password = "lettre-scellee-2026".to_owned();
        let hospital = demo.hospital();
        let recipients: Vec<String> = (0..recipients).map(|n| format!("labo-{n}@{}", hospital.domain)).collect();
        for address in &recipients {
            create_bal(hospital, address, &password).with_context(|| address.clone())?;
        }
        let plain_tls = client_config(&demo.sheet.ca_file, None)?;
        Ok(Self { demo, recipients, password, plain_tls })
    }

    /// The operator that is measured.
    pub(crate) fn hospital(&self) -> &Operator {
        self.demo.hospital()
    }

    /// Who receives message number `number`.
    pub(crate) fn recipient(&self, number: usize) -> &str {
        &self.recipients[number % self.recipients.len()]
    }

    /// Where and how the messages of a case are sent.
    pub(crate) fn target(&self, door: Door) -> Result<Target> {
        let ca = &self.demo.sheet.ca_file;
        let hospital = self.hospital();
        match door {
            Door::Hop => {
                let peer = self.demo.pharmacy();
                let tls = client_config(ca, Some((&peer.server_cert_file, &peer.server_key_file)))?;
                let sender = peer.person().address.clone();
                Ok(Target { port: hospital.smtp_port, tls, login: Login::None, sender })
            }
            Door::Software => {
                let bal = hospital.software().context("the hospital has no applicative BAL")?;
                let certificate = bal.client_cert_file.as_deref().zip(bal.client_key_file.as_deref());
                let tls = client_config(ca, certificate)?;
                let sender = bal.address.clone();
                Ok(Target { port: hospital.submission_port, tls, login: Login::External, sender })
            }
            Door::Person => {
                let sender = self.recipients[0].clone();
                let login = Login::Plain { login: sender.clone(), password: self.password.clone() };
                Ok(Target { port: hospital.submission_port, tls: Arc::clone(&self.plain_tls), login, sender })
            }
        }
    }

    /// An IMAP connection to every receiving BAL.
    pub(crate) fn mailboxes(&self) -> Result<Vec<Mailbox>> {
        let port = self.hospital().imaps_port;
        let open = |address: &String| Mailbox::open(port, Arc::clone(&self.plain_tls), address, &self.password);
        self.recipients.iter().map(open).collect()
    }

    /// All processes of the demo: the operators and their PostgreSQL.
    pub(crate) fn processes(&self) -> Tree {
        let operators = &self.demo.sheet.operators;
        let mut roots = vec![self.demo.pid()];
        roots.extend(operators.iter().map(|operator| operator.pid));
        roots.extend(operators.iter().filter_map(|operator| postmaster(&operator.data_dir)));
        Tree::new(roots)
    }

    /// The processes of the operator that is measured.
    pub(crate) fn hospital_processes(&self) -> Tree {
        let hospital = self.hospital();
        Tree::new([hospital.pid].into_iter().chain(postmaster(&hospital.data_dir)).collect())
    }
}

fn create_bal(operator: &Operator, address: &str, password: &str) -> Result<()> {
    Program::pli()?
        .arg("--config")
        .arg(&operator.config_file)
        .args(["bal", "create", address, "--kind", "CAB", "--password-stdin"])
        .input(format!("{password}\n"))
        .succeed()?;
    Ok(())
}
