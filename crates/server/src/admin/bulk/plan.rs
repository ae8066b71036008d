//! What a list would do to the BALs that are there.

use std::collections::HashMap;

use mssante::{Address, BalState};
use store::{BalEdit, BalRecord, Store};
use trust::DistinguishedName;

use super::columns::Column;
use super::lines::Line;
use super::problem::Problem;
use crate::admin::AdminError;
use crate::admin::request::check_edit;

/// What is to be done for a line.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// There is no such BAL.
    Create,
    /// There is one, and these fields are to be others.
    Update(Box<BalRecord>, BalEdit),
    /// There is one, and it is as the line says.
    Nothing,
}

/// What there is at the addresses of some lines.
pub(super) struct Present {
    bals: HashMap<String, BalRecord>,
    aliases: HashMap<String, Address>,
}

impl Present {
    /// Looks all of them up in two queries.
    pub(super) async fn read(store: &Store, lines: &[Line]) -> Result<Self, AdminError> {
        let addresses: Vec<_> = lines.iter().map(|line| line.request.address.clone()).collect();
        let bals = store.bals_at(&addresses).await?;
        let aliases = store.aliases_at(&addresses).await?;
        Ok(Self {
            bals: bals.into_iter().map(|bal| (bal.address.key(), bal)).collect(),
            aliases: aliases.into_iter().map(|(alias, bal)| (alias.key(), bal)).collect(),
        })
    }

    /// What a line asks for, or why it cannot be.
    pub(super) fn step(&self, line: &Line) -> Result<Step, Problem> {
        let key = line.request.address.key();
        if let Some(bal) = self.aliases.get(&key) {
            let why = format!("this is an alias of {bal}; choose another address, or `pli bal alias remove` it");
            return Err(Problem::new(line.line, Column::Address.name(), why));
        }
        match self.bals.get(&key) {
            None => line.may_be_created().map(|()| Step::Create),
            Some(bal) => line.against(bal),
        }
    }
}

/// Whether a list says what is so: a log-in since it was written is no contradiction.
fn same_state(said: BalState, is: BalState) -> bool {
    use BalState::{Active, Created};
    said == is || matches!((said, is), (Created, Active) | (Active, Created))
}

impl Line {
    fn refuse(&self, column: Column, why: impl std::fmt::Display) -> Problem {
        Problem::new(self.line, column.name(), why)
    }

    fn may_be_created(&self) -> Result<(), Problem> {
        self.request.check_attributes().map_err(|error| Problem::of(self.line, &error))?;
        match self.state {
            None | Some(BalState::Created | BalState::Active) => Ok(()),
            Some(state) => Err(self.refuse(
                Column::State,
                format!(
                    "a BAL is not created {state}; leave the column empty, and use `pli bal suspend` or `close` later"
                ),
            )),
        }
    }

    /// Address, kind and who answers for a BAL are what it is; the rest is what is said of it.
    fn against(&self, bal: &BalRecord) -> Result<Step, Problem> {
        self.check_identity(bal)?;
        let edit = self.edit(bal);
        if edit.is_nothing() {
            return Ok(Step::Nothing);
        }
        if bal.state == BalState::Closed {
            let why = format!("{} is closed and is not changed by a list; `pli bal reopen` it first", bal.address);
            return Err(self.refuse(Column::Address, why));
        }
        check_edit(bal, &edit).map_err(|error| Problem::of(self.line, &error))?;
        Ok(Step::Update(Box::new(bal.clone()), edit))
    }

    fn check_identity(&self, bal: &BalRecord) -> Result<(), Problem> {
        let request = &self.request;
        if request.kind != bal.kind {
            let why = format!(
                "{} is of kind {} and the kind of a BAL never changes; close it and create another",
                bal.address, bal.kind
            );
            return Err(self.refuse(Column::Kind, why));
        }
        if request.rpps.is_some_and(|rpps| bal.holder != Some(rpps)) {
            let why = format!(
                "{} has another holder, who never changes; close it and create one for the new holder",
                bal.address
            );
            return Err(self.refuse(Column::Rpps, why));
        }
        let identity = request.identity();
        if identity.is_some() && identity != bal.identity {
            let column = if request.adeli.is_some() { Column::Adeli } else { Column::LocalId };
            let why = format!("{} has another holder, who never changes; close it and create another", bal.address);
            return Err(self.refuse(column, why));
        }
        if request.structure.is_some() && request.structure != bal.structure {
            let why = format!("{} belongs to another structure; a list does not move it", bal.address);
            return Err(self.refuse(Column::Structure, why));
        }
        if self.other_certificate(bal) {
            let why = format!("{} opens by another certificate; a list does not change what opens a BAL", bal.address);
            return Err(self.refuse(Column::CertificateDn, why));
        }
        match self.state {
            Some(state) if !same_state(state, bal.state) => Err(self.refuse(
                Column::State,
                format!(
                    "{} is {}; a list does not change states, `pli bal suspend`, `reopen` and `close` do",
                    bal.address, bal.state
                ),
            )),
            _ => Ok(()),
        }
    }

    fn other_certificate(&self, bal: &BalRecord) -> bool {
        let Some(text) = &self.request.certificate_dn else { return false };
        let key = DistinguishedName::parse(text).map(|name| name.key().to_owned());
        key.ok() != bal.certificate_dn
    }

    /// The fields that the line says otherwise; an empty cell says nothing.
    fn edit(&self, bal: &BalRecord) -> BalEdit {
        let other = |wanted: &Option<String>, present: &Option<String>| {
            wanted.clone().filter(|text| present.as_ref() != Some(text))
        };
        BalEdit {
            display_name: other(&self.request.name, &bal.display_name),
            listing: self.request.listing.filter(|listing| *listing != bal.listing),
            service: other(&self.request.service, &bal.service),
            description: other(&self.request.description, &bal.description),
            responsible: other(&self.request.responsible, &bal.responsible),
            software: other(&self.request.software, &bal.software),
            nil: other(&self.request.nil, &bal.nil),
            replies: self.request.replies.filter(|replies| *replies != bal.replies),
        }
    }
}
