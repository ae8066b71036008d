//! `pli person …`: people without a BAL, who open those of others. Works beside a running server and without one.

use clap::{Args, Subcommand};
use mssante::{Login, PersonId, PersonState};
use store::PersonRecord;

use super::{password, print};
use crate::admin::{Administration, CreatePerson, MovePerson, Rules};
use crate::config::Settings;
use crate::database::Database;
use crate::failure::Failure;

/// What to do with people.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a person who has no BAL; `pli bal delegate` opens BALs to him.
    Create(Create),
    /// List people.
    List {
        /// In this state only: active, suspended.
        #[arg(long)]
        state: Option<PersonState>,
    },
    /// Show one person.
    Show {
        /// His login.
        login: Login,
    },
    /// Set the password, read from standard input or asked for; his open sessions end.
    SetPassword {
        /// His login.
        login: Login,
    },
    /// Let a person do nothing for now, whatever is delegated to him; his open sessions end.
    Suspend(Move),
    /// Let a suspended person log in again.
    Reopen(Move),
}

/// A person to register.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Under which he logs in, without @; never changes.
    login: Login,
    /// Name shown to people.
    #[arg(long)]
    name: String,
    /// Who he is: 8 and his RPPS number, 0 and his ADELI number, or a number that a structure gave him.
    #[arg(long, value_name = "NUMBER")]
    identifier: Option<PersonId>,
    /// Read a password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// A person whose state changes.
#[derive(Debug, Args)]
pub(super) struct Move {
    /// His login.
    login: Login,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

impl Command {
    /// Opens the store, does the work, and leaves the database as it was found.
    pub(super) async fn run(self, settings: &Settings, json: bool) -> Result<(), Failure> {
        let rules = Rules::of(settings);
        if let Self::Create(create) = &self {
            for warning in create.request().check(&rules)? {
                eprintln!("warning: {warning}");
            }
        }
        let (database, store) = Database::open_for_command(settings).await?;
        let result = self.work(&Administration::new(store.clone(), rules), json).await;
        store.close().await;
        database.stop().await?;
        result
    }

    async fn work(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create(create) => show(&create.work(admin).await?, json),
            Self::List { state } => list(&admin.people(state).await?, json),
            Self::Show { login } => show(&admin.find_person(&login).await?, json),
            Self::SetPassword { login } => {
                admin.find_person(&login).await?;
                show(&admin.set_person_password(&login, password::read().await?).await?, json)
            }
            Self::Suspend(step) => show(&step.work(admin, PersonState::Suspended).await?, json),
            Self::Reopen(step) => show(&step.work(admin, PersonState::Active).await?, json),
        }
    }
}

impl Move {
    async fn work(self, admin: &Administration, to: PersonState) -> Result<PersonRecord, Failure> {
        let Self { login, reason } = self;
        Ok(admin.move_person(&login, to, &MovePerson { reason }, None).await?)
    }
}

impl Create {
    /// All but the password.
    fn request(&self) -> CreatePerson {
        CreatePerson {
            login: self.login.clone(),
            name: self.name.clone(),
            identifier: self.identifier.clone(),
            password: None,
        }
    }

    async fn work(self, admin: &Administration) -> Result<PersonRecord, Failure> {
        let password = if self.password_stdin { Some(password::read().await?) } else { None };
        Ok(admin.create_person(CreatePerson { password, ..self.request() }).await?)
    }
}

fn list(people: &[PersonRecord], json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&people);
    }
    let rows = people.iter().map(|person| {
        let identifier = person.identifier.as_ref().map(ToString::to_string).unwrap_or_default();
        [person.login.to_string(), person.name.clone(), identifier, person.state.to_string()]
    });
    print::table(["login", "name", "identifier", "state"], rows)
}

fn show(person: &PersonRecord, json: bool) -> Result<(), Failure> {
    let object = serde_json::to_value(person).map_err(|error| Failure::Refused(error.to_string()))?;
    print::facts(&object, json)
}
