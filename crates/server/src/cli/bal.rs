//! `pli bal …`: works beside a running server and without one.

mod delegation;
mod edit;
mod export;
mod import;
mod ways;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mssante::{
    Address, Adeli, BalKind, BalState, Listing, OtherPerson, PatientMail, QuotaChoice, Replies, Rpps, StructureId,
};
use store::{BalRecord, BalSearch};
use time::{Date, OffsetDateTime, Time};
use trust::DistinguishedName;

use super::{password, print};
use crate::admin::{Administration, ChangeBal, CreateBal, MoveBal, Rules};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// What to do with BALs.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a BAL with its default folders.
    Create(Create),
    /// List BALs.
    List(Find),
    /// Find BALs by words of their address, their name, or what is said of them; accents and capitals do not matter.
    Search {
        /// All of these words.
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        find: Find,
    },
    /// Create and change many BALs by a CSV file; nothing is changed until every line of it is right.
    Import(import::Import),
    /// Write BALs on standard output, as `import` reads them.
    Export(export::Export),
    /// Show one BAL.
    Show {
        /// Its address.
        address: Address,
    },
    /// Other addresses that lead to a BAL.
    #[command(subcommand)]
    Alias(ways::Alias),
    /// Mail that is handed on from one BAL to another.
    #[command(subcommand)]
    Forward(ways::Forward),
    /// Open a BAL to a person, or to the holder of another BAL; `pli rules` prints which BALs may be opened to whom. What
    /// he could do on it until now ends.
    Delegate(delegation::Delegate),
    /// List to whom BALs are open.
    Delegations(delegation::Delegations),
    /// Take away what somebody may do on a BAL; his open sessions on it end.
    Undelegate(delegation::Undelegate),
    /// Set the password, read from standard input or asked for.
    SetPassword {
        /// Its address.
        address: Address,
    },
    /// Put a BAL on the liste rouge (unlisted) or take it off (listed): an unlisted BAL shows in no directory.
    SetListing {
        /// Its address.
        address: Address,
        /// listed or unlisted.
        listing: Listing,
    },
    /// Say what a BAL takes of patients: answers only, or prescriptions as well (a pharmacy).
    SetPatientMail {
        /// Its address.
        address: Address,
        /// answers or prescriptions.
        takes: PatientMail,
    },
    /// Say anew what a BAL is for and who answers for it; an empty text takes it away.
    Edit(edit::Edit),
    /// Put a BAL that nobody has opened yet into use.
    Activate(Move),
    /// Say what a BAL may hold, or show it.
    Quota {
        /// Its address.
        address: Address,
        /// A size such as "2 GiB", "default" (as much as its kind), "none".
        choice: Option<QuotaChoice>,
    },
    /// Set a BAL aside: takes no mail for now, nobody logs in, nothing is lost.
    Suspend(Move),
    /// Put a suspended or closed BAL back into use.
    Reopen(Move),
    /// End a BAL: takes no mail, nobody logs in, its content waits for its retention to pass.
    Close(Move),
}

/// A BAL to create.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its address, in one of our domains.
    address: Address,
    /// PER, ORG, APP or CAB.
    #[arg(long)]
    kind: BalKind,
    /// Name shown to people.
    #[arg(long)]
    name: Option<String>,
    /// RPPS number of the holder (PER).
    #[arg(long)]
    rpps: Option<Rpps>,
    /// ADELI number of a holder without RPPS number (PER).
    #[arg(long, conflicts_with = "rpps")]
    adeli: Option<Adeli>,
    /// The number that the structure's own register gives to a holder without RPPS and ADELI numbers (PER).
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["rpps", "adeli"])]
    local_id: Option<OtherPerson>,
    /// The structure that answers for it: 1 and its FINESS, or 3 and its SIRET.
    #[arg(long)]
    structure: Option<StructureId>,
    /// The responsible person (ORG, APP).
    #[arg(long)]
    responsible: Option<String>,
    /// Service de rattachement.
    #[arg(long)]
    service: Option<String>,
    /// What it is for, for directories.
    #[arg(long)]
    description: Option<String>,
    /// Name of the software (APP).
    #[arg(long)]
    software: Option<String>,
    /// Number of the software in the national register, NIL (APP).
    #[arg(long)]
    nil: Option<String>,
    /// Whether people may write to it: accept, or refuse for a noreply box.
    #[arg(long)]
    replies: Option<Replies>,
    /// What it may hold: a size such as "2 GiB", "default" (as much as its kind), "none".
    #[arg(long, default_value_t)]
    quota: QuotaChoice,
    /// Liste rouge: it shows in no directory.
    #[arg(long)]
    unlisted: bool,
    /// PEM certificate that opens an APP BAL.
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_dn")]
    certificate: Option<PathBuf>,
    /// Subject of the certificate that opens an APP BAL.
    #[arg(long, value_name = "DN")]
    certificate_dn: Option<String>,
    /// Read a password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// Which BALs.
#[derive(Debug, Args)]
pub(super) struct Find {
    /// Of this kind only: PER, ORG, APP, CAB.
    #[arg(long)]
    kind: Option<BalKind>,
    /// In this state only: created, active, suspended, closed.
    #[arg(long)]
    state: Option<BalState>,
    /// Open, and opened by nobody since this day (2026-01-31).
    #[arg(long, value_name = "DAY", value_parser = day)]
    inactive_since: Option<OffsetDateTime>,
    /// Of this structure only: 1 and its FINESS, or 3 and its SIRET.
    #[arg(long)]
    structure: Option<StructureId>,
}

/// A BAL whose state changes.
#[derive(Debug, Args)]
pub(super) struct Move {
    /// Its address.
    address: Address,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

impl Command {
    /// Opens the store, does the work, and leaves the database as it was found.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        if matches!(&self, Self::Import(import) if import.prints_template()) {
            return import::Import::template();
        }
        let rules = Rules::of(settings);
        self.check(&rules)?;
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(&Administration::new(store.clone(), rules), json).await;
        store.close().await;
        database.stop().await?;
        result
    }

    /// What can be refused before there is a database.
    fn check(&self, rules: &Rules) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.check(rules),
            Self::Alias(alias) => alias.check(rules),
            Self::Edit(edit) => edit.check(),
            _ => Ok(()),
        }
    }

    async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create(create) => show(&create.work(admin).await?, json),
            Self::List(find) => find.list(None, admin, json).await,
            Self::Search { text, find } => find.list(Some(text.join(" ")), admin, json).await,
            Self::Import(import) => import.work(admin, json).await,
            Self::Export(export) => export.work(admin).await,
            Self::Show { address } => show_whole(admin, &address, json).await,
            Self::Quota { address, choice } => quota(admin, &address, choice, json).await,
            Self::Alias(alias) => alias.work(admin, json).await,
            Self::Forward(forward) => forward.work(admin, json).await,
            Self::Delegate(delegate) => delegate.work(admin, json).await,
            Self::Delegations(delegations) => delegations.work(admin, json).await,
            Self::Undelegate(undelegate) => undelegate.work(admin, json).await,
            Self::SetPassword { address } => show(&set_password(admin, &address).await?, json),
            Self::SetListing { address, listing } => {
                let change = ChangeBal { listing: Some(listing), ..ChangeBal::default() };
                show(&admin.change(&address, change, None).await?, json)
            }
            Self::SetPatientMail { address, takes } => {
                show(&admin.set_patient_mail(&address, takes, None).await?, json)
            }
            Self::Edit(edit) => show(&admin.change(&edit.address.clone(), edit.into(), None).await?, json),
            Self::Suspend(to) => show(&to.work(admin, BalState::Suspended).await?, json),
            Self::Activate(to) | Self::Reopen(to) => show(&to.work(admin, BalState::Active).await?, json),
            Self::Close(to) => show(&to.work(admin, BalState::Closed).await?, json),
        }
    }
}

/// Stands for the subject of a certificate whose file is read later.
const UNREAD: &str = "CN=unread";

impl Create {
    fn check(&self, rules: &Rules) -> Result<(), Failure> {
        let unread = self.certificate.as_ref().map(|_| UNREAD.to_owned());
        let request = self.request(unread);
        if self.password_stdin {
            request.check_password_allowed()?;
        }
        for warning in request.check(rules)? {
            eprintln!("warning: {warning}");
        }
        Ok(())
    }

    /// All but the password, with the subject of the certificate if it comes in a file.
    fn request(&self, of_file: Option<String>) -> CreateBal {
        CreateBal {
            address: self.address.clone(),
            kind: self.kind,
            name: self.name.clone(),
            rpps: self.rpps,
            adeli: self.adeli,
            local_id: self.local_id.clone(),
            structure: self.structure.clone(),
            responsible: self.responsible.clone(),
            service: self.service.clone(),
            description: self.description.clone(),
            software: self.software.clone(),
            nil: self.nil.clone(),
            replies: self.replies,
            quota: self.quota,
            listing: self.unlisted.then_some(Listing::Unlisted),
            certificate_dn: of_file.or_else(|| self.certificate_dn.clone()),
            password: None,
        }
    }

    async fn work(self, admin: &Administration) -> Result<BalRecord, Failure> {
        let password = if self.password_stdin { Some(password::read().await?) } else { None };
        let of_file = self.certificate.as_deref().map(subject_of).transpose()?.map(|name| name.to_string());
        Ok(admin.create(CreateBal { password, ..self.request(of_file) }).await?)
    }
}

fn subject_of(file: &Path) -> Result<DistinguishedName, Failure> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let unusable = |why: String| Failure::Refused(format!("{}: {why}; give a PEM certificate", file.display()));
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| unusable(error.to_string()))?;
    DistinguishedName::of_certificate(&certificate).map_err(|error| unusable(error.to_string()))
}

impl Move {
    async fn work(self, admin: &Administration, to: BalState) -> Result<BalRecord, Failure> {
        Ok(admin.move_to(&self.address, to, &MoveBal { reason: self.reason }, None).await?)
    }
}

async fn set_password(admin: &Administration, address: &Address) -> Result<BalRecord, Failure> {
    admin.find_for_password(address).await?;
    Ok(admin.set_password(address, password::read().await?).await?)
}

impl Find {
    fn search(&self, text: Option<String>) -> BalSearch {
        BalSearch {
            kind: self.kind,
            state: self.state,
            structure: self.structure.clone(),
            inactive_since: self.inactive_since,
            text,
            after: None,
        }
    }

    async fn list(self, text: Option<String>, admin: &Administration, json: bool) -> Result<(), Failure> {
        let bals = admin.search_all(self.search(text)).await?;
        if json {
            return print::json(&bals);
        }
        let rows = bals.iter().map(|bal| {
            let name = bal.display_name.clone().unwrap_or_default();
            [bal.address.to_string(), bal.kind.to_string(), bal.state.to_string(), name, credential(bal).to_owned()]
        });
        print::table(["address", "kind", "state", "name", "opens by"], rows)
    }
}

fn credential(bal: &BalRecord) -> &'static str {
    match (bal.certificate_dn.is_some(), bal.has_password) {
        (true, _) => "certificate",
        (false, true) => "password",
        (false, false) => "nothing yet",
    }
}

/// A BAL with what it holds.
async fn show_whole(admin: &Administration, address: &Address, json: bool) -> Result<(), Failure> {
    let bal = admin.find(address).await?;
    let mut object = value(&bal)?;
    object["usage"] = value(&admin.occupancy(&bal).await?)?;
    print::facts(&object, json)
}

async fn quota(
    admin: &Administration,
    address: &Address,
    choice: Option<QuotaChoice>,
    json: bool,
) -> Result<(), Failure> {
    let bal = match choice {
        Some(choice) => admin.set_quota(address, choice, None).await?,
        None => admin.find(address).await?,
    };
    let mut object = value(&admin.occupancy(&bal).await?)?;
    object["address"] = value(&bal.address)?;
    object["quota"] = value(&bal.quota)?;
    print::facts(&object, json)
}

/// The beginning of a day, UTC.
fn day(text: &str) -> Result<OffsetDateTime, String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let day = Date::parse(text, &format).map_err(|_| format!("'{text}' is not a day such as 2026-01-31"))?;
    Ok(OffsetDateTime::new_utc(day, Time::MIDNIGHT))
}

fn value(of: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(of).map_err(|error| Failure::Refused(error.to_string()))
}

fn show(bal: &BalRecord, json: bool) -> Result<(), Failure> {
    print::facts(&value(bal)?, json)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;
    use super::*;

    /// The commands `pli …` of a manual: indented lines, and code spans.
    fn commands(text: &str) -> Vec<Vec<String>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("    pli "));
        let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("pli "));
        lines.chain(spans.filter(|span| span.starts_with("bal "))).map(words).collect()
    }

    /// As a shell splits them, as far as manuals go: double quotes and comments only.
    fn words(command: &str) -> Vec<String> {
        let command = command.split(" # ").next().unwrap_or(command);
        let mut words = vec!["pli".to_owned()];
        for (place, piece) in command.split('"').enumerate() {
            if place % 2 == 1 {
                words.push(piece.to_owned());
            } else {
                words.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn the_commands_of_the_manuals_are_accepted() {
        let mut settings = crate::config::for_tests();
        settings.operator.domains = vec![mssante::Domain::parse("ch-exemple.mssante.fr").unwrap()];
        let mut created = 0;
        for manual in ["docs/administration.md", "README.md"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(manual);
            for words in commands(&std::fs::read_to_string(file).unwrap()) {
                let cli = Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{manual}: {words:?}: {error}"));
                if let super::super::Command::Bal(Command::Create(create)) = cli.command {
                    create
                        .check(&Rules::of(&settings))
                        .unwrap_or_else(|failure| panic!("{manual}: {words:?}: {failure}"));
                    created += 1;
                }
            }
        }
        assert!(created >= 4, "the manuals show how each kind is created");
    }

    fn check(arguments: &str) -> Result<(), String> {
        let words = ["pli", "bal", "create"].into_iter().chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let super::super::Command::Bal(Command::Create(create)) = cli.command else { panic!("not a creation") };
        create.check(&Rules::of(&crate::config::for_tests())).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_never_changes_is_refused_with_what_to_do() {
        for given in ["--rpps 10001234565", "--structure 318751275100020", "--kind PER"] {
            let words = ["pli", "bal", "edit", "a@ch.mssante.fr"].into_iter().chain(given.split_whitespace());
            let super::super::Command::Bal(Command::Edit(edit)) = Cli::try_parse_from(words).unwrap().command else {
                panic!("not an edit")
            };
            let why = edit.check().unwrap_err().to_string();
            assert!(why.contains("never changes") && why.contains("pli bal close a@ch.mssante.fr"), "{given}: {why}");
        }
    }

    #[test]
    fn each_kind_must_come_with_what_identifies_it() {
        for (arguments, expected) in [
            ("a@ch.mssante.fr --kind PER", "--rpps, --adeli), or a number of the structure's register"),
            ("a@ch.mssante.fr --kind PER --local-id M1234", "--structure"),
            ("a@ch.mssante.fr --kind CAB --nil 1", "CAB comes without the number of its software"),
            ("a@ch.mssante.fr --kind ORG", "--structure"),
            ("a@ch.mssante.fr --kind APP --structure 318751275100020", "--responsible"),
            ("a@ch.mssante.fr --kind ORG --structure 318751275100020", "--responsible"),
            ("a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X", "--software"),
            ("a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X --software Y", "--certificate"),
            ("a@ch.mssante.fr --kind CAB --certificate-dn CN=x", "CAB comes without a certificate (--certificate"),
            (
                "a@ch.mssante.fr --kind ORG --structure 318751275100020 --rpps 10001234565",
                "ORG comes without the holder's RPPS or ADELI number (--rpps",
            ),
            ("a@elsewhere.fr --kind CAB", "operator.domains"),
            ("a@ch.mssante.fr --kind XYZ", "PER, ORG, APP, CAB"),
            ("a@ch.mssante.fr --kind PER --rpps 12", "11 digits"),
        ] {
            let why = check(arguments).unwrap_err();
            assert!(why.contains(expected), "{arguments}: {why}");
        }
    }

    #[test]
    fn days_are_written_from_the_year_on() {
        assert_eq!(day("2026-01-31").unwrap().unix_timestamp(), 1_769_817_600);
        assert!(day("31/01/2026").unwrap_err().contains("2026-01-31"));
    }

    #[test]
    fn complete_creations_pass() {
        for arguments in [
            "a@ch.mssante.fr --kind PER --rpps 10001234565",
            "a@ch.mssante.fr --kind PER --structure 318751275100020 --local-id M1234",
            "a@ch.mssante.fr --kind PER --adeli 012600631",
            "a@ch.mssante.fr --kind ORG --structure 318751275100020 --responsible X",
            "a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X --software Y --certificate-dn CN=x",
            "a@ch.mssante.fr --kind CAB --password-stdin",
        ] {
            assert_eq!(check(arguments), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn an_applicative_bal_gets_no_password() {
        let arguments = "a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X --software Y \
                         --certificate-dn CN=x --password-stdin";
        assert!(check(arguments).unwrap_err().contains("has no password"));
    }
}
