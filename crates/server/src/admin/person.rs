//! People without a BAL, who open those of others.

use mssante::{KeyCheck, Login, PersonId, PersonState};
use serde::Deserialize;
use store::{NewPerson, PersonRecord};
use utoipa::ToSchema;

use super::{AdminError, Administration, Password, Rules, Warning};

/// A person to register.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPerson)]
pub(crate) struct CreatePerson {
    /// Under which he logs in, without @; never changes.
    #[schema(value_type = String)]
    pub(crate) login: Login,
    /// Name shown to people.
    pub(crate) name: String,
    /// Who he is: 8 and his RPPS number, 0 and his ADELI number, or a number that a structure gave him.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) identifier: Option<PersonId>,
    /// His password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(crate) password: Option<Password>,
}

/// A person whose state changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MovePerson {
    /// Why, for the audit trail.
    pub(crate) reason: String,
}

impl CreatePerson {
    /// A mistyped number would stand for somebody else in the audit trail. `[MSS1 ID.KEYS]`
    pub(crate) fn check(&self, rules: &Rules) -> Result<Vec<Warning>, AdminError> {
        let Some(identifier) = &self.identifier else { return Ok(Vec::new()) };
        match rules.unconfirmed_keys.judge(identifier)? {
            KeyCheck::Doubtful => {
                Ok(vec![Warning(format!("the key of the number {identifier} does not fit; look at it again"))])
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Administration {
    /// Registers a person; he can do nothing until a BAL is opened to him.
    pub(crate) async fn create_person(&self, request: CreatePerson) -> Result<PersonRecord, AdminError> {
        request.check(&self.rules)?;
        let CreatePerson { login, name, identifier, password } = request;
        let hash = match password {
            Some(password) => Some(password.hash().await?),
            None => None,
        };
        let person = self.store.create_person(NewPerson { login, name, identifier }).await?;
        let Some(hash) = hash else { return Ok(person) };
        Ok(self.store.set_person_password(&person.login, &hash).await?)
    }

    /// The person of this login.
    pub(crate) async fn find_person(&self, login: &Login) -> Result<PersonRecord, AdminError> {
        self.store.person(login).await?.ok_or_else(|| AdminError::NoSuchPerson(login.clone()))
    }

    /// All people, or those in one state.
    pub(crate) async fn people(&self, state: Option<PersonState>) -> Result<Vec<PersonRecord>, AdminError> {
        Ok(self.store.list_people(state).await?)
    }

    /// Sets or replaces the password of a person.
    pub(crate) async fn set_person_password(
        &self,
        login: &Login,
        password: Password,
    ) -> Result<PersonRecord, AdminError> {
        Ok(self.store.set_person_password(login, &password.hash().await?).await?)
    }

    /// Lets a person do nothing for now, whatever is delegated to him, or lets him log in again.
    pub(crate) async fn move_person(
        &self,
        login: &Login,
        to: PersonState,
        request: &MovePerson,
        revision: Option<i64>,
    ) -> Result<PersonRecord, AdminError> {
        Ok(self.store.move_person(login, to, &request.reason, revision).await?)
    }
}
