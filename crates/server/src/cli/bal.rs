//! `pli bal …`: works beside a running server and without one.

mod ways;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mssante::{
    Address, Attribute, AttributeError, BalKind, BalState, KeyCheck, KeyPolicy, Listing, PersonId, Rpps, StructureId,
};
use store::{BalEdit, BalFilter, BalRecord, NewBal, Store};
use trust::DistinguishedName;

use super::{password, print};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// What to do with BALs.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a BAL with its default folders.
    Create(Create),
    /// List BALs.
    List {
        /// Of this kind only: PER, ORG, APP, CAB.
        #[arg(long)]
        kind: Option<BalKind>,
        /// In this state only: active, suspended, closed.
        #[arg(long)]
        state: Option<BalState>,
    },
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
    /// Say anew what a BAL is for and who answers for it; an empty text takes it away.
    Edit(Edit),
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

/// What is said of a BAL.
#[derive(Debug, Args)]
pub(super) struct Edit {
    /// Its address.
    address: Address,
    /// Service de rattachement.
    #[arg(long)]
    service: Option<String>,
    /// What it is for, for directories.
    #[arg(long)]
    description: Option<String>,
    /// The responsible person.
    #[arg(long)]
    responsible: Option<String>,
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
        match &self {
            Self::Create(create) => create.check(settings)?,
            Self::Alias(alias) => alias.check(settings)?,
            _ => {}
        }
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(&store, json).await;
        store.close().await;
        database.stop().await?;
        result
    }

    async fn work(self, store: &Store, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create(create) => show(&create.work(store).await?, json),
            Self::List { kind, state } => list(&store.list_bals(&BalFilter { kind, state }).await?, json),
            Self::Show { address } => show(&found(store, &address).await?, json),
            Self::Alias(alias) => alias.work(store, json).await,
            Self::Forward(forward) => forward.work(store, json).await,
            Self::SetPassword { address } => show(&set_password(store, &address).await?, json),
            Self::SetListing { address, listing } => {
                let bal = found(store, &address).await?;
                show(&store.set_listing(bal.id, listing).await?, json)
            }
            Self::Edit(edit) => show(&edit.work(store).await?, json),
            Self::Suspend(to) => show(&to.work(store, BalState::Suspended).await?, json),
            Self::Reopen(to) => show(&to.work(store, BalState::Active).await?, json),
            Self::Close(to) => show(&to.work(store, BalState::Closed).await?, json),
        }
    }
}

impl Create {
    /// What a BAL of its kind must come with. `[MSS1 BAL.KINDS]`
    fn check(&self, settings: &Settings) -> Result<(), Failure> {
        let refuse = |why: String| Err(Failure::Refused(why));
        if !settings.operator.domains.contains(self.address.domain()) {
            return refuse(format!(
                "{} is not one of operator.domains; a BAL is created in our own domains",
                self.address.domain()
            ));
        }
        mssante::may_create(self.kind, &self.given()).or_else(|error| refuse(explain(error)))?;
        self.check_key(settings.annuaire.unconfirmed_keys)
    }

    /// A mistyped number would publish the BAL under somebody else's name. `[MSS1 ID.KEYS]`
    fn check_key(&self, policy: KeyPolicy) -> Result<(), Failure> {
        let Some(rpps) = &self.rpps else { return Ok(()) };
        match policy.judge(&PersonId::Rpps(*rpps)) {
            Ok(KeyCheck::Doubtful) => {
                eprintln!("warning: the key of the RPPS number {rpps} does not fit; look at it again");
            }
            Ok(_) => {}
            Err(error) => return Err(Failure::Refused(format!("{error} (annuaire.unconfirmed_keys)"))),
        }
        Ok(())
    }

    fn given(&self) -> Vec<Attribute> {
        let given = [
            (Attribute::Holder, self.rpps.is_some()),
            (Attribute::Structure, self.structure.is_some()),
            (Attribute::Responsible, self.responsible.is_some()),
            (Attribute::Certificate, self.certificate.is_some() || self.certificate_dn.is_some()),
            (Attribute::Password, self.password_stdin),
        ];
        given.into_iter().filter(|(_, present)| *present).map(|(attribute, _)| attribute).collect()
    }

    async fn work(self, store: &Store) -> Result<BalRecord, Failure> {
        let certificate_dn = self.certificate_key()?;
        let hash = if self.password_stdin { Some(password::read_and_hash().await?) } else { None };
        let new = NewBal {
            address: self.address.clone(),
            kind: self.kind,
            display_name: self.name,
            holder: self.rpps,
            structure: self.structure,
            responsible: self.responsible,
            certificate_dn,
            listing: if self.unlisted { Listing::Unlisted } else { Listing::Listed },
            service: self.service,
            description: self.description,
        };
        let bal = store.create_bal(new).await?;
        let Some(hash) = hash else { return Ok(bal) };
        store.set_password_hash(bal.id, &hash).await?;
        found(store, &self.address).await
    }

    /// The DN under which the store looks a certificate up.
    fn certificate_key(&self) -> Result<Option<String>, Failure> {
        let name = match (&self.certificate, &self.certificate_dn) {
            (Some(file), _) => Some(subject_of(file)?),
            (None, Some(text)) => {
                Some(DistinguishedName::parse(text).map_err(|error| Failure::Refused(error.to_string()))?)
            }
            (None, None) => None,
        };
        Ok(name.map(|name| name.key().to_owned()))
    }
}

/// The rule in the words of the command line.
fn explain(error: AttributeError) -> String {
    match error {
        AttributeError::Missing { kind, attribute, instead } => {
            let or = instead.map_or_else(String::new, |other| format!(", or {}", option(other)));
            format!(
                "a BAL of kind {kind} needs {}{or}; `pli rules` prints what each kind comes with",
                option(attribute)
            )
        }
        AttributeError::Forbidden { kind, attribute, remark } => {
            format!("a BAL of kind {kind} comes without {}: {remark}", option(attribute))
        }
    }
}

fn option(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Holder => "--rpps",
        Attribute::Structure => "--structure",
        Attribute::Responsible => "--responsible",
        Attribute::Certificate => "--certificate or --certificate-dn",
        Attribute::Password => "--password-stdin",
    }
}

fn subject_of(file: &Path) -> Result<DistinguishedName, Failure> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let unusable = |why: String| Failure::Refused(format!("{}: {why}; give a PEM certificate", file.display()));
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| unusable(error.to_string()))?;
    DistinguishedName::of_certificate(&certificate).map_err(|error| unusable(error.to_string()))
}

impl Edit {
    async fn work(self, store: &Store) -> Result<BalRecord, Failure> {
        let bal = found(store, &self.address).await?;
        let edit = BalEdit { service: self.service, description: self.description, responsible: self.responsible };
        Ok(store.edit_bal(bal.id, &edit).await?)
    }
}

impl Move {
    async fn work(self, store: &Store, state: BalState) -> Result<BalRecord, Failure> {
        let bal = found(store, &self.address).await?;
        Ok(store.set_bal_state(bal.id, state, &self.reason).await?)
    }
}

async fn set_password(store: &Store, address: &Address) -> Result<BalRecord, Failure> {
    let bal = found(store, address).await?;
    if mssante::may_log_in_with(bal.kind, BalState::Active, mssante::Credential::Password).is_err() {
        return Err(Failure::Refused(format!("a BAL of kind {} has no password; it opens by certificate", bal.kind)));
    }
    store.set_password_hash(bal.id, &password::read_and_hash().await?).await?;
    found(store, address).await
}

async fn found(store: &Store, address: &Address) -> Result<BalRecord, Failure> {
    store.bal(address).await?.ok_or_else(|| Failure::Refused(format!("there is no BAL {address}")))
}

fn list(bals: &[BalRecord], json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&bals);
    }
    let rows = bals.iter().map(|bal| {
        let name = bal.display_name.clone().unwrap_or_default();
        [bal.address.to_string(), bal.kind.to_string(), bal.state.to_string(), name, credential(bal).to_owned()]
    });
    print::table(["address", "kind", "state", "name", "opens by"], rows)
}

fn credential(bal: &BalRecord) -> &'static str {
    match (bal.certificate_dn.is_some(), bal.has_password) {
        (true, _) => "certificate",
        (false, true) => "password",
        (false, false) => "nothing yet",
    }
}

fn show(bal: &BalRecord, json: bool) -> Result<(), Failure> {
    let object = serde_json::to_value(bal).map_err(|error| Failure::Refused(error.to_string()))?;
    print::facts(&object, json)
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
                    create.check(&settings).unwrap_or_else(|failure| panic!("{manual}: {words:?}: {failure}"));
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
        create.check(&crate::config::for_tests()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_kind_must_come_with_what_identifies_it() {
        for (arguments, expected) in [
            ("a@ch.mssante.fr --kind PER", "--rpps"),
            ("a@ch.mssante.fr --kind ORG", "--structure"),
            ("a@ch.mssante.fr --kind APP --structure 318751275100020", "--responsible"),
            ("a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X", "--certificate"),
            ("a@ch.mssante.fr --kind CAB --certificate-dn CN=x", "CAB comes without --certificate"),
            ("a@ch.mssante.fr --kind ORG --structure 318751275100020 --rpps 10001234567", "ORG comes without --rpps"),
            ("a@elsewhere.fr --kind CAB", "operator.domains"),
            ("a@ch.mssante.fr --kind XYZ", "PER, ORG, APP, CAB"),
            ("a@ch.mssante.fr --kind PER --rpps 12", "11 digits"),
        ] {
            let why = check(arguments).unwrap_err();
            assert!(why.contains(expected), "{arguments}: {why}");
        }
    }

    #[test]
    fn complete_creations_pass() {
        for arguments in [
            "a@ch.mssante.fr --kind PER --rpps 10001234567",
            "a@ch.mssante.fr --kind PER --structure 318751275100020",
            "a@ch.mssante.fr --kind ORG --structure 318751275100020",
            "a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X --certificate-dn CN=x",
            "a@ch.mssante.fr --kind CAB --password-stdin",
        ] {
            assert_eq!(check(arguments), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn an_applicative_bal_gets_no_password() {
        let arguments = "a@ch.mssante.fr --kind APP --structure 318751275100020 --responsible X --certificate-dn CN=x --password-stdin";
        assert!(check(arguments).unwrap_err().contains("without --password-stdin"));
    }
}
