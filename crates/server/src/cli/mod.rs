//! The command line.

mod annuaire;
mod audit;
mod bal;
mod cert;
mod indicators;
mod password;
mod person;
mod print;
mod probe;
mod rules;
mod status;
mod trust;
mod version;
mod who;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mssante::{Clock as _, Domain};

use crate::ambient::SystemClock;
use crate::config::{self, Settings};
use crate::failure::Failure;
use crate::{demo, serve};

pub(crate) use print::{json, line, moment, table, tame};
pub(crate) use status::get;
pub(crate) use who::who;

/// MSSanté-compatible secure mail server.
///
/// Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 configuration; 4 something that
/// pli needs (database, port, running server) is not available.
#[derive(Debug, Parser)]
#[command(name = "pli", version, about, long_about, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file.
    #[arg(long, global = true, env = "PLI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON for machines; a failure is an object with `error`, `kind` and `exit_code`, the last line of standard
    /// error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT; SIGHUP reads certificates and trust list again.
    Serve {
        /// End when the process that started this one ends.
        #[arg(long, hide = true)]
        with_parent: bool,
    },
    /// Read the configuration, the certificates and the trust list, and say what is wrong.
    CheckConfig,
    /// Create and change BALs.
    #[command(subcommand)]
    Bal(bal::Command),
    /// People without a BAL, who open those of others.
    #[command(subcommand)]
    Person(person::Command),
    /// Our certificate and the authorities: look at them, request, import.
    #[command(subcommand)]
    Cert(cert::Command),
    /// The white list, its life, and what it says.
    #[command(subcommand)]
    Trust(trust::Command),
    /// The directory of the trust space: import, search, its life, and what it is told of our BALs.
    #[command(subcommand)]
    Annuaire(annuaire::Command),
    /// The audit trail: read it, take it along, verify it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What the BALs of this operator did in a month, without any correspondent.
    Indicators(indicators::Command),
    /// Print the rules that are enforced, and every refusal.
    Rules(rules::Rules),
    /// Print the description of the administrators' API (OpenAPI 3.1).
    Openapi,
    /// Ask the running server how it is.
    ///
    /// Exit code 0 if it works. 1 if it works without a trust list that peers are judged by (missing or expired):
    /// people read and write, mail of other operators is refused temporarily. 4 if it does not run, its database
    /// does not answer, or it is about to stop: it is not ready then, and `/readyz` is 503.
    Status,
    /// Open a hop to a domain as the relay would, and say how each step went; nothing is sent.
    ///
    /// Exit code 0 if mail could be handed over now, 1 if not, with the reason.
    Probe {
        /// A domain of another operator.
        domain: Domain,
    },
    /// Two operators that exchange messages, complete, on this machine.
    Demo(DemoArgs),
}

/// How to run the demonstration.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Run the scenario, print the table and end; exit code 0 only if everything held.
    #[arg(long)]
    pub(crate) once: bool,
    /// Write ports, files and logins as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Option<PathBuf>,
    /// The hospital listens on N+25, N+587, N+465, N+143, N+993 and N+80, the pharmacy on the
    /// same plus 1000.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u16).range(0..=63_000))]
    pub(crate) port_base: u16,
    /// Keep everything in this folder; a fresh one under /tmp, removed at the end, without it.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked for.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let file = config::file_or_default(self.config);
        let settings = || config::load(&file);
        let warned = || settings().inspect(warn_of_list);
        match self.command {
            Command::Serve { with_parent } => serve::serve(settings()?, with_parent).await,
            Command::CheckConfig => check_config(&config::load_with_list(&file)?, self.json).await,
            Command::Bal(command) => command.run(&settings()?, self.json).await,
            Command::Person(command) => command.run(&settings()?, self.json).await,
            Command::Trust(command) => command.run(&warned()?, self.json).await,
            Command::Cert(command) => command.run(|| config::load_without_files(&file), self.json).await,
            Command::Annuaire(command) => command.run(&settings()?, self.json).await,
            Command::Audit(command) => command.run(&settings()?, self.json).await,
            Command::Indicators(command) => command.run(&settings()?, self.json).await,
            Command::Rules(rules) => rules.print(self.json),
            Command::Openapi => line(serve::api::description().trim_end()),
            Command::Status => status::print(&warned()?, self.json).await,
            Command::Probe { domain } => probe::print(&settings()?, &domain, self.json).await,
            Command::Demo(args) => {
                let audience = if self.json { demo::Audience::Programs } else { demo::Audience::People };
                demo::run(args, audience).await
            }
        }
    }
}

/// These commands are for the day when the list is missing.
fn warn_of_list(settings: &Settings) {
    if let Some(warning) = settings.list_warning() {
        eprintln!("warning: {warning}");
    }
}

async fn check_config(settings: &Settings, json: bool) -> Result<(), Failure> {
    let serve::Inspection { list, certificate_not_after, expiry, unbound } = serve::inspect(settings).await?;
    let domains = settings.operator.domains.iter().map(ToString::to_string).collect::<Vec<_>>();
    let facts = serde_json::json!({
        "hostname": settings.operator.hostname,
        "domains": domains,
        "database": if settings.database_url()?.is_some() { "remote" } else { "private" },
        "certificate_not_after": print::moment(certificate_not_after),
        "trust_list_generated_at": list.as_ref().map(|list| print::moment(list.generated_at())),
        "trust_list_domains": list.as_ref().map(::trust::TrustList::domain_count),
    });
    print::facts(&facts, json)?;
    let files = settings.tls_files();
    let authorities = ::trust::Authorities::load(&files.anchors, &files.issuers, SystemClock.now())?;
    let left_out = authorities.left_out().iter().map(|why| format!("an authority does not count: {why}"));
    for warning in settings.warnings().into_iter().chain(expiry).chain(left_out) {
        eprintln!("warning: {warning}");
    }
    for domain in unbound {
        eprintln!(
            "warning: the trust list does not name the certificate of tls.certificate_file for our domain {domain}; \
             other operators will refuse its mail"
        );
    }
    let Some(list) = list else { return Ok(()) };
    for domain in settings.operator.domains.iter().filter(|domain| !list.lists(domain)) {
        eprintln!("warning: our domain {domain} is not on the trust list; other operators will refuse its mail");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        Cli::command().debug_assert();
    }
}
